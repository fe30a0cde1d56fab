//! Many threads on one registry: no count is lost, no exemplar is torn, early, or older than what was shown before.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use spanpin::{Registry, RegistryOptions, ScrapeRequest, Scraper, SpanId, TraceContext, TraceId};

const WRITERS: u64 = 4;
const OFFERS: u64 = if cfg!(miri) { 200 } else { 200_000 };

/// A trace whose ids both follow from its value, so that a mixture of two would show.
fn span_of(value: f64) -> TraceContext {
    let bits = value.to_bits();
    let trace = TraceId::from_u64s(!bits, bits).unwrap();
    TraceContext::sampled(trace, SpanId::from_u64(bits.rotate_left(17)).unwrap())
}

struct Shown {
    value: f64,
    stamp: f64,
}

fn exemplars(body: &str) -> HashMap<String, (u64, Option<Shown>)> {
    let mut all = HashMap::new();
    for line in body.lines().filter(|line| line.contains("_bucket")) {
        let (sample, exemplar) = line.split_once(" # ").map_or((line, None), |(s, e)| (s, Some(e)));
        let (name, count) = sample.rsplit_once(' ').unwrap();
        let shown = exemplar.map(|text| {
            let (labels, rest) = text.split_once("} ").unwrap();
            let (value, stamp) = rest.split_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let wanted = span_of(value);
            let wanted = format!("{{trace_id=\"{}\",span_id=\"{}\"", wanted.trace_id(), wanted.span_id());
            assert!(labels.starts_with(&wanted), "torn: {text}");
            Shown { value, stamp: stamp.parse().unwrap() }
        });
        all.insert(name.to_string(), (count.parse().unwrap(), shown));
    }
    all
}

#[test]
fn counts_are_exact_and_exemplars_whole_and_ordered() {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: true, ..Default::default() }).unwrap();
    let bounds = [0.25, 0.5, 0.75];
    let family = registry.histogram("h", "").labels(&["l"]).bounds(&bounds).register().unwrap();
    let start = Barrier::new(WRITERS as usize + 2);
    let done = AtomicBool::new(false);
    // Before anybody looks at a clock: a window opened by the real one may lie ahead of the manual one.
    registry.set_clock(1_700_000_000_000, 1_000_000);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (family, start) = (family.clone(), &start);
            scope.spawn(move || {
                start.wait();
                let mut x = writer.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                for i in 0..OFFERS {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x ^= x << 17;
                    let value = (x >> 11) as f64 / (1_u64 << 53) as f64;
                    let series = family.with(&[if x & 1 == 0 { "even" } else { "odd" }]).unwrap();
                    match i % 64 {
                        0 => series.observe_exemplar_ids(value, span_of(value), &[]),
                        1 => series.observe_exemplar_ids(value, span_of(value), &[("user", "someone")]),
                        _ => series.observe_trace(value, span_of(value)),
                    };
                }
            });
        }
        for name in ["a", "b"] {
            let (registry, start, done) = (registry.clone(), &start, &done);
            scope.spawn(move || {
                let mut last: HashMap<String, f64> = HashMap::new();
                let mut exposed = 0;
                start.wait();
                let mut wall_ms = 1_700_000_000_000_u64;
                let mut mono_ms = 1_000_000;
                while !done.load(Ordering::Relaxed) {
                    // One of the scrapers also moves the clock, back and forth.
                    if name == "a" {
                        wall_ms = if exposed % 7 == 0 { wall_ms - 30 } else { wall_ms + 20 };
                        mono_ms += 25;
                        registry.set_clock(wall_ms, mono_ms);
                    }
                    let request = ScrapeRequest {
                        accept: "application/openmetrics-text",
                        scraper: Scraper::named(name),
                        ..Default::default()
                    };
                    let scrape = registry.scrape(&request).unwrap();
                    let text = std::str::from_utf8(scrape.body()).unwrap();
                    let mut before = 0;
                    for (bucket, (count, shown)) in exemplars(text) {
                        let Some(shown) = shown else { continue };
                        exposed += 1;
                        assert!(count > 0, "shown but not counted: {bucket}");
                        let earlier = last.insert(bucket.clone(), shown.stamp).unwrap_or(0.0);
                        assert!(shown.stamp >= earlier, "{bucket}: {} after {earlier}", shown.stamp);
                        let le = bucket.split("le=\"").nth(1).unwrap().trim_end_matches("\"}");
                        let le: f64 = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
                        assert!(
                            shown.value <= le && shown.value > le.min(1.0) - 0.25 - 1e-9,
                            "{bucket} {}",
                            shown.value
                        );
                        before += 1;
                    }
                    assert!(before <= 8);
                }
                assert!(exposed > 0 || cfg!(miri), "no exemplar was seen");
            });
        }
        let done = &done;
        scope.spawn(move || {
            // The writers end by themselves; the scrapers a moment later.
            let started = std::time::Instant::now();
            while started.elapsed() < std::time::Duration::from_millis(if cfg!(miri) { 10 } else { 1500 }) {
                thread::yield_now();
            }
            done.store(true, Ordering::Relaxed);
        });
    });
    let text = registry.scrape(&ScrapeRequest::default()).unwrap();
    let text = std::str::from_utf8(text.body()).unwrap();
    let total: u64 = text
        .lines()
        .filter(|line| line.starts_with("h_count"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, WRITERS * OFFERS);
}

#[test]
fn one_label_set_is_one_series_whoever_creates_it() {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    let family = registry.counter("c", "").labels(&["l"]).register().unwrap();
    let sets = if cfg!(miri) { 20 } else { 500 };
    thread::scope(|scope| {
        for _ in 0..4 {
            let family = family.clone();
            scope.spawn(move || (0..sets).for_each(|i| family.with(&[&i.to_string()]).unwrap().inc()));
        }
    });
    let text = registry.scrape(&ScrapeRequest::default()).unwrap();
    let text = std::str::from_utf8(text.body()).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("c_total")).collect();
    assert_eq!(lines.len(), sets);
    assert!(lines.iter().all(|line| line.ends_with(" 4")), "{text}");
}

/// A scraper that waits for the lock must not take up again what others took up meanwhile.
#[test]
fn series_created_during_scrapes_are_shown_once() {
    const CREATORS: usize = 3;
    const EACH: usize = 12;
    for _ in 0..if cfg!(miri) { 2 } else { 150 } {
        let options = RegistryOptions { reserve_bytes: 1 << 20, self_metrics: false, ..Default::default() };
        let registry = Registry::with_options(&options).unwrap();
        let family = registry.counter("c", "").labels(&["l"]).register().unwrap();
        let start = Barrier::new(CREATORS + 2);
        thread::scope(|scope| {
            for creator in 0..CREATORS {
                let (family, start) = (family.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for i in 0..EACH {
                        family.with(&[&format!("{creator}-{i}")]).unwrap().inc();
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..40 {
                        registry.scrape(&ScrapeRequest::default()).unwrap();
                    }
                });
            }
        });
        let scrape = registry.scrape(&ScrapeRequest::default()).unwrap();
        let body = String::from_utf8(scrape.into_body()).unwrap();
        assert_eq!(body.lines().filter(|line| line.starts_with("c_total{")).count(), CREATORS * EACH, "{body}");
    }
}

#[cfg(all(unix, not(miri)))]
#[test]
fn a_forked_child_counts_apart_and_is_not_stuck() {
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    let family = registry.counter("c", "").labels(&["l"]).register().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // A thread that creates series all the time, so that some forks happen while it holds the lock.
        scope.spawn(|| {
            let mut i = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                i += 1;
                family.with(&[&format!("parent {}", i % 1500)]).unwrap().inc();
            }
        });
        for n in 0..20 {
            let child = fork_and(|| {
                family.with(&[&format!("child {n}")]).unwrap().inc();
                let text = registry.scrape(&ScrapeRequest::default()).unwrap();
                let text = String::from_utf8_lossy(text.body()).into_owned();
                text.contains(&format!("child {n}\"}} 1")) || text.contains("spanpin_overflow")
            });
            assert!(child, "child {n}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let text = registry.scrape(&ScrapeRequest::default()).unwrap();
    assert!(!String::from_utf8_lossy(text.body()).contains("child"), "a child's series in the parent");
}

#[cfg(all(unix, not(miri)))]
fn fork_and(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls async-signal-unsafe code only as far as this test is about it, and leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a watchdog for a child that is stuck.
            unsafe { libc::alarm(20) };
            let good = child();
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: waits for the child just made.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}
