//! Gauges: some are only added to, some only set, and some set after they were added to. What was added counts as long as
//! its writer lives. `gauges.py` has the same rules.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use spanpin::raw::Series;

use crate::journal::Journal;
use crate::made::LIVES;
use crate::recorder::{Random, Recorder, grow_ahead};

/// Gauges that all writers add to, those that all set, and those that each life has for itself.
pub const ADDED: usize = 4;
pub const SET: usize = 2;
pub const MIXED: usize = 6;
/// Steps of one that is its life's own: after these it is the next one's turn.
const STEPS: u64 = 6;
/// The step that sets it, if it is first added to.
const SET_AT: u64 = 3;
const SET_TO: f64 = 100.0;
/// What is added and what is taken away, in turn.
const MORE: u64 = 3;
const LESS: u64 = 2;

/// Words of a life: whether it was killed; of each gauge that is added to what was to be added and to be taken away, begun
/// and finished; of each other one the steps begun and finished.
pub const LIFE_WORDS: usize = 1 + 4 * ADDED + 2 * (SET + MIXED);
pub const WORDS: usize = LIVES * LIFE_WORDS;

/// What lives have done to gauges.
#[derive(Clone, Copy)]
pub struct Noted {
    pub words: &'static [AtomicU64],
}

impl Noted {
    fn life(self, life: usize) -> &'static [AtomicU64] {
        &self.words[life * LIFE_WORDS..][..LIFE_WORDS]
    }

    fn added(self, life: usize, label: usize) -> &'static [AtomicU64] {
        &self.life(life)[1 + 4 * label..][..4]
    }

    fn set(self, life: usize, label: usize) -> &'static [AtomicU64] {
        &self.life(life)[1 + 4 * ADDED + 2 * label..][..2]
    }

    fn mixed(self, life: usize, label: usize) -> &'static [AtomicU64] {
        self.set(life, SET + label)
    }

    /// Its process is gone, and with it what it added.
    pub fn is_gone(self, life: usize) {
        self.life(life)[0].store(1, Ordering::SeqCst);
    }

    pub fn has_gone(self, life: usize) -> bool {
        self.life(life)[0].load(Ordering::SeqCst) != 0
    }

    fn living(self) -> impl Iterator<Item = usize> {
        (0..LIVES).filter(move |life| !self.has_gone(*life))
    }

    /// What the living have begun and finished now.
    pub fn now(self) -> Moment {
        let word = |words: &[AtomicU64], at: usize| words[at].load(Ordering::SeqCst);
        let mut moment = Moment::default();
        for life in self.living() {
            for (label, sums) in moment.added.iter_mut().enumerate() {
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum += word(self.added(life, label), at) as i64;
                }
            }
            for label in 0..MIXED {
                let steps = self.mixed(life, label);
                moment.mixed.push((life * MIXED + label, word(steps, 0), word(steps, 1)));
            }
        }
        moment
    }
}

/// What the living had done at some time: added begun, taken away begun, both finished; steps begun and finished.
#[derive(Default)]
pub struct Moment {
    added: [[i64; 4]; ADDED],
    mixed: Vec<(usize, u64, u64)>,
}

impl Moment {
    /// What a scrape between these two may show, for the judge.
    pub fn until(&self, after: &Moment) -> String {
        let added = self.added.iter().zip(&after.added).map(|(before, after)| {
            let [least, most] = [before[2] - after[1], after[0] - before[3]];
            format!("[{least},{most}]")
        });
        let mixed = self.mixed.iter().zip(&after.mixed).filter(|(_, after)| after.1 > 0).map(|(before, after)| {
            assert_eq!(before.0, after.0, "no life ends meanwhile");
            format!("[{},{},{}]", before.0, before.2, after.1)
        });
        let joined = |each: Vec<String>| each.join(",");
        format!(r#""added":[{}],"mixed":[{}]"#, joined(added.collect()), joined(mixed.collect()))
    }
}

fn noted(step: u64, [begun, finished]: [&AtomicU64; 2], act: impl FnOnce()) {
    begun.fetch_add(step, Ordering::SeqCst);
    act();
    finished.fetch_add(step, Ordering::SeqCst);
}

impl Recorder {
    /// Does something to one of the gauges.
    pub fn gauge(&mut self, random: &mut Random) {
        match random.below(4) {
            0 => self.set_gauge(random.below(SET)),
            1 => self.step_mixed(),
            _ => self.add_to_gauge(random.below(ADDED)),
        }
    }

    pub fn add_to_gauge(&mut self, label: usize) {
        let series = self.gauge_series("added", &label.to_string());
        self.take_cell(series);
        let words = self.noted().added(self.life, label);
        let begun = words[0].load(Ordering::SeqCst) + words[1].load(Ordering::SeqCst);
        if begun.is_multiple_of(MORE + LESS) {
            noted(MORE, [&words[0], &words[2]], || series.shift(MORE as f64));
        } else {
            noted(LESS, [&words[1], &words[3]], || series.shift(-(LESS as f64)));
        }
    }

    /// Sets one to what nobody else sets it to.
    pub fn set_gauge(&mut self, label: usize) {
        let series = self.gauge_series("set", &label.to_string());
        let words = self.noted().set(self.life, label);
        let number = words[0].load(Ordering::SeqCst) + 1;
        noted(1, [&words[0], &words[1]], || series.set(((self.life as u64) << 32 | number) as f64));
    }

    /// The next step of one of its own: the first ones add, the fourth sets, the rest add. Of every other one the first sets.
    pub fn step_mixed(&mut self) {
        let steps = |label: usize| self.noted().mixed(self.life, label)[0].load(Ordering::SeqCst);
        let Some(label) = (0..MIXED).find(|label| steps(*label) < STEPS) else { return };
        let step = steps(label);
        let series = self.gauge_series("mixed", &(self.life * MIXED + label).to_string());
        let set_at = if label.is_multiple_of(2) { SET_AT } else { 0 };
        if step < set_at {
            self.take_cell(series);
        }
        let words = self.noted().mixed(self.life, label);
        noted(1, [&words[0], &words[1]], || if step == set_at { series.set(SET_TO) } else { series.shift(1.0) });
    }

    /// Adds nothing until there is a cell for it. What is added without space for one is kept apart from nothing, and would
    /// outlive its writer.
    pub fn take_cell(&self, series: Series<'_>) {
        for _ in 0..2000 {
            series.shift(0.0);
            if series.gauge_cell().is_some() {
                return;
            }
            grow_ahead(self.registry);
            sleep(Duration::from_millis(1));
        }
        panic!("no cell in a gauge, though there is space");
    }

    fn noted(&self) -> Noted {
        self.journal.gauges()
    }
}

/// The journal's part for gauges.
impl Journal {
    pub fn gauges(&self) -> Noted {
        Noted { words: &self.rest()[..WORDS] }
    }
}
