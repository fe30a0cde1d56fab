//! Segments that are read by copy: what a scraper is shown of a job that has ended, of one that runs, and of what is no
//! segment.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use place::{Place, attach, scrape, value};
use spanpin::{
    ErrorCode, Histogram, Look, Marks, Registry, ScrapeRequest, Scraper, SegmentCopy, SpanId, TraceContext, TraceId,
};

const MOST: u64 = 1 << 30;
const WALL_MS: u64 = 1_755_780_000_000;

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(n, n).unwrap(), SpanId::from_u64(n).unwrap())
}

/// The monotonic clock in milliseconds, of a machine that never slept.
fn mono_ms() -> u64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    (uptime.split(' ').next().unwrap().parse::<f64>().unwrap() * 1000.0) as u64
}

fn copy(path: &str, look: Look) -> SegmentCopy {
    SegmentCopy::read(Path::new(path), MOST, look).unwrap()
}

fn body(copy: &SegmentCopy, marks: &mut Marks, name: &str) -> String {
    let request =
        ScrapeRequest { accept: "application/openmetrics-text", scraper: Scraper::named(name), ..Default::default() };
    String::from_utf8(copy.scrape(&request, marks).unwrap().into_body()).unwrap()
}

fn shown(path: &str, marks: &mut Marks) -> String {
    body(&copy(path, Look::Finished), marks, "reader")
}

fn histogram(registry: &Registry, max_age: u32) -> Histogram {
    let family = registry.histogram("h", "Help.").bounds(&[1.0]).max_age(max_age).register().unwrap();
    family.with(&[]).unwrap()
}

/// A scrape by the process itself, when the window is old enough not to be shared.
fn close_window(registry: &Registry) {
    std::thread::sleep(std::time::Duration::from_millis(25));
    scrape(registry);
}

/// The exemplars of a body: the sample's name and labels, the value and the stamp.
fn exemplars(body: &str) -> Vec<(String, f64, f64)> {
    let lines = body.lines().filter_map(|line| line.split_once(" # "));
    let parts = lines.map(|(sample, exemplar)| {
        let (_, numbers) = exemplar.split_once("} ").unwrap();
        let (value, stamp) = numbers.split_once(' ').unwrap();
        (sample.rsplit_once(' ').unwrap().0.to_owned(), value.parse().unwrap(), stamp.parse().unwrap())
    });
    parts.collect()
}

#[test]
fn the_last_exemplars_of_a_job_that_has_ended_stay() {
    let place = Place::in_memory();
    let path = place.path("a");
    {
        let registry = attach(&path);
        registry.set_clock(WALL_MS, mono_ms().saturating_sub(3_600_000).max(1));
        let job = histogram(&registry, 1);
        job.observe_trace(0.5, span(1));
        job.observe_trace(7.0, span(2));
    }
    let before = fs::read(&path).unwrap();
    let mut marks = Marks::new();
    let first = shown(&path, &mut marks);
    assert_eq!(value(&first, "h_count"), 2.0);
    let found = exemplars(&first);
    let values: Vec<_> = found.iter().map(|(_, value, _)| *value).collect();
    assert_eq!(values, [0.5, 7.0], "{first}");
    for _ in 0..3 {
        assert_eq!(exemplars(&shown(&path, &mut marks)), found, "they stay as they are");
    }
    assert!(copy(&path, Look::Finished).facts().at_rest);
    assert_eq!(fs::read(&path).unwrap(), before, "a reader writes nothing");

    // The next run begins where this one ended, and a reader that has seen the old ones is shown the new one.
    let registry = attach(&path);
    histogram(&registry, 1).observe_trace(0.75, span(3));
    close_window(&registry);
    let next = exemplars(&shown(&path, &mut marks));
    assert_eq!(
        next.iter().map(|(_, value, _)| *value).collect::<Vec<_>>(),
        [0.75],
        "only what is young beside a live writer"
    );
}

#[test]
fn an_open_window_is_shown_when_it_is_over() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let job = histogram(&registry, 90);
    scrape(&registry);
    job.observe_trace(0.5, span(1));
    let mut marks = Marks::new();
    let live = copy(&path, Look::Finished);
    assert!(!live.facts().at_rest);
    let first = body(&live, &mut marks, "reader");
    assert_eq!(value(&first, "h_count"), 1.0);
    assert_eq!(exemplars(&first), []);
    assert_eq!(
        exemplars(&body(&copy(&path, Look::Once), &mut Marks::new(), "once")).len(),
        1,
        "who looks once is shown all"
    );
    // What comes into the open window after a look is not lost by it.
    job.observe_trace(0.75, span(2));
    close_window(&registry);
    let next = exemplars(&shown(&path, &mut marks));
    assert_eq!(next.iter().map(|(_, value, _)| *value).collect::<Vec<_>>(), [0.75]);
}

#[test]
fn beside_a_live_writer_the_age_limit_holds() {
    for (max_age, expected) in [(1, vec![]), (10, vec![7.0]), (90, vec![0.5, 7.0])] {
        let place = Place::in_memory();
        let path = place.path("a");
        let registry = attach(&path);
        let now_ms = mono_ms();
        registry.set_clock(WALL_MS, now_ms.saturating_sub(30_000).max(1));
        let job = histogram(&registry, max_age);
        job.observe_trace(0.5, span(1));
        registry.set_clock(WALL_MS + 25_000, now_ms.saturating_sub(5_000));
        job.observe_trace(7.0, span(2));
        registry.set_clock(WALL_MS + 30_000, now_ms);
        // Closes the window of the second one, which is 5 s old then.
        scrape(&registry);
        let found = exemplars(&shown(&path, &mut Marks::new()));
        let values: Vec<_> = found.iter().map(|(_, value, _)| *value).collect();
        assert_eq!(values, expected, "with {max_age} s: {found:?}");
    }
}

/// Two readers' scrapers and the segment's own, with windows closed at random and writers going on.
#[test]
fn timestamps_never_go_back_and_counts_include_what_is_shown() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    let ending = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The n-th observation of its bucket has the value n.
            let job = registry.histogram("n", "").bounds(&[0.5]).register().unwrap().with(&[]).unwrap();
            let mut n = 1_u64;
            while !ending.load(Ordering::Relaxed) {
                job.observe_trace(n as f64, span(n));
                n += 1;
            }
        });
        scope.spawn(|| {
            // Falling values: the best of a window is its first one.
            let job = histogram(&registry, 90);
            let mut n = 1_u64;
            while !ending.load(Ordering::Relaxed) {
                job.observe_trace(2.0 + 1.0 / n as f64, span(n));
                n += 1;
                if n.is_multiple_of(5000) {
                    scrape(&registry);
                }
            }
        });
        let mut marks = Marks::new();
        let mut last: HashMap<(usize, String), f64> = HashMap::new();
        let mut seen = 0;
        for round in 0..400 {
            let copy = copy(&path, Look::Finished);
            let reader = round % 2;
            let body = body(&copy, &mut marks, ["one", "two"][reader]);
            for (sample, number, stamp) in exemplars(&body) {
                seen += 1;
                let before = last.insert((reader, sample.clone()), stamp).unwrap_or(0.0);
                assert!(stamp >= before, "{sample}: {stamp} after {before}");
                if sample.starts_with("n_bucket") {
                    let count = value(&body, &sample);
                    assert!(count >= number, "observation {number} of {count}");
                }
            }
        }
        ending.store(true, Ordering::Relaxed);
        assert!(seen > 20, "{seen} exemplars were shown");
    });
}

#[test]
fn what_is_no_segment_is_told() {
    let place = Place::in_memory();
    let path = place.path("a");
    histogram(&attach(&path), 90).observe(1.0);
    let link = place.path("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let short = place.path("short");
    fs::write(&short, &fs::read(&path).unwrap()[..1700]).unwrap();
    let other = place.path("other");
    fs::write(&other, vec![b'x'; 4096]).unwrap();
    let folder = place.dir().to_str().unwrap();
    for (path, expected) in [
        (&*place.path("none"), "there is no such file"),
        (&link, "it is a symbolic link"),
        (folder, "no regular file"),
        ("/dev/null", "no regular file"),
        (&short, "shorter than its header says"),
        (&other, "it is no segment"),
    ] {
        let error = SegmentCopy::read(Path::new(path), MOST, Look::Once).err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidOption, "{error}");
        assert!(error.message().contains(expected) && error.message().contains(path), "{error}");
    }
    let error = SegmentCopy::read(Path::new(&path), 1000, Look::Once).err().unwrap();
    assert_eq!(error.code(), ErrorCode::SegmentFull);
    assert!(error.message().contains("raise the limit"), "{error}");
}

/// Records that lie one over the other would let a small file ask for any amount of memory.
#[test]
fn records_that_overlap_are_refused() {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    for n in 10..40 {
        registry.counter(&format!("c{n}"), "Help.").register().unwrap();
    }
    drop(registry);
    assert_eq!(copy(&path, Look::Once).families().unwrap().len(), 30);
    let mut bytes = fs::read(&path).unwrap();
    let tail = u64::from_ne_bytes(bytes[64..72].try_into().unwrap()) as usize;
    // Name, help and unit, each after its length; no bounds.
    let sizes = ((4 + 3 + 4 + 5 + 4) as u64) << 32;
    let mut changed = 0;
    for at in (0..tail).step_by(8) {
        if bytes[at..at + 8] == sizes.to_ne_bytes() {
            let longer = ((tail - at - 512).max(20) as u64) << 32;
            bytes[at..at + 8].copy_from_slice(&longer.to_ne_bytes());
            changed += 1;
        }
        if at + 1024 > tail {
            break;
        }
    }
    assert!(changed > 20, "{changed} records were found");
    fs::write(&path, &bytes).unwrap();
    let error = SegmentCopy::read(Path::new(&path), MOST, Look::Once).err().unwrap();
    assert!(error.message().contains("take more than all its bytes"), "{error}");
}
