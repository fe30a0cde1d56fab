//! The listener for slow requests: when it is told, what it is told, and what it cannot break.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use spanpin::{Filter, HistogramFamily, Registry, RegistryOptions, ScrapeRequest, TraceContext};

const WALL: u64 = 1_700_000_000_000;
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

type Heard = Arc<Mutex<Vec<String>>>;

fn bed(options: &RegistryOptions<'_>, trace_url: &str, filter: Filter) -> (Registry, HistogramFamily, Heard) {
    let registry = Registry::with_options(options).unwrap();
    registry.set_clock(WALL, 1_000_000);
    let heard = Heard::default();
    let tell = heard.clone();
    let family = registry.histogram("h_seconds", "").labels(&["route"]).bounds(&[10.0]).filter(filter);
    let family = family.on_slow_request(0.5, trace_url, move |request| {
        let labels: Vec<_> = request.labels().map(|(name, value)| format!("{name}={value}")).collect();
        let ids = request.trace().map(|trace| format!("{} {}", trace.trace_id(), trace.span_id()));
        tell.lock().unwrap().push(format!(
            "{} {} {} > {} {:?} {} {}",
            request.metric(),
            labels.join(","),
            request.value(),
            request.threshold(),
            ids,
            request.is_sampled(),
            request.trace_url()
        ));
        assert!(request.value() < 100.0, "a panic is caught");
    });
    (registry.clone(), family.register().unwrap(), heard)
}

fn taken(heard: &Heard) -> Vec<String> {
    std::mem::take(&mut heard.lock().unwrap())
}

#[test]
fn it_is_told_once_for_each_window_and_series() {
    let (registry, family, heard) = bed(&RegistryOptions::default(), "http://t/{trace_id}", Filter::TraceBased);
    let (orders, users) = (family.with(&["/orders"]).unwrap(), family.with(&["/users"]).unwrap());
    let unsampled = TraceContext::parse_traceparent(TRACE).unwrap();
    orders.observe_trace(0.5, unsampled);
    assert!(taken(&heard).is_empty(), "the threshold itself is not above it");
    orders.observe_trace(0.6, unsampled);
    let ids = "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331";
    let url = "http://t/0af7651916cd43dd8448eb211c80319c";
    assert_eq!(taken(&heard), [format!("h_seconds route=/orders 0.6 > 0.5 Some(\"{ids}\") false {url}")]);
    orders.observe_trace(0.7, unsampled);
    assert!(taken(&heard).is_empty(), "this window has been told of");
    users.observe_with(2.0, || None);
    assert_eq!(taken(&heard), ["h_seconds route=/users 2 > 0.5 None false "]);
    // A scrape ends the window.
    registry.set_clock(WALL + 1000, 1_001_000);
    registry.scrape(&ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() }).unwrap();
    orders.observe_traceparent(0.7, TRACE).unwrap();
    assert_eq!(taken(&heard).len(), 1);
    // So does time, when nobody scrapes.
    registry.set_clock(WALL + 11_000, 1_011_000);
    orders.observe_trace(0.8, unsampled);
    assert_eq!(taken(&heard).len(), 1);
    let body = registry.scrape(&ScrapeRequest::default()).unwrap().into_body();
    assert!(String::from_utf8(body).unwrap().contains("spanpin_slow_requests_total 4\n"));
}

#[test]
fn a_broken_header_hides_no_slow_request() {
    let (registry, family, heard) = bed(&RegistryOptions::default(), "http://t/{trace_id}", Filter::AlwaysOff);
    let series = family.with(&["/orders"]).unwrap();
    series.observe_traceparent(f64::NAN, "broken").unwrap_err();
    series.observe_traceparent(0.5, "broken").unwrap_err();
    assert!(taken(&heard).is_empty());
    series.observe_traceparent(0.75, "broken").unwrap_err();
    assert_eq!(taken(&heard), ["h_seconds route=/orders 0.75 > 0.5 None false "]);
    series.observe_traceparent(0.75, "broken").unwrap_err();
    assert!(taken(&heard).is_empty(), "once in a window");
    registry.set_clock(WALL + 10_000, 1_010_000);
    series.observe_traceparent(0.75, "broken").unwrap_err();
    assert_eq!(taken(&heard).len(), 1, "time has closed the window");
}

#[test]
fn a_slow_value_behind_a_slower_one_is_told_of() {
    let (registry, family, heard) = bed(&RegistryOptions::default(), "", Filter::TraceBased);
    let series = family.with(&["/"]).unwrap();
    let sampled = TraceContext::parse_traceparent(&TRACE.replace("-00", "-01").replacen("01-", "00-", 1)).unwrap();
    assert!(sampled.is_sampled());
    assert!(series.observe_trace(0.9, sampled));
    taken(&heard);
    let openmetrics = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    registry.set_clock(WALL + 10_000, 1_010_000);
    registry.scrape(&openmetrics).unwrap();
    assert!(series.observe_trace(0.3, sampled));
    assert!(series.observe_exemplar(0.4, &[("job", "x")]), "explicit ones outrank");
    assert!(!series.observe_trace(0.92, sampled), "does not pass the gate");
    assert_eq!(taken(&heard).len(), 1);
    registry.set_clock(WALL + 20_000, 1_020_000);
    registry.scrape(&openmetrics).unwrap();
    assert!(series.observe_exemplar(0.95, &[("job", "x")]), "an explicit one is told of as well");
    assert_eq!(taken(&heard), ["h_seconds route=/ 0.95 > 0.5 None false "]);
    registry.set_clock(WALL + 30_000, 1_030_000);
    registry.scrape(&openmetrics).unwrap();
    series.observe_exemplar_ids(0.95, TraceContext::parse_traceparent(TRACE).unwrap(), &[]);
    assert!(taken(&heard)[0].contains("b7ad6b7169203331\") false"), "its flags are those it came with");
}

#[test]
fn it_is_told_with_exemplars_off_and_its_panic_is_counted() {
    let options = RegistryOptions { trace_url: "http://r/{trace_id}/{span_id}", ..Default::default() };
    let (registry, family, heard) = bed(&options, "", Filter::AlwaysOff);
    let series = family.with(&["/"]).unwrap();
    series.observe_traceparent(200.0, TRACE).unwrap();
    let told = taken(&heard);
    assert!(told[0].ends_with("http://r/0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331"), "{told:?}");
    let body = String::from_utf8(registry.scrape(&ScrapeRequest::default()).unwrap().into_body()).unwrap();
    assert!(body.contains("spanpin_callback_errors_total 1\n"));
    assert!(body.contains("h_seconds_count{route=\"/\"} 1\n"));
    // A header that cannot be read costs the link, not the report.
    family.with(&["/b"]).unwrap().observe_traceparent(2.0, "garbage").unwrap_err();
    assert_eq!(taken(&heard), ["h_seconds route=/b 2 > 0.5 None false "]);
}
