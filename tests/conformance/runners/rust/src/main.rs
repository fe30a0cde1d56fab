//! Replays the conformance cases: `spanpin-conformance CASES_DIR OUTPUT_DIR` writes `<case>.om.txt`,
//! `<case>.prom.txt` and `<case>.history.txt` for each `<case>/ops.json`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs};

use serde_json::{Value, json};
use spanpin::{Adaptive, Error, Filter, LowerEdge, Policy, Registry, RegistryOptions, ScrapeRequest, Scraper};
use spanpin::{ScraperIdentity, SpanId, TraceContext, TraceId};

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

fn adaptive(options: &Value) -> Adaptive {
    let usual = Adaptive::default();
    Adaptive {
        lower: match &options["lower"] {
            Value::Null => usual.lower,
            Value::String(_) => LowerEdge::P95,
            part => LowerEdge::OfP99(number(part)),
        },
        window_seconds: whole(&options["window"]).unwrap_or(usual.window_seconds),
        p99: Some(&options["p99"]).filter(|p99| !p99.is_null()).map(number),
    }
}

fn whole(value: &Value) -> Option<u32> {
    value.as_u64().map(|n| n as u32)
}

/// Applies a method of the builder for each option that the operation names.
macro_rules! given {
    ($builder:expr, $op:expr, $($option:ident: $read:expr),*) => {{
        let mut builder = $builder;
        $(if let Some(option) = Some(&$op[stringify!($option)]).filter(|v| !v.is_null()).and_then($read) {
            builder = builder.$option(option);
        })*
        builder
    }};
}

/// Registers a family, and makes of it a function that does one operation.
macro_rules! family {
    ($builder:expr, $op:expr, $set_p99:expr, $record:expr) => {{
        let labels = strings(&$op["labels"]);
        let names = strs(&labels);
        let builder = given!(
            $builder.labels(&names), $op,
            filter: |v| Filter::from_name(v.as_str()?), policy: |v| Policy::from_name(v.as_str()?),
            minimum_value: |v| Some(number(v)), probability: |v| Some(number(v)), adaptive: |v| Some(adaptive(v)),
            slots: whole, max_age: whole, unit: Value::as_str, max_series: whole
        );
        let family = builder.register()?;
        Ok(Box::new(move |op: &Value| {
            if op["op"] == "set_p99" {
                $set_p99(&family, number(&op["value"]));
                return Ok(());
            }
            if op["op"] == "remove" {
                return family.remove(&strs(&strings(&op["labels"]))).map(|_| ());
            }
            if op["op"] == "clear" {
                return family.clear();
            }
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
    use spanpin::{Counter, Gauge, Histogram, HistogramFamily};
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
        "counter" => family!(registry.counter(name, help), op, |_, _| (), counter),
        "gauge" => family!(registry.gauge(name, help), op, |_, _| (), gauge),
        _ => family!(registry.histogram(name, help).bounds(bounds), op, HistogramFamily::set_p99, histogram),
    }
}

/// The registry of a case, as its first operation may ask for it.
fn registry(op: &Value) -> Result<Registry, Error> {
    let flag = |key: &str| op[key] == true;
    let usual = RegistryOptions::default();
    let identity = op["scraper_identity"].as_str().and_then(ScraperIdentity::from_name);
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let segment = std::env::temp_dir().join(format!("conformance-{}-{number}", std::process::id()));
    let made = Registry::with_options(&RegistryOptions {
        segment: segment.to_str().filter(|_| flag("segment")),
        strict: true,
        self_metrics: flag("self_metrics"),
        keep_names: flag("keep_names"),
        scraper_identity: identity.unwrap_or(usual.scraper_identity),
        ..usual
    });
    // The file may lose its name at once: nobody else comes.
    let _ = std::fs::remove_file(&segment);
    let registry = made?;
    registry.set_clock(1_700_000_000_000, 1_000_000);
    Ok(registry)
}

fn scraper(op: &Value) -> Scraper {
    let part = |key: &str| op["request"][key].as_str().unwrap_or_default();
    match op["scraper"].as_str() {
        Some(name) => Scraper::named(name),
        None if op["request"].is_null() => Scraper::anonymous(),
        None => Scraper::from_request(part("user_agent"), part("scrape_timeout"), part("path"), part("peer")),
    }
}

fn replay(ops: &[Value]) -> Result<[Vec<u8>; 3], Failure> {
    let given = ops.first().filter(|op| op["op"] == "registry");
    let registry = registry(given.unwrap_or(&Value::Null))?;
    let (mut streams, mut families) = ([Vec::new(), Vec::new(), Vec::new()], HashMap::new());
    let last = [json!({"op": "scrape", "scraper": "final"}), json!({"op": "scrape", "accept": "text"})];
    for op in ops.iter().chain(&last).skip(given.iter().count()) {
        let name = op["name"].as_str().unwrap_or_default();
        let outcome = match op["op"].as_str() {
            Some("register") => register(&registry, op).map(|f| drop(families.insert(name, f))),
            Some("clock") => {
                registry.set_clock(op["wall_ms"].as_u64().unwrap_or(0), op["mono_ms"].as_u64().unwrap_or(0));
                Ok(())
            }
            Some("history") => registry.exemplars_json().map(|body| streams[2].extend(body)),
            Some("scrape") => {
                let text = op["accept"] == "text";
                let accept = if text { "text/plain" } else { "application/openmetrics-text" };
                let request = ScrapeRequest { accept, scraper: scraper(op), ..ScrapeRequest::default() };
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
                for (stream, kind) in streams.iter().zip(["om", "prom", "history"]) {
                    fs::write(format!("{output}/{name}.{kind}.txt"), stream)?;
                }
            }
        }
    }
    Ok(())
}
