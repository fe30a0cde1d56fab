//! Both engines side by side. Each row is measured twice, by the wall clock and in CPU time; on a busy machine only the
//! CPU time can be compared.
//!
//! `SPANPIN_BENCH_ALLOCATIONS=<file>` also writes what one operation allocates, as JSON lines.
#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a bench that meets the unexpected has to stop"
)]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use spanpin_benches::allocations::{Counting, counted};
use spanpin_benches::{WORKLOADS, Work, run_in_threads, work};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// `SPANPIN_BENCH_SWAP` measures the peer first, so that a drift of the machine favours nobody over the rounds.
fn engines_in_order() -> [&'static str; 2] {
    match std::env::var_os("SPANPIN_BENCH_SWAP") {
        Some(_) => ["client_rust", "spanpin"],
        None => ["spanpin", "client_rust"],
    }
}

/// The number of threads that a workload makes sense with: a scrape is one thread's work.
fn threads_of(workload: &str) -> &'static [usize] {
    if workload == "scrape_1000" { &[1] } else { &[1, 2] }
}

fn engines(criterion: &mut Criterion) {
    for workload in WORKLOADS {
        for threads in threads_of(workload) {
            for clock in ["cpu", "wall"] {
                let mut group = criterion.benchmark_group(format!("{workload}/{threads}/{clock}"));
                for engine in engines_in_order() {
                    let work = work(engine, workload).expect("both engines do every workload");
                    let done = AtomicU64::new(0);
                    group.bench_function(engine, |bencher| {
                        bencher.iter_custom(|operations| {
                            done.fetch_add(operations, Ordering::Relaxed);
                            let start = Instant::now();
                            let cpu = run_in_threads(&*work, *threads, operations);
                            if clock == "cpu" { Duration::from_nanos(cpu) } else { start.elapsed() }
                        });
                    });
                    prove(engine, workload, &*work, done.into_inner(), *threads);
                }
                group.finish();
            }
        }
    }
}

/// Stops the bench if the engine has not counted what it was given.
fn prove(engine: &str, workload: &str, work: &dyn Work, done: u64, threads: usize) {
    // Nothing was done when the name on the command line is another one.
    if done > 0
        && let Err(wrong) = work.check(done, threads)
    {
        eprintln!("{workload}, {engine}: wrong answer: {wrong}");
        std::process::exit(1);
    }
}

fn allocations(_: &mut Criterion) {
    let Ok(path) = std::env::var("SPANPIN_BENCH_ALLOCATIONS") else { return };
    let mut lines = String::new();
    for workload in WORKLOADS {
        for engine in engines_in_order() {
            let work = work(engine, workload).expect("both engines do every workload");
            let operations = if workload == "scrape_1000" { 10 } else { 100_000 };
            // Once before, for what is made at first use.
            work.run(0, operations);
            let found = counted(|| work.run(0, operations));
            let (bytes, calls) = (found.bytes as f64 / operations as f64, found.calls as f64 / operations as f64);
            let _ = writeln!(
                lines,
                r#"{{"workload":"{workload}","engine":"{engine}","bytes_per_op":{bytes},"allocs_per_op":{calls}}}"#
            );
        }
    }
    std::fs::write(&path, lines).expect("the file for the allocations can be written");
}

criterion_group!(benches, engines, allocations);
criterion_main!(benches);
