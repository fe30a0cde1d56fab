//! Segment files that were cut short, damaged or made up: an error, or correct data; never a crash, a loop without end or
//! an exposition that no parser takes.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

use place::{Place, attach, fork_off, options, scrape, wait_for};
use proptest::prelude::*;
use spanpin::{Adaptive, ErrorCode, Registry, RegistryOptions, SegmentReason, SpanId, TraceContext, TraceId};

const HEADER_WORDS: usize = 200;

fn span(n: u64) -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(n, n).unwrap(), SpanId::from_u64(n).unwrap())
}

/// A whole segment with a bit of everything, cut to what is handed out.
fn sample() -> Vec<u8> {
    let place = Place::in_memory();
    let path = place.path("a");
    let registry = attach(&path);
    use_all(&registry);
    scrape(&registry);
    use_all(&attach(&path));
    let bytes = fs::read(&path).unwrap();
    let tail = u64::from_ne_bytes(bytes[64..72].try_into().unwrap()) as usize;
    bytes[..tail].to_vec()
}

/// Registers, observes, and creates series, whatever is there; errors of the segment are fine.
fn use_all(registry: &Registry) {
    if let Ok(histogram) = registry.histogram("h_seconds", "Help.").unit("seconds").labels(&["l", "m"]).register() {
        for n in 1..6 {
            let series = histogram.with(&[&format!("{n}"), "ä"]).unwrap();
            series.observe_trace(0.1 * n as f64, span(n));
            series.observe_exemplar_ids(0.3, span(n), &[("user", "someone")]);
        }
    }
    let adaptive = registry.histogram("a", "").bounds(&[0.5]).adaptive(Adaptive::default()).slots(19);
    if let Ok(histogram) = adaptive.register() {
        let series = histogram.with(&[]).unwrap();
        for n in 1..120 {
            series.observe_trace(0.1 + n as f64 / 200.0, span(n));
        }
    }
    if let Ok(counter) = registry.counter("c", "").labels(&["l"]).register() {
        counter.with(&["x"]).unwrap().inc_with(|| Some(span(9)));
        counter.with(&["y"]).unwrap().add(0.5);
    }
    if let Ok(gauge) = registry.gauge("g", "").register() {
        gauge.with(&[]).unwrap().set(3.0);
    }
}

/// Writes a file of these bytes, filled up with zeros to whole steps as a living one is.
fn write_segment(path: &str, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((bytes.len() as u64).max(1).next_multiple_of(256 * 1024)).unwrap();
}

/// Attaches to a file that may be anything, uses it and checks what it shows. Whether it was taken for a segment.
fn try_out(path: &str) -> bool {
    let strict = RegistryOptions { strict: true, ..options(path) };
    let taken = match Registry::with_options(&strict) {
        Ok(registry) => {
            check(&scrape(&registry));
            use_all(&registry);
            check(&scrape(&registry));
            registry.snapshot().unwrap();
            registry.exemplars_json().unwrap();
            true
        }
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::SegmentUnusable, "{error}");
            assert!(error.message().contains(path), "{error}");
            false
        }
    };
    if !taken {
        let registry = attach(path);
        let notice = registry.take_segment_notice().unwrap();
        assert!(matches!(notice.reason, SegmentReason::Damaged | SegmentReason::Layout), "{}", notice.message);
        use_all(&registry);
        let body = scrape(&registry);
        check(&body);
        assert!(body.contains("c_total{l=\"x\"} 1"), "{body}");
        let beside = registry.segment_path().unwrap().to_owned();
        assert_eq!(beside, format!("{path}.1"));
        fs::remove_file(beside).unwrap();
    }
    taken
}

/// Each sample once, families in one piece, names and numbers well formed.
fn check(body: &str) {
    assert!(body.ends_with("# EOF\n"), "{body}");
    let mut seen = HashSet::new();
    for line in body.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            assert!(seen.insert(head), "twice: {line}");
        } else if !line.starts_with('#') {
            let sample = line.split_once(" # ").map_or(line, |(sample, _)| sample);
            let (name, value) = sample.rsplit_once(' ').unwrap();
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(name), "twice: {line}");
        }
    }
}

#[test]
fn a_whole_file_is_taken() {
    let place = Place::in_memory();
    let path = place.path("a");
    write_segment(&path, &sample());
    assert!(try_out(&path));
}

#[test]
fn files_cut_short_are_refused() {
    let place = Place::in_memory();
    let path = place.path("a");
    let whole = sample();
    for len in (0..whole.len()).step_by(61).chain([1, 127, 128, 1599, 1600]) {
        fs::write(&path, &whole[..len]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!try_out(&path), "{len} bytes of {}", whole.len());
    }
}

#[test]
fn what_stands_in_the_fixed_part_of_the_header_is_protected() {
    let place = Place::in_memory();
    let path = place.path("a");
    let whole = sample();
    for bit in (0..32 * 8).chain(48 * 8..64 * 8).chain(112 * 8..120 * 8) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        write_segment(&path, &bytes);
        assert!(!try_out(&path), "bit {bit} of the header");
    }
}

/// Then records reach behind what is handed out, in part or as a whole.
#[test]
fn a_tail_that_is_too_low_is_told() {
    let place = Place::in_memory();
    let path = place.path("a");
    let whole = sample();
    let refused = (1600..whole.len()).step_by(64).filter(|tail| {
        let mut bytes = whole.clone();
        bytes[64..72].copy_from_slice(&(*tail as u64).to_ne_bytes());
        write_segment(&path, &bytes);
        !try_out(&path)
    });
    assert!(refused.count() > 10, "records outside were taken");
}

/// Words that hurt most where an offset, a length or a count is expected.
fn nasty_word() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(63),
        Just(64),
        Just(u64::MAX),
        Just(u64::MAX - 63),
        Just(1 << 63),
        Just(u64::from(u32::MAX)),
        Just(1 << 32),
        (0_u64..1 << 20).prop_map(|n| n * 64),
        (0_u64..1 << 14).prop_map(|n| n << 32 | n),
        any::<u64>(),
    ]
}

#[derive(Clone, Debug)]
enum Damage {
    Bit(prop::sample::Index),
    /// A word of the header or of the records and rings.
    Word(prop::sample::Index, u64),
    HeaderWord(prop::sample::Index, u64),
    /// A word takes the content of another: offsets then lead to real, but wrong places.
    Copy(prop::sample::Index, prop::sample::Index),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => index().prop_map(Damage::Bit),
        4 => (index(), nasty_word()).prop_map(|(at, word)| Damage::Word(at, word)),
        3 => (index(), nasty_word()).prop_map(|(at, word)| Damage::HeaderWord(at, word)),
        2 => (index(), index()).prop_map(|(to, from)| Damage::Copy(to, from)),
        1 => index().prop_map(Damage::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.len() < HEADER_WORDS * 8 {
        return;
    }
    let words = bytes.len() / 8;
    let mut put = |at: usize, word: u64| bytes[at * 8..at * 8 + 8].copy_from_slice(&word.to_ne_bytes());
    match damage {
        Damage::Bit(at) => {
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Damage::Word(at, word) => put(at.index(words), *word),
        Damage::HeaderWord(at, word) => put(8 + at.index(HEADER_WORDS - 8), *word),
        Damage::Copy(to, from) => {
            let from = from.index(words) * 8;
            let word = u64::from_ne_bytes(bytes[from..from + 8].try_into().unwrap());
            let at = to.index(words) * 8;
            bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_errors_or_correct(all in prop::collection::vec(damage(), 1..5)) {
        thread_local! {
            static SAMPLE: Vec<u8> = sample();
            static PLACE: Place = Place::in_memory();
        }
        let mut bytes = SAMPLE.with(Clone::clone);
        all.iter().for_each(|damage| apply(&mut bytes, damage));
        let path = PLACE.with(|place| place.path("a"));
        write_segment(&path, &bytes);
        try_out(&path);
    }
}

/// Others go on writing nonsense while one attaches and scrapes: what it has checked may be different a moment later.
#[test]
fn a_file_that_changes_all_the_time_crashes_nobody() {
    let place = Place::in_memory();
    let path = place.path("a");
    let whole = sample();
    write_segment(&path, &whole);
    let writer = fork_off(|| {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut x = 88_172_645_463_325_252_u64;
        loop {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let at = (x >> 8) as usize % (whole.len() / 8) * 8;
            let word = [x, x >> 44 << 6, 0, u64::MAX][x as usize % 4];
            file.write_all_at(&word.to_ne_bytes(), at as u64).unwrap();
            file.write_all_at(&whole[at..at + 8], at as u64).unwrap();
        }
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(3);
    let mut taken = 0;
    while std::time::Instant::now() < deadline {
        let Ok(registry) = Registry::with_options(&RegistryOptions { strict: true, ..options(&path) }) else {
            continue;
        };
        taken += 1;
        use_all(&registry);
        scrape(&registry);
    }
    // SAFETY: a child of this process that was not waited for.
    unsafe { libc::kill(writer, libc::SIGKILL) };
    assert_eq!(wait_for(writer), -libc::SIGKILL);
    assert!(taken > 0, "the file was never whole enough to be looked at");
}
