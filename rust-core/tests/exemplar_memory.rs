//! The limit of exemplar memory, which all registries of a process share. One test, because the limit is the process'.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use spanpin::{HistogramFamily, Registry, RegistryOptions, ScrapeRequest, SpanId, TraceContext, TraceId};

/// A ring of eleven slots, and its label area.
const RING: usize = 768;
const LABELS: usize = 11 * 576;

fn span() -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(7, 7).unwrap(), SpanId::from_u64(7).unwrap())
}

fn registry(exemplar_bytes: usize) -> (Registry, HistogramFamily) {
    let registry = Registry::with_options(&RegistryOptions { exemplar_bytes, ..Default::default() }).unwrap();
    let family = registry.histogram("h", "").labels(&["n"]).bounds(&[]).max_series(10_000).register().unwrap();
    (registry, family)
}

fn own(registry: &Registry, sample: &str) -> u64 {
    let body = String::from_utf8(registry.scrape(&ScrapeRequest::default()).unwrap().into_body()).unwrap();
    let line = body.lines().find(|line| line.starts_with(sample)).unwrap();
    line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
}

/// Observes once in each of so many series. Returns how many exemplars were kept.
fn observe(family: &HistogramFamily, series: usize, labels: &[(&str, &str)]) -> usize {
    let kept = |n: usize| family.with(&[&n.to_string()]).unwrap().observe_trace_labels(1.0, span(), labels);
    (0..series).filter(|n| kept(*n)).count()
}

#[test]
fn beyond_the_limit_rings_are_refused_and_observations_go_on() {
    const RINGS: usize = 100;
    let (first, family) = registry(RINGS * RING);
    assert_eq!(observe(&family, 150, &[]), RINGS);
    assert_eq!(own(&first, "spanpin_exemplars_dropped_total{reason=\"memory\"}"), 50);
    assert_eq!(own(&first, "spanpin_exemplar_bytes "), (RINGS * RING) as u64);
    assert_eq!(own(&first, "h_count{n=\"149\"}"), 1, "what has no exemplar counts");

    // A second registry with the same limit finds nothing left, and all of it once the first is gone.
    let (second, other) = registry(RINGS * RING);
    assert_eq!(observe(&other, 10, &[]), 0);
    assert_eq!(own(&second, "spanpin_exemplars_dropped_total{reason=\"memory\"}"), 10);
    drop((first, family));
    assert_eq!(observe(&other, 150, &[]), RINGS);
    drop((second, other));

    // The greatest limit of a registry holds from then on; each keeps its own.
    let (large, roomy) = registry(4 * RINGS * RING);
    let (_small, narrow) = registry(RINGS * RING);
    assert_eq!(observe(&narrow, 500, &[]), RINGS);
    assert_eq!(observe(&roomy, 500, &[]), 3 * RINGS);
    assert_eq!(own(&large, "spanpin_exemplars_dropped_total{reason=\"memory\"}"), 200);
    drop((large, roomy, _small, narrow));

    // Without memory for labels an exemplar keeps its ids.
    let (third, labelled) = registry(2 * RING + LABELS);
    assert_eq!(observe(&labelled, 2, &[("user", "u")]), 2);
    let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    let body = String::from_utf8(third.scrape(&request).unwrap().into_body()).unwrap();
    assert_eq!((body.matches("trace_id=").count(), body.matches("user=\"u\"").count()), (2, 1), "{body}");
    assert_eq!(
        own(&third, "spanpin_exemplars_dropped_total{reason=\"memory\"}"),
        1,
        "the loss of its labels is counted"
    );

    // From many threads the limit is exact.
    drop((third, labelled));
    let (fourth, shared) = registry(RINGS * RING);
    let kept: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|t| {
                let shared = &shared;
                let one = move |n: usize| shared.with(&[&format!("{t}-{n}")]).unwrap().observe_trace(1.0, span());
                scope.spawn(move || (0..100).filter(|n| one(*n)).count())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(kept, RINGS);
    assert_eq!(own(&fourth, "spanpin_exemplars_dropped_total{reason=\"memory\"}"), 300);

    // 64 MiB unless told otherwise, to the ring.
    const MOST: usize = (64 << 20) / RING;
    drop((fourth, shared));
    let usual = Registry::new().unwrap();
    let family = usual.histogram("h", "").labels(&["n"]).bounds(&[]).max_series(100_000).register().unwrap();
    assert_eq!(observe(&family, MOST + 1000, &[]), MOST);
    assert_eq!(own(&usual, "spanpin_exemplars_dropped_total{reason=\"memory\"}"), 1000);
}
