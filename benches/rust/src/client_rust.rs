//! The work with the `prometheus-client` crate, as its documentation shows it: an exemplar's labels are a struct of
//! texts made from the span's ids. No timestamp is given, as in its examples, although Prometheus wants one.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use spanpin::buckets::DEFAULT_BOUNDS;

use crate::inputs::{LABELS, ONE_PER_BUCKET, SPANS, VALUES, spans, values};
use crate::{Exposed, METRIC, SERIES, Work};

pub(crate) fn work(workload: &str) -> Option<Box<dyn Work>> {
    Some(match workload {
        "observe" => Box::new(Observing::new()),
        // It keeps the exemplar of every observation, so that both workloads are the same to it.
        "observe_exemplar_offered" | "observe_exemplar_kept" => Box::new(Exemplars::new()),
        "labels_observe" => Box::new(Labels::new()),
        "counter_inc" => Box::new(Count::new()),
        "scrape_1000" => Box::new(Scrape::new()),
        _ => return None,
    })
}

/// The labels of an exemplar.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Trace {
    trace_id: String,
    span_id: String,
}

impl Trace {
    fn of((trace, span): &([u8; 16], [u8; 8])) -> Self {
        Trace {
            trace_id: format!("{:032x}", u128::from_be_bytes(*trace)),
            span_id: format!("{:016x}", u64::from_be_bytes(*span)),
        }
    }
}

/// Labels without an allocation, the fastest that the crate offers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

fn scraped(registry: &Registry) -> Exposed {
    let mut text = String::new();
    text::encode(&mut text, registry).unwrap();
    Exposed::read(&text)
}

struct Observing {
    registry: Registry,
    histogram: Histogram,
    values: Box<[f64; VALUES]>,
}

impl Observing {
    fn new() -> Self {
        let mut registry = Registry::default();
        let histogram = Histogram::new(DEFAULT_BOUNDS);
        registry.register(METRIC, "Latency", histogram.clone());
        Observing { registry, histogram, values: values() }
    }
}

impl Work for Observing {
    fn run(&self, thread: usize, operations: u64) {
        for n in 0..operations as usize {
            self.histogram.observe(self.values[(n + thread * 1000) % VALUES]);
        }
    }

    fn check(&self, operations: u64, _threads: usize) -> Result<(), String> {
        scraped(&self.registry).expect(&format!("{METRIC}_count"), operations)
    }
}

struct Exemplars {
    registry: Registry,
    histogram: HistogramWithExemplars<Trace>,
    values: Box<[f64; VALUES]>,
    spans: Box<[([u8; 16], [u8; 8]); SPANS]>,
}

impl Exemplars {
    fn new() -> Self {
        let mut registry = Registry::default();
        let histogram = HistogramWithExemplars::new(DEFAULT_BOUNDS.into_iter());
        registry.register(METRIC, "Latency", histogram.clone());
        Exemplars { registry, histogram, values: values(), spans: spans() }
    }
}

impl Work for Exemplars {
    fn run(&self, thread: usize, operations: u64) {
        for n in 0..operations as usize {
            let value = self.values[(n + thread * 1000) % VALUES];
            self.histogram.observe(value, Some(Trace::of(&self.spans[n % SPANS])), None);
        }
    }

    fn check(&self, operations: u64, _threads: usize) -> Result<(), String> {
        let exposed = scraped(&self.registry);
        exposed.expect(&format!("{METRIC}_count"), operations)?;
        if exposed.exemplars > 0 { Ok(()) } else { Err("no exemplar was kept".into()) }
    }
}

struct Labels {
    registry: Registry,
    family: Family<Request, Histogram>,
    values: Box<[f64; VALUES]>,
}

impl Labels {
    fn new() -> Self {
        let mut registry = Registry::default();
        let family = Family::<Request, Histogram>::new_with_constructor(|| Histogram::new(DEFAULT_BOUNDS));
        registry.register(METRIC, "Latency", family.clone());
        Labels { registry, family, values: values() }
    }
}

impl Work for Labels {
    fn run(&self, thread: usize, operations: u64) {
        for n in 0..operations as usize {
            let value = self.values[(n + thread * 1000) % VALUES];
            let [method, route, code] = LABELS[n % LABELS.len()];
            self.family.get_or_create(&Request { method, route, code }).observe(value);
        }
    }

    fn check(&self, operations: u64, _threads: usize) -> Result<(), String> {
        scraped(&self.registry).expect(&format!("{METRIC}_count"), operations)
    }
}

struct Count {
    registry: Registry,
    counter: Counter,
}

impl Count {
    fn new() -> Self {
        let mut registry = Registry::default();
        let counter = Counter::default();
        registry.register("bench_requests", "Requests", counter.clone());
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
        scraped(&self.registry).expect("bench_requests_total", operations)
    }
}

struct Scrape {
    registry: Registry,
}

impl Scrape {
    fn new() -> Self {
        let mut registry = Registry::default();
        let family = Family::<Route, HistogramWithExemplars<Trace>>::new_with_constructor(|| {
            HistogramWithExemplars::new(DEFAULT_BOUNDS.into_iter())
        });
        registry.register(METRIC, "Latency", family.clone());
        let spans = spans();
        for series in 0..SERIES {
            let histogram = family.get_or_create(&Route { method: "GET", route: format!("/orders/{series}") });
            for (bucket, value) in ONE_PER_BUCKET.iter().enumerate() {
                histogram.observe(*value, Some(Trace::of(&spans[(series + bucket) % SPANS])), None);
            }
        }
        Scrape { registry }
    }
}

impl Work for Scrape {
    fn run(&self, _thread: usize, operations: u64) {
        for _ in 0..operations {
            let mut text = String::new();
            text::encode(&mut text, &self.registry).unwrap();
            std::hint::black_box(text);
        }
    }

    fn check(&self, _operations: u64, _threads: usize) -> Result<(), String> {
        let exposed = scraped(&self.registry);
        exposed.expect(&format!("{METRIC}_count"), (SERIES * ONE_PER_BUCKET.len()) as u64)?;
        exposed.expect_exemplars(SERIES * (DEFAULT_BOUNDS.len() + 1))
    }
}
