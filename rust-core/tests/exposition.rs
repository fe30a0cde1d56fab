//! What the two text formats write.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use spanpin::{Registry, RegistryOptions, ScrapeRequest};

fn registry() -> Registry {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    registry.set_clock(1_700_000_000_000, 1_000_000);
    registry
}

fn body(registry: &Registry, accept: &str) -> String {
    let request = ScrapeRequest { accept, ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

fn openmetrics(registry: &Registry) -> String {
    body(registry, "application/openmetrics-text; version=1.0.0")
}

#[test]
fn all_kinds_in_openmetrics_and_text() {
    let registry = registry();
    let latency = registry
        .histogram("latency_seconds", "How \"long\"\n\\ it takes.")
        .unit("seconds")
        .labels(&["route", "method"])
        .bounds(&[0.5, 1e6])
        .register()
        .unwrap();
    let jobs = registry.counter("jobs_total", "").register().unwrap().with(&[]).unwrap();
    let heat = registry.gauge("heat", "Heat.").register().unwrap().with(&[]).unwrap();
    latency.with(&["a\"\\\n", ""]).unwrap().observe(0.5);
    jobs.add(3.0);
    jobs.inc();
    heat.set(-1.5);
    assert_eq!(
        openmetrics(&registry),
        "# TYPE latency_seconds histogram\n# UNIT latency_seconds seconds\n\
         # HELP latency_seconds How \\\"long\\\"\\n\\\\ it takes.\n\
         latency_seconds_bucket{route=\"a\\\"\\\\\\n\",le=\"0.5\"} 1\n\
         latency_seconds_bucket{route=\"a\\\"\\\\\\n\",le=\"1e+06\"} 1\n\
         latency_seconds_bucket{route=\"a\\\"\\\\\\n\",le=\"+Inf\"} 1\n\
         latency_seconds_count{route=\"a\\\"\\\\\\n\"} 1\nlatency_seconds_sum{route=\"a\\\"\\\\\\n\"} 0.5\n\
         # TYPE jobs counter\njobs_total 4\n# TYPE heat gauge\n# HELP heat Heat.\nheat -1.5\n# EOF\n"
    );
    assert_eq!(
        body(&registry, ""),
        "# HELP latency_seconds How \"long\"\\n\\\\ it takes.\n# TYPE latency_seconds histogram\n\
         latency_seconds_bucket{route=\"a\\\"\\\\\\n\",le=\"0.5\"} 1\n\
         latency_seconds_bucket{route=\"a\\\"\\\\\\n\",le=\"1e+06\"} 1\n\
         latency_seconds_bucket{route=\"a\\\"\\\\\\n\",le=\"+Inf\"} 1\n\
         latency_seconds_count{route=\"a\\\"\\\\\\n\"} 1\nlatency_seconds_sum{route=\"a\\\"\\\\\\n\"} 0.5\n\
         # TYPE jobs_total counter\njobs_total 4\n# HELP heat Heat.\n# TYPE heat gauge\nheat -1.5\n"
    );
}

#[test]
fn sums_that_may_fall_are_left_out_of_openmetrics_only() {
    for (bounds, values) in
        [(&[-1.0, 1.0][..], &[0.5][..]), (&[1.0], &[-2.0, 1.0]), (&[1.0], &[f64::INFINITY, f64::NEG_INFINITY])]
    {
        let registry = registry();
        let histogram = registry.histogram("h", "").bounds(bounds).register().unwrap().with(&[]).unwrap();
        values.iter().for_each(|value| histogram.observe(*value));
        let text = openmetrics(&registry);
        assert!(!text.contains("_sum") && !text.contains("_count"), "{text}");
        let text = body(&registry, "text/plain");
        assert!(text.contains("h_sum ") && text.contains("h_count "), "{text}");
    }
}

#[test]
fn counters_take_fractions_and_refuse_what_falls() {
    let registry = registry();
    let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
    for amount in [1.0, 0.25, -1.0, f64::NAN, f64::INFINITY, 0.0, 3.0] {
        counter.add(amount);
    }
    assert_eq!(openmetrics(&registry), "# TYPE c counter\nc_total 4.25\n# EOF\n");
}

#[test]
fn beyond_the_limit_the_overflow_series_counts_and_comes_last() {
    let registry = registry();
    let family = registry.counter("c", "").labels(&["l"]).max_series(2).register().unwrap();
    assert!(!openmetrics(&registry).contains("# TYPE"));
    let early = family.with(&["3"]).unwrap();
    for value in ["1", "2", "4", "3", "1"] {
        family.with(&[value]).unwrap().inc();
    }
    early.inc();
    assert_eq!(
        openmetrics(&registry),
        "# TYPE c counter\nc_total{l=\"3\"} 2\nc_total{l=\"1\"} 2\nc_total{l=\"spanpin_overflow\"} 2\n# EOF\n"
    );
}

#[test]
fn a_full_segment_still_counts() {
    let options = RegistryOptions { self_metrics: false, reserve_bytes: 0, ..Default::default() };
    let registry = Registry::with_options(&options).unwrap();
    let family = registry.histogram("h", "").labels(&["l"]).register().unwrap();
    for i in 0..2000 {
        family.with(&[&i.to_string()]).unwrap().observe(1.0);
    }
    let text = openmetrics(&registry);
    let total: u64 = text
        .lines()
        .filter(|line| line.starts_with("h_count"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, 2000);
    assert!(text.contains("spanpin_overflow"));
    let error = registry.counter("c", &"long ".repeat(100_000)).register().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), spanpin::ErrorCode::SegmentFull, "{error}");
}

#[test]
fn gzip_on_request() {
    let registry = registry();
    registry.gauge("g", "").register().unwrap();
    let request = ScrapeRequest { accept_encoding: "gzip", ..Default::default() };
    let scrape = registry.scrape(&request).unwrap();
    assert_eq!(scrape.content_encoding(), "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(scrape.body()), &mut text).unwrap();
    assert_eq!(text, "# TYPE g gauge\ng 0.0\n");
}

#[test]
fn deadline_is_an_error() {
    let registry = registry();
    let family = registry.histogram("h", "").labels(&["l"]).max_series(20_000).register().unwrap();
    for i in 0..20_000 {
        family.with(&[&i.to_string()]).unwrap().observe(1.0);
    }
    let request = ScrapeRequest { deadline_ms: 1, ..Default::default() };
    assert_eq!(registry.scrape(&request).unwrap_err().code(), spanpin::ErrorCode::Deadline);
}

#[test]
fn self_metrics_come_last_and_are_valid() {
    let registry = Registry::new().unwrap();
    registry.gauge("g", "").register().unwrap();
    let text = openmetrics(&registry);
    assert!(text.find("# TYPE g gauge").unwrap() < text.find("spanpin_").unwrap());
    assert!(text.contains("spanpin_segment_bytes{state=\"used\"} "), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn what_an_overflow_series_takes_is_counted_for_every_kind() {
    let registry = Registry::new().unwrap();
    let counter = registry.counter("c", "").labels(&["l"]).max_series(0).register().unwrap();
    let gauge = registry.gauge("g", "").labels(&["l"]).max_series(0).register().unwrap();
    let histogram = registry.histogram("h", "").labels(&["l"]).max_series(0).register().unwrap();
    counter.with(&["1"]).unwrap().inc();
    gauge.with(&["1"]).unwrap().set(1.0);
    gauge.with(&["1"]).unwrap().add(1.0);
    histogram.with(&["1"]).unwrap().observe(1.0);
    let text = openmetrics(&registry);
    assert!(text.contains("spanpin_overflow_observations_total 4\n"), "{text}");
}
