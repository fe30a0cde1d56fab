//! Processes that share a segment in a file: none of them loses a count, shows a torn exemplar or blocks another, also
//! when some of them are killed at any moment.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::collections::{HashMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use place::{Place, attach, fork_off, options, scrape, scrape_as, value, wait_for};
use spanpin::{HistogramFamily, Registry, RegistryOptions, SpanId, TraceContext, TraceId};

/// A trace whose ids both follow from its value, so that a mixture of two would show.
fn span_of(value: f64) -> TraceContext {
    let bits = value.to_bits();
    let trace = TraceId::from_u64s(!bits, bits).unwrap();
    TraceContext::sampled(trace, SpanId::from_u64(bits.rotate_left(17)).unwrap())
}

/// A long label that follows from the value too: writing it takes time.
fn pad_of(value: f64) -> String {
    format!("{:062}", value.to_bits())
}

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, most: u64) -> u64 {
        (self.next() >> 33) % most
    }

    /// A value in (0, 1) with 20 binary digits: sums of billions of them are exact.
    fn value(&mut self) -> f64 {
        (self.below((1 << 20) - 1) + 1) as f64 / f64::from(1 << 20)
    }
}

/// Checks that an exposition has each sample once, each family in one piece and nothing torn. Returns the exemplars'
/// stamps by sample.
fn checked(body: &str) -> HashMap<String, f64> {
    assert!(body.ends_with("# EOF\n"), "{body}");
    let mut samples = HashSet::new();
    let mut families = HashSet::new();
    let mut stamps = HashMap::new();
    for line in body.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(head.split(' ').next().unwrap()), "twice: {line}");
        }
        if line.starts_with('#') {
            continue;
        }
        let (sample, exemplar) = line.split_once(" # ").map_or((line, None), |(s, e)| (s, Some(e)));
        let (name, count) = sample.rsplit_once(' ').unwrap();
        assert!(samples.insert(name), "twice: {line}");
        let Some(exemplar) = exemplar else { continue };
        let (labels, rest) = exemplar.split_once("} ").unwrap();
        let (value, stamp) = rest.split_once(' ').unwrap();
        let span = span_of(value.parse().unwrap());
        let wanted = format!("{{trace_id=\"{}\",span_id=\"{}\"", span.trace_id(), span.span_id());
        let labels = labels.strip_prefix(&wanted).unwrap_or_else(|| panic!("torn: {line}"));
        let padded = format!(",pad=\"{}\"", pad_of(value.parse().unwrap()));
        assert!(labels.is_empty() || labels == ",user=\"someone\"" || labels == padded, "torn: {line}");
        assert_ne!(count, "0", "shown but not counted: {line}");
        stamps.insert(name.to_owned(), stamp.parse().unwrap());
    }
    stamps
}

/// Checks that no stamp of one scraper goes back.
fn checked_in_order(body: &str, last: &mut HashMap<String, f64>) {
    for (name, stamp) in checked(body) {
        let before = last.insert(name.clone(), stamp).unwrap_or(0.0);
        assert!(stamp >= before, "{name}: {stamp} after {before}");
    }
}

const BOUNDS: [f64; 3] = [0.25, 0.5, 0.75];

fn histograms(registry: &Registry, name: &str) -> HistogramFamily {
    registry.histogram(name, "Help.").labels(&["l"]).bounds(&BOUNDS).register().unwrap()
}

fn observe(family: &HistogramFamily, label: &str, value: f64, turn: u64) {
    let series = family.with(&[label]).unwrap();
    match turn % 64 {
        0 => series.observe_exemplar_ids(value, span_of(value), &[]),
        1 => series.observe_exemplar_ids(value, span_of(value), &[("user", "someone")]),
        _ => series.observe_trace(value, span_of(value)),
    };
}

/// The sum of the samples whose names begin so.
fn total(body: &str, start: &str) -> f64 {
    let samples = body.lines().filter(|line| line.starts_with(start));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

const PROCESSES: u64 = 4;

/// How often each process observes: enough for a look, or what `make processes` asks for.
fn observations() -> u64 {
    std::env::var("SPANPIN_TEST_OBSERVATIONS").map_or(200_000, |number| number.parse().unwrap())
}

/// What one process observes: a new label every 1,000 times, the same ones as all others.
fn work(number: u64, mut each: impl FnMut(&str, f64, u64)) {
    let mut random = Random::new(number + 1);
    for turn in 0..observations() {
        let newest = turn / 1000 + 1;
        each(&random.below(newest).to_string(), random.value(), turn);
    }
}

/// This test program once more, to run one of its tests, which finds its part in the environment.
fn exec(test: &str, path: &str, part: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env("SPANPIN_TEST_SEGMENT", path).env("SPANPIN_TEST_PART", part.to_string());
    // Its output would be counted as that of a suite.
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn part() -> Option<(String, u64)> {
    let path = std::env::var("SPANPIN_TEST_SEGMENT").ok()?;
    Some((path, std::env::var("SPANPIN_TEST_PART").unwrap().parse().unwrap()))
}

#[test]
fn four_processes_lose_nothing() {
    let run = |registry: &Registry, number: u64| {
        // As many as there are labels: who comes late finds the limit reached, and all series there.
        let labels_of_all = u32::try_from(observations().div_ceil(1000)).unwrap();
        let family = registry.histogram("h", "Help.").labels(&["l"]).bounds(&BOUNDS).max_series(labels_of_all);
        let family = family.register().unwrap();
        work(number, |label, value, turn| observe(&family, label, value, turn));
    };
    if let Some((path, number)) = part() {
        return run(&attach(&path), number);
    }
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    // Half of them inherit the segment, half are other programs.
    let forked: Vec<_> = (0..PROCESSES / 2)
        .map(|number| {
            fork_off(|| {
                run(&registry, number);
                true
            })
        })
        .collect();
    let others: Vec<_> = (PROCESSES / 2..PROCESSES).map(|n| exec("four_processes_lose_nothing", &path, n)).collect();
    let done = AtomicBool::new(false);
    let (mut shown, mut exemplars, mut scrapes) = (0, 0, 0);
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let codes: Vec<_> = forked.into_iter().map(wait_for).collect();
            let good = others.into_iter().map(|mut other| other.wait().unwrap().success());
            assert!(good.collect::<Vec<_>>().iter().all(|good| *good) && codes.iter().all(|code| *code == 0));
            done.store(true, Ordering::Relaxed);
        });
        let mut last = [HashMap::new(), HashMap::new()];
        while !done.load(Ordering::Relaxed) {
            for (name, last) in ["a", "b"].iter().zip(&mut last) {
                let body = scrape_as(&registry, name);
                checked_in_order(&body, last);
                exemplars += body.matches(" # {").count();
                scrapes += 1;
            }
            shown = last[0].len();
            thread::sleep(Duration::from_millis(25));
        }
    });
    let took = started.elapsed();
    assert!(shown > 100, "only {shown} buckets ever showed an exemplar");
    let mut wanted: HashMap<String, (u64, f64)> = HashMap::new();
    for number in 0..PROCESSES {
        work(number, |label, value, _| {
            let entry = wanted.entry(label.to_owned()).or_default();
            *entry = (entry.0 + 1, entry.1 + value);
        });
    }
    let body = scrape(&registry);
    checked(&body);
    let (series, mut wrong_sums) = (wanted.len(), 0);
    for (label, (count, sum)) in wanted {
        assert_eq!(value(&body, &format!("h_count{{l=\"{label}\"}}")), count as f64);
        wrong_sums += u32::from(value(&body, &format!("h_sum{{l=\"{label}\"}}")) != sum);
    }
    let lost = (PROCESSES * observations()) as f64 - total(&body, "h_count");
    println!(
        "processes={PROCESSES} observations={} series={series} lost={lost} wrong_sums={wrong_sums} scrapes={scrapes} \
         whole_exemplars={exemplars} seconds={:.1}",
        PROCESSES * observations(),
        took.as_secs_f64()
    );
    assert!(lost == 0.0 && wrong_sums == 0);
}

#[test]
fn many_that_begin_at_once_meet_in_one_file() {
    for _ in 0..25 {
        let place = Place::in_memory();
        let path = place.path("a");
        let start = Shared::new();
        let children: Vec<_> = (0..6)
            .map(|_| {
                fork_off(|| {
                    while start.words()[0].load(Ordering::Relaxed) == 0 {
                        thread::yield_now();
                    }
                    let registry = Registry::with_options(&RegistryOptions { strict: true, ..options(&path) }).unwrap();
                    let counter = registry.counter("c", "").labels(&["l"]).register().unwrap();
                    for label in ["a", "b", "c"] {
                        counter.with(&[label]).unwrap().inc();
                    }
                    registry.gauge("g", "").register().unwrap().with(&[]).unwrap().inc();
                    true
                })
            })
            .collect();
        start.words()[0].store(1, Ordering::Relaxed);
        assert!(children.into_iter().all(|child| wait_for(child) == 0));
        let body = scrape(&attach(&path));
        checked(&body);
        for label in ["a", "b", "c"] {
            assert_eq!(value(&body, &format!("c_total{{l=\"{label}\"}}")), 6.0);
        }
        assert_eq!(value(&body, "g"), 0.0, "what workers added goes when they end");
        assert_eq!(std::fs::read_dir(place.dir()).unwrap().count(), 1, "temporary names are left");
    }
}

/// A child of fork must take up what a thread of its parent had published, but not yet entered into the index.
#[test]
fn children_forked_while_series_appear_create_none_twice() {
    const FORKS: u64 = 120;
    let place = Place::in_memory();
    let registry = attach(&place.path("a"));
    let family = registry.counter("c", "").labels(&["l"]).max_series(100_000).register().unwrap();
    let stop = AtomicBool::new(false);
    let newest = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) && newest.load(Ordering::Relaxed) < 20_000 {
                let n = newest.load(Ordering::Relaxed) + 1;
                newest.store(n, Ordering::Relaxed);
                family.with(&[&n.to_string()]).unwrap().inc();
            }
        });
        for _ in 0..FORKS {
            let child = fork_off(|| {
                let n = newest.load(Ordering::Relaxed);
                (n.saturating_sub(2)..n + 2).for_each(|n| family.with(&[&n.to_string()]).unwrap().inc());
                true
            });
            assert_eq!(wait_for(child), 0);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let body = scrape(&registry);
    checked(&body);
    let reached = newest.load(Ordering::Relaxed);
    let expected = reached + FORKS * 4;
    // The first children find no two numbers below the newest one.
    let counted = total(&body, "c_total") as u64;
    assert!((expected - 8..=expected).contains(&counted), "{counted} of {expected}");
    assert_eq!(body, scrape(&attach(&place.path("a"))), "another process sees the same");
}

#[test]
fn a_forked_worker_without_a_file_says_that_it_counts_alone() {
    let registry = Registry::new().unwrap();
    let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
    counter.inc();
    let parent = scrape(&registry);
    assert!(registry.take_segment_notice().is_none() && !parent.contains("spanpin_segment_degraded"));
    let child = fork_off(|| {
        counter.inc();
        let body = scrape(&registry);
        let notice = registry.take_segment_notice().unwrap();
        assert!(notice.message.contains("segment file"), "{}", notice.message);
        value(&body, "spanpin_segment_degraded{reason=\"per_worker\"}") == 1.0
            && value(&body, "c_total") == 2.0
            && registry.take_segment_notice().is_none()
    });
    assert_eq!(wait_for(child), 0);
    assert_eq!(value(&scrape(&registry), "c_total"), 1.0);
    let place = Place::in_memory();
    let shared = attach(&place.path("a"));
    let child = fork_off(|| {
        scrape(&shared);
        shared.take_segment_notice().is_none()
    });
    assert_eq!(wait_for(child), 0);
}

/// Words that a process shares with its children.
struct Shared(*mut libc::c_void);

// SAFETY: the words are atomics.
unsafe impl Sync for Shared {}

impl Shared {
    const WORDS: usize = 64;

    fn new() -> Shared {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping replaces nothing.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), Shared::WORDS * 8, prot, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        Shared(base)
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped as long as this value, aligned to a page, and valid for any content.
        unsafe { std::slice::from_raw_parts(self.0.cast(), Shared::WORDS) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.0, Shared::WORDS * 8) };
    }
}

const ROUNDS: u64 = 6;
const KILLS: u64 = 50;
const WRITERS: usize = 3;
const FAMILIES: u64 = 8;
const LABELS: u64 = 40;

/// A writer that goes on until it is killed. `acknowledged` counts the observations that have returned.
fn write_for_ever(registry: &Registry, seed: u64, acknowledged: &AtomicU64) -> bool {
    let mut random = Random::new(seed);
    let first = random.below(FAMILIES);
    let families: Vec<_> = (0..FAMILIES).map(|n| (n + first) % FAMILIES).collect();
    let mut open = Vec::new();
    for number in families {
        open.push(histograms(registry, &format!("h{number}")));
        for turn in 0..20 + random.below(40) {
            let family = &open[random.below(open.len() as u64) as usize];
            observe(family, &random.below(LABELS).to_string(), random.value(), turn);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
    for turn in 0_u64.. {
        let family = &open[random.below(FAMILIES) as usize];
        observe(family, &random.below(LABELS).to_string(), random.value(), turn);
        acknowledged.fetch_add(1, Ordering::Relaxed);
        if turn % 500 == 499 {
            checked(&scrape_as(registry, "writer"));
        }
    }
    false
}

#[test]
fn writers_killed_at_any_moment_block_nobody_and_lose_nothing() {
    let mut random = Random::new(4711);
    let mut kills = 0;
    for round in 0..ROUNDS {
        let place = if round % 3 == 2 { Place::on_disk() } else { Place::in_memory() };
        let path = place.path("a");
        let acknowledged = Shared::new();
        let strict = RegistryOptions { strict: true, ..options(&path) };
        // In every other round the file is there before the writers; else some die while they make it.
        let mut registry = (round % 2 == 0).then(|| Registry::with_options(&strict).unwrap());
        let mut last = HashMap::new();
        let start = |seed: u64, registry: Option<&Registry>| {
            fork_off(|| {
                let inherited = registry.filter(|_| seed.is_multiple_of(2)).cloned();
                let registry = inherited.unwrap_or_else(|| Registry::with_options(&strict).unwrap());
                write_for_ever(&registry, seed, &acknowledged.words()[0])
            })
        };
        let mut seeds = (round << 32)..;
        let mut writers: Vec<_> = (0..WRITERS).map(|_| start(seeds.next().unwrap(), registry.as_ref())).collect();
        for kill in 0..KILLS {
            thread::sleep(Duration::from_micros(random.below(6000)));
            let victim = random.below(WRITERS as u64) as usize;
            // SAFETY: a child of this process that was not waited for.
            unsafe { libc::kill(writers[victim], libc::SIGKILL) };
            assert_eq!(wait_for(writers[victim]), -libc::SIGKILL, "a writer ended by itself");
            kills += 1;
            if kill % 10 == 0 {
                // A newcomer finds the segment whole.
                checked(&scrape_as(&Registry::with_options(&strict).unwrap(), "newcomer"));
            }
            let registry = registry.get_or_insert_with(|| Registry::with_options(&strict).unwrap());
            if kill % 2 == 0 {
                checked_in_order(&scrape(registry), &mut last);
            }
            writers[victim] = start(seeds.next().unwrap(), Some(registry));
        }
        for writer in writers {
            // SAFETY: as above.
            unsafe { libc::kill(writer, libc::SIGKILL) };
            assert_eq!(wait_for(writer), -libc::SIGKILL);
            kills += 1;
        }
        let registry = Registry::with_options(&strict).unwrap();
        let body = scrape(&registry);
        let counted = total_of_all(&body);
        let acknowledged = acknowledged.words()[0].load(Ordering::Relaxed);
        let in_flight = KILLS + WRITERS as u64;
        assert!((acknowledged..=acknowledged + in_flight).contains(&counted), "{counted} for {acknowledged}");
        // Each of the dead writers' slots is free again after two windows: every bucket takes and shows what comes.
        let families: Vec<_> = (0..FAMILIES).map(|n| histograms(&registry, &format!("h{n}"))).collect();
        for _ in 0..2 {
            thread::sleep(Duration::from_millis(25));
            checked_in_order(&scrape(&registry), &mut last);
        }
        for family in &families {
            for label in 0..LABELS {
                for bucket in 0..4 {
                    // Greater than all that the writers observed in that bucket, so that only these can be shown.
                    let value = f64::from(bucket + 1) / 4.0 - if bucket == 3 { -0.5 } else { 0.0 };
                    family.with(&[&label.to_string()]).unwrap().observe_trace(value, span_of(value));
                }
            }
        }
        thread::sleep(Duration::from_millis(25));
        let body = scrape(&registry);
        checked_in_order(&body, &mut last);
        let shown = ["} 0.25 ", "} 0.5 ", "} 0.75 ", "} 1.5 "].map(|end| body.matches(end).count());
        assert_eq!(shown, [(FAMILIES * LABELS) as usize; 4], "a bucket does not show what it was offered");
    }
    assert!(kills >= 300);
}

fn total_of_all(body: &str) -> u64 {
    (0..FAMILIES).map(|n| total(body, &format!("h{n}_count")) as u64).sum()
}

/// A writer stopped by the system in the middle of a slot, overtaken, and continued: its late words must never be seen
/// mixed with those of the one that took the slot over.
#[test]
fn a_writer_stopped_in_the_middle_of_a_slot_tears_nothing() {
    const STOPS: u32 = 400;
    let place = Place::in_memory();
    let registry =
        Registry::with_options(&RegistryOptions { self_metrics: true, ..options(&place.path("a")) }).unwrap();
    // By hand, so that windows need not be waited for.
    let (mut wall_ms, mut mono_ms) = (1_700_000_000_000, 5_000_000);
    registry.set_clock(wall_ms, mono_ms);
    let series = histograms(&registry, "h").with(&["x"]).unwrap();
    let offer = |value: f64| {
        series.observe_exemplar_ids(value, span_of(value), &[("pad", &pad_of(value))]);
    };
    let shared = Shared::new();
    let [pause, paused, ..] = shared.words() else { panic!() };
    let writer = fork_off(|| {
        let mut random = Random::new(1);
        loop {
            paused.store(pause.load(Ordering::Relaxed), Ordering::Relaxed);
            if pause.load(Ordering::Relaxed) == 0 {
                offer(random.value() / 4.0);
            }
        }
    });
    let wait_until = |what: &AtomicU64, wanted: u64| {
        while what.load(Ordering::Relaxed) != wanted {
            thread::yield_now();
        }
    };
    let mut random = Random::new(2);
    let mut last = HashMap::new();
    let mut window = || {
        wall_ms += 25;
        mono_ms += 25;
        registry.set_clock(wall_ms, mono_ms);
        let body = scrape(&registry);
        checked_in_order(&body, &mut last);
        body
    };
    for _ in 0..STOPS {
        thread::sleep(Duration::from_micros(random.below(300)));
        // SAFETY: a child of this process.
        unsafe { libc::kill(writer, libc::SIGSTOP) };
        let mut status = 0;
        // SAFETY: waits until the child has stopped.
        unsafe { libc::waitpid(writer, &raw mut status, libc::WUNTRACED) };
        assert!(libc::WIFSTOPPED(status));
        // Two windows later the slot it may be in is free; this offer takes it and is shown.
        window();
        window();
        let value = random.value() / 4.0;
        offer(value);
        assert!(window().contains(&pad_of(value)), "nobody blocks the bucket");
        // It goes on with the slot, and with nothing else. The newest exemplar is the one whose slot it writes to.
        pause.store(1, Ordering::Relaxed);
        // SAFETY: a child of this process.
        unsafe { libc::kill(writer, libc::SIGCONT) };
        wait_until(paused, 1);
        window();
        pause.store(0, Ordering::Relaxed);
        wait_until(paused, 0);
    }
    let body = window();
    // SAFETY: a child of this process.
    unsafe { libc::kill(writer, libc::SIGKILL) };
    assert_eq!(wait_for(writer), -libc::SIGKILL);
    let overtaken = value(&body, "spanpin_exemplars_taken_over_total");
    assert!(overtaken >= 5.0, "only {overtaken} of {STOPS} stops hit the writer in a slot");
}
