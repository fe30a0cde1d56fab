//! What an update costs when others write the same series: one thread and two on the heap, one process and two on a file,
//! each pinned to a processor of its own, after a second of warm-up. Writes one line of JSON for each measurement, in CPU
//! time; `benches/contended.py` makes the table.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench that meets the unexpected has to stop"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use spanpin::{Counter, Histogram, Registry, RegistryOptions};
use spanpin_benches::clocks::{pin_to, thread_ns};
use spanpin_benches::inputs::{VALUES, values};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_millis(700);
/// Updates between two looks at the clock.
const BATCH: usize = 4096;

enum Series {
    Histogram(Histogram),
    Counter(Counter),
}

impl Series {
    fn new(kind: &str, registry: &Registry) -> Series {
        match kind {
            "histogram" => {
                let family = registry.histogram("bench_seconds", "Latency.").register().expect("a valid family");
                Series::Histogram(family.with(&[]).expect("no labels"))
            }
            _ => {
                let family = registry.counter("bench_requests", "Requests.").register().expect("a valid family");
                Series::Counter(family.with(&[]).expect("no labels"))
            }
        }
    }

    fn batch(&self, values: &[f64; VALUES], at: usize) {
        match self {
            Series::Histogram(histogram) => (at..at + BATCH).for_each(|n| histogram.observe(values[n % VALUES])),
            Series::Counter(counter) => (0..BATCH).for_each(|_| counter.inc()),
        }
    }

    /// The CPU time of an update, after the warm-up.
    fn measure(&self, worker: usize) -> f64 {
        assert!(pin_to(worker), "the system refuses to pin a thread to processor {worker}");
        let values = values();
        let run_for = |time: Duration| {
            let (started, cpu) = (Instant::now(), thread_ns());
            let mut done = worker * 1000;
            let first = done;
            while started.elapsed() < time {
                self.batch(&values, done);
                done += BATCH;
            }
            (thread_ns() - cpu) as f64 / (done - first) as f64
        };
        run_for(WARM_UP);
        run_for(MEASURED)
    }
}

fn in_threads(kind: &str, threads: usize) -> f64 {
    let registry = Registry::new().expect("memory");
    let series = Series::new(kind, &registry);
    let start = Barrier::new(threads);
    let costs: Vec<f64> = std::thread::scope(|scope| {
        let run = |worker| {
            let (series, start) = (&series, &start);
            move || {
                start.wait();
                series.measure(worker)
            }
        };
        let running: Vec<_> = (0..threads).map(|worker| scope.spawn(run(worker))).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    costs.iter().sum::<f64>() / threads as f64
}

/// Processes start when all of them have the segment.
fn in_processes(kind: &str, processes: usize, path: &str) -> f64 {
    let program = std::env::current_exe().expect("a path");
    let worker = |number: usize| {
        let mut command = Command::new(&program);
        command.args(["worker", kind, path, &number.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process")
    };
    let mut running: Vec<Child> = (0..processes).map(worker).collect();
    let mut answers: Vec<_> =
        running.iter_mut().map(|child| BufReader::new(child.stdout.take().expect("a pipe")).lines()).collect();
    for answer in &mut answers {
        assert_eq!(answer.next().expect("a line").expect("text"), "ready");
    }
    for child in &mut running {
        child.stdin.as_mut().expect("a pipe").write_all(b"go\n").expect("a pipe");
    }
    let cost = |answer: &mut std::io::Lines<_>| -> f64 {
        answer.next().expect("a line").expect("text").parse().expect("a number")
    };
    let sum: f64 = answers.iter_mut().map(cost).sum();
    for mut child in running {
        assert!(child.wait().expect("a process").success());
    }
    std::fs::remove_file(path).expect("the segment");
    sum / processes as f64
}

fn worker(kind: &str, path: &str, number: usize) {
    let options = RegistryOptions { segment: Some(path), strict: true, ..Default::default() };
    let registry = Registry::with_options(&options).expect("a segment");
    let series = Series::new(kind, &registry);
    println!("ready");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("a line");
    println!("{}", series.measure(number));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, kind, path, number] = arguments.as_slice()
        && first == "worker"
    {
        return worker(kind, path, number.parse().expect("a number"));
    }
    let [rounds, directory] = arguments.as_slice() else {
        eprintln!("contended: give the number of rounds and a directory for segments");
        std::process::exit(2)
    };
    let rounds: usize = rounds.parse().expect("a number");
    for round in 1..=rounds {
        for kind in ["histogram", "counter"] {
            let path = format!("{directory}/spanpin-contended-{}", std::process::id());
            let ways: [(&str, &dyn Fn() -> f64); 4] = [
                ("thread", &|| in_threads(kind, 1)),
                ("threads", &|| in_threads(kind, 2)),
                ("process", &|| in_processes(kind, 1, &path)),
                ("processes", &|| in_processes(kind, 2, &path)),
            ];
            for (way, run) in ways {
                let each = run();
                println!("{{\"kind\":\"{kind}\",\"way\":\"{way}\",\"round\":{round},\"cpu_ns_per_op\":{each:.4}}}");
            }
        }
    }
}
