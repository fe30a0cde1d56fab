//! Beyond the limit of exemplar memory a bucket gets no ring, which is counted, and counting goes on.

use std::sync::Barrier;
use std::thread;

use spanpin::{Histogram, HistogramFamily, Registry, RegistryOptions, ScrapeRequest};

use crate::judge::{Made, context, id_labels, read};

const RING_BYTES: usize = 768;
const LABEL_AREA_BYTES: usize = 6336;
const BOUNDS: [f64; 3] = [0.25, 0.5, 0.75];
/// One value for each bucket.
const VALUES: [f64; 4] = [0.1, 0.3, 0.6, 0.9];

struct Bed {
    registry: Registry,
    family: HistogramFamily,
}

impl Bed {
    fn new(options: &RegistryOptions<'_>) -> Bed {
        let registry = Registry::with_options(options).unwrap();
        registry.set_clock(1_700_000_000_000, 1_000_000);
        let family = registry.histogram("h", "").labels(&["l"]).bounds(&BOUNDS).max_series(30_000).register().unwrap();
        Bed { registry, family }
    }

    fn series(&self, number: u64) -> Histogram {
        self.family.with(&[&number.to_string()]).unwrap()
    }

    fn body(&self) -> String {
        self.registry.set_clock(1_700_000_001_000, 1_001_000);
        let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
        String::from_utf8(self.registry.scrape(&request).unwrap().into_body()).unwrap()
    }
}

/// The exemplars in a body, each of which must be whole: bucket `b` of series `s` has shown number `4 s + b + 1`, or one
/// of the `rounds` that came later.
fn exemplars(body: &str, total: u64, rounds: u64) -> usize {
    let made = |n: u64| {
        let n = n - 1;
        let place = n % total;
        let series = format!("h_bucket{{l=\"{}\"}}", place / 4);
        let value = VALUES[(place % 4) as usize];
        (n < total * rounds).then(|| Made { series, value, labels: id_labels(n + 1), total: 1.0, mono_ms: 0 })
    };
    let samples = read(body, &made).unwrap();
    samples.iter().filter(|sample| sample.shown.is_some()).count()
}

fn self_metric(body: &str, name: &str) -> f64 {
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

fn dropped(body: &str) -> u64 {
    self_metric(body, "spanpin_exemplars_dropped_total{reason=\"memory\"}") as u64
}

fn counted(body: &str) -> u64 {
    let counts = body.lines().filter(|line| line.starts_with("h_count"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Threads with series of their own: exactly as many rings as fit, exactly the others refused, each observation counted.
#[test]
fn exactly_as_many_rings_as_fit_whoever_comes_first() {
    const THREADS: u64 = 4;
    const SERIES: u64 = 40;
    const ROUNDS: u64 = 5;
    let total = THREADS * SERIES * 4;
    for fit in [0, 1, 77, total - 1, total] {
        let bytes = fit as usize * RING_BYTES + if fit == total { 0 } else { RING_BYTES - 1 };
        let bed = Bed::new(&RegistryOptions { exemplar_bytes: bytes, reserve_bytes: 4 << 20, ..Default::default() });
        let start = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (bed, start) = (&bed, &start);
                scope.spawn(move || {
                    let series: Vec<_> = (0..SERIES).map(|n| (n, bed.series(thread * SERIES + n))).collect();
                    start.wait();
                    for round in 0..ROUNDS {
                        for (number, series) in &series {
                            for (bucket, value) in VALUES.iter().enumerate() {
                                let place = (thread * SERIES + number) * 4 + bucket as u64;
                                series.observe_trace(*value, context(round * total + place + 1, true));
                            }
                        }
                    }
                });
            }
        });
        let body = bed.body();
        assert_eq!(exemplars(&body, total, ROUNDS) as u64, fit, "of {bytes} bytes");
        // A bucket without a ring refuses each offer; one that has a ring has its window's best from the first on.
        assert_eq!(dropped(&body), (total - fit) * ROUNDS);
        assert_eq!(self_metric(&body, "spanpin_exemplars_admitted_total") as u64, fit);
        assert_eq!(self_metric(&body, "spanpin_exemplar_bytes") as usize, fit as usize * RING_BYTES);
        assert_eq!(counted(&body), total * ROUNDS);
    }
}

/// Threads that race for the same buckets: never more than the limit, and nothing is lost but by name.
#[test]
fn a_race_for_the_last_rings_stays_below_the_limit() {
    const THREADS: u64 = 4;
    const SERIES: u64 = 30;
    const ROUNDS: u64 = 20;
    let total = SERIES * 4;
    for attempt in 0..10 {
        let limit = 60 * RING_BYTES + attempt * 100;
        let bed = Bed::new(&RegistryOptions { exemplar_bytes: limit, reserve_bytes: 4 << 20, ..Default::default() });
        let start = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (bed, start) = (&bed, &start);
                scope.spawn(move || {
                    let series: Vec<_> = (0..SERIES).map(|n| bed.series(n)).collect();
                    start.wait();
                    for round in 0..ROUNDS {
                        for place in 0..total {
                            // Each thread begins elsewhere, so that they meet.
                            let place = (place + thread * 7 + round) % total;
                            let n = round * total + place + 1;
                            let value = VALUES[(place % 4) as usize];
                            series[(place / 4) as usize].observe_exemplar_ids(value, context(n, false), &[]);
                        }
                    }
                });
            }
        });
        let body = bed.body();
        let (shown, used) = (exemplars(&body, total, ROUNDS), self_metric(&body, "spanpin_exemplar_bytes") as usize);
        assert!(used <= limit && used.is_multiple_of(RING_BYTES), "{used} of {limit}");
        // Whoever loses the race for a bucket's first ring leaves one unused: at most one for each other thread.
        assert!(shown * RING_BYTES <= used && shown > 0, "{shown} rings of {used} bytes");
        assert_eq!(used / RING_BYTES, limit / RING_BYTES, "the limit was not reached");
        assert_eq!(counted(&body), THREADS * ROUNDS * total);
        // An explicit exemplar is admitted, beaten by a later one, busy, or refused for want of memory. In a bucket without
        // a ring all of them are refused.
        let without = (total - shown as u64) * THREADS * ROUNDS;
        let all = self_metric(&body, "spanpin_exemplars_offered_total") as u64;
        assert_eq!(all, THREADS * ROUNDS * total);
        assert!(dropped(&body) >= without && dropped(&body) < all, "{} of {all}, {without}", dropped(&body));
    }
}

/// Labels need memory of their own; without it an exemplar keeps its ids.
#[test]
fn labels_are_left_out_beyond_the_limit() {
    let limit = 2 * RING_BYTES + LABEL_AREA_BYTES;
    let bed = Bed::new(&RegistryOptions { exemplar_bytes: limit, ..Default::default() });
    for place in 0..4 {
        let span = context(place + 1, true);
        bed.series(0).observe_trace_labels(VALUES[place as usize], span, &[("user", "u")]);
    }
    let body = bed.body();
    assert_eq!(body.matches(" # {trace_id").count(), 2, "{body}");
    assert_eq!(body.matches(",user=\"u\"}").count(), 1, "{body}");
    assert_eq!((dropped(&body), counted(&body)), (3, 4), "two rings and one label area");
    assert_eq!(self_metric(&body, "spanpin_exemplar_bytes") as usize, limit);
}

/// A segment that is full refuses too, and what was charged for is given back.
#[test]
fn a_full_segment_refuses_rings_and_charges_nothing_for_them() {
    let bed = Bed::new(&RegistryOptions { reserve_bytes: 256 << 10, ..Default::default() });
    let total = 1000;
    let series: Vec<_> = (0..total / 4).map(|n| bed.series(n)).collect();
    for place in 0..total {
        let value = VALUES[(place % 4) as usize];
        series[(place / 4) as usize].observe_trace(value, context(place + 1, true));
    }
    let body = bed.body();
    let shown = exemplars(&body, total, 1);
    assert!(shown > 50 && (shown as u64) < total, "{shown}");
    assert_eq!(dropped(&body), total - shown as u64);
    assert_eq!(self_metric(&body, "spanpin_exemplar_bytes") as usize, shown * RING_BYTES);
    assert_eq!(counted(&body), total);
}
