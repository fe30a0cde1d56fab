//! The workers of a segment in a file: each process that uses it has a slot in a table. Whether it lives is told by a lock of
//! the kernel's, which drops when the process ends, however it does.
//!
//! A slot has two bytes far beyond the file that are locked: one by whoever looks whether the slot is free, in passing, and
//! one by the worker. So the generation is raised while nobody has the second one, and no cell of the dead worker before is
//! taken for one of the living worker after it.

use super::gauge_cells::{WORKERS, publish_block, published_block};
use super::{Backing, Offset, Segment};
use crate::sync::atomic::{AtomicU64, Ordering};

/// A slot of the table: generation, process id, the pid namespace of that, since when (Unix milliseconds).
pub(crate) const SLOT_WORDS: usize = 4;
/// The first line of the table: how many generations were given out, and spare words.
const FIRST_WORDS: usize = 8;
pub(crate) const TABLE_WORDS: usize = FIRST_WORDS + WORKERS * SLOT_WORDS;

/// The first byte that is locked, beyond what a file has or not: locks and content do not touch each other. Every process
/// that has the file open holds it, together with the others.
pub(crate) const IN_USE_BYTE: u64 = 1 << 30;
/// How many bytes there are from that one on.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(crate) const LOCK_BYTES: u64 = 2 + 2 * WORKERS as u64;

/// The byte that is locked by whoever looks whether a slot is free.
pub(crate) const fn claim_byte(slot: usize) -> u64 {
    (slot as u64).wrapping_mul(2).wrapping_add(IN_USE_BYTE + 2)
}

/// The byte that the worker in a slot locks.
pub(crate) const fn alive_byte(slot: usize) -> u64 {
    claim_byte(slot).wrapping_add(1)
}

/// A worker: its slot, and the generation that no other has in any slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worker {
    pub(crate) slot: usize,
    pub(crate) generation: u64,
}

/// The table of workers.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(&'a [AtomicU64]);

impl<'a> Table<'a> {
    pub(crate) fn slot(self, slot: usize) -> Option<&'a [AtomicU64; SLOT_WORDS]> {
        let (slots, _) = self.0.get(FIRST_WORDS..)?.as_chunks::<SLOT_WORDS>();
        slots.get(slot)
    }

    /// Where the slot's words lie, in bytes from the start of the table.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) const fn slot_bytes(slot: usize) -> u64 {
        (slot.wrapping_mul(SLOT_WORDS).wrapping_add(FIRST_WORDS) as u64).wrapping_mul(8)
    }

    /// A generation that was never given out.
    pub(crate) fn fresh_generation(self) -> u64 {
        self.0.first().map_or(0, |given| given.fetch_add(1, Ordering::Relaxed)).wrapping_add(1)
    }

    /// The generation of the worker that has, or last had, a slot; zero if nobody had it.
    #[inline]
    pub(crate) fn generation(self, slot: usize) -> u64 {
        #[cfg(spanpin_stops)]
        crate::stops::at("worker-slot: reading");
        // SYNC(worker-slot): Acquire; the process id is that of this generation, or of a later one.
        self.slot(slot).map_or(0, |[generation, ..]| generation.load(Ordering::Acquire))
    }
}

impl Segment {
    /// The table, if there is one.
    pub(crate) fn workers(&self) -> Option<Table<'_>> {
        self.workers_and_place().map(|(_, table)| table)
    }

    /// The table, if there is one, and where it lies.
    pub(crate) fn workers_and_place(&self) -> Option<(Offset, Table<'_>)> {
        let place = Offset::from_lines(u32::try_from(published_block(&self.header()?.workers)).ok()?);
        self.words(place, TABLE_WORDS).map(|words| (place, Table(words)))
    }

    /// The table, made on need. An observation takes only space that is there.
    fn workers_or_new(&self, may_grow: bool) -> Option<Table<'_>> {
        if published_block(&self.header()?.workers) == 0 {
            let bytes = TABLE_WORDS * 8;
            let mine = if may_grow { self.allocate_growing(bytes) } else { self.allocate(bytes) };
            #[cfg(spanpin_stops)]
            crate::stops::at("block-publish: table of workers, before");
            publish_block(&self.header()?.workers, u64::from(mine?.lines()?));
            #[cfg(spanpin_stops)]
            crate::stops::at("block-publish: table of workers");
        }
        self.workers()
    }

    /// This process as a worker, if it is one. Nothing on the heap, and in a child that was forked and has no slot yet.
    #[inline]
    pub(crate) fn worker(&self) -> Option<Worker> {
        match &self.backing {
            Backing::Heap(_) => None,
            Backing::File(file) => file.worker(),
        }
    }

    /// Whether this process lacks a slot that it should have: on the heap none does.
    pub(crate) fn wants_worker(&self) -> bool {
        match &self.backing {
            Backing::Heap(_) => false,
            Backing::File(file) => !file.is_worker(),
        }
    }

    /// This process as a worker, which it becomes on need. Nothing on the heap, without space, or when all slots are taken;
    /// then it is tried again after a second.
    pub(crate) fn become_worker(&self, may_grow: bool, wall_ms: u64) -> Option<Worker> {
        match &self.backing {
            Backing::Heap(_) => None,
            Backing::File(file) => file.become_worker(wall_ms, || self.workers_or_new(may_grow)),
        }
    }

    /// Lets one thread of this process at a time do something with a cell of its own.
    pub(crate) fn alone_as_worker(&self, what: impl FnOnce()) {
        match &self.backing {
            Backing::Heap(_) => what(),
            Backing::File(file) => file.alone_as_worker(what),
        }
    }

    /// Whether others may use this segment, so that what they add is kept apart.
    pub(crate) fn has_workers(&self) -> bool {
        matches!(&self.backing, Backing::File(_))
    }

    /// Whether this worker lives. In a copy all do whose generation it has: the copy left out the others.
    pub(crate) fn is_alive(&self, worker: Worker) -> bool {
        let Some(table) = self.workers() else { return false };
        let is_newest = || table.generation(worker.slot) == worker.generation;
        is_newest()
            && match &self.backing {
                Backing::Heap(_) => true,
                // Asked again: the lock may be that of a worker that has come since.
                Backing::File(file) => file.has_locked(worker.slot) && is_newest() && !file.is_gone(table, worker.slot),
            }
    }

    /// The block of cells whose place this word of a gauge holds.
    pub(crate) fn gauge_block(&self, word: &AtomicU64, words: usize) -> Option<&[AtomicU64]> {
        self.words(Offset::from_lines(u32::try_from(published_block(word)).ok()?), words)
    }

    /// That block, made on need of space that is there.
    pub(crate) fn gauge_block_or_new(&self, word: &AtomicU64, words: usize) -> Option<&[AtomicU64]> {
        if published_block(word) == 0 {
            let mine = self.allocate(words.checked_mul(8)?)?;
            publish_block(word, u64::from(mine.lines()?));
            #[cfg(spanpin_stops)]
            crate::stops::at("block-publish: published");
        }
        self.gauge_block(word, words)
    }
}
