//! A bucket with its ring and two scrapers, as the models of the ring use it. A window is a number, a writer has an id
//! and a priority of its own.

use super::super::priority::{admission, epoch_of, is_published};
use super::super::ring::{Age, Now, Outcome, Ring, advance_head, advance_head_explicit};
use super::super::shape::{HEADER_WORDS, LABEL_WORDS, RING_WORDS, SLOT_WORDS};
use crate::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

pub(super) const AGE: Age = Age { now_ms: 0, max_ms: 90_000 };

/// Scrapers with a mark of their own. Those models that say nothing of it have the first one only.
pub(super) const SCRAPERS: usize = 2;

/// A bucket with its ring, and the marks of the scrapers.
pub(super) struct World {
    ring: [AtomicU64; RING_WORDS],
    head: AtomicU64,
    pub(super) epoch: AtomicU64,
    marks: [AtomicU64; SCRAPERS],
    /// The count of each writer. In the core they are one; one for each tells which was missed.
    pub(super) counts: [AtomicU64; 8],
}

/// What a scrape showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) epoch: u64,
    pub(super) stamp: u64,
    pub(super) id: u64,
    pub(super) torn: bool,
    pub(super) counted: bool,
}

/// One scrape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) lo: u64,
    pub(super) open: u64,
    pub(super) shown: Option<Shown>,
}

/// How the scrape and the writers around the ring behave; the second value of each is a mistake.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) mark_released: bool,
    pub(super) counted_first: bool,
    pub(super) cells_last: bool,
}

pub(super) const RIGHT: Rules = Rules { mark_released: true, counted_first: true, cells_last: true };

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(World {
            ring: std::array::from_fn(|_| AtomicU64::new(0)),
            head: AtomicU64::new(0),
            epoch: AtomicU64::new(1),
            marks: std::array::from_fn(|_| AtomicU64::new(1)),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    pub(super) fn ring(&self) -> Ring<'_> {
        Ring::new(&self.ring, &[], 4096).unwrap()
    }

    pub(super) fn offer(&self, id: u64, priority: u32) -> Option<(u64, u64)> {
        self.offer_at(id, priority, 0, RIGHT)
    }

    /// An offer as `observe` makes it. Answers admission word and stamp if it was admitted.
    pub(super) fn offer_at(&self, id: u64, priority: u32, wall_ms: u64, rules: Rules) -> Option<(u64, u64)> {
        let count = &self.counts[id as usize];
        if rules.counted_first {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let epoch = self.epoch.load(Ordering::Relaxed);
        let outcome = self.write(epoch, id, priority, wall_ms);
        if !rules.counted_first {
            count.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Counts an observation whose offer is to follow.
    pub(super) fn count(&self, id: u64) {
        self.counts[id as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// An offer that has found this window open.
    pub(super) fn write(&self, epoch: u64, id: u64, priority: u32, wall_ms: u64) -> Option<(u64, u64)> {
        let candidate = admission(epoch, priority);
        if advance_head(&self.head, candidate) { self.put(candidate, id, wall_ms) } else { None }
    }

    /// The first half of an offer that wins: `put` is the second.
    pub(super) fn move_head(&self, epoch: u64, priority: u32) -> u64 {
        let candidate = admission(epoch, priority);
        assert!(advance_head(&self.head, candidate), "no winner: {candidate:x}");
        candidate
    }

    /// An explicit exemplar that has found this window open.
    pub(super) fn write_explicit(&self, epoch: u64, id: u64) -> Option<(u64, u64)> {
        advance_head_explicit(&self.head, epoch).and_then(|candidate| self.put(candidate, id, 0))
    }

    /// Writes a winner that has moved the head. Answers admission word and stamp if it was admitted.
    pub(super) fn put(&self, candidate: u64, id: u64, wall_ms: u64) -> Option<(u64, u64)> {
        let separated = |after, upto| {
            self.marks.iter().any(|mark| {
                let mark = mark.load(Ordering::Relaxed);
                after < mark && mark <= upto
            })
        };
        let tag = epoch_of(candidate) << 20 | id << 12;
        let payload = |stamp: u64| [stamp << 32 | tag, tag];
        let now = Now { wall_ms, age: AGE };
        match self.ring().write(&self.head, candidate, now, separated, payload, &[]) {
            Outcome::Admitted(stamp) => Some((candidate, stamp)),
            Outcome::TakenOver => {
                self.counts[7].fetch_add(1, Ordering::Relaxed);
                None
            }
            Outcome::Beaten | Outcome::Busy => None,
        }
    }

    /// The head, and the greatest published word of the ring, when nobody is at work.
    pub(super) fn at_rest(&self) -> (u64, u64) {
        let words = self.ring[HEADER_WORDS..].iter().step_by(SLOT_WORDS);
        let admissions = words.map(|word| word.load(Ordering::Relaxed)).filter(|a| is_published(*a));
        (self.head.load(Ordering::Relaxed), admissions.max().unwrap_or(0))
    }

    /// A scrape by somebody else.
    pub(super) fn cut(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A scrape; `cut` unless another was there a moment ago.
    pub(super) fn scrape(&self, cut: bool) -> Answer {
        self.scrape_by(0, cut, RIGHT)
    }

    pub(super) fn scrape_with(&self, cut: bool, rules: Rules) -> Answer {
        self.scrape_by(0, cut, rules)
    }

    /// A scrape by one of the two.
    pub(super) fn scrape_by(&self, who: usize, cut: bool, rules: Rules) -> Answer {
        let open = if cut { self.cut() } else { self.epoch.load(Ordering::Relaxed) };
        let (acquire, release) = if rules.mark_released {
            (Ordering::Acquire, Ordering::Release)
        } else {
            (Ordering::Relaxed, Ordering::Relaxed)
        };
        let lo = self.marks[who].load(acquire).min(open);
        let before: Option<Vec<u64>> =
            (!rules.cells_last).then(|| self.counts.iter().map(|c| c.load(Ordering::Relaxed)).collect());
        let mut shown = self.choose(lo, open);
        self.marks[who].fetch_max(open, release);
        if let Some(shown) = &mut shown {
            let id = shown.id as usize;
            shown.counted = before.map_or_else(|| self.counts[id].load(Ordering::Relaxed), |b| b[id]) > 0;
        }
        Answer { lo, open, shown }
    }

    /// The first scrape of somebody new, who is given the newest mark of all.
    pub(super) fn newcomer(&self) -> Answer {
        let open = self.cut();
        let lo = self.marks.iter().map(|mark| mark.load(Ordering::Acquire)).fold(0, u64::max).min(open);
        Answer { lo, open, shown: self.choose(lo, open) }
    }

    pub(super) fn choose(&self, lo: u64, open: u64) -> Option<Shown> {
        let mut labels = [0; LABEL_WORDS];
        let [first, second] = self.ring().choose(&self.head, lo, open, AGE, &mut labels)?;
        let (stamp, epoch, id) = (first >> 32, (first >> 20) & 15, (first >> 12) & 15);
        Some(Shown { epoch, stamp, id, torn: first & 0xFFFF_FFFF != second, counted: true })
    }

    /// Spawns a thread with the world.
    pub(super) fn spawn<T: 'static>(self: &Arc<Self>, f: impl FnOnce(&World) -> T + 'static) -> thread::JoinHandle<T> {
        let world = Arc::clone(self);
        thread::spawn(move || f(&world))
    }
}

/// What one scraper saw, in its order: nothing torn or uncounted, nothing of an open window, and no stamp that steps
/// back or stays for another exemplar.
pub(super) fn judge(answers: &[Answer]) {
    let mut last: Option<Shown> = None;
    for answer in answers {
        let Some(shown) = answer.shown else { continue };
        assert!(!shown.torn, "torn: {answers:?}");
        assert!(shown.counted, "not counted: {answers:?}");
        assert!(shown.epoch < answer.open, "not closed: {answers:?}");
        if let Some(last) = last {
            let same = last.id == shown.id && last.epoch == shown.epoch && last.stamp == shown.stamp;
            assert!(same || shown.stamp > last.stamp, "step back: {answers:?}");
        }
        last = Some(shown);
    }
}
