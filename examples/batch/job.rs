//! A batch job that records into a segment file and ends: `batch-job SEGMENT`.
//!
//! A real one has its span from a tracing library; this one takes it from the variable TRACEPARENT, as a job that is started
//! by a traced scheduler does.

use std::time::Instant;

use spanpin::{Registry, RegistryOptions, TraceContext};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let segment = std::env::args().nth(1).ok_or("give the path of the segment file")?;
    // The mode lets a sidecar of the same group read the file.
    let registry = Registry::with_options(&RegistryOptions {
        segment: Some(&segment),
        segment_mode: 0o640,
        ..Default::default()
    })?;
    if let Some(notice) = registry.take_segment_notice() {
        eprintln!("{}", notice.message);
    }
    let runs =
        registry.histogram("batch_run_seconds", "How long a run took.").unit("seconds").labels(&["job"]).register()?;
    let items = registry.counter("batch_items_total", "Items that were worked on.").labels(&["job"]).register()?;
    let started = Instant::now();

    let done = (1..=1000_u64).map(|n| n % 7).filter(|rest| *rest == 0).count();

    items.with(&["rust"])?.add(done as f64);
    let took = started.elapsed().as_secs_f64();
    let runs = runs.with(&["rust"])?;
    let span = std::env::var("TRACEPARENT").ok().map(|parent| TraceContext::parse_traceparent(&parent)).transpose()?;
    runs.observe_with(took, || span);
    Ok(())
}
