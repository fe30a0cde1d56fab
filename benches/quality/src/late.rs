//! Late writers, for real: threads observe while others scrape, and are held now and then wherever they are, also between
//! the gate and the publication of an exemplar, for longer than some windows last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::cell::{Outcome, Spec};
use crate::clock::{Clock, Steps};
use crate::engine::Shown;
use crate::engines::{SPANPIN, SPANPIN_IDENTITY_NONE};
use crate::exposition;
use crate::judge::{Interval, Slowest, Tally};
use crate::library::{HeldThread, Histogram, Library};
use crate::random::Random;
use crate::scrapers::Mix;
use crate::traffic::{BUCKETS, Event, Shape, Traffic, bucket_of};

const WRITERS: u64 = 3;
const INTERVAL_S: u32 = 15;
/// A scrape every so often; in between the clock passes half an interval.
const ROUND: Duration = Duration::from_millis(3);
const HELD_MOST_US: u64 = 12_000;

/// The requests between two scrapes, in one bucket.
#[derive(Default)]
struct Part {
    /// The bits of the greatest value that began and ended between the two.
    slowest: AtomicU64,
    /// Whether a request was in flight at one of them.
    in_flight: AtomicBool,
}

/// What the writers and the scraping thread share.
struct Board {
    histogram: Histogram,
    /// Twice the number of scrapes so far, and one more while one is at work.
    phase: AtomicU64,
    now_us: AtomicU64,
    over: AtomicBool,
    parts: Vec<[Part; BUCKETS]>,
}

/// An answer, to be judged when all writers have told what they did.
struct Answer {
    scraper: usize,
    at_us: u64,
    shown: Vec<Shown>,
}

/// What the run was like.
pub struct Late {
    pub outcome: Outcome,
    pub requests: u64,
    pub held: u64,
    /// Buckets of an answer that were not judged, because a request was in flight at the cut.
    pub excepted: u64,
}

impl Late {
    /// What the traffic is called in a row.
    pub const TRAFFIC: &str = "late writers, 3 threads, the clock steps";
}

/// Runs `scrapes` scrapes of each of two scrapers.
///
/// # Errors
/// The library or the system refuses.
pub fn run(library: Library, scrapes: u32, identity_none: bool) -> Result<Late, String> {
    let answers = 2 * scrapes as usize;
    let board = Board {
        histogram: library.open(identity_none)?,
        phase: AtomicU64::new(0),
        now_us: AtomicU64::new(1_000_000),
        over: AtomicBool::new(false),
        parts: (0..=answers).map(|_| Default::default()).collect(),
    };
    let plan = Mix::Two.plan(INTERVAL_S, scrapes);
    let mut clock = Clock::default();
    board.set_clock(&clock, 1_000_000);
    let mut answered = Vec::new();
    let (mut held, mut requests) = (0, 0);
    let page_of = |board: &Board, answer: &mut Answer| -> Result<(), String> {
        let identity = &plan.identities[answer.scraper];
        board.histogram.page(identity, |page| exposition::read(page, &mut answer.shown)).map(|_| ())
    };
    thread::scope(|scope| -> Result<(), String> {
        let (sender, receiver) = mpsc::channel::<HeldThread>();
        let board = &board;
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let sender = sender.clone();
                scope.spawn(move || {
                    if let Ok(me) = library.holdable() {
                        let _ = sender.send(me);
                    }
                    board.write(number)
                })
            })
            .collect();
        let threads: Vec<HeldThread> = receiver.iter().take(WRITERS as usize).collect();
        let mut random = Random::of("late writers");
        for number in 0..answers {
            thread::sleep(ROUND);
            if random.chance(0.7) {
                let thread = threads[random.below(WRITERS) as usize];
                held += u64::from(thread.hold(random.below(HELD_MOST_US) as i32));
            }
            board.phase.fetch_add(1, Ordering::SeqCst);
            let at_us = board.now_us.load(Ordering::Relaxed);
            let mut answer = Answer { scraper: number % 2, at_us, shown: Vec::new() };
            let read = page_of(board, &mut answer);
            answered.push(answer);
            if random.chance(0.02) {
                clock.off_ms = random.between(-20_000.0, 20_000.0) as i64;
            }
            let next_us = at_us + u64::from(INTERVAL_S) * 500_000 + random.below(400_000);
            board.set_clock(&clock, next_us);
            board.phase.fetch_add(1, Ordering::SeqCst);
            if read.is_err() {
                board.over.store(true, Ordering::Relaxed);
                return read;
            }
        }
        board.over.store(true, Ordering::Relaxed);
        for writer in writers {
            requests += writer.join().map_err(|_| "a writer panicked")?;
        }
        Ok(())
    })?;
    let (outcome, excepted) = board.judge(&answered, scrapes, identity_none);
    Ok(Late { outcome, requests, held, excepted })
}

impl Board {
    fn set_clock(&self, clock: &Clock, now_us: u64) {
        self.histogram.set_clock(clock.wall_ms(now_us), clock.mono_ms(now_us));
        self.now_us.store(now_us, Ordering::Relaxed);
    }

    /// Observes until it is over. Returns the number of requests.
    fn write(&self, writer: u64) -> u64 {
        let mut random = Random::of(&format!("late writer {writer}"));
        let mut count = 0;
        while !self.over.load(Ordering::Relaxed) {
            let value = 0.082 * random.normal().exp();
            let before = self.phase.load(Ordering::SeqCst);
            count += 1;
            let event = Event {
                at_us: self.now_us.load(Ordering::Relaxed),
                index: count * WRITERS + writer,
                value,
                bucket: bucket_of(value),
                sampled: true,
            };
            self.histogram.observe_now(&[event]);
            let after = self.phase.load(Ordering::SeqCst);
            let bucket = usize::from(event.bucket);
            if before == after && before.is_multiple_of(2) {
                self.parts[before as usize / 2][bucket].slowest.fetch_max(value.to_bits(), Ordering::Relaxed);
                continue;
            }
            // In flight at a cut: it may count for the part before and for the one after.
            let to = (after as usize).div_ceil(2).min(self.parts.len() - 1);
            for part in &self.parts[(before as usize / 2).min(to)..=to] {
                part[bucket].in_flight.store(true, Ordering::Relaxed);
            }
        }
        count
    }

    /// Judges the answers. Also returns how many buckets were left out.
    fn judge(&self, answers: &[Answer], scrapes: u32, identity_none: bool) -> (Outcome, u64) {
        let mut tallies = [Tally::default(), Tally::default()];
        let mut excepted = 0;
        let mut last: [Option<usize>; 2] = [None; 2];
        for (number, answer) in answers.iter().enumerate() {
            let from = last[answer.scraper].map_or(0, |last| last + 1);
            let since_us = last[answer.scraper].map_or(0, |last| answers[last].at_us + 1);
            last[answer.scraper] = Some(number);
            let mut slowest = Slowest::none();
            for bucket in 0..BUCKETS {
                let parts = self.parts[from..=number].iter().map(|part| &part[bucket]);
                if parts.clone().any(|part| part.in_flight.load(Ordering::Relaxed)) {
                    excepted += 1;
                    continue;
                }
                for part in parts {
                    let bits = part.slowest.load(Ordering::Relaxed);
                    if bits != 0 {
                        slowest.put(bucket, f64::from_bits(bits));
                    }
                }
            }
            let interval = Interval { since_us, until_us: answer.at_us, slowest };
            tallies[answer.scraper].judge(&interval, &answer.shown);
        }
        let traffic = Traffic::new(Shape::Steady, 1000);
        let spec = Spec { traffic, steps: Steps::None, mix: Mix::Two, interval_s: INTERVAL_S, scrapes };
        let engine = if identity_none { SPANPIN_IDENTITY_NONE } else { SPANPIN };
        let scrapers = tallies.into_iter().map(|tally| (Some(INTERVAL_S), tally)).collect();
        (Outcome { spec, traffic: Late::TRAFFIC.into(), engine: engine.into(), scrapers }, excepted)
    }
}
