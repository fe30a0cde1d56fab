//! What an exemplar costs over a plain observation: each way of observing in turn, round by round, in CPU time. Writes one
//! line of JSON for each measurement; `benches/cost.py` makes the table.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench that meets the unexpected has to stop"
)]

use std::hint::black_box;

use spanpin::{Filter, Histogram, Registry, SpanId, TraceContext, TraceId};
use spanpin_benches::clocks::thread_ns;
use spanpin_benches::inputs::{SPANS, VALUES, spans, values};

const WARM_UP: usize = 1 << 21;

fn histogram(filter: Filter) -> Histogram {
    let registry = Registry::new().expect("memory");
    let family = registry.histogram("bench_seconds", "Latency.").filter(filter).register().expect("a valid family");
    family.with(&[]).expect("no labels")
}

fn contexts(flags: u8) -> Vec<TraceContext> {
    let context = |(trace, span): &([u8; 16], [u8; 8])| {
        Some(TraceContext::new(TraceId::from_bytes(*trace)?, SpanId::from_bytes(*span)?, flags))
    };
    spans().iter().map(|ids| context(ids).expect("ids are not zero")).collect()
}

type Observe = fn(&Histogram, f64, &TraceContext);

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse().expect("rounds and operations are numbers"));
    let (rounds, operations): (usize, usize) = (arguments.next().unwrap_or(21), arguments.next().unwrap_or(4_000_000));
    let values = values();
    let variants: [(&str, Filter, u8, Observe); 5] = [
        ("none", Filter::TraceBased, 1, |h, value, _| h.observe(value)),
        ("always_off", Filter::AlwaysOff, 1, |h, value, span| _ = h.observe_trace(value, span)),
        ("no_tracing", Filter::TraceBased, 1, |h, value, _| _ = h.observe_with(value, || black_box(None))),
        ("unsampled", Filter::TraceBased, 0, |h, value, span| _ = h.observe_trace(value, span)),
        ("offered", Filter::TraceBased, 1, |h, value, span| _ = h.observe_trace(value, span)),
    ];
    let beds: Vec<_> = variants.iter().map(|(_, filter, flags, _)| (histogram(*filter), contexts(*flags))).collect();
    for round in 0..=rounds {
        for step in 0..variants.len() {
            let at = if round % 2 == 0 { step } else { variants.len() - 1 - step };
            let ((name, _, _, observe), (histogram, spans)) = (&variants[at], &beds[at]);
            let count = if round == 0 { WARM_UP } else { operations };
            let started = thread_ns();
            for n in 0..count {
                observe(black_box(histogram), values[n % VALUES], black_box(&spans[n % SPANS]));
            }
            let taken = thread_ns() - started;
            if round > 0 {
                let each = taken as f64 / count as f64;
                println!(
                    "{{\"language\":\"rust\",\"variant\":\"{name}\",\"round\":{round},\"cpu_ns_per_op\":{each:.4}}}"
                );
            }
        }
    }
}
