//! The work that the benches measure, once for spanpin and once for the `prometheus-client` crate.
//!
//! Every piece of work can prove its answer: what an engine exposes afterwards must be what was observed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench that meets the unexpected has to stop"
)]

pub mod allocations;
pub mod client_rust;
pub mod clocks;
pub mod inputs;
pub mod pinned;

use std::collections::HashMap;

/// The names of the workloads, as in `latest.json`.
pub const WORKLOADS: [&str; 6] =
    ["observe", "labels_observe", "observe_exemplar_offered", "observe_exemplar_kept", "counter_inc", "scrape_1000"];

/// The name of the metric that all work is done on.
pub const METRIC: &str = "bench_duration_seconds";

/// Series of `scrape_1000`.
pub const SERIES: usize = 1000;

/// Something that is done many times.
pub trait Work: Sync {
    /// Does it `operations` times. Threads start at different inputs.
    fn run(&self, thread: usize, operations: u64);
    /// Whether the engine exposes what `operations` in all threads together must have led to.
    ///
    /// # Errors
    /// What is exposed instead.
    fn check(&self, operations: u64, threads: usize) -> Result<(), String>;
}

/// An engine's work for a workload; nothing for an unknown name.
#[must_use]
pub fn work(engine: &str, workload: &str) -> Option<Box<dyn Work>> {
    match engine {
        "spanpin" => pinned::work(workload),
        "client_rust" => client_rust::work(workload),
        _ => None,
    }
}

/// Runs work in `threads` threads. Returns the CPU time of all of them, in nanoseconds.
pub fn run_in_threads(work: &dyn Work, threads: usize, operations: u64) -> u64 {
    if threads == 1 {
        let start = clocks::thread_ns();
        work.run(0, operations);
        return clocks::thread_ns().saturating_sub(start);
    }
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let start = clocks::thread_ns();
                    work.run(thread, share(operations, threads, thread));
                    clocks::thread_ns().saturating_sub(start)
                })
            })
            .collect();
        running.into_iter().map(|handle| handle.join().expect("work does not panic")).sum()
    })
}

fn share(operations: u64, threads: usize, thread: usize) -> u64 {
    let threads = threads as u64;
    operations / threads + u64::from((thread as u64) < operations % threads)
}

/// An exposition's samples of [`METRIC`] by suffix and its exemplars, for the checks.
#[derive(Debug, Default)]
pub struct Exposed {
    /// The sum of all samples with a name, over their label sets.
    pub sums: HashMap<String, f64>,
    /// Sample lines with an exemplar.
    pub exemplars: usize,
}

impl Exposed {
    /// Reads an OpenMetrics text whose label values hold no space or brace.
    #[must_use]
    pub fn read(text: &str) -> Exposed {
        let mut exposed = Exposed::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (sample, exemplar) = line.split_once(" # ").map_or((line, None), |(a, b)| (a, Some(b)));
            if exemplar.is_some_and(|e| e.contains("trace_id=\"") && e.contains("span_id=\"")) {
                exposed.exemplars += 1;
            }
            let (name, value) = sample.rsplit_once(' ').unwrap_or_default();
            let name = name.split('{').next().unwrap_or_default();
            *exposed.sums.entry(name.to_owned()).or_default() += value.parse().unwrap_or(f64::NAN);
        }
        exposed
    }

    /// Fails unless the samples with this name add up to `wanted`.
    ///
    /// # Errors
    /// What they add up to.
    pub fn expect(&self, name: &str, wanted: u64) -> Result<(), String> {
        match self.sums.get(name) {
            Some(found) if *found == wanted as f64 => Ok(()),
            found => Err(format!("{name} is {found:?}, not {wanted}")),
        }
    }

    /// Fails unless this many lines have an exemplar with a trace id and a span id.
    ///
    /// # Errors
    /// How many have.
    pub fn expect_exemplars(&self, wanted: usize) -> Result<(), String> {
        if self.exemplars == wanted {
            return Ok(());
        }
        Err(format!("{} lines have an exemplar, not {wanted}", self.exemplars))
    }
}
