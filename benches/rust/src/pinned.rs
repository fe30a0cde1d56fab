//! The work with spanpin.

use std::time::Duration;

use spanpin::buckets::DEFAULT_BOUNDS;
use spanpin::{
    Counter, Histogram, HistogramFamily, Registry, RegistryOptions, ScrapeRequest, SpanId, TraceContext, TraceId,
};

use crate::inputs::{LABELS, ONE_PER_BUCKET, SPANS, VALUES, spans, values};
use crate::{Exposed, METRIC, SERIES, Work};

/// The `Accept` header of the scrapes.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0";

pub(crate) fn work(workload: &str) -> Option<Box<dyn Work>> {
    Some(match workload {
        "observe" => histogram(false, |h, value, _| h.observe(value)),
        "observe_exemplar_offered" => histogram(false, |h, value, span| _ = h.observe_trace(value, span)),
        "observe_exemplar_kept" => histogram(true, |h, value, span| _ = h.observe_exemplar_ids(value, span, &[])),
        "labels_observe" => Box::new(Labels::new()),
        "counter_inc" => Box::new(Count::new()),
        "scrape_1000" => Box::new(Scrape::new()),
        _ => return None,
    })
}

fn contexts() -> Box<[TraceContext; SPANS]> {
    let contexts: Vec<TraceContext> = spans()
        .iter()
        .map(|(trace, span)| {
            TraceContext::sampled(TraceId::from_bytes(*trace).unwrap(), SpanId::from_bytes(*span).unwrap())
        })
        .collect();
    contexts.into_boxed_slice().try_into().expect("the length is SPANS")
}

fn scraped(registry: &Registry) -> String {
    // A window that is younger than 20 ms is not closed by a scrape.
    std::thread::sleep(Duration::from_millis(30));
    let scrape = registry.scrape(&ScrapeRequest { accept: ACCEPT, ..Default::default() }).unwrap();
    String::from_utf8(scrape.into_body()).unwrap()
}

struct Observing<F> {
    registry: Registry,
    histogram: Histogram,
    values: Box<[f64; VALUES]>,
    spans: Box<[TraceContext; SPANS]>,
    observe: F,
    every_one_kept: bool,
}

fn histogram<F: Fn(&Histogram, f64, TraceContext) + Sync + 'static>(every_one_kept: bool, observe: F) -> Box<dyn Work> {
    let registry = Registry::new().unwrap();
    let histogram = registry.histogram(METRIC, "Latency.").register().unwrap().with(&[]).unwrap();
    Box::new(Observing { registry, histogram, values: values(), spans: contexts(), observe, every_one_kept })
}

impl<F: Fn(&Histogram, f64, TraceContext) + Sync> Work for Observing<F> {
    fn run(&self, thread: usize, operations: u64) {
        for n in 0..operations as usize {
            let value = self.values[(n + thread * 1000) % VALUES];
            (self.observe)(&self.histogram, value, self.spans[n % SPANS]);
        }
    }

    fn check(&self, operations: u64, threads: usize) -> Result<(), String> {
        let exposed = Exposed::read(&scraped(&self.registry));
        exposed.expect(&format!("{METRIC}_count"), operations)?;
        if !self.every_one_kept {
            return Ok(());
        }
        // One of two that meet in a bucket may overtake the other, whose exemplar is then no longer the latest.
        match exposed.sums.get("spanpin_exemplars_admitted_total") {
            Some(kept) if *kept == operations as f64 || threads > 1 && *kept > operations as f64 / 2.0 => Ok(()),
            kept => Err(format!("{kept:?} exemplars were kept of {operations}")),
        }
    }
}

struct Labels {
    registry: Registry,
    family: HistogramFamily,
    values: Box<[f64; VALUES]>,
}

impl Labels {
    fn new() -> Self {
        let registry = Registry::new().unwrap();
        let family = registry.histogram(METRIC, "Latency.").labels(&["method", "route", "code"]).register().unwrap();
        Labels { registry, family, values: values() }
    }
}

impl Work for Labels {
    fn run(&self, thread: usize, operations: u64) {
        for n in 0..operations as usize {
            let value = self.values[(n + thread * 1000) % VALUES];
            self.family.with(&LABELS[n % LABELS.len()]).unwrap().observe(value);
        }
    }

    fn check(&self, operations: u64, _threads: usize) -> Result<(), String> {
        Exposed::read(&scraped(&self.registry)).expect(&format!("{METRIC}_count"), operations)
    }
}

struct Count {
    registry: Registry,
    counter: Counter,
}

impl Count {
    fn new() -> Self {
        let registry = Registry::new().unwrap();
        let counter = registry.counter("bench_requests", "Requests.").register().unwrap().with(&[]).unwrap();
        Count { registry, counter }
    }
}

impl Work for Count {
    fn run(&self, _thread: usize, operations: u64) {
        for _ in 0..operations {
            self.counter.inc();
        }
    }

    fn check(&self, operations: u64, _threads: usize) -> Result<(), String> {
        Exposed::read(&scraped(&self.registry)).expect("bench_requests_total", operations)
    }
}

/// 1000 series of which each bucket has an exemplar.
pub struct Scrape {
    registry: Registry,
}

impl Scrape {
    /// The series, each with one observation in every bucket.
    #[must_use]
    pub fn new() -> Self {
        let options = RegistryOptions { self_metrics: false, ..Default::default() };
        let registry = Registry::with_options(&options).unwrap();
        let family = registry.histogram(METRIC, "Latency.").labels(&["method", "route"]).register().unwrap();
        let spans = contexts();
        for series in 0..SERIES {
            let route = format!("/orders/{series}");
            let histogram = family.with(&["GET", &route]).unwrap();
            for (bucket, value) in ONE_PER_BUCKET.iter().enumerate() {
                histogram.observe_trace(*value, spans[(series + bucket) % SPANS]);
            }
        }
        Scrape { registry }
    }
}

impl Default for Scrape {
    fn default() -> Self {
        Scrape::new()
    }
}

impl Work for Scrape {
    fn run(&self, _thread: usize, operations: u64) {
        for _ in 0..operations {
            let scrape = self.registry.scrape(&ScrapeRequest { accept: ACCEPT, ..Default::default() }).unwrap();
            std::hint::black_box(scrape.body());
        }
    }

    fn check(&self, _operations: u64, _threads: usize) -> Result<(), String> {
        let exposed = Exposed::read(&scraped(&self.registry));
        exposed.expect(&format!("{METRIC}_count"), (SERIES * ONE_PER_BUCKET.len()) as u64)?;
        exposed.expect_exemplars(SERIES * (DEFAULT_BOUNDS.len() + 1))
    }
}
