//! `spanpin inspect`: what is in a segment.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use spanpin::{FamilyFacts, Look, SegmentCopy, SegmentFacts, WorkerFacts};

use crate::arguments::{Limits, Segment};

/// What is in a segment, as text or as JSON.
///
/// # Errors
/// What is wrong with the file.
pub fn inspect(segment: &Segment, as_json: bool, limits: &Limits) -> Result<String, String> {
    let told = |error: spanpin::Error| error.to_string();
    let copy = SegmentCopy::read(&segment.path, limits.most_bytes, Look::Once).map_err(told)?;
    let families = copy.families().map_err(told)?;
    let path = segment.path.to_string_lossy();
    Ok(if as_json {
        as_value(&path, copy.facts(), &families).to_string() + "\n"
    } else {
        as_text(&path, copy.facts(), &families)
    })
}

fn as_value(path: &str, facts: &SegmentFacts, families: &[FamilyFacts]) -> Value {
    let (scrapers, scraper_slots) = facts.scrapers;
    let (workers, worker_slots) = &facts.workers;
    let workers: Vec<Value> = workers.iter().map(worker_value).collect();
    let all: Vec<Value> = families.iter().map(family_value).collect();
    json!({
        "path": path,
        "layout_version": facts.layout_version,
        "generation": format!("{:016x}", facts.generation),
        "created_ms": facts.created_ms,
        "file_bytes": facts.file_bytes,
        "reserved_bytes": facts.reserved_bytes,
        "allocated_bytes": facts.allocated_bytes,
        "used_bytes": facts.used_bytes,
        "free_bytes": facts.reserved_bytes.saturating_sub(facts.used_bytes),
        "exemplar_bytes": facts.exemplar_bytes,
        "window": facts.window,
        "window_age_ms": facts.window_age_ms,
        "at_rest": facts.at_rest,
        "scrapers": { "used": scrapers, "slots": scraper_slots },
        "workers": { "slots": worker_slots, "ever": workers },
        "families": all,
    })
}

fn worker_value(worker: &WorkerFacts) -> Value {
    json!({
        "slot": worker.slot,
        "pid": worker.pid,
        "pid_namespace": worker.pid_namespace,
        "since_ms": worker.since_ms,
        "alive": worker.alive,
    })
}

fn family_value(family: &FamilyFacts) -> Value {
    json!({
        "name": family.name,
        "kind": family.kind.as_str(),
        "unit": family.unit,
        "help": family.help,
        "labels": family.label_names,
        "bounds": &*family.bounds,
        "series": family.series,
        "overflow": family.overflow,
        "total": if family.kind == spanpin::Kind::Gauge { Value::Null } else { json!(family.total) },
        "rings": family.rings,
        "ring_slots": family.ring_slots,
        "exemplars": family.exemplars,
        "hidden": family.hidden,
    })
}

fn as_text(path: &str, facts: &SegmentFacts, families: &[FamilyFacts]) -> String {
    let mut out = String::new();
    let (scrapers, scraper_slots) = facts.scrapers;
    let free = facts.reserved_bytes.saturating_sub(facts.used_bytes);
    let age = match facts.window_age_ms {
        Some(ms) => format!("opened {}.{:03} s ago", ms / 1000, ms % 1000),
        None => "of another boot".to_owned(),
    };
    let state = if facts.at_rest { "at rest" } else { "in use" };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "segment    {}", plain(path));
    let _ = writeln!(out, "layout     {}, generation {:016x}", facts.layout_version, facts.generation);
    let _ = writeln!(
        out,
        "bytes      {} used, {free} free of {}; file {}, exemplars {}",
        facts.used_bytes, facts.reserved_bytes, facts.file_bytes, facts.exemplar_bytes
    );
    let _ = writeln!(out, "window     {}, {age}; {state}", facts.window);
    let _ = writeln!(out, "scrapers   {scrapers} of {scraper_slots}");
    let (workers, worker_slots) = &facts.workers;
    let alive = workers.iter().filter(|worker| worker.alive).count();
    let _ = writeln!(out, "workers    {alive} alive, {} dead, of {worker_slots}", workers.len().saturating_sub(alive));
    for WorkerFacts { slot, pid, since_ms, alive, .. } in workers {
        let state = if *alive { "alive" } else { "dead" };
        let _ = writeln!(out, "  slot {slot:<4} pid {pid}, since {} s, {state}", seconds_since(*since_ms));
    }
    let _ = writeln!(out, "families   {}", families.len());
    for family in families {
        let _ = write!(out, "\n{} {}", family.kind.as_str(), plain(&family.name));
        if !family.label_names.is_empty() {
            let _ = write!(out, "{{{}}}", family.label_names.join(","));
        }
        let _ =
            writeln!(out, "{}", if family.hidden { "  (hidden: a newer one of another shape is shown)" } else { "" });
        if !family.help.is_empty() {
            let _ = writeln!(out, "  help     {}", plain(&family.help));
        }
        let overflow = if family.overflow { ", and the overflow series" } else { "" };
        let _ = writeln!(out, "  series   {}{overflow}", family.series);
        if family.kind != spanpin::Kind::Gauge {
            let _ = writeln!(out, "  total    {}", family.total);
            let _ = writeln!(
                out,
                "  rings    {} of {} slots, {} exemplars",
                family.rings, family.ring_slots, family.exemplars
            );
        }
        if !family.bounds.is_empty() {
            let bounds: Vec<String> = family.bounds.iter().map(f64::to_string).collect();
            let _ = writeln!(out, "  bounds   {}", bounds.join(" "));
        }
    }
    out
}

fn seconds_since(unix_ms: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(unix_ms / 1000)
}

/// Without characters that would steer a terminal: whoever wrote the file chose the text.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
