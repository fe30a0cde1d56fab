//! Writes the segments that the tests of the command read: `segments FOLDER`, or `segments FOLDER live` to go on counting
//! until it is ended.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, missing_docs)]

use std::path::Path;
use std::time::Duration;

use spanpin::{Registry, RegistryOptions, SpanId, TraceContext, TraceId};

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(n, n).unwrap(), SpanId::from_u64(n).unwrap())
}

fn attach(folder: &Path, name: &str) -> Registry {
    let path = folder.join(name).to_str().unwrap().to_owned();
    let options = RegistryOptions { segment: Some(&path), segment_mode: 0o644, strict: true, ..Default::default() };
    Registry::with_options(&options).unwrap()
}

/// The monotonic clock, some time ago, so that the last window is over.
fn stop_clock(registry: &Registry) {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    registry.set_clock(1_755_780_000_000, (seconds * 1000.0) as u64 - 60_000);
}

fn common(registry: &Registry, n: u64) {
    let jobs = registry.histogram("job_seconds", "How long a job took.").unit("seconds").bounds(&[1.0, 5.0]);
    let jobs = jobs.labels(&["kind"]).register().unwrap();
    jobs.with(&["nightly \"full\" \\ back\nup"]).unwrap().observe_trace(n as f64, span(n));
    jobs.with(&[""]).unwrap().observe(0.5);
    let items = registry.counter("items_total", "Items.").register().unwrap();
    items.with(&[]).unwrap().inc_with(|| Some(span(n + 100)));
    registry.gauge("level", "").labels(&["side"]).register().unwrap().with(&["a"]).unwrap().set(n as f64);
}

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let folder = Path::new(&folder);
    let first = attach(folder, "first.spanpin");
    stop_clock(&first);
    common(&first, 3);
    let second = attach(folder, "second.spanpin");
    stop_clock(&second);
    common(&second, 4);
    // The same family in another shape; one whose sample is that of another; one with the label of the command's.
    let third = attach(folder, "third.spanpin");
    stop_clock(&third);
    third
        .histogram("job_seconds", "")
        .unit("seconds")
        .bounds(&[2.0])
        .labels(&["kind"])
        .register()
        .unwrap()
        .with(&["x"])
        .unwrap()
        .observe(1.0);
    third.gauge("items_total", "").register().unwrap().with(&[]).unwrap().set(1.0);
    third.gauge("parts", "").labels(&["segment"]).register().unwrap().with(&["a"]).unwrap().set(1.0);
    third.gauge("own", "").register().unwrap().with(&[]).unwrap().set(5.0);
    if std::env::args().nth(2).as_deref() == Some("live") {
        let live = attach(folder, "live.spanpin");
        let counts = live.histogram("n", "").bounds(&[0.5]).register().unwrap().with(&[]).unwrap();
        live.gauge("busy", "").register().unwrap().with(&[]).unwrap().inc();
        println!("ready");
        // The n-th observation has the value n.
        for n in 1_u64.. {
            counts.observe_trace(n as f64, span(n));
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
