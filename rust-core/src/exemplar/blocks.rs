//! Where a bucket's ring lies: made at its first exemplar, with a label area at the first one that has labels.

use super::ring::{Ring, first_stamp};
use super::shape::{HEADER_WORDS, LABEL_WORDS, ring_words};
use crate::segment::Offset;
use crate::segment::layout::Gate;
use crate::series::Handle;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The header words of a ring: the greatest stamp is first, then the slots ever used.
const LABEL_AREA_AT: usize = 2;
/// Where the number of a life lies in what tells places apart. Places have fewer bits.
const LIFE_SHIFT: u32 = 40;

/// Words of the label area of a ring: one block for all its slots.
const fn label_area_words(slots: usize) -> usize {
    slots.saturating_mul(LABEL_WORDS)
}

/// Where the ring of a bucket lies, in lines; zero before its first exemplar.
pub(crate) fn ring_lines(gate: &Gate) -> u32 {
    #[cfg(spanpin_stops)]
    crate::stops::at("ring-publish: reading");
    // SYNC(ring-publish): Acquire, as in `ring_for`.
    gate.ring.load(Ordering::Acquire)
}

impl Handle {
    /// The ring behind a gate, made if there is none, and whether it can hold labels.
    pub(super) fn ring_for(&self, gate: &Gate, labelled: bool) -> Option<(Ring<'_>, bool)> {
        #[cfg(spanpin_stops)]
        crate::stops::at("ring-publish: looking");
        // SYNC(ring-publish): pairs with the exchange in `new_ring`; the first stamp becomes visible.
        let mut lines = gate.ring.load(Ordering::Acquire);
        if lines == 0 {
            lines = self.new_ring(gate)?;
        }
        let mut ring = self.ring_at(lines)?;
        if labelled && !ring.has_labels() && self.add_label_area(Offset::from_lines(lines)) {
            ring = self.ring_at(lines)?;
        }
        Some((ring, ring.has_labels()))
    }

    /// The ring of a bucket, for a reader; nothing before its first exemplar.
    pub(crate) fn ring_of(&self, gate: &Gate) -> Option<Ring<'_>> {
        match ring_lines(gate) {
            0 => None,
            lines => self.ring_at(lines),
        }
    }

    fn ring_at(&self, lines: u32) -> Option<Ring<'_>> {
        let segment = &self.family.core.segment;
        let place = Offset::from_lines(lines);
        let words = segment.words(place, ring_words(self.family.slots()))?;
        #[cfg(spanpin_stops)]
        crate::stops::at("label-area: looking");
        // SYNC(label-area): Acquire, pairs with `add_label_area`.
        let labels_at = words.get(LABEL_AREA_AT)?.load(Ordering::Acquire);
        let labels = match labels_at {
            0 => &[],
            at => segment.words(Offset::from_bytes(at), label_area_words(self.family.slots())).unwrap_or_default(),
        };
        // With the life, so that no reader takes what a writer of another one has left for its own.
        Ring::new(words, labels, place.bytes().wrapping_add(u64::from(self.life()) << LIFE_SHIFT))
    }

    fn new_ring(&self, gate: &Gate) -> Option<u32> {
        let core = &*self.family.core;
        let place = self.exemplar_block(ring_words(self.family.slots()).saturating_mul(8))?;
        let words = core.segment.words(place, HEADER_WORDS)?;
        // After the clock was set back, a bucket's first stamp must not fall below what it had in an earlier life.
        let greatest = core.header.greatest_stamp_ms.load(Ordering::Relaxed);
        if greatest > core.clock.wall_ms() {
            words.first()?.store(first_stamp(greatest), Ordering::Relaxed);
        }
        let lines = place.lines()?;
        #[cfg(spanpin_stops)]
        crate::stops::at("ring-publish: before");
        // SYNC(ring-publish): Release publishes the header; Acquire takes over another's. A lost race leaks a ring.
        let published = gate.ring.compare_exchange(0, lines, Ordering::AcqRel, Ordering::Acquire);
        #[cfg(spanpin_stops)]
        crate::stops::at("ring-publish: published");
        Some(published.map_or_else(|other| other, |_| lines))
    }

    fn add_label_area(&self, ring: Offset) -> bool {
        let segment = &self.family.core.segment;
        let word: Option<&AtomicU64> = segment.words(ring, HEADER_WORDS).and_then(|words| words.get(LABEL_AREA_AT));
        let Some(word) = word else { return false };
        let Some(area) = self.exemplar_block(label_area_words(self.family.slots()).saturating_mul(8)) else {
            return false;
        };
        #[cfg(spanpin_stops)]
        crate::stops::at("label-area: before");
        // SYNC(label-area): Release publishes zeroed words; a lost race leaks a block.
        let _ = word.compare_exchange(0, area.bytes(), Ordering::AcqRel, Ordering::Acquire);
        #[cfg(spanpin_stops)]
        crate::stops::at("label-area: published");
        true
    }

    /// A block of exemplar memory, under the limit of the process.
    fn exemplar_block(&self, bytes: usize) -> Option<Offset> {
        let core = &*self.family.core;
        if !core.charge_exemplars(bytes) {
            return None;
        }
        #[cfg(spanpin_stops)]
        crate::stops::at("allocate: charged");
        let place = core.segment.allocate(bytes);
        if place.is_none() {
            core.discharge_exemplars(bytes);
        }
        place
    }
}
