//! Series that come and go. Each life has some of its own, whose counts are known in each of their lives; others are made,
//! counted in and removed by anybody. `passing.py` has the same rules.

use std::sync::atomic::{AtomicU64, Ordering};

use spanpin::Kind;

use crate::gauges;
use crate::journal::Journal;
use crate::made::{LIVES, MEETING, Made, PASSING, Which};
use crate::recorder::{Random, Recorder, observe, series_of};

/// Which of the series of a life is a gauge.
const GAUGE: usize = PASSING - 1;
/// One that was there before is removed after so many observations on average.
const STAYS_FOR: usize = 4;

/// Words of one series of a life: its last observation begun and finished, the last time that its removal was begun and
/// finished. An observation is the how many-th time that the series is there, and its number in that.
const SERIES_WORDS: usize = 4;
pub const WORDS: usize = LIVES * PASSING * SERIES_WORDS;
const TIME_SHIFT: u32 = 16;
/// The number of an observation made with a handle of a time that has ended: it is nobody's.
const STALE: u64 = (1 << TIME_SHIFT) - 1;

/// What was done to the series that each life has for itself.
#[derive(Clone, Copy)]
pub struct Noted {
    words: &'static [AtomicU64],
}

impl Noted {
    fn of(self, life: usize, label: usize) -> &'static [AtomicU64; SERIES_WORDS] {
        self.words[(life * PASSING + label) * SERIES_WORDS..].first_chunk().unwrap()
    }

    /// The last observations that are finished.
    pub fn finished(self) -> Vec<u64> {
        let all = (0..LIVES * PASSING).map(|number| self.of(number / PASSING, number % PASSING));
        all.map(|[_, finished, ..]| finished.load(Ordering::SeqCst)).collect()
    }

    /// What a scrape after `before` was taken must show of those that were there all the time, for the judge.
    pub fn until(self, before: &[u64], gauges: gauges::Noted) -> String {
        let mut shown = Vec::new();
        for (number, finished) in before.iter().enumerate() {
            let (life, label) = (number / PASSING, number % PASSING);
            let [begun, _, removing, _] = self.of(life, label).each_ref().map(|word| word.load(Ordering::SeqCst));
            let time = finished >> TIME_SHIFT;
            let is_there = time > removing && begun >> TIME_SHIFT == time;
            // What was added to a gauge goes with its writer.
            if is_there && !(label == GAUGE && gauges.has_gone(life)) {
                shown.push(format!("[{life},{label},{finished},{begun}]"));
            }
        }
        format!(r#""passing":[{}]"#, shown.join(","))
    }
}

impl Recorder {
    /// Counts in one that comes and goes, or removes it.
    pub fn come_and_go(&mut self, random: &mut Random) {
        if random.below(4) == 0 {
            self.meet(random);
        } else {
            self.pass(random);
        }
    }

    /// Does the next thing to one of its own.
    fn pass(&mut self, random: &mut Random) {
        let label = random.below(PASSING);
        let [begun, finished, removing, removed] = self.journal.passing().of(self.life, label);
        let last = begun.load(Ordering::SeqCst);
        let time = last >> TIME_SHIFT;
        let is_there = time > removed.load(Ordering::SeqCst);
        if is_there && random.below(STAYS_FOR) == 0 {
            let (family, value) = self.passing_family(self.life, label);
            let stale = series_of(family, &value);
            removing.store(time, Ordering::SeqCst);
            assert!(family.remove([value.as_str()].into_iter()).unwrap(), "{value} was not there");
            removed.store(time, Ordering::SeqCst);
            // Counted in the overflow series, and never in the next one that is made of this.
            match label {
                GAUGE => stale.shift(1.0),
                _ => observe(stale, Made::new(Which::passing(label), self.life, time << TIME_SHIFT | STALE)),
            }
        } else {
            let next = if is_there { last + 1 } else { (time + 1) << TIME_SHIFT | 1 };
            begun.store(next, Ordering::SeqCst);
            let (family, value) = self.passing_family(self.life, label);
            let series = series_of(family, &value);
            if label == GAUGE {
                self.take_cell(series);
                series.shift(1.0);
            } else {
                observe(series, Made::new(Which::passing(label), self.life, next));
            }
            finished.store(next, Ordering::SeqCst);
        }
    }

    /// Counts in one that others remove at the same time: then it may be counted in the overflow series. Or removes it.
    fn meet(&mut self, random: &mut Random) {
        let label = random.below(MEETING);
        let family = self.family("meeting", Kind::Histogram);
        let value = label.to_string();
        if random.below(STAYS_FOR) == 0 {
            _ = family.remove([value.as_str()].into_iter()).unwrap();
        } else {
            let made = self.next(Which::meeting(label));
            observe(family.child_raw([value.as_str()].into_iter()).unwrap(), made);
        }
    }

    /// Removes what some dead writers have left.
    pub fn remove_of_dead(&mut self, most: usize) {
        let (noted, gauges) = (self.journal.passing(), self.journal.gauges());
        let left = |life: usize| {
            let is_left = move |label: &usize| {
                let [begun, _, _, removed] = noted.of(life, *label);
                begun.load(Ordering::SeqCst) >> TIME_SHIFT > removed.load(Ordering::SeqCst)
            };
            (0..PASSING).filter(is_left).map(move |label| (life, label))
        };
        let dead = (0..LIVES).filter(|life| gauges.has_gone(*life));
        let all: Vec<(usize, usize)> = dead.flat_map(left).take(most).collect();
        for (life, label) in all {
            let [begun, _, removing, removed] = noted.of(life, label);
            let time = begun.load(Ordering::SeqCst) >> TIME_SHIFT;
            let (family, value) = self.passing_family(life, label);
            removing.store(time, Ordering::SeqCst);
            // It may have died before it had made it, or after it had removed it.
            _ = family.remove([value.as_str()].into_iter()).unwrap();
            removed.store(time, Ordering::SeqCst);
        }
    }

    fn passing_family(&mut self, life: usize, label: usize) -> (&'static spanpin::raw::Family, String) {
        let family = match label {
            GAUGE => self.family("passing_gauge", Kind::Gauge),
            _ => self.family("passing", Kind::Histogram),
        };
        (family, format!("{life}-{label}"))
    }
}

/// The journal's part for series that come and go.
impl Journal {
    pub fn passing(&self) -> Noted {
        Noted { words: &self.rest()[gauges::WORDS..] }
    }
}
