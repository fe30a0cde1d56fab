//! Threads that record are stopped at random moments, many hundreds of times, while others record and two scrapers come.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use spanpin::raw::Series;
use spanpin::{Registry, ScrapeRequest, Scraper};

use crate::judge::{Judge, Made, context, id_labels};
use crate::ring_words::RingWords;
use crate::scene::Bed;
use crate::signal;

const WALL_MS: u64 = 1_700_000_000_000;
const MONO_MS: u64 = 1_000_000;
/// The test thread records as well.
const OTHERS: usize = signal::PLACES;
/// Stops at least, and at most.
const STOPS: std::ops::Range<u64> = 800..20_000;
/// Stops in the middle of a slot, and slots taken over, at least.
const IN_SLOT: u64 = 60;
const TAKEN: u64 = 30;

/// What observation `n` of somebody is: everything follows from the number.
struct Observation {
    n: u64,
}

impl Observation {
    /// The `i`-th of a recorder.
    fn of(who: usize, i: u64) -> Observation {
        Observation { n: (who as u64 + 1) << 40 | i }
    }

    fn value(&self) -> f64 {
        let mixed = self.n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        (mixed + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Explicit ones always find a slot, others only when they win.
    fn is_explicit(&self) -> bool {
        self.n.is_multiple_of(2)
    }

    /// Made without the allocator, in which a thread must not be stopped: the test thread needs it.
    fn label(&self) -> Option<[u8; 16]> {
        let digit = |place: usize| b'a' + (self.n >> (60 - 4 * place) & 15) as u8;
        self.n.is_multiple_of(3).then(|| std::array::from_fn(digit))
    }

    fn made(&self, mono_ms: u64) -> Made {
        let user = self
            .label()
            .map_or_else(String::new, |label| format!(",user=\"{}\"", std::str::from_utf8(&label).unwrap()));
        let labels = format!("{}{user}", id_labels(self.n));
        Made { series: "h_bucket".to_owned(), value: self.value(), labels, total: 1.0, mono_ms }
    }

    fn record(&self, series: Series<'_>) {
        let label = self.label();
        let labels = label.iter().map(|label| ("user", std::str::from_utf8(label).unwrap()));
        let span = context(self.n, true);
        _ = match (self.is_explicit(), label.is_some()) {
            (true, _) => series.observe_exemplar_ids(self.value(), span, labels),
            (false, true) => series.observe_trace(self.value(), span, labels),
            (false, false) => series.observe_with(self.value(), || Some(span)),
        };
    }
}

/// The test thread: time, scrapes, observations of its own.
struct Others<'a> {
    registry: &'a Registry,
    series: Series<'a>,
    judge: Judge,
    now_ms: u64,
    recorded: u64,
    shown: u64,
}

impl Others<'_> {
    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        // The wall clock goes back now and then.
        let back = if self.now_ms.is_multiple_of(7) { 500 } else { 0 };
        self.registry.set_clock(WALL_MS + self.now_ms - MONO_MS - back, self.now_ms);
    }

    fn record(&mut self) {
        self.recorded += 1;
        Observation::of(OTHERS, self.recorded).record(self.series);
    }

    fn scrape(&mut self, who: u64) -> Result<(), String> {
        let scraper = Scraper::named(["a", "b"][who as usize]);
        let request = ScrapeRequest { accept: "application/openmetrics-text", scraper, ..Default::default() };
        let body = String::from_utf8(self.registry.scrape(&request).unwrap().into_body()).unwrap();
        let made = |n: u64| Some(Observation { n }.made(self.now_ms));
        let samples = self.judge.answer(who, self.now_ms, &body, &made)?;
        self.shown += u64::from(samples[0].shown.is_some());
        Ok(())
    }

    /// Both come, the second one in the window of the first.
    fn both(&mut self) -> Result<(), String> {
        self.pass(25);
        self.scrape(0)?;
        self.scrape(1)
    }
}

#[derive(Debug, Default)]
struct Met {
    stops: u64,
    in_slot: u64,
    taken: u64,
    both: u64,
}

/// One stop of one thread, or of both, and what follows.
fn one_stop(others: &mut Others<'_>, words: RingWords, random: u64, met: &mut Met) -> Result<(), String> {
    let first = (random % 2) as usize;
    let both = random >> 4 & 1 == 1;
    for _ in 0..random >> 8 & 0x3FF {
        std::hint::spin_loop();
    }
    signal::stop(first);
    if both {
        signal::stop(1 - first);
    }
    // A word that stays while the thread that runs comes round is one of the stopped.
    let seen = words.busy();
    let played = (|| {
        others.record();
        for round in 0..random >> 20 & 3 {
            others.both()?;
            if round > 0 {
                others.record();
            }
        }
        others.both()
    })();
    let after = words.busy();
    met.stops += 1;
    met.both += u64::from(both);
    if both {
        // Nobody else is at work: what was busy is busy still, or was taken.
        met.in_slot += u64::from(!seen.is_empty());
        met.taken += seen.iter().filter(|word| !after.contains(word)).count() as u64;
    } else {
        met.in_slot += u64::from(seen.iter().any(|word| after.contains(word)));
    }
    signal::release(first);
    if both {
        signal::release(1 - first);
    }
    played?;
    others.scrape(0)?;
    others.scrape(1)
}

#[test]
fn threads_are_stopped_at_random_moments() {
    let bed = Bed::new();
    let (registry, series) = (bed.registry(), bed.series());
    let mut others = Others { registry, series, judge: Judge::default(), now_ms: MONO_MS, recorded: 0, shown: 0 };
    others.pass(0);
    others.record();
    let words = RingWords::of(series, 0);
    signal::install();
    let (ready, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let recorded = [const { AtomicU64::new(0) }; signal::PLACES];
    let mut met = Met::default();
    let ended = thread::scope(|scope| {
        for (place, recorded) in recorded.iter().enumerate() {
            let (ready, done) = (&ready, &done);
            scope.spawn(move || {
                signal::enter(place);
                ready.fetch_add(1, Ordering::SeqCst);
                let mut i = 0;
                while !done.load(Ordering::Relaxed) {
                    i += 1;
                    Observation::of(place, i).record(series);
                }
                recorded.store(i, Ordering::SeqCst);
                signal::leave(place);
            });
        }
        while ready.load(Ordering::SeqCst) < signal::PLACES as u64 {
            thread::yield_now();
        }
        let mut random = 1_u64;
        let mut ended = Ok(());
        while ended.is_ok()
            && (met.stops < STOPS.start || met.in_slot < IN_SLOT || met.taken < TAKEN)
            && met.stops < STOPS.end
        {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            ended = one_stop(&mut others, words, random, &mut met);
        }
        done.store(true, Ordering::Relaxed);
        ended
    });
    println!("{met:?}, {} shown", others.shown);
    ended.unwrap();
    assert!(met.in_slot >= IN_SLOT && met.taken >= TAKEN, "too few stops in the middle of a slot: {met:?}");
    let total: u64 = recorded.iter().map(|recorded| recorded.load(Ordering::SeqCst)).sum::<u64>() + others.recorded;
    let body = registry.scrape(&ScrapeRequest::default()).unwrap().into_body();
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains(&format!("h_count {total}\n")), "{total} in {body}");
}
