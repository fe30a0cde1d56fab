//! Replays the conformance cases: `spanpin-conformance CASES_DIR OUTPUT_DIR` writes `<case>.om.txt` and
//! `<case>.prom.txt` for each `<case>/ops.json`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::{env, fs};

use serde_json::{Value, json};
use spanpin::{Error, Filter, Policy, Registry, RegistryOptions, ScrapeRequest, Scraper};
use spanpin::{SpanId, TraceContext, TraceId};

type Failure = Box<dyn std::error::Error>;
type Family = Box<dyn Fn(&Value) -> Result<(), Error>>;

fn string(value: &Value) -> String {
    let Some(hex) = value["bytes"].as_str() else { return value.as_str().unwrap_or_default().to_owned() };
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    String::from_utf8_lossy(&(0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>()).into_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(string).collect()
}

fn strs(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

fn number(value: &Value) -> f64 {
    let word = || value.as_str().map_or(1.0, |word| word.parse().expect("a number"));
    value.as_f64().unwrap_or_else(word)
}

fn context(ids: &Value) -> Result<TraceContext, Error> {
    let trace_id = TraceId::from_hex(ids["trace_id"].as_str().unwrap_or_default())?;
    let span_id = SpanId::from_hex(ids["span_id"].as_str().unwrap_or_default())?;
    let flagged = |flags| TraceContext::new(trace_id, span_id, flags as u8);
    Ok(ids["flags"].as_u64().map_or(TraceContext::sampled(trace_id, span_id), flagged))
}

/// Registers a family, and makes of it a function that records one operation.
macro_rules! family {
    ($builder:expr, $op:expr, $default:expr, $record:expr) => {{
        let labels = strings(&$op["labels"]);
        let policies = [("slowest", Policy::Slowest), ("uniform", Policy::Uniform), ("first", Policy::First)];
        let policy = policies.into_iter().find(|(name, _)| $op["policy"] == *name);
        let filters = [("always_on", Filter::AlwaysOn), ("always_off", Filter::AlwaysOff)];
        let filter = filters.into_iter().find(|(name, _)| $op["filter"] == *name);
        let (most, names) = ($op["max_series"].as_u64().unwrap_or(2000) as u32, strs(&labels));
        let builder =
            $builder.filter(filter.map_or(Filter::TraceBased, |f| f.1)).policy(policy.map_or($default, |p| p.1));
        let builder = builder.labels(&names).unit($op["unit"].as_str().unwrap_or_default());
        let family = builder.max_series(most).register()?;
        Ok(Box::new(move |op: &Value| {
            let series = family.with(&strs(&strings(&op["labels"])))?;
            (0..op["repeat"].as_u64().unwrap_or(1)).for_each(|_| $record(&series, op));
            Ok(())
        }))
    }};
}

/// A function that records one value with whatever source the operation names.
macro_rules! record {
    ($kind:ty, $plain:ident, $traceparent:ident, $trace:ident, $labelled:ident, $explicit:ident) => {
        |series: &$kind, op: &Value| {
            let value = number(&op["value"]);
            let given = op["exemplar"].as_array().or(op["extra"].as_array());
            let given = given.into_iter().flatten().map(strings).collect::<Vec<_>>();
            let labels = given.iter().map(|pair| (&pair[0][..], &pair[1][..])).collect::<Vec<_>>();
            match (op["traceparent"].as_str(), context(&op["trace"])) {
                _ if op["exemplar"].is_array() => series.$explicit(value, &labels),
                // The observation counts whatever becomes of the header.
                (Some(header), _) => series.$traceparent(value, header).unwrap_or(false),
                (_, Ok(context)) if labels.is_empty() => series.$trace(value, context),
                (_, Ok(context)) => series.$labelled(value, context, &labels),
                _ => {
                    series.$plain(value);
                    false
                }
            };
        }
    };
}

fn register(registry: &Registry, op: &Value) -> Result<Family, Error> {
    use spanpin::{Counter, Gauge, Histogram};
    let word = |key: &str| op[key].as_str().unwrap_or_default();
    let (name, help) = (word("name"), word("help"));
    let given = op["bounds"].as_array().map(|all| all.iter().map(number).collect::<Vec<f64>>());
    let bounds = given.as_deref().unwrap_or(&spanpin::buckets::DEFAULT_BOUNDS);
    let histogram =
        record!(Histogram, observe, observe_traceparent, observe_trace, observe_trace_labels, observe_exemplar);
    let counter = record!(Counter, add, add_traceparent, add_trace, add_trace_labels, add_exemplar);
    let gauge = |gauge: &Gauge, op: &Value| match op["op"].as_str() {
        Some("set") => gauge.set(number(&op["value"])),
        _ => gauge.add(number(&op["value"])),
    };
    match word("kind") {
        "counter" => family!(registry.counter(name, help), op, Policy::Uniform, counter),
        "gauge" => family!(registry.gauge(name, help), op, Policy::Slowest, gauge),
        _ => family!(registry.histogram(name, help).bounds(bounds), op, Policy::Slowest, histogram),
    }
}

fn replay(ops: &[Value]) -> Result<[Vec<u8>; 2], Failure> {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..RegistryOptions::default() })?;
    registry.set_clock(1_700_000_000_000, 1_000_000);
    let (mut streams, mut families) = ([Vec::new(), Vec::new()], HashMap::new());
    let last = [json!({"op": "scrape", "scraper": "final"}), json!({"op": "scrape", "accept": "text"})];
    for op in ops.iter().chain(&last) {
        let name = op["name"].as_str().unwrap_or_default();
        let outcome = match op["op"].as_str() {
            Some("register") => register(&registry, op).map(|f| drop(families.insert(name, f))),
            Some("clock") => {
                registry.set_clock(op["wall_ms"].as_u64().unwrap_or(0), op["mono_ms"].as_u64().unwrap_or(0));
                Ok(())
            }
            Some("scrape") => {
                let text = op["accept"] == "text";
                let accept = if text { "text/plain" } else { "application/openmetrics-text" };
                let scraper = op["scraper"].as_str().map_or(Scraper::anonymous(), Scraper::named);
                let request = ScrapeRequest { accept, scraper, ..ScrapeRequest::default() };
                registry.scrape(&request).map(|scrape| {
                    streams[usize::from(text)].extend_from_slice(scrape.body());
                    streams[1].extend_from_slice(if text { b"# ---\n" } else { b"" });
                })
            }
            _ => families.get(name).ok_or("no such family")?(op),
        };
        let code = outcome.err().map(|error| error.code().as_str());
        if code != op["error"].as_str() {
            return Err(format!("{op} ends in {code:?}").into());
        }
    }
    Ok(streams)
}

fn main() -> Result<(), Failure> {
    let (cases, output) = env::args().nth(1).zip(env::args().nth(2)).ok_or("usage: CASES_DIR OUTPUT_DIR")?;
    for entry in fs::read_dir(cases)? {
        let folder = entry?.path();
        let case: Value = serde_json::from_slice(&fs::read(folder.join("ops.json"))?)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        match replay(case["ops"].as_array().ok_or("no ops")?) {
            Err(error) => eprintln!("{name}: {error}"),
            Ok(streams) => {
                fs::write(format!("{output}/{name}.om.txt"), &streams[0])?;
                fs::write(format!("{output}/{name}.prom.txt"), &streams[1])?;
            }
        }
    }
    Ok(())
}
