//! Series that are removed, and used again for other label sets, on a clock set by hand.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::cell::Cell;

use spanpin::{
    CounterFamily, ErrorCode, HistogramFamily, Registry, RegistryOptions, ScrapeRequest, Scraper, SpanId, TraceContext,
    TraceId,
};

const WALL: u64 = 1_700_000_000_000;
/// Longer than a removed series rests.
const REST_MS: u64 = 10_001;

struct Bed {
    registry: Registry,
    now_ms: Cell<u64>,
}

impl Bed {
    fn new() -> Bed {
        Bed::of(RegistryOptions { self_metrics: false, ..Default::default() })
    }

    fn of(options: RegistryOptions<'_>) -> Bed {
        let bed = Bed { registry: Registry::with_options(&options).unwrap(), now_ms: Cell::new(1_000_000) };
        bed.pass(0);
        bed
    }

    fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        self.registry.set_clock(WALL + self.now_ms.get(), self.now_ms.get());
    }

    fn set_wall(&self, wall_ms: u64) {
        self.registry.set_clock(wall_ms, self.now_ms.get());
    }

    /// The samples of a scrape, without comments.
    fn samples(&self) -> Vec<String> {
        let request = ScrapeRequest {
            accept: "application/openmetrics-text",
            scraper: Scraper::named("one"),
            ..Default::default()
        };
        let body = String::from_utf8(self.registry.scrape(&request).unwrap().into_body()).unwrap();
        body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    fn has(&self, sample: &str) -> bool {
        self.samples().iter().any(|line| line == sample)
    }

    fn counters(&self) -> CounterFamily {
        self.registry.counter("c", "").labels(&["l"]).max_series(100_000).register().unwrap()
    }

    fn histograms(&self) -> HistogramFamily {
        self.registry.histogram("h", "").labels(&["l"]).bounds(&[1.0]).max_series(100_000).register().unwrap()
    }
}

fn span(number: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(number, 7).unwrap(), SpanId::from_u64(number).unwrap())
}

fn used_bytes(registry: &Registry) -> u64 {
    let body = String::from_utf8(registry.scrape(&ScrapeRequest::default()).unwrap().into_body()).unwrap();
    let line = body.lines().find(|line| line.starts_with("spanpin_segment_bytes{state=\"used\"}")).unwrap();
    line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64
}

#[test]
fn a_removed_series_is_gone_and_its_handles_count_in_the_overflow_series() {
    let bed = Bed::new();
    let family = bed.counters();
    let old = family.with(&["a"]).unwrap();
    old.inc();
    family.with(&["b"]).unwrap().inc();
    assert!(old.is_live() && family.remove(&["a"]).unwrap());
    assert!(!old.is_live() && !family.remove(&["a"]).unwrap() && !family.remove(&["never"]).unwrap());
    assert_eq!(bed.samples(), ["c_total{l=\"b\"} 1"]);
    old.inc();
    old.add_trace(0.5, span(1));
    assert_eq!(bed.samples(), ["c_total{l=\"b\"} 1", "c_total{l=\"spanpin_overflow\"} 1.5"], "and without an exemplar");
    // The same values begin anew, in a series of their own.
    let fresh = family.with(&["a"]).unwrap();
    fresh.add(3.0);
    old.inc();
    assert!(fresh.is_live() && !old.is_live());
    assert!(bed.has("c_total{l=\"a\"} 3") && bed.has("c_total{l=\"spanpin_overflow\"} 2.5"));
}

#[test]
fn what_a_family_has_for_good_stays() {
    let bed = Bed::new();
    let family = bed.counters();
    for label in ["a", "b"] {
        family.with(&[label]).unwrap().inc();
    }
    assert_eq!(family.remove(&[]).unwrap_err().code(), ErrorCode::LabelCount);
    assert!(!family.remove(&["spanpin_overflow"]).unwrap());
    let alone = bed.registry.counter("alone", "").register().unwrap();
    let only = alone.with(&[]).unwrap();
    only.inc();
    assert!(!alone.remove(&[]).unwrap());
    alone.clear().unwrap();
    family.clear().unwrap();
    assert_eq!(bed.samples(), ["alone_total 1"]);
    assert!(only.is_live());
    family.with(&["b"]).unwrap().inc();
    assert_eq!(bed.samples(), ["c_total{l=\"b\"} 1", "alone_total 1"]);
}

#[test]
fn gauges_and_histograms_go_as_counters_do() {
    let bed = Bed::new();
    let gauges = bed.registry.gauge("g", "").labels(&["l"]).register().unwrap();
    let histograms = bed.histograms();
    let (gauge, histogram) = (gauges.with(&["a"]).unwrap(), histograms.with(&["a"]).unwrap());
    gauge.set(5.0);
    histogram.observe(0.5);
    assert!(gauges.remove(&["a"]).unwrap() && histograms.remove(&["a"]).unwrap());
    assert!(bed.samples().is_empty());
    gauge.add(2.0);
    histogram.observe(0.5);
    histogram.observe_exemplar(3.0, &[("x", "y")]);
    assert_eq!(gauge.get(), 0.0);
    let shown = bed.samples();
    assert!(shown.contains(&"g{l=\"spanpin_overflow\"} 2.0".to_owned()), "{shown:?}");
    assert!(shown.contains(&"h_bucket{l=\"spanpin_overflow\",le=\"+Inf\"} 2".to_owned()), "{shown:?}");
    assert!(histogram.exemplars().unwrap().is_empty());
}

/// The limit is for label sets that are there, and a family that was full takes new ones again.
#[test]
fn removed_series_are_not_counted_by_the_limit() {
    let bed = Bed::new();
    let family = bed.registry.counter("c", "").labels(&["l"]).max_series(2).register().unwrap();
    for round in 0..5 {
        let names = [format!("{round}a"), format!("{round}b")];
        assert!(names.iter().all(|name| !family.with(&[name]).unwrap().is_overflow()));
        assert!(family.with(&["third"]).unwrap().is_overflow());
        family.clear().unwrap();
    }
}

#[test]
fn a_series_that_has_rested_is_used_again_and_begins_at_zero() {
    let bed = Bed::of(RegistryOptions::default());
    let family = bed.histograms();
    let names: Vec<String> = (0..100).map(|n| format!("first {n}")).collect();
    let old: Vec<_> = names.iter().map(|name| family.with(&[name]).unwrap()).collect();
    for (n, series) in old.iter().enumerate() {
        series.observe_trace(0.5, span(n as u64 + 1));
        series.observe(2.0);
    }
    let full = used_bytes(&bed.registry);
    family.clear().unwrap();
    bed.pass(REST_MS / 2);
    let early = family.with(&["early"]).unwrap();
    assert!(used_bytes(&bed.registry) > full, "none has rested yet");
    let full = used_bytes(&bed.registry);
    bed.pass(REST_MS);
    let fresh: Vec<_> = (0..100).map(|n| family.with(&[&format!("later {n}")]).unwrap()).collect();
    assert_eq!(used_bytes(&bed.registry), full, "all of them are used again");
    assert!(fresh.iter().all(|series| series.is_live()) && old.iter().all(|series| !series.is_live()));
    for series in &old {
        series.observe_trace(0.5, span(999));
    }
    let shown = bed.samples();
    for n in 0..100 {
        assert!(shown.contains(&format!("h_bucket{{l=\"later {n}\",le=\"+Inf\"}} 0")), "{shown:?}");
        assert!(shown.contains(&format!("h_sum{{l=\"later {n}\"}} 0.0")));
    }
    assert!(!shown.iter().any(|line| line.contains("trace_id") || line.contains("first")), "{shown:?}");
    assert!(shown.contains(&"h_bucket{l=\"spanpin_overflow\",le=\"+Inf\"} 100".to_owned()));
    fresh[7].observe_trace(0.25, span(5));
    early.observe(1.5);
    assert!(bed.has("h_sum{l=\"early\"} 1.5"));
    let line = bed.samples().into_iter().find(|line| line.starts_with("h_bucket{l=\"later 7\",le=\"1.0\"} 1")).unwrap();
    let page = bed.registry.exemplars_json().unwrap();
    assert!(line.contains(&span(5).trace_id().to_string()) || page.windows(7).any(|w| w == b"later 7"), "{line}");
}

/// Label values longer than the ones before find their place as well as shorter ones, and only where it is.
#[test]
fn a_longer_text_takes_only_a_record_with_room_for_it() {
    let bed = Bed::new();
    let family = bed.counters();
    for round in 0..20_usize {
        let names: Vec<String> = (0..10).map(|n| format!("{n}{}", "x".repeat(round * n * 3 % 200))).collect();
        for (n, name) in names.iter().enumerate() {
            family.with(&[name]).unwrap().add(n as f64 + 1.0);
        }
        let shown = bed.samples();
        assert_eq!(shown.len(), 10, "{shown:?}");
        for (n, name) in names.iter().enumerate() {
            assert!(shown.contains(&format!("c_total{{l=\"{name}\"}} {}", n + 1)), "{shown:?}");
        }
        for name in &names {
            assert!(family.remove(&[name]).unwrap());
        }
        bed.pass(REST_MS);
    }
}

/// The user's own function removes the series and lets it be used again, between the gate and the slot.
#[test]
fn an_exemplar_on_its_way_does_not_reach_the_next_life() {
    let bed = Bed::new();
    let family = bed.histograms();
    let old = family.with(&["old"]).unwrap();
    old.observe_trace(0.25, span(1));
    bed.pass(1000);
    bed.samples();
    let wrote = old.observe_with(0.5, || {
        assert!(family.remove(&["old"]).unwrap());
        bed.pass(REST_MS);
        family.with(&["new"]).unwrap().observe(0.75);
        Some(span(2))
    });
    for _ in 0..4 {
        bed.pass(1000);
        let shown = bed.samples();
        assert!(shown.contains(&"h_bucket{l=\"new\",le=\"1.0\"} 1".to_owned()), "wrote {wrote}: {shown:?}");
    }
    // Two windows later the slot is free for its own.
    family.with(&["new"]).unwrap().observe_trace(0.9, span(3));
    bed.pass(1000);
    let line = bed.samples().into_iter().find(|line| line.starts_with("h_bucket{l=\"new\",le=\"1.0\"} 2 # ")).unwrap();
    assert!(line.contains(&span(3).trace_id().to_string()), "{line}");
}

/// What one label set was shown with is never followed by an earlier stamp, whichever record it comes to lie in and wherever
/// the wall clock goes.
#[test]
fn stamps_do_not_go_back_over_removal_and_creation() {
    let bed = Bed::new();
    let family = bed.histograms();
    let mut last = 0.0;
    let mut wall = WALL;
    for round in 0..200_u64 {
        bed.pass(REST_MS);
        wall = if round % 5 == 4 { wall - 500_000 } else { wall + 40_000 };
        bed.set_wall(wall);
        let series = family.with(&["a"]).unwrap();
        for other in 0..round % 4 {
            family.with(&[&format!("{round} {other}")]).unwrap().observe_trace(0.5, span(round + 1));
        }
        series.observe_trace(0.5, span(round + 1));
        bed.pass(100);
        bed.set_wall(wall);
        let line = bed.samples().into_iter().find(|line| line.starts_with("h_bucket{l=\"a\",le=\"1.0\"} 1 # "));
        let line = line.unwrap_or_else(|| panic!("no exemplar in round {round}"));
        let stamp: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(stamp >= last, "round {round}: {stamp} after {last}");
        last = stamp;
        family.clear().unwrap();
    }
}

/// In a segment with room for a few hundred series, thousands come and go without one that found no place.
#[test]
fn series_come_and_go_in_a_small_segment_without_overflow() {
    let bed = Bed::of(RegistryOptions { reserve_bytes: 256 << 10, ..Default::default() });
    let family = bed.counters();
    let mut alive = std::collections::VecDeque::new();
    for n in 0..20_000_u64 {
        let name = n.to_string();
        let series = family.with(&[&name]).unwrap();
        assert!(!series.is_overflow(), "number {n}");
        series.add(n as f64);
        alive.push_back(name);
        if alive.len() > 100 {
            assert!(family.remove(&[&alive.pop_front().unwrap()]).unwrap());
        }
        if n % 4 == 0 {
            bed.pass(1);
        }
    }
    let shown = bed.samples();
    assert_eq!(shown.iter().filter(|line| line.starts_with("c_total")).count(), alive.len());
    for name in &alive {
        assert!(shown.contains(&format!("c_total{{l=\"{name}\"}} {name}")), "{name}");
    }
    assert!(shown.contains(&"spanpin_overflow_observations_total 0".to_owned()), "{shown:?}");
}

/// Adaptive sampling and slow requests remember nothing of the life before.
#[test]
fn what_is_remembered_beside_the_cells_begins_anew() {
    let bed = Bed::new();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = told.clone();
    let family = bed.registry.histogram("h", "").labels(&["l"]).bounds(&[1.0]);
    let family = family
        .on_slow_request(0.5, "", move |slow| {
            kept.lock().unwrap().push(slow.labels().map(|(_, value)| value.to_owned()).collect::<String>());
        })
        .register()
        .unwrap();
    family.with(&["old"]).unwrap().observe_trace(0.75, span(1));
    family.clear().unwrap();
    bed.pass(REST_MS);
    family.with(&["new"]).unwrap().observe_trace(0.75, span(2));
    assert_eq!(*told.lock().unwrap(), ["old", "new"]);
}
