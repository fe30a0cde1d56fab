//! Filters of a family beside the policy: minimum value, probability, adaptive sampling, functions of the user's; slots
//! and the age limit; what a process sets for all families.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spanpin::{
    Adaptive, ErrorCode, FamilyBuilder, Filter, Histogram, HistogramFamily, LowerEdge, Registry, RegistryOptions,
    RuleOptions, ScrapeRequest, Scraper, ScraperIdentity, SpanId, TraceContext, TraceId,
};

const WALL: u64 = 1_700_000_000_000;
const MONO: u64 = 1_000_000;

struct Bed {
    registry: Registry,
    family: HistogramFamily,
    histogram: Histogram,
    now_ms: u64,
}

type Builder<'a> = FamilyBuilder<'a, HistogramFamily>;

impl Bed {
    fn new(bounds: &[f64], settings: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Bed {
        Bed::with_options(&RegistryOptions::default(), bounds, settings)
    }

    fn with_options(
        options: &RegistryOptions<'_>,
        bounds: &[f64],
        settings: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Bed {
        let registry = Registry::with_options(options).unwrap();
        registry.set_clock(WALL, MONO);
        let family = settings(registry.histogram("h", "").bounds(bounds)).register().unwrap();
        let histogram = family.with(&[]).unwrap();
        Bed { registry, family, histogram, now_ms: 0 }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.registry.set_clock(WALL + self.now_ms, MONO + self.now_ms);
    }

    fn body_for(&self, scraper: Scraper) -> String {
        let request = ScrapeRequest { accept: "application/openmetrics-text", scraper, ..Default::default() };
        String::from_utf8(self.registry.scrape(&request).unwrap().into_body()).unwrap()
    }

    fn body(&self) -> String {
        self.body_for(Scraper::named("a"))
    }

    /// A number among the registry's own metrics.
    fn own(&self, sample: &str) -> u64 {
        let body = String::from_utf8(self.registry.scrape(&ScrapeRequest::default()).unwrap().into_body()).unwrap();
        let line = body.lines().find(|line| line.starts_with(&format!("{sample} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn dropped_by_filter(&self) -> u64 {
        self.own("spanpin_exemplars_dropped_total{reason=\"filter\"}")
    }
}

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(7, n).unwrap(), SpanId::from_u64(n).unwrap())
}

/// The value of the exemplar of the bucket up to `le`.
fn shown(body: &str, le: &str) -> Option<f64> {
    let line = body.lines().find(|line| line.contains(&format!("le=\"{le}\""))).unwrap();
    line.split_once("} ")?.1.split_once("} ")?.1.split(' ').next()?.parse().ok()
}

#[test]
fn below_the_minimum_nothing_is_offered() {
    let mut bed = Bed::new(&[1.0], |family| family.minimum_value(0.5));
    assert!(!bed.histogram.observe_trace(0.499, span(1)));
    bed.pass(1000);
    assert_eq!(shown(&bed.body(), "1.0"), None);
    let mut asked = 0;
    for value in [0.1, 0.4, 0.49999] {
        bed.histogram.observe_with(value, || {
            asked += 1;
            Some(span(2))
        });
    }
    assert!(bed.histogram.observe_trace(0.5, span(3)), "the minimum itself is offered");
    bed.pass(1000);
    let body = bed.body();
    assert_eq!((asked, shown(&body, "1.0")), (0, Some(0.5)));
    assert!(body.contains("h_count 5"), "every value counts: {body}");
    assert_eq!(bed.own("spanpin_exemplars_offered_total"), 1);
    // An explicit exemplar is the caller's choice.
    assert!(bed.histogram.observe_exemplar(0.1, &[("job", "x")]));
}

#[test]
fn probability_keeps_its_part() {
    const WINDOWS: u64 = 100;
    const OFFERS: u64 = 10_000;
    let mut bed = Bed::new(&[], |family| family.probability(0.25));
    for _ in 0..WINDOWS {
        // Rising values all beat their window, whichever of the earlier ones were kept.
        for n in 0..OFFERS {
            bed.histogram.observe_trace(1.0 + n as f64, span(n + 1));
        }
        bed.pass(1000);
        bed.body();
    }
    let (offered, dropped) = (bed.own("spanpin_exemplars_offered_total"), bed.dropped_by_filter());
    assert_eq!(offered, WINDOWS * OFFERS);
    let kept = (offered - dropped) as f64 / offered as f64;
    assert!((0.249..0.251).contains(&kept), "{kept}");
}

#[test]
fn probability_zero_keeps_nothing_and_one_everything() {
    for (part, kept) in [(0.0, false), (1.0, true)] {
        let bed = Bed::new(&[], |family| family.probability(part));
        for n in 1..100 {
            assert_eq!(bed.histogram.observe_trace(n as f64, span(n)), kept);
        }
        assert_eq!(bed.own("spanpin_exemplars_offered_total"), if kept { 99 } else { 0 }, "nothing is offered at all");
    }
}

/// Offers a million rising values and returns the parts that were not dropped: below the band, in it, above it.
fn parts(bed: &mut Bed, bands: [(f64, f64); 3]) -> [f64; 3] {
    const WINDOWS: u64 = 70;
    const OFFERS: u64 = 5_000;
    bands.map(|(from, to)| {
        let before = bed.dropped_by_filter();
        for _ in 0..WINDOWS {
            bed.pass(25);
            bed.body();
            for n in 0..OFFERS {
                let value = from + (to - from) * (n as f64 + 0.5) / OFFERS as f64;
                bed.histogram.observe_trace(value, span(n + 1));
            }
        }
        let offers = (WINDOWS * OFFERS) as f64;
        1.0 - (bed.dropped_by_filter() - before) as f64 / offers
    })
}

#[test]
fn adaptive_sampling_with_a_given_p99() {
    let adaptive = Adaptive { p99: Some(100.0), ..Default::default() };
    let mut bed = Bed::new(&[1000.0], |family| family.adaptive(adaptive));
    for n in 0..100 {
        assert!(bed.histogram.observe_trace(0.001 * f64::from(n + 1), span(1)), "before 100 observations all pass");
    }
    let [below, middle, above] = parts(&mut bed, [(40.0, 80.0), (80.0, 100.0), (100.0, 200.0)]);
    assert_eq!(above, 1.0);
    assert!((0.09..=0.11).contains(&middle), "{middle}");
    assert!((0.008..=0.012).contains(&below), "{below}");
    // The caller's next p99 holds from the next second on.
    bed.family.set_p99(1e9);
    bed.pass(1000);
    let [later, ..] = parts(&mut bed, [(100.0, 200.0); 3]);
    assert!((0.008..=0.012).contains(&later), "{later}");
}

#[test]
fn adaptive_sampling_by_the_buckets() {
    let bounds: Vec<f64> = (1..=100).map(f64::from).collect();
    let adaptive = Adaptive { lower: LowerEdge::P95, window_seconds: 60, ..Default::default() };
    let mut bed = Bed::new(&bounds, |family| family.adaptive(adaptive));
    // Too few to know a quantile: everything passes.
    for n in 0..99 {
        bed.histogram.observe_trace(0.001 * f64::from(n + 1), span(1));
    }
    assert_eq!(bed.dropped_by_filter(), 0);
    // Uniform up to 100: p95 at 95, p99 at 99.
    for _ in 0..20 {
        for n in 0..10_000 {
            bed.histogram.observe(f64::from(n) / 100.0);
        }
    }
    bed.pass(1000);
    let mut passed = [[0, 0]; 3];
    for round in 0..2_000 {
        bed.pass(25);
        bed.body();
        for (band, value) in [50.5, 97.5, 99.9].into_iter().enumerate() {
            let before = bed.dropped_by_filter();
            bed.histogram.observe_trace(value, span(round + 1));
            passed[band][1] += 1;
            passed[band][0] += u64::from(bed.dropped_by_filter() == before);
        }
        // Keep the shape of the traffic that the moving window sees.
        for n in 0..1_000 {
            bed.histogram.observe(f64::from(n) / 10.0);
        }
    }
    let part = passed.map(|[kept, of]| kept as f64 / of as f64);
    assert!(part[0] < 0.02 && (0.07..0.13).contains(&part[1]) && part[2] == 1.0, "{part:?}");
}

#[test]
fn adaptive_sampling_wants_buckets() {
    let registry = Registry::new().unwrap();
    let error = registry.counter("c", "").adaptive(Adaptive::default()).register().err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidOption);
    assert_eq!(
        error.message(),
        "metric \"c\" cannot sample adaptively: only a histogram has buckets to take a p99 from; use probability"
    );
}

#[test]
fn numbers_out_of_range_are_refused_at_registration() {
    let registry = Registry::new().unwrap();
    let refused = |settings: fn(Builder<'_>) -> Builder<'_>| {
        let error = settings(registry.histogram("h", "")).register().err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        error.message().to_owned()
    };
    assert_eq!(refused(|family| family.slots(3)), "slots is 3: it must be from 4 to 19");
    assert_eq!(refused(|family| family.probability(-0.1)), "probability is -0.1: it must be from 0 to 1");
    assert_eq!(
        refused(|family| family.on_slow_request(f64::NAN, "", |_| {})),
        "slow_request_threshold is NaN: it must be a number, in the unit of the metric"
    );
    assert_eq!(
        refused(|family| family.on_slow_request(1.0, "http://t/{trace}", |_| {})),
        "trace_url \"http://t/{trace}\" has a place that is neither {trace_id} nor {span_id}"
    );
    // The name is still free.
    registry.histogram("h", "").register().unwrap();
}

#[test]
fn a_function_is_asked_only_about_what_would_be_admitted() {
    let asked = Arc::new(AtomicU64::new(0));
    let seen = asked.clone();
    let mut bed = Bed::new(&[10.0], |family| {
        family.exemplar_filter(move |value, trace| {
            seen.fetch_add(1, Ordering::Relaxed);
            assert!(value < 9.0, "a panic refuses");
            trace.span_id().to_u64() % 2 == 0
        })
    });
    assert!(bed.histogram.observe_trace(1.0, span(2)));
    assert!(!bed.histogram.observe_trace(0.5, span(4)), "beaten: not asked");
    assert!(!bed.histogram.observe_trace(2.0, span(3)), "refused");
    let unsampled = TraceContext::new(span(4).trace_id(), span(4).span_id(), 0);
    assert!(!bed.histogram.observe_trace(3.0, unsampled), "not sampled: not asked");
    assert!(!bed.histogram.observe_trace(9.5, span(4)), "panicked");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert_eq!(bed.dropped_by_filter(), 2);
    assert_eq!(bed.own("spanpin_callback_errors_total"), 1);
    bed.pass(1000);
    let body = bed.body();
    assert_eq!(shown(&body, "10.0"), Some(1.0));
    assert!(body.contains("h_count 5"));
}

#[test]
fn a_function_that_observes_where_it_is_asked_comes_to_an_end() {
    let registry = Registry::new().unwrap();
    let own: Arc<std::sync::OnceLock<Histogram>> = Arc::default();
    let inner = own.clone();
    let family = registry.histogram("h", "").bounds(&[10.0]).exemplar_filter(move |value, _| {
        if let Some(own) = inner.get() {
            own.observe_trace(value + 0.001, span(7));
        }
        true
    });
    let histogram = family.register().unwrap().with(&[]).unwrap();
    own.set(histogram.clone()).ok().unwrap();
    histogram.observe_trace(1.0, span(1));
    let body = String::from_utf8(registry.scrape(&ScrapeRequest::default()).unwrap().into_body()).unwrap();
    assert!(body.contains("h_count 9\n"), "eight deep: {body}");
}

#[test]
fn a_counter_of_any_step_closes_its_window_by_time() {
    for step in [1.0, 2.0, 16.0, 4096.0, 0.5] {
        let registry = Registry::new().unwrap();
        registry.set_clock(WALL, MONO);
        let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
        // The last window must be young enough to be shown: it closes only if some addition looks at the clock.
        for n in 1..=3000 {
            registry.set_clock(WALL + n * 100, MONO + n * 100);
            counter.add_trace(step, span(n));
        }
        let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
        let body = String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap();
        assert!(body.lines().any(|line| line.starts_with("c_total ") && line.contains("trace_id")), "{step}: {body}");
        let windows = counter.exemplars().unwrap();
        assert!(windows.len() > 5, "{step}: {} windows in 300 s", windows.len());
    }
}

#[test]
fn a_function_adds_labels_behind_those_of_the_call() {
    let mut bed = Bed::new(&[10.0], |family| {
        family.exemplar_labels(|labels| {
            labels.push("request", "from the function");
            labels.push("region", "eu");
        })
    });
    bed.histogram.observe_trace_labels(1.0, span(1), &[("request", "r1")]);
    bed.pass(1000);
    let body = bed.body();
    assert!(body.contains(",request=\"r1\",region=\"eu\"} 1.0 "), "{body}");
    bed.histogram.observe_trace(1.0, span(1));
    bed.pass(1000);
    assert!(bed.body().contains(",request=\"from the function\",region=\"eu\"} 1.0 "));
    // Explicit exemplars are what the caller wrote.
    bed.histogram.observe_exemplar(1.0, &[("job", "x")]);
    bed.pass(1000);
    assert!(bed.body().contains(" # {job=\"x\"} 1.0 "));
}

#[test]
fn a_listener_hears_of_what_was_admitted() {
    let heard = Arc::new(AtomicU64::new(0));
    let told = heard.clone();
    let bed = Bed::new(&[10.0], |family| {
        family.on_admitted(move |_, trace| {
            told.fetch_add(trace.span_id().to_u64(), Ordering::Relaxed);
        })
    });
    bed.histogram.observe_trace(1.0, span(1));
    bed.histogram.observe_trace(0.5, span(10));
    bed.histogram.observe_trace(2.0, span(100));
    assert_eq!(heard.load(Ordering::Relaxed), 101);
}

#[test]
fn slots_decide_how_many_windows_are_remembered() {
    for slots in [4, 11, 19] {
        let mut bed = Bed::new(&[10.0], |family| family.slots(slots).max_age(86_400));
        for n in 1..=40_u64 {
            // Falling values, so that no later window makes an earlier one worthless.
            bed.histogram.observe_trace(10.0 / n as f64, span(n));
            bed.pass(1000);
            bed.body_for(Scraper::named("every second"));
        }
        let history = bed.histogram.exemplars().unwrap();
        assert_eq!(history.len(), slots as usize);
        assert!(history.windows(2).all(|pair| pair[0].timestamp_ms > pair[1].timestamp_ms), "newest first");
        assert_eq!(history[0].trace_id, Some(span(40).trace_id()));
    }
}

#[test]
fn the_history_of_a_registry_has_the_order_of_the_page() {
    let registry = Registry::new().unwrap();
    registry.set_clock(WALL, MONO);
    let family = registry.counter("c", "").labels(&["user"]).max_series(1).register().unwrap();
    family.with(&["a"]).unwrap().add_trace(2.5, span(1));
    family.with(&["b"]).unwrap().add_exemplar(1.0, &[("job", "\u{1}x\"")]);
    let json = String::from_utf8(registry.exemplars_json().unwrap()).unwrap();
    let own = r#"{"seriesLabels":{"__name__":"c_total","user":"a"},"exemplars":[{"labels":{"trace_id":"00000000000000070000000000000001","span_id":"0000000000000001"},"value":"2.5","timestamp":1700000000.000}]}"#;
    let overflow = r#"{"seriesLabels":{"__name__":"c_total","user":"spanpin_overflow"},"exemplars":[{"labels":{"job":"\u0001x'"},"value":"1.0","timestamp":1700000000.000}]}"#;
    assert_eq!(json, format!("{{\"status\":\"success\",\"data\":[{own},{overflow}]}}\n"));
}

#[test]
fn the_age_limit_ends_what_is_shown_again() {
    for (seconds, still) in [(5, false), (30, true)] {
        let mut bed = Bed::new(&[10.0], |family| family.max_age(seconds));
        bed.histogram.observe_trace(1.0, span(1));
        bed.pass(1000);
        assert_eq!(shown(&bed.body(), "10.0"), Some(1.0));
        bed.pass(10_000);
        assert_eq!(shown(&bed.body(), "10.0").is_some(), still);
        assert_eq!(bed.histogram.exemplars().unwrap().len(), 1, "history has no age limit");
    }
}

#[test]
fn defaults_of_the_process_hold_for_families_that_do_not_say() {
    let rules = RuleOptions { filter: Some(Filter::AlwaysOff), minimum_value: Some(5.0), ..Default::default() };
    let options = RegistryOptions { rules, ..Default::default() };
    let bed = Bed::with_options(&options, &[10.0], |family| family);
    assert!(!bed.histogram.observe_trace(7.0, span(1)));
    let bed = Bed::with_options(&options, &[10.0], |family| family.filter(Filter::TraceBased));
    assert!(bed.histogram.observe_trace(7.0, span(1)) && !bed.histogram.observe_trace(4.0, span(1)));
    // A least value is meant for what histograms observe.
    let counter = bed.registry.counter("c", "").filter(Filter::TraceBased).register().unwrap().with(&[]).unwrap();
    assert!(counter.inc_with(|| Some(span(1))));
    let bad = RegistryOptions { rules: RuleOptions { slots: Some(99), ..Default::default() }, ..Default::default() };
    assert_eq!(Registry::with_options(&bad).err().unwrap().message(), "slots is 99: it must be from 4 to 19");
}

#[test]
fn given_identity_leaves_the_address_out() {
    for (identity, same) in [(ScraperIdentity::Given, true), (ScraperIdentity::Address, false)] {
        let options = RegistryOptions { scraper_identity: identity, ..Default::default() };
        let mut bed = Bed::with_options(&options, &[10.0], |family| family);
        let from = |peer| Scraper::from_request("Prometheus/3", "10", "/metrics?scraper=a", peer);
        // One scraper behind two addresses in turn keeps its beat, and its mark.
        for n in 0..12_u64 {
            bed.histogram.observe_trace(9.0 - n as f64 / 10.0, span(n + 1));
            bed.pass(5000);
            bed.body_for(Scraper::named("another"));
            bed.histogram.observe_trace(0.1, span(100 + n));
            bed.pass(10_000);
            bed.body_for(from(if n % 2 == 0 { "10.0.0.1" } else { "10.0.0.2" }));
        }
        bed.histogram.observe_trace(7.0, span(200));
        bed.pass(5000);
        bed.body_for(Scraper::named("another"));
        bed.histogram.observe_trace(0.1, span(201));
        bed.pass(10_000);
        let best = shown(&bed.body_for(from("10.0.0.1")), "10.0") == Some(7.0);
        assert_eq!(best, same);
    }
}
