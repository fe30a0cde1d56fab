//! Truncated, bit-flipped and crafted segment files: a million of them unless told otherwise, the same ones in each run.
//!
//!     fuzz-segments [--count N] [--seed N] [--keep]
//!
//! `--keep` writes the first inputs of each outcome to the corpus. An input that is not survived lies in the file that is
//! named at the start.
#![allow(clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod one;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use spanpin::Registry;

/// An input that takes longer is a loop without end.
const STUCK: Duration = Duration::from_secs(60);

/// The corpus is kept small.
const KEPT_MOST: usize = 16 * 1024;

/// The same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A word that hurts where an offset, a length or a count is expected.
    fn nasty(&mut self) -> u64 {
        let some = self.next();
        match self.below(14) {
            0 => 0,
            1 => 1,
            2 => 63,
            3 => 64,
            4 => u64::MAX,
            5 => u64::MAX - 63,
            6 => 1 << 63,
            7 => u64::from(u32::MAX),
            8 => 1 << 32,
            9 => (some >> 48) * 64,
            10 => (some >> 50) << 32 | (some >> 50),
            11 => some >> 32,
            12 => f64::INFINITY.to_bits(),
            _ => some,
        }
    }
}

/// The seeds: an empty segment, one with a bit of everything, and that one in use for a while.
fn seeds(path: &Path) -> Vec<Vec<u8>> {
    let text = path.to_str().expect("a path of this program's");
    let mut seeds = Vec::new();
    for rounds in [0, 1, 4] {
        let _ = fs::remove_file(path);
        for _ in 0..rounds {
            let registry = Registry::with_options(&one::options(text)).expect("a fresh segment");
            one::count(&registry);
            let request = spanpin::ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
            registry.scrape(&request).expect("a fresh segment");
        }
        if rounds == 0 {
            Registry::with_options(&one::options(text)).expect("a fresh segment");
        }
        seeds.push(fs::read(path).expect("the file of a segment"));
    }
    seeds
}

/// Bytes that are handed out, at most those that are there.
fn used(bytes: &[u8]) -> usize {
    let tail = bytes.get(64..72).and_then(|tail| tail.try_into().ok()).map_or(0, u64::from_ne_bytes);
    usize::try_from(tail).unwrap_or(usize::MAX).clamp(8, bytes.len().max(8))
}

fn mutate(bytes: &mut Vec<u8>, used: usize, numbers: &mut Numbers) {
    let words = used / 8;
    let put = |bytes: &mut Vec<u8>, at: usize, word: u64| {
        if let Some(place) = bytes.get_mut(at * 8..at * 8 + 8) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
    };
    let get = |bytes: &Vec<u8>, at: usize| {
        bytes.get(at * 8..at * 8 + 8).map_or(0, |b| u64::from_ne_bytes(b.try_into().expect("eight bytes")))
    };
    match numbers.below(20) {
        0..=3 => {
            let bit = numbers.below(used * 8);
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        4..=8 => {
            let (at, word) = (numbers.below(words), numbers.nasty());
            put(bytes, at, word);
        }
        // The part of the header that changes all the time.
        9..=11 => {
            let (at, word) = (8 + numbers.below(192), numbers.nasty());
            put(bytes, at, word);
        }
        // A word takes the content of another: offsets then lead to real, but wrong places.
        12..=14 => {
            let (to, from) = (numbers.below(words), numbers.below(words));
            let word = get(bytes, from);
            put(bytes, to, word);
        }
        // A half, or a small step.
        15 | 16 => {
            let at = numbers.below(words);
            let word = get(bytes, at);
            let step = [1, u64::MAX, 64, 1 << 32, u64::MAX << 32, 8][numbers.below(6)];
            put(bytes, at, word.wrapping_add(step));
        }
        // A line, a block of lines: records twice, or none.
        17 | 18 => {
            let lines = used / 64;
            let (to, from, count) = (numbers.below(lines), numbers.below(lines), 1 + numbers.below(8));
            let end = ((from + count) * 64).min(bytes.len());
            let block = bytes.get(from * 64..end).unwrap_or_default().to_vec();
            for (byte, new) in bytes.iter_mut().skip(to * 64).zip(&block) {
                *byte = if count == 1 { 0 } else { *new };
            }
        }
        _ => {
            let most = if numbers.below(2) == 0 { used } else { bytes.len() };
            let len = numbers.below(most);
            bytes.truncate(len);
        }
    }
}

struct Arguments {
    count: u64,
    seed: u64,
    keep: bool,
}

fn arguments() -> Arguments {
    let mut given = Arguments { count: 1_000_000, seed: 1, keep: false };
    let mut all = std::env::args().skip(1);
    while let Some(argument) = all.next() {
        let mut number =
            || all.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{argument} wants a number"));
        match &*argument {
            "--count" => given.count = number(),
            "--seed" => given.seed = number(),
            "--keep" => given.keep = true,
            other => panic!("\"{other}\" is no option: use --count N, --seed N or --keep"),
        }
    }
    given
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn main() {
    let arguments = arguments();
    let shm = Path::new("/dev/shm");
    let folder = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let folder = folder.join(format!("spanpin-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder in memory");
    let path = folder.join("input");
    let seeds = seeds(&folder.join("seed"));
    println!("input in {}; seed {}, {} inputs", path.display(), arguments.seed, arguments.count);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.expect("the input's file");

    let done = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&done));
    let replayed = replay(&file, &path);
    let mut numbers = Numbers(arguments.seed);
    let mut outcomes = BTreeMap::new();
    for number in 0..arguments.count {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        let used = used(&bytes);
        for _ in 0..1 + numbers.below(4) {
            mutate(&mut bytes, used, &mut numbers);
        }
        one::put(&file, &bytes).expect("writing the input");
        let taken = one::try_out(path.to_str().expect("a path of this program's"));
        let outcome: &mut u64 = outcomes.entry((taken.attached, taken.read)).or_default();
        *outcome += 1;
        if arguments.keep && *outcome <= 3 {
            keep(&bytes, used, &format!("attached-{}-read-{}-{outcome}", taken.attached, taken.read));
        }
        done.store(number + 1, Ordering::Relaxed);
        if (number + 1) % 100_000 == 0 {
            println!("{} inputs", number + 1);
        }
    }
    fs::remove_dir_all(&folder).expect("removing the folder");
    for ((attached, read), count) in &outcomes {
        println!("attached {attached}, read {read}: {count}");
    }
    println!("executions={} corpus={replayed} crashes=0", arguments.count);
}

/// Ends the program if an input takes too long.
fn watch(done: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut last = u64::MAX;
        loop {
            let now = done.load(Ordering::Relaxed);
            if now == last {
                eprintln!("stuck in input {now}");
                std::process::exit(1);
            }
            last = now;
            std::thread::sleep(STUCK);
        }
    });
}

/// Tries the corpus. Its files end where nothing but zeros follows in a whole one.
fn replay(file: &File, path: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(corpus()).expect("the corpus") {
        let mut bytes = fs::read(entry.expect("the corpus").path()).expect("a file of the corpus");
        if bytes.len() % 64 == 0 {
            bytes.resize(bytes.len().max(one::FILE_BYTES), 0);
        }
        one::put(file, &bytes).expect("writing the input");
        one::try_out(path.to_str().expect("a path of this program's"));
        count += 1;
    }
    count
}

fn keep(bytes: &[u8], used: usize, name: &str) {
    if bytes.len() > KEPT_MOST && bytes.len() != one::FILE_BYTES {
        return;
    }
    let end = if bytes.len() == one::FILE_BYTES { used.next_multiple_of(64) } else { bytes.len() };
    fs::write(corpus().join(name), bytes.get(..end).unwrap_or(bytes)).expect("writing to the corpus");
}
