//! The words of a gauge, and how processes share them: one value, until only adding has been done to it; then a cell for each
//! worker, so that what a worker added goes when it does. `segment/workers.rs` says who is a worker.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Workers that a segment tells apart at one time.
pub(crate) const WORKERS: usize = 256;
/// The cells of a gauge come in blocks, each for so many workers.
pub(crate) const BLOCK_WORKERS: usize = 64;
/// Blocks that a gauge may have.
pub(crate) const BLOCKS: usize = WORKERS / BLOCK_WORKERS;
/// A cell: the generation of the worker that it belongs to, and what that has added (f64).
pub(crate) const CELL_WORDS: usize = 2;
pub(crate) const BLOCK_WORDS: usize = BLOCK_WORKERS * CELL_WORDS;
/// Neighbouring slots have their cells on lines of their own, as far as there are lines.
const BLOCK_LINES: usize = BLOCK_WORDS / 8;

/// Words of a gauge: the value (f64), how it is used, what was added by those that had no cell (f64), and where the blocks of
/// cells lie, in lines.
pub(crate) const GAUGE_VALUE_AT: usize = 0;
pub(crate) const GAUGE_MODE_AT: usize = 1;
pub(crate) const GAUGE_ADDED_AT: usize = 2;
pub(crate) const GAUGE_BLOCKS_AT: usize = 3;
pub(crate) const GAUGE_CELLS: usize = GAUGE_BLOCKS_AT + BLOCKS;

/// How a gauge is used. Zero: not yet. A number that is not known means the value, as `SHARED` does.
pub(crate) const MODE_WORKERS: u64 = 1;
/// It has been set, or lies in memory that one process has alone: the value is all there is.
pub(crate) const MODE_SHARED: u64 = 2;

/// The words of one gauge.
#[derive(Clone, Copy)]
pub(crate) struct GaugeWords<'a> {
    pub(crate) value: &'a AtomicU64,
    pub(crate) mode: &'a AtomicU64,
    pub(crate) added: &'a AtomicU64,
    pub(crate) blocks: &'a [AtomicU64],
}

impl<'a> GaugeWords<'a> {
    #[inline]
    pub(crate) fn of(cells: &'a [AtomicU64]) -> Option<Self> {
        let [value, mode, added, blocks @ ..] = cells else { return None };
        Some(GaugeWords { value, mode, added, blocks })
    }

    /// Sets the value, which is all there is from then on.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
        if self.mode.load(Ordering::Relaxed) != MODE_SHARED {
            #[cfg(spanpin_stops)]
            crate::stops::at("gauge-shared: value set");
            // SYNC(gauge-shared): Release; whoever finds it shared finds the value too.
            self.mode.swap(MODE_SHARED, Ordering::Release);
        }
    }

    /// How it is used.
    #[inline]
    pub(crate) fn mode(&self) -> u64 {
        #[cfg(spanpin_stops)]
        crate::stops::at("gauge-shared: looking");
        // SYNC(gauge-shared): Acquire.
        self.mode.load(Ordering::Acquire)
    }

    /// Decides how it is used, unless that is decided. Returns how it is.
    pub(crate) fn decide(&self, mode: u64) -> u64 {
        #[cfg(spanpin_stops)]
        crate::stops::at("gauge-shared: deciding");
        // SYNC(gauge-shared): Acquire, for one that was set meanwhile.
        self.mode.compare_exchange(0, mode, Ordering::Relaxed, Ordering::Acquire).map_or_else(|other| other, |_| mode)
    }
}

/// The cell of the worker in a slot, within the block for its slot.
pub(crate) fn cell_in(block: &[AtomicU64], slot: usize) -> Option<&[AtomicU64; CELL_WORDS]> {
    let within = slot % BLOCK_WORKERS;
    let index = (within % BLOCK_LINES).wrapping_mul(BLOCK_WORKERS / BLOCK_LINES).wrapping_add(within / BLOCK_LINES);
    let (cells, _) = block.as_chunks::<CELL_WORDS>();
    cells.get(index)
}

/// Gives a cell to the worker of this generation. Only that worker does, one thread at a time.
pub(crate) fn take_cell([owner, value]: &[AtomicU64; CELL_WORDS], generation: u64) {
    if owner.load(Ordering::Relaxed) != generation {
        value.store(0, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("gauge-cell: emptied");
        // SYNC(gauge-cell): Release; what the cell held before is nobody's any more.
        owner.store(generation, Ordering::Release);
        #[cfg(spanpin_stops)]
        crate::stops::at("gauge-cell: taken");
    }
}

/// The generation of the worker that a cell belongs to; zero for nobody's. Its value is read after it.
#[inline]
pub(crate) fn owner_of([owner, _]: &[AtomicU64; CELL_WORDS]) -> u64 {
    #[cfg(spanpin_stops)]
    crate::stops::at("gauge-cell: reading");
    // SYNC(gauge-cell): Acquire.
    owner.load(Ordering::Acquire)
}

/// Publishes the block at `mine`, in lines, unless there is one; returns the one that there is.
pub(crate) fn publish_block(word: &AtomicU64, mine: u64) -> u64 {
    #[cfg(spanpin_stops)]
    crate::stops::at("block-publish: before");
    // SYNC(block-publish): Release, so that whoever finds the block finds it handed out; Acquire takes over another's.
    word.compare_exchange(0, mine, Ordering::AcqRel, Ordering::Acquire).map_or_else(|other| other, |_| mine)
}

/// Where a block lies, in lines; zero while there is none.
#[inline]
pub(crate) fn published_block(word: &AtomicU64) -> u64 {
    #[cfg(spanpin_stops)]
    crate::stops::at("block-publish: looking");
    // SYNC(block-publish): Acquire.
    word.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn each_slot_has_a_cell_and_neighbours_have_lines_of_their_own() {
        let block: [AtomicU64; BLOCK_WORDS] = core::array::from_fn(|_| AtomicU64::new(0));
        let at = |slot| {
            let cell: *const [AtomicU64; CELL_WORDS] = cell_in(&block, slot).unwrap();
            (cell.addr() - block.as_ptr().addr()) / 8
        };
        let cells: BTreeSet<usize> = (0..BLOCK_WORKERS).map(at).collect();
        assert_eq!(cells.len(), BLOCK_WORKERS);
        let lines: BTreeSet<usize> = (0..BLOCK_LINES).map(|slot| at(slot) / 8).collect();
        assert_eq!(lines.len(), BLOCK_LINES);
        assert_eq!(at(3), at(3 + BLOCK_WORKERS));
    }
}
