//! Which exemplar a scrape shows, by the rule of `docs/exemplars.md`, on a clock set by hand.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use spanpin::{
    DropReason, Filter, Histogram, HistogramFamily, Policy, Registry, RegistryOptions, ScrapeRequest, Scraper,
    ScraperIdentity, SpanId, TraceContext, TraceId,
};

const WALL: u64 = 1_700_000_000_000;

struct Bed {
    registry: Registry,
    histogram: Histogram,
    now_ms: u64,
}

impl Bed {
    fn new() -> Bed {
        Bed::with(|family| family)
    }

    fn with(
        settings: impl FnOnce(spanpin::FamilyBuilder<'_, HistogramFamily>) -> spanpin::FamilyBuilder<'_, HistogramFamily>,
    ) -> Bed {
        Bed::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }, settings)
    }

    fn with_options(
        options: &RegistryOptions<'_>,
        settings: impl FnOnce(spanpin::FamilyBuilder<'_, HistogramFamily>) -> spanpin::FamilyBuilder<'_, HistogramFamily>,
    ) -> Bed {
        let registry = Registry::with_options(options).unwrap();
        let bounds = [0.1, 1.0];
        let family = settings(registry.histogram("h", "").bounds(&bounds)).register().unwrap();
        let histogram = family.with(&[]).unwrap();
        let mut bed = Bed { registry, histogram, now_ms: 0 };
        bed.pass(0);
        bed
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.registry.set_clock(WALL + self.now_ms, 1_000_000 + self.now_ms);
    }

    fn body(&self, scraper: Scraper) -> String {
        let request = ScrapeRequest { accept: "application/openmetrics-text", scraper, ..Default::default() };
        String::from_utf8(self.registry.scrape(&request).unwrap().into_body()).unwrap()
    }

    /// The exemplar of the bucket up to `le`: number of the trace and value.
    fn shown(&self, scraper: Scraper, le: &str) -> Option<(u64, String)> {
        exemplar(&self.body(scraper), le)
    }
}

fn exemplar(body: &str, le: &str) -> Option<(u64, String)> {
    let line = body.lines().find(|line| line.contains(&format!("le=\"{le}\""))).unwrap();
    let (_, exemplar) = line.split_once(" # {trace_id=\"")?;
    let trace = u64::from_str_radix(&exemplar[16..32], 16).unwrap();
    let value = exemplar.split("} ").nth(1).unwrap().split(' ').next().unwrap();
    Some((trace, value.to_string()))
}

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(0xA, n).unwrap(), SpanId::from_u64(n).unwrap())
}

fn unsampled(n: u64) -> TraceContext {
    TraceContext::new(span(n).trace_id(), span(n).span_id(), 0)
}

fn a() -> Scraper {
    Scraper::named("a")
}

#[test]
fn slowest_of_a_window_is_shown_after_it_closed() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.5, span(1));
    bed.histogram.observe_trace(0.9, span(2));
    bed.histogram.observe_trace(0.7, span(3));
    bed.histogram.observe_trace(0.05, span(4));
    bed.pass(1000);
    let body = bed.body(a());
    assert_eq!(exemplar(&body, "1.0"), Some((2, "0.9".into())));
    assert_eq!(exemplar(&body, "0.1"), Some((4, "0.05".into())));
    assert_eq!(exemplar(&body, "+Inf"), None);
}

#[test]
fn nothing_of_the_open_window_is_shown() {
    let mut bed = Bed::new();
    // Less than 20 ms old, so the scrape does not close it.
    bed.histogram.observe_trace(0.5, span(1));
    assert_eq!(bed.shown(a(), "1.0"), None);
    bed.pass(20);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.5".into())));
}

#[test]
fn equal_values_keep_the_earliest() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.5, span(1));
    bed.histogram.observe_trace(0.5, span(2));
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.5".into())));
}

#[test]
fn first_policy_keeps_the_first() {
    let mut bed = Bed::with(|family| family.policy(Policy::First));
    bed.histogram.observe_trace(0.5, span(1));
    bed.histogram.observe_trace(0.9, span(2));
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.5".into())));
}

#[test]
fn shown_again_until_something_newer_or_ninety_seconds() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.5, span(1));
    for _ in 0..6 {
        bed.pass(15_000);
        assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.5".into())));
    }
    bed.pass(15_000);
    assert_eq!(bed.shown(a(), "1.0"), None);
}

#[test]
fn each_trusted_scraper_sees_the_slowest_since_its_own_last_scrape() {
    let mut bed = Bed::new();
    let slow = Scraper::named("slow");
    // Both keep their beat for long enough to be trusted.
    for _ in 0..8 {
        for _ in 0..4 {
            bed.pass(15_000);
            bed.body(a());
        }
        bed.body(slow);
    }
    bed.histogram.observe_trace(0.9, span(1));
    bed.pass(15_000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.9".into())));
    bed.histogram.observe_trace(0.2, span(2));
    bed.pass(15_000);
    assert_eq!(bed.shown(a(), "1.0"), Some((2, "0.2".into())));
    bed.pass(15_000);
    bed.body(a());
    bed.pass(15_000);
    bed.body(a());
    assert_eq!(bed.shown(slow, "1.0"), Some((1, "0.9".into())), "the slowest of the minute");
}

#[test]
fn without_identity_all_scrapers_are_one() {
    let options =
        RegistryOptions { self_metrics: false, scraper_identity: ScraperIdentity::None, ..Default::default() };
    let mut bed = Bed::with_options(&options, |family| family);
    for _ in 0..10 {
        bed.pass(15_000);
        bed.body(a());
    }
    bed.histogram.observe_trace(0.9, span(1));
    bed.pass(1000);
    bed.body(Scraper::named("b"));
    bed.histogram.observe_trace(0.2, span(2));
    bed.pass(14_000);
    assert_eq!(bed.shown(a(), "1.0"), Some((2, "0.2".into())), "the other has seen the slower one");
}

#[test]
fn unsampled_spans_are_left_out_unless_all_are_wanted() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.9, unsampled(1));
    bed.histogram.observe_with(0.8, || None);
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), None);

    let mut bed = Bed::with(|family| family.filter(Filter::AlwaysOn));
    bed.histogram.observe_trace(0.9, unsampled(1));
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.9".into())));

    let mut bed = Bed::with(|family| family.filter(Filter::AlwaysOff));
    bed.histogram.observe_trace(0.9, span(1));
    bed.histogram.observe_exemplar(0.9, &[("trace_id", "0af7651916cd43dd8448eb211c80319c")]);
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), None);
}

#[test]
fn span_is_read_only_when_it_could_win() {
    let bed = Bed::new();
    let mut calls = 0;
    for value in [0.9, 0.5, 0.6, 0.7] {
        bed.histogram.observe_with(value, || {
            calls += 1;
            Some(span(1))
        });
    }
    assert_eq!(calls, 1);
}

#[test]
fn observing_inside_the_span_source_is_allowed() {
    let mut bed = Bed::new();
    let inner = bed.histogram.clone();
    bed.histogram.observe_with(0.5, || {
        inner.observe_trace(0.8, span(2));
        Some(span(1))
    });
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((2, "0.8".into())));
}

#[test]
fn explicit_exemplar_outranks_offers_and_the_latest_wins() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.9, span(1));
    bed.histogram.observe_exemplar_ids(0.2, unsampled(2), &[]);
    bed.histogram.observe_exemplar_ids(0.3, unsampled(3), &[]);
    bed.histogram.observe_trace(0.95, span(4));
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((3, "0.3".into())));
}

#[test]
fn explicit_labels_are_fitted_and_ids_recognised() {
    let mut bed = Bed::new();
    let long = "x".repeat(80);
    let labels =
        [("user", "a\"b"), ("TraceId", "1"), ("trace_id", "0AF7651916CD43DD8448EB211C80319C"), ("note", long.as_str())];
    bed.histogram.observe_exemplar(0.5, &labels);
    bed.pass(1000);
    let body = bed.body(a());
    let wanted = r#"# {trace_id="0af7651916cd43dd8448eb211c80319c",user="a'b",TraceId="1"} 0.5 1700000000.000"#;
    assert!(!body.contains("note"), "{body}");
    assert!(body.contains(wanted), "{body}");
}

#[test]
fn label_limit_counts_code_points_and_spares_ids() {
    let mut bed = Bed::new();
    // 128 - 40 for trace_id and its digits, - 23 for span_id: 65, of which 4 for the name.
    let fits = "é".repeat(61);
    bed.histogram.observe_trace_labels(0.5, span(1), &[("name", &fits)]);
    bed.histogram.observe_trace_labels(0.05, span(2), &[("name", &"é".repeat(62)), ("b", "1")]);
    bed.pass(1000);
    let body = bed.body(a());
    assert!(body.contains(&format!(",name=\"{fits}\"}} 0.5 ")), "{body}");
    assert!(body.contains(r#",span_id="0000000000000002"} 0.05 "#), "{body}");
}

#[test]
fn budget_bounds_what_unsampled_traffic_costs() {
    let mut bed = Bed::new();
    let mut calls = 0;
    for _ in 0..20_000 {
        bed.histogram.observe_with(0.5, || {
            calls += 1;
            None
        });
    }
    assert_eq!(calls, 16_384);
    bed.histogram.observe_trace(0.9, span(1));
    bed.histogram.observe_exemplar_ids(0.05, span(2), &[]);
    bed.pass(1000);
    let body = bed.body(a());
    assert_eq!(exemplar(&body, "1.0"), None, "the window is shut for this bucket");
    assert_eq!(exemplar(&body, "0.1"), Some((2, "0.05".into())));
    bed.histogram.observe_trace(0.9, span(3));
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((3, "0.9".into())), "the next one is open again");
}

#[test]
fn explicit_exemplars_pass_a_used_up_budget() {
    let mut bed = Bed::new();
    for _ in 0..17_000 {
        bed.histogram.observe_with(0.5, || None);
    }
    bed.histogram.observe_exemplar_ids(0.5, span(1), &[]);
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.5".into())));
}

#[test]
fn windows_turn_by_time_when_nobody_scrapes() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.9, span(1));
    bed.pass(10_000);
    // Beats nothing, but is the 16th count of its bucket, so it looks at the clock.
    for _ in 0..16 {
        bed.histogram.observe_trace(0.5, span(2));
    }
    let snapshot = bed.registry.snapshot().unwrap();
    let spanpin::Value::Histogram { exemplars, .. } = &snapshot.families[0].series[0].value else { panic!() };
    assert_eq!(exemplars[1].as_ref().unwrap().value, 0.9, "its window has closed without a scrape");
}

#[test]
fn a_scraper_that_returns_closes_even_a_young_window() {
    let mut bed = Bed::new();
    let b = Scraper::named("b");
    bed.pass(1000);
    let _ = (bed.body(a()), bed.body(b));
    bed.histogram.observe_trace(0.8, span(1));
    bed.pass(10_000);
    // Finds the window due, and is the first of the next one.
    bed.histogram.observe_trace(0.9, span(2));
    bed.pass(5);
    assert_eq!(bed.shown(a(), "1.0"), Some((2, "0.9".into())), "after a turn by time");
    bed.histogram.observe_trace(0.95, span(3));
    bed.pass(5);
    assert_eq!(bed.shown(b, "1.0"), Some((3, "0.95".into())), "after another scraper");
    bed.histogram.observe_trace(0.99, span(4));
    bed.pass(5);
    assert_eq!(bed.shown(b, "1.0"), Some((3, "0.95".into())), "but not a second time within 20 ms");
}

#[test]
fn stamps_never_go_back_when_the_clock_does() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.5, span(1));
    bed.pass(1000);
    assert!(bed.body(a()).contains(" 0.5 1700000000.000\n"));
    // One hour ahead, and right again.
    bed.registry.set_clock(WALL + 3_600_000, 1_002_000);
    bed.histogram.observe_trace(0.5, span(2));
    bed.registry.set_clock(WALL + 3_600_000, 1_003_000);
    assert!(bed.body(a()).contains(" 0.5 1700003600.000\n"));
    bed.registry.set_clock(WALL + 4000, 1_004_000);
    bed.histogram.observe_trace(0.5, span(3));
    bed.registry.set_clock(WALL + 5000, 1_005_000);
    assert!(bed.body(a()).contains("3\"} 0.5 1700003600.001\n"));
}

#[test]
fn infinite_values_are_counted_and_never_offered() {
    let mut bed = Bed::with(|family| family.filter(Filter::AlwaysOn));
    bed.histogram.observe_trace(f64::INFINITY, span(1));
    bed.histogram.observe_trace(f64::NEG_INFINITY, span(2));
    bed.histogram.observe_trace(f64::NAN, span(3));
    bed.histogram.observe_exemplar_ids(f64::INFINITY, span(4), &[]);
    bed.pass(1000);
    let body = bed.body(a());
    assert!(!body.contains("trace_id"), "{body}");
    assert!(body.contains("h_bucket{le=\"+Inf\"} 3\n"), "{body}");
}

#[test]
fn malformed_traceparent_is_an_error_and_counts() {
    let bed = Bed::new();
    let error = bed.histogram.observe_traceparent(0.5, "00-zz").unwrap_err();
    assert_eq!(error.code(), spanpin::ErrorCode::InvalidTraceparent);
    assert!(bed.body(a()).contains("h_bucket{le=\"1.0\"} 1\n"));
}

#[test]
fn a_text_scrape_closes_no_window_and_leaves_no_mark() {
    let mut bed = Bed::new();
    bed.histogram.observe_trace(0.5, span(1));
    bed.pass(1000);
    let text = bed.registry.scrape(&ScrapeRequest::default()).unwrap();
    assert_eq!(text.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    let epoch = spanpin::raw::epoch(&bed.registry);
    assert_eq!(epoch, 1);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.5".into())));
    assert_eq!(spanpin::raw::epoch(&bed.registry), 2);
}

#[test]
fn more_explicit_exemplars_than_a_window_numbers_go_on() {
    let mut bed = Bed::new();
    let last = 600_000;
    for n in 1..=last {
        bed.histogram.observe_exemplar_ids(0.5, span(n), &[]);
    }
    bed.pass(1000);
    assert_eq!(bed.shown(a(), "1.0"), Some((last, "0.5".into())));
}

#[test]
fn explicit_exemplars_do_not_run_away_from_the_clock() {
    let mut bed = Bed::new();
    for n in 1..=5000 {
        bed.histogram.observe_exemplar_ids(0.5, span(n), &[]);
    }
    bed.pass(2000);
    let text = bed.body(a());
    assert!(
        text.contains("1388\",span_id=\"0000000000001388\"} 0.5 1700000001.000\n"),
        "the last, a second ahead: {text}"
    );
    bed.pass(15_000);
    assert_eq!(bed.shown(a(), "1.0"), None, "it shares its stamp with others of its window, so it is not shown again");
    bed.histogram.observe_exemplar_ids(0.6, span(1), &[]);
    bed.pass(15_000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.6".into())));
    bed.pass(15_000);
    assert_eq!(bed.shown(a(), "1.0"), Some((1, "0.6".into())), "its stamp is its own");
}

#[test]
fn exemplar_memory_has_its_limit_and_counting_goes_on() {
    let options = RegistryOptions { self_metrics: true, exemplar_bytes: 800, ..Default::default() };
    let mut bed = Bed::with_options(&options, |family| family);
    bed.histogram.observe_trace(0.5, span(1));
    bed.histogram.observe_trace(0.05, span(2));
    bed.histogram.observe_exemplar_ids(0.6, span(3), &[("user", "u")]);
    bed.pass(1000);
    let body = bed.body(a());
    assert_eq!(exemplar(&body, "1.0"), Some((3, "0.6".into())), "its ids only");
    assert_eq!(exemplar(&body, "0.1"), None);
    assert!(body.contains("h_count 3\n"), "{body}");
    assert!(body.contains("spanpin_exemplars_dropped_total{reason=\"memory\"} 2\n"), "a ring and a label area: {body}");
}

#[test]
fn drops_are_counted_by_reason() {
    let options = RegistryOptions { self_metrics: true, ..Default::default() };
    let bed = Bed::with_options(&options, |family| family);
    bed.histogram.observe_trace(0.5, unsampled(1));
    bed.histogram.observe_with(0.5, || None);
    let _ = bed.histogram.observe_traceparent(0.5, "garbage");
    bed.histogram.observe_exemplar(0.5, &[("a", &"x".repeat(200))]);
    bed.histogram.observe_exemplar(f64::INFINITY, &[("a", "x")]);
    bed.histogram.observe_exemplar(0.5, &[("a", "\\")]);
    bed.histogram.observe(f64::NAN);
    bed.registry.count_drop(DropReason::Filter);
    let body = bed.body(a());
    for (reason, count) in [
        ("unsampled", 1),
        ("no_span", 1),
        ("invalid_id", 1),
        ("label_limit", 1),
        ("nonfinite", 1),
        ("label_value", 1),
        ("filter", 1),
        ("budget", 0),
        ("busy", 0),
    ] {
        let line = format!("spanpin_exemplars_dropped_total{{reason=\"{reason}\"}} {count}\n");
        assert!(body.contains(&line), "{line} {body}");
    }
    assert!(body.contains("spanpin_nan_observations_total 1\n"), "{body}");
}

#[test]
fn the_first_exemplars_of_many_series_find_memory_before_any_scrape() {
    let options = RegistryOptions { self_metrics: false, ..Default::default() };
    let registry = Registry::with_options(&options).unwrap();
    registry.set_clock(WALL, 1_000_000);
    let family = registry.histogram("h", "").labels(&["l"]).register().unwrap();
    for n in 1..=200 {
        let series = family.with(&[&n.to_string()]).unwrap();
        spanpin::buckets::DEFAULT_BOUNDS.iter().for_each(|bound| _ = series.observe_trace(*bound, span(n)));
    }
    registry.set_clock(WALL, 1_001_000);
    let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    let body = String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap();
    assert_eq!(body.matches("# {trace_id=").count(), 200 * 11);
}

#[test]
fn ids_under_another_name_are_written_once() {
    let options = RegistryOptions { self_metrics: false, trace_id_label: "traceID", ..Default::default() };
    let mut bed = Bed::with_options(&options, |family| family);
    let id = "0af7651916cd43dd8448eb211c80319c";
    bed.histogram.observe_exemplar(0.5, &[("trace_id", id), ("user", "u")]);
    bed.histogram.observe_trace_labels(0.05, span(1), &[("trace_id", id), ("span_id", "x"), ("a", "b")]);
    bed.pass(1000);
    let body = bed.body(a());
    assert!(body.contains(&format!(" # {{traceID=\"{id}\",user=\"u\"}} 0.5 ")), "{body}");
    assert!(body.contains("0001\",span_id=\"0000000000000001\",a=\"b\"} 0.05 "), "{body}");
}
