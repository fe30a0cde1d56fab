//! One exemplar in a line of atomic words: claimed, written, published, and read without a lock.
//!
//! A writer takes a slot by setting the busy bit of its admission word, writes the payload, and publishes by clearing
//! the bit. A writer that stopped in between may be overtaken: its slot is claimed anew, and its late stores can then
//! mix with the new content. The check word, a hash over the slot's place, its admission word and every payload and
//! label word, makes such a mixture unreadable; no torn exemplar is ever returned.

use super::priority::BUSY;
use super::shape::{LABEL_WORDS, PAYLOAD_WORDS, SLOT_WORDS};
use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// Words of the label area in use, from the low bits of the first payload word.
pub(crate) const LABEL_COUNT_MASK: u64 = 0xFFF;

/// The payload words of a slot.
pub(crate) type Payload = [u64; PAYLOAD_WORDS];

/// A slot in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    words: &'a [AtomicU64; SLOT_WORDS],
    /// The slot's part of the label area; empty while the ring has none.
    labels: &'a [AtomicU64],
    /// Where the slot lies, part of the check.
    place: u64,
}

impl<'a> Slot<'a> {
    pub(crate) fn new(words: &'a [AtomicU64; SLOT_WORDS], labels: &'a [AtomicU64], place: u64) -> Self {
        Slot { words, labels, place }
    }

    fn parts(&self) -> (&'a AtomicU64, &'a [AtomicU64], &'a AtomicU64) {
        let [admission, payload @ .., check] = self.words;
        (admission, payload, check)
    }

    /// The admission word as a victim search sees it.
    pub(crate) fn admission(&self) -> u64 {
        self.parts().0.load(Ordering::Relaxed)
    }

    /// The admission word as a reader collects it.
    pub(crate) fn admission_acquire(&self) -> u64 {
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-publish: collecting");
        // SYNC(exemplar-publish): pairs with `publish`; the payload of this admission becomes visible.
        self.parts().0.load(Ordering::Acquire)
    }

    /// One payload word, for the age of a slot; only a hint.
    pub(crate) fn payload_word(&self, index: usize) -> u64 {
        self.parts().1.get(index).map_or(0, |w| w.load(Ordering::Relaxed))
    }

    /// Takes the slot from the admission word `seen`. False if it has changed.
    pub(crate) fn claim(&self, seen: u64, mine: u64) -> bool {
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-claim: before");
        // SYNC(exemplar-claim): Acquire orders this writer after the one that published `seen`; Release makes the
        // count that this writer added visible before its claim.
        self.parts().0.compare_exchange(seen, mine | BUSY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Leaves a claimed slot empty, for a writer that was beaten meanwhile.
    pub(crate) fn give_up(&self, mine: u64) {
        let _ = self.parts().0.compare_exchange(mine | BUSY, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Writes the claimed slot and publishes it. False if the slot was taken over meanwhile.
    pub(crate) fn publish(&self, mine: u64, payload: &Payload, labels: &[u64]) -> bool {
        let (admission, words, check) = self.parts();
        // SYNC(exemplar-claim): a reader that sees one of the words below also sees the busy admission word.
        fence(Ordering::Release);
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-claim: fenced");
        for (word, value) in words.iter().zip(payload) {
            word.store(*value, Ordering::Relaxed);
            #[cfg(spanpin_stops)]
            crate::stops::at("exemplar-publish: in the payload");
        }
        for (word, value) in self.labels.iter().zip(labels) {
            word.store(*value, Ordering::Relaxed);
            #[cfg(spanpin_stops)]
            crate::stops::at("exemplar-publish: in the labels");
        }
        check.store(check_of(self.place, mine, payload, labels), Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-publish: before");
        // SYNC(exemplar-publish): Release publishes payload, labels and check; pairs with `admission_acquire`.
        admission.compare_exchange(mine | BUSY, mine, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// The content published under the admission word `expected`, or nothing when the slot has changed, is being
    /// written, or holds the remains of two writers. `labels` receives the label words.
    pub(crate) fn read(&self, expected: u64, labels: &mut [u64; LABEL_WORDS]) -> Option<Payload> {
        let (admission, words, check) = self.parts();
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-publish: reading");
        // SYNC(exemplar-publish): pairs with `publish`.
        if admission.load(Ordering::Acquire) != expected {
            return None;
        }
        let mut payload = [0; PAYLOAD_WORDS];
        for (value, word) in payload.iter_mut().zip(words) {
            *value = word.load(Ordering::Relaxed);
        }
        let count = label_words(&payload);
        let filled = labels.get_mut(..count)?;
        for (value, word) in filled.iter_mut().zip(self.labels.get(..count)?) {
            *value = word.load(Ordering::Relaxed);
        }
        let sum = check.load(Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-claim: read");
        // SYNC(exemplar-claim): pairs with the fence in `publish`.
        fence(Ordering::Acquire);
        let unchanged = admission.load(Ordering::Relaxed) == expected;
        (unchanged && sum == check_of(self.place, expected, &payload, labels.get(..count)?)).then_some(payload)
    }
}

/// How many label words a payload names.
pub(crate) fn label_words(payload: &Payload) -> usize {
    let [first, ..] = payload;
    (first & LABEL_COUNT_MASK) as usize
}

/// A sequential multiply-xorshift over everything a slot holds. A sum or XOR would accept words exchanged between
/// two writers.
fn check_of(place: u64, admission: u64, payload: &Payload, labels: &[u64]) -> u64 {
    let hash = mix(place ^ 0x9E37_79B9_7F4A_7C15, &admission);
    labels.iter().fold(payload.iter().fold(hash, mix), mix)
}

fn mix(hash: u64, word: &u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash ^ hash >> 32
}
