//! Processes that create and remove series on one segment at once, some of which are killed in the middle: no label set is
//! there twice, none counts for another, and nothing that was counted at rest is wrong.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use place::{Place, attach, fork_off, options, scrape, wait_for};
use spanpin::{CounterFamily, Look, Registry, RegistryOptions, SegmentCopy, SpanId, TraceContext, TraceId};

const RESERVED: usize = 2 << 20;

fn registry(path: &str) -> Registry {
    Registry::with_options(&RegistryOptions { reserve_bytes: RESERVED, ..options(path) }).unwrap()
}

fn counters(registry: &Registry) -> CounterFamily {
    registry.counter("c", "").labels(&["l"]).max_series(10_000).register().unwrap()
}

/// The counters of a page by label; none is there twice.
fn counted(body: &str) -> HashMap<String, f64> {
    let mut all = HashMap::new();
    for line in body.lines().filter(|line| line.starts_with("c_total{")) {
        let line = line.split_once(" # ").map_or(line, |(line, _)| line);
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = name.strip_prefix("c_total{l=\"").unwrap().strip_suffix("\"}").unwrap();
        assert!(all.insert(name.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    all
}

/// A span that tells which label set it belongs to.
fn span_of(label: &str) -> TraceContext {
    let number = label.bytes().fold(7_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)).max(1);
    TraceContext::sampled(TraceId::from_u64s(number, number).unwrap(), SpanId::from_u64(number).unwrap())
}

/// Two processes work on label sets of their own, and on the same ones. What each leaves is exact.
#[test]
fn two_processes_that_create_and_remove_at_once() {
    const ROUNDS: u32 = 6_000;
    let place = Place::in_memory();
    let path = place.path("s");
    let parent = registry(&path);
    let work = |number: u32| {
        let registry = attach(&path);
        let family = counters(&registry);
        for round in 0..ROUNDS {
            let own = format!("{number} {round}");
            let counter = family.with(&[&own]).unwrap();
            assert!(!counter.is_overflow(), "{own}");
            counter.add_trace(f64::from(round), span_of(&own));
            // The other process makes and removes these too.
            let shared = format!("shared {}", round % 7);
            family.with(&[&shared]).unwrap().inc();
            if round % 3 == number % 3 {
                let _ = family.remove(&[&shared]).unwrap();
            }
            if let Some(old) = round.checked_sub(20) {
                assert!(family.remove(&[&format!("{number} {old}")]).unwrap(), "{number} {old} was lost");
            }
            if round % 500 == 0 {
                counted(&scrape(&registry));
            }
        }
        true
    };
    let children = [fork_off(|| work(1)), fork_off(|| work(2))];
    let family = counters(&parent);
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end {
        counted(&scrape(&parent));
        let mine = family.with(&["parent"]).unwrap();
        mine.inc();
        assert!(family.remove(&["parent"]).unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    for child in children {
        assert_eq!(wait_for(child), 0, "a child failed");
    }
    let body = scrape(&parent);
    let all = counted(&body);
    for number in 1..=2 {
        for round in ROUNDS - 20..ROUNDS {
            assert_eq!(all.get(&format!("{number} {round}")), Some(&f64::from(round)), "{body}");
        }
    }
    assert!(all.len() <= 2 * 20 + 7 + 1, "{body}");
    for line in body.lines().filter(|line| line.contains(" # ") && !line.contains("overflow")) {
        let label = line.split('"').nth(1).unwrap();
        assert!(line.contains(&span_of(label).trace_id().to_string()), "an exemplar of another label set: {line}");
    }
    // Others see the same, in a process of their own and in a copy.
    assert_eq!(counted(&scrape(&attach(&path))), all);
    let copy = SegmentCopy::read(place.dir().join("s").as_path(), 1 << 30, Look::Once).unwrap();
    let facts = copy.families().unwrap();
    assert_eq!(facts[0].series, all.keys().filter(|label| *label != "spanpin_overflow").count());
}

/// Removed by others, series count no more against the limit, however often as many as before are there.
#[test]
fn what_others_remove_makes_room_below_the_limit() {
    const MOST: u32 = 10;
    let place = Place::in_memory();
    let path = place.path("s");
    let (one, other) = (registry(&path), attach(&path));
    let of = |registry: &Registry| registry.counter("c", "").labels(&["l"]).max_series(MOST).register().unwrap();
    let (makes, removes) = (of(&one), of(&other));
    for round in 0..20 * MOST {
        let label = format!("{round}");
        assert!(!makes.with(&[&label]).unwrap().is_overflow(), "{label}, though no other is there");
        assert!(removes.remove(&[&label]).unwrap());
    }
    // The limit itself holds.
    for number in 0..MOST + 3 {
        assert_eq!(makes.with(&[&format!("stays {number}")]).unwrap().is_overflow(), number >= MOST);
    }
    for number in 0..MOST {
        assert!(removes.remove(&[&format!("stays {number}")]).unwrap());
    }
    assert!(!makes.with(&["afterwards"]).unwrap().is_overflow());
}

/// Processes are killed while they create, remove and create again. The others go on, find each label set once, and the
/// segment can be attached and read.
#[test]
fn processes_killed_in_the_middle_leave_nothing_twice() {
    let kills: u32 = std::env::var("SPANPIN_KILLS").map_or(40, |kills| kills.parse().unwrap());
    let place = Place::in_memory();
    let path = place.path("s");
    let survivor = registry(&path);
    let family = counters(&survivor);
    family.with(&["kept"]).unwrap().add(5.0);
    for kill in 0..kills {
        let child = fork_off(|| {
            let registry = attach(&path);
            let family = counters(&registry);
            for round in 0_u64.. {
                let label = format!("{}", round % 50);
                family.with(&[&label]).unwrap().add_trace(1.0, span_of(&label));
                if round % 2 == 1 {
                    let _ = family.remove(&[&format!("{}", (round / 2) % 50)]).unwrap();
                }
            }
            true
        });
        for turn in 0..=kill % 4 {
            let label = format!("{}", turn * 7 % 50);
            let _ = family.with(&[&label]).unwrap();
            let _ = family.remove(&[&label]).unwrap();
            thread::sleep(Duration::from_micros(700 + u64::from(kill) * 131 % 3000));
        }
        place::kill(child);
        let all = counted(&scrape(&survivor));
        assert_eq!(all.get("kept"), Some(&5.0));
        assert!(all.len() <= 52, "{all:?}");
        let copy = SegmentCopy::read(place.dir().join("s").as_path(), 1 << 30, Look::Once).unwrap();
        assert!(copy.families().unwrap()[0].series <= 51);
    }
    let fresh = attach(&path);
    assert_eq!(fresh.segment_path(), Some(&*path), "the segment can still be attached");
    let family = counters(&fresh);
    family.clear().unwrap();
    assert!(counted(&scrape(&survivor)).keys().all(|label| label == "spanpin_overflow"));
    // The segment may be full of what has not rested yet.
    thread::sleep(Duration::from_millis(100));
    assert!(!family.with(&["afterwards"]).unwrap().is_overflow());
}

/// A process is forked while its threads create and remove series: the child goes on with what was half done.
#[test]
fn children_forked_in_the_middle_go_on() {
    let place = Place::in_memory();
    let registry = registry(&place.path("s"));
    let family = counters(&registry);
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..2 {
            let (family, stop) = (&family, &stop);
            scope.spawn(move || {
                for round in 0_u64.. {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let label = format!("{number} {}", round % 30);
                    family.with(&[&label]).unwrap().inc();
                    if round % 3 != 0 {
                        let _ = family.remove(&[&label]).unwrap();
                    }
                }
            });
        }
        for turn in 0..60 {
            let child = fork_off(|| {
                let label = format!("child {turn}");
                let counter = family.with(&[&label]).unwrap();
                counter.add(3.0);
                let before = counted(&scrape(&registry));
                let again = family.with(&[&label]).unwrap();
                again.inc();
                let good = before.get(&label) == Some(&3.0) && counted(&scrape(&registry)).get(&label) == Some(&4.0);
                good && family.remove(&[&label]).unwrap() && !family.remove(&[&label]).unwrap()
            });
            assert_eq!(wait_for(child), 0, "child {turn}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    counted(&scrape(&registry));
}
