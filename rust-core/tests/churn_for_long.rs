//! Millions of label sets that come and go, on the real clock: the segment and the process' memory stay as they are, nothing
//! is counted as overflow and nothing wrongly.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::VecDeque;

use spanpin::{Registry, RegistryOptions, ScrapeRequest};

/// Label sets of the usual run. `SPANPIN_CHURN` gives another number; five millions take a minute or so.
const USUAL: u64 = 400_000;
const ALIVE: usize = 10_000;
const SEGMENT: usize = 64 << 20;
/// What the process may take beside the segment for so many series, and what it may go up and down by.
const HEAP_MOST: u64 = 96 << 20;

/// Bytes of the process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn five_million_label_sets_find_place_in_64_mib() {
    let sets = std::env::var("SPANPIN_CHURN").map_or(USUAL, |number| number.parse().unwrap());
    let before = resident();
    let registry = Registry::with_options(&RegistryOptions { reserve_bytes: SEGMENT, ..Default::default() }).unwrap();
    let family = registry.histogram("h", "").labels(&["pod"]).bounds(&[0.5]).max_series(ALIVE as u32 + 1);
    let family = family.register().unwrap();
    let mut alive = VecDeque::new();
    let mut half = 0;
    for n in 0..sets {
        let name = format!("pod-{n:x}");
        let series = family.with(&[&name]).unwrap();
        assert!(!series.is_overflow(), "number {n}");
        for turn in 0..=n % 3 {
            series.observe(turn as f64);
        }
        alive.push_back((name, n));
        if alive.len() > ALIVE {
            let (oldest, _) = alive.pop_front().unwrap();
            assert!(family.remove(&[&oldest]).unwrap());
            assert!(!series.is_overflow());
        }
        if n == sets / 2 {
            half = resident();
        }
    }
    let end = resident();
    println!(
        "{sets} label sets: {} MiB resident at half, {} MiB at the end",
        (half - before) >> 20,
        (end - before) >> 20
    );
    assert!(end - before < SEGMENT as u64 + HEAP_MOST, "{} MiB", (end - before) >> 20);
    let body = String::from_utf8(registry.scrape(&ScrapeRequest::default()).unwrap().into_body()).unwrap();
    assert!(body.contains("spanpin_overflow_observations_total 0\n"));
    let mut counts = std::collections::HashMap::new();
    for line in body.lines().filter(|line| line.starts_with("h_count{")) {
        let (name, count) = line.split_once("} ").unwrap();
        assert!(counts.insert(name.to_owned(), count.parse::<u64>().unwrap()).is_none(), "twice: {line}");
    }
    assert_eq!(counts.len(), alive.len());
    for (name, n) in &alive {
        assert_eq!(counts[&format!("h_count{{pod=\"{name}\"")], n % 3 + 1, "{name}");
    }
}
