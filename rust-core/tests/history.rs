//! History: every exemplar that the rings hold, as data and as JSON.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use spanpin::{Registry, RegistryOptions, ScrapeRequest, SpanId, TraceContext, TraceId};

const WALL: u64 = 1_700_000_000_000;

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(7, n).unwrap(), SpanId::from_u64(n).unwrap())
}

fn scrape(registry: &Registry, now_ms: u64) -> String {
    registry.set_clock(WALL + now_ms, 1_000_000 + now_ms);
    let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

fn registry() -> Registry {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    registry.set_clock(WALL, 1_000_000);
    registry
}

#[test]
fn all_buckets_newest_first() {
    let registry = registry();
    let histogram = registry.histogram("h", "").bounds(&[1.0]).register().unwrap().with(&[]).unwrap();
    assert!(histogram.exemplars().unwrap().is_empty());
    histogram.observe_trace_labels(0.5, span(1), &[("user", "u1")]);
    scrape(&registry, 1000);
    histogram.observe_trace(7.0, span(2));
    scrape(&registry, 2000);
    histogram.observe_exemplar(0.25, &[("job", "backup")]);
    let history = histogram.exemplars().unwrap();
    let seen: Vec<_> =
        history.iter().map(|e| (e.value, e.timestamp_ms - WALL, e.span_id.map(SpanId::to_u64))).collect();
    assert_eq!(seen, [(0.25, 2000, None), (7.0, 1000, Some(2)), (0.5, 0, Some(1))]);
    let labels = |n: usize| history[n].labels.iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>();
    assert_eq!((labels(0), labels(2)), (vec!["job=backup".to_owned()], vec!["user=u1".to_owned()]));
}

#[test]
fn reading_takes_nothing_from_a_scraper() {
    let read = |looks: bool| {
        let registry = registry();
        let histogram = registry.histogram("h", "").bounds(&[1.0]).register().unwrap().with(&[]).unwrap();
        let mut bodies = Vec::new();
        for n in 1..20_u64 {
            histogram.observe_trace(1.0 / n as f64, span(n));
            if looks {
                histogram.exemplars().unwrap();
                registry.exemplars_json().unwrap();
            }
            bodies.push(scrape(&registry, n * 1000));
        }
        bodies
    };
    assert_eq!(read(true), read(false));
}

#[test]
fn json_has_the_shape_of_query_exemplars() {
    let registry = registry();
    assert_eq!(registry.exemplars_json().unwrap(), b"{\"status\":\"success\",\"data\":[]}\n");
    let family = registry.histogram("h_seconds", "").labels(&["route", "zone"]).bounds(&[0.5]).register().unwrap();
    let counter = registry.counter("errors_total", "").register().unwrap().with(&[]).unwrap();
    registry.gauge("g", "").register().unwrap().with(&[]).unwrap().set(1.0);
    let orders = family.with(&["/or\"ders", ""]).unwrap();
    orders.observe_trace(0.25, span(1));
    scrape(&registry, 1500);
    orders.observe_trace_labels(0.125, span(2), &[("user", "zoë\t")]);
    orders.observe_trace(2.0, span(3));
    counter.inc_with(|| Some(span(4)));
    let ids = |n: u64| format!(r#""trace_id":"0000000000000007{n:016x}","span_id":"{n:016x}""#);
    let wanted = format!(
        concat!(
            r#"{{"status":"success","data":["#,
            r#"{{"seriesLabels":{{"__name__":"h_seconds_bucket","route":"/or\"ders","le":"0.5"}},"exemplars":["#,
            r#"{{"labels":{{{}}},"value":"0.25","timestamp":1700000000.000}},"#,
            r#"{{"labels":{{{},"user":"zoë\u0009"}},"value":"0.125","timestamp":1700000001.500}}]}},"#,
            r#"{{"seriesLabels":{{"__name__":"h_seconds_bucket","route":"/or\"ders","le":"+Inf"}},"exemplars":["#,
            r#"{{"labels":{{{}}},"value":"2.0","timestamp":1700000001.500}}]}},"#,
            r#"{{"seriesLabels":{{"__name__":"errors_total"}},"exemplars":["#,
            r#"{{"labels":{{{}}},"value":"1.0","timestamp":1700000001.500}}]}}]}}"#,
            "\n"
        ),
        ids(1),
        ids(2),
        ids(3),
        ids(4)
    );
    assert_eq!(String::from_utf8(registry.exemplars_json().unwrap()).unwrap(), wanted);
}
