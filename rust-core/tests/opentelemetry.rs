//! What a family takes from OpenTelemetry beside the span: baggage by an allow-list, and the mark on the span. And slow
//! requests as events of the crate tracing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};
use spanpin::{ErrorCode, Registry, RegistryOptions, ScrapeRequest};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::SubscriberExt;

fn registry(options: &RegistryOptions<'_>) -> Registry {
    let registry = Registry::with_options(options).unwrap();
    registry.set_clock(1_700_000_000_000, 1_000_000);
    registry
}

fn body(registry: &Registry) -> String {
    registry.set_clock(1_700_000_001_000, 1_001_000);
    let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

fn provider(exporter: &InMemorySpanExporter) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_simple_exporter(exporter.clone()).build()
}

#[test]
fn baggage_comes_by_the_allow_list_only() {
    let registry = registry(&RegistryOptions::default());
    let family = registry.histogram("h", "").bounds(&[1.0, 2.0]).baggage_keys(&["user_id", "region", "absent"]);
    let family = family.exemplar_labels(|labels| labels.push("request", "r1"));
    let histogram = family.register().unwrap().with(&[]).unwrap();
    let counter = registry.counter("c", "").baggage_keys(&["region"]).register().unwrap().with(&[]).unwrap();
    let plain = registry.counter("p", "").register().unwrap().with(&[]).unwrap();
    let provider = provider(&InMemorySpanExporter::default());
    provider.tracer("t").in_span("request", |context| {
        let entries = ["region=eu", "password=secret", "user_id=u\"1"].map(|entry| {
            let (key, value) = entry.split_once('=').unwrap();
            KeyValue::new(key, value)
        });
        let context = context.with_baggage(entries);
        let _active = context.clone().attach();
        assert!(histogram.observe_current(0.5));
        assert!(histogram.observe_in(1.5, &context));
        assert!(counter.inc_current());
        assert!(plain.inc_current());
    });
    let text = body(&registry);
    assert_eq!(
        text.matches(",request=\"r1\",user_id=\"u'1\",region=\"eu\"} ").count(),
        2,
        "in the order of the list: {text}"
    );
    assert!(text.lines().any(|line| line.starts_with("c_total 1") && line.contains(",region=\"eu\"} 1.0 ")), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("p_total 1 #") && !line.contains("region")), "{text}");
}

#[test]
fn a_baggage_key_must_be_a_label_name() {
    let registry = registry(&RegistryOptions::default());
    let error = registry.histogram("h", "").baggage_keys(&["user.id"]).register().err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidOption);
    assert_eq!(
        error.message(),
        "baggage key \"user.id\" cannot be a label of an exemplar: it must match [a-zA-Z_][a-zA-Z0-9_]*"
    );
}

#[test]
fn spans_of_admitted_exemplars_are_marked() {
    for (by_registry, by_family, marked) in
        [(false, None, false), (true, None, true), (true, Some(false), false), (false, Some(true), true)]
    {
        let registry = registry(&RegistryOptions { mark_spans: by_registry, ..Default::default() });
        let family = registry.histogram("h", "").bounds(&[10.0]);
        let family = match by_family {
            Some(mark) => family.mark_spans(mark),
            None => family,
        };
        let histogram = family.register().unwrap().with(&[]).unwrap();
        let exporter = InMemorySpanExporter::default();
        let provider = provider(&exporter);
        let tracer = provider.tracer("t");
        tracer.in_span("first", |_| assert!(histogram.observe_current(5.0)));
        tracer.in_span("beaten", |_| assert!(!histogram.observe_current(1.0)));
        tracer.in_span("passed along", |context| assert!(histogram.observe_in(7.0, &context)));
        let spans = exporter.get_finished_spans().unwrap();
        let has_mark = |name: &str| {
            let span = spans.iter().find(|span| span.name == name).unwrap();
            span.attributes.contains(&KeyValue::new("exemplar", "true"))
        };
        assert_eq!((has_mark("first"), has_mark("passed along")), (marked, marked));
        assert!(!has_mark("beaten"));
    }
}

/// The fields of every event, as `name=value`.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Vec<String>>>>);

struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push(format!("{}={value}", field.name()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut fields = Fields(vec![format!("{} {}", event.metadata().level(), event.metadata().target())]);
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

#[test]
fn slow_requests_are_events_of_tracing() {
    let events = Events::default();
    let subscriber = tracing_subscriber::registry().with(events.clone());
    tracing::subscriber::with_default(subscriber, || {
        let registry = registry(&RegistryOptions::default());
        let family = registry.histogram("h_seconds", "").labels(&["route"]);
        let family = family.log_slow_requests(0.25, "http://t/{trace_id}").register().unwrap();
        let provider = provider(&InMemorySpanExporter::default());
        let ids = provider.tracer("t").in_span("request", |_| {
            family.with(&["/a"]).unwrap().observe_current(0.5);
            let context = Context::current();
            let span = context.span().span_context().clone();
            (span.trace_id().to_string(), span.span_id().to_string())
        });
        family.with(&["/b"]).unwrap().observe_current(0.75);
        let (trace, span) = ids;
        let first = [
            "WARN spanpin::slow_request".to_owned(),
            "message=slow request".into(),
            "metric=h_seconds".into(),
            "labels=route=\"/a\"".into(),
            "value=0.5".into(),
            "threshold=0.25".into(),
            format!("trace_id={trace}"),
            format!("span_id={span}"),
            "sampled=true".into(),
            format!("trace_url=http://t/{trace}"),
        ];
        let events = events.0.lock().unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0], first);
        assert!(events[1].contains(&"trace_id=".to_owned()) && events[1].contains(&"sampled=false".to_owned()));
    });
}
