//! Working together with OpenTelemetry and with the crate prometheus-client.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use spanpin::{Registry, RegistryOptions, ScrapeRequest};

fn registry() -> Registry {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    registry.set_clock(1_700_000_000_000, 1_000_000);
    registry
}

fn body(scrape: spanpin::Scrape) -> String {
    String::from_utf8(scrape.into_body()).unwrap()
}

const OPENMETRICS: ScrapeRequest<'_> = ScrapeRequest {
    accept: "application/openmetrics-text",
    accept_encoding: "",
    scraper: spanpin::Scraper::anonymous(),
    deadline_ms: 0,
};

#[test]
fn active_span_becomes_the_exemplar() {
    let registry = registry();
    let histogram = registry.histogram("h", "").register().unwrap().with(&[]).unwrap();
    let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).build();
    histogram.observe_current(0.002);
    let (trace, span) = provider.tracer("t").in_span("request", |context| {
        histogram.observe_current(0.7);
        counter.inc_current();
        histogram.observe_in(0.07, &context);
        let span = context.span().span_context().clone();
        (span.trace_id().to_string(), span.span_id().to_string())
    });
    registry.set_clock(1_700_000_001_000, 1_001_000);
    let text = body(registry.scrape(&OPENMETRICS).unwrap());
    let exemplar = format!(" # {{trace_id=\"{trace}\",span_id=\"{span}\"}} ");
    assert!(text.contains(&format!("le=\"1.0\"}} 3{exemplar}0.7 ")), "{text}");
    assert!(text.contains(&format!("le=\"0.1\"}} 2{exemplar}0.07 ")), "{text}");
    assert!(text.contains(&format!("c_total 1{exemplar}1.0 ")), "{text}");
    assert!(text.contains("le=\"0.005\"} 1\n"), "no span was active: {text}");
}

#[test]
fn unsampled_span_is_left_out() {
    let registry = registry();
    let histogram = registry.histogram("h", "").register().unwrap().with(&[]).unwrap();
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    provider.tracer("t").in_span("request", |_| histogram.observe_current(0.7));
    registry.set_clock(1_700_000_001_000, 1_001_000);
    assert!(!body(registry.scrape(&OPENMETRICS).unwrap()).contains("trace_id"));
}

#[test]
fn families_appear_in_the_other_registry() {
    let registry = registry();
    let histogram = registry.histogram("h", "Say \"hi\"").labels(&["l"]).bounds(&[0.5]).register().unwrap();
    histogram.with(&["a\"b"]).unwrap().observe(0.25);
    let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
    let trace = spanpin::TraceContext::parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    counter.add_trace(2.5, trace.unwrap());
    registry.set_clock(1_700_000_011_000, 1_011_000);
    (0..16).for_each(|_| _ = counter.add_trace(1.0, trace_2()));

    let mut other = prometheus_client::registry::Registry::default();
    other.register_collector(Box::new(registry.clone()));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &other).unwrap();
    assert!(text.contains("# HELP h Say \\\"hi\\\"\n# TYPE h histogram\n"), "{text}");
    assert!(text.contains("h_bucket{le=\"0.5\",l=\"a\\\"b\"} 1\n"), "{text}");
    assert!(text.contains("c_total 18.5 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\""), "{text}");
}

fn trace_2() -> spanpin::TraceContext {
    spanpin::TraceContext::parse_traceparent("00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap()
}

#[test]
fn both_registries_in_one_exposition_keep_the_exemplars_of_buckets() {
    let registry = registry();
    let histogram = registry.histogram("h", "").bounds(&[0.5]).register().unwrap().with(&[]).unwrap();
    histogram.observe_trace(0.25, trace_2());
    let mut other = prometheus_client::registry::Registry::default();
    other.register("theirs", "Theirs", prometheus_client::metrics::counter::Counter::<u64>::default());
    registry.set_clock(1_700_000_001_000, 1_001_000);
    let text = body(registry.scrape_with(&other, &OPENMETRICS).unwrap());
    assert!(text.starts_with("# HELP theirs Theirs.\n"), "{text}");
    assert!(text.contains("h_bucket{le=\"0.5\"} 1 # {trace_id=\"1af7651916cd43dd8448eb211c80319c\""), "{text}");
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
}
