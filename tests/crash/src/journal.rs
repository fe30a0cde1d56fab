//! What each writer has begun and what it has finished, in a file that outlives it.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::made::{Made, SERIES, Which};
use crate::system::map_words;
use crate::{gauges, passing};

/// Writers that run at the same time, the warden and the probe among them.
pub const SLOTS: usize = 5;
const CONTROL_WORDS: usize = 64;
/// Number and units begun, number and units finished.
const CELL_WORDS: usize = 4;
/// What is noted of gauges and of series that come and go.
const REST_AT: usize = CONTROL_WORDS + SLOTS * SERIES * CELL_WORDS;

/// The journal of a batch.
#[derive(Clone, Copy)]
pub struct Journal {
    words: &'static [AtomicU64],
}

impl Journal {
    /// The journal at a path, made if there is none.
    pub fn open(path: &Path) -> Journal {
        let words = REST_AT + gauges::WORDS + passing::WORDS;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(words as u64 * 8).unwrap();
        Journal { words: map_words(&file, words) }
    }

    /// How often the wanted stop is still to be passed. At one the victim stops, at zero it passes.
    pub fn passes(&self) -> &'static AtomicU64 {
        &self.words[0]
    }

    /// The words after the cells.
    pub fn rest(&self) -> &'static [AtomicU64] {
        &self.words[REST_AT..]
    }

    fn cell(&self, slot: usize, which: Which) -> &'static [AtomicU64] {
        let at = CONTROL_WORDS + (slot * SERIES + which.0) * CELL_WORDS;
        &self.words[at..at + CELL_WORDS]
    }

    /// Makes an observation, noted before and after.
    pub fn noted(&self, slot: usize, made: Made, observe: impl FnOnce()) {
        let cell = self.cell(slot, made.which);
        // Several threads of one writer share its cells. The order that matters is the program's: a process that is
        // killed has done what stands before the moment, and nothing that stands after it.
        cell[1].fetch_add(made.units(), Ordering::SeqCst);
        cell[0].fetch_add(1, Ordering::SeqCst);
        observe();
        cell[2].fetch_add(1, Ordering::SeqCst);
        cell[3].fetch_add(made.units(), Ordering::SeqCst);
    }

    /// How many observations of histograms all writers have begun, or finished.
    pub fn total(&self, finished: bool) -> u64 {
        (0..SLOTS).map(|slot| self.total_of(slot, finished)).sum()
    }

    pub fn total_of(&self, slot: usize, finished: bool) -> u64 {
        let histograms = Which::all().filter(|which| !which.is_counter());
        histograms.map(|which| self.cell(slot, which)[if finished { 2 } else { 0 }].load(Ordering::SeqCst)).sum()
    }

    /// Begun and finished of one series: number, units, number, units.
    pub fn of(&self, which: Which) -> [u64; CELL_WORDS] {
        let mut sum = [0; CELL_WORDS];
        for slot in 0..SLOTS {
            for (sum, word) in sum.iter_mut().zip(self.cell(slot, which)) {
                *sum += word.load(Ordering::SeqCst);
            }
        }
        sum
    }
}
