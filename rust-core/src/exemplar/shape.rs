//! Sizes of a ring and its slots. The models put smaller ones in their place.

/// The most slots of a ring: all scrapers that the table tells apart, plus three.
pub(crate) const SLOTS: usize = 19;
/// The least: the newest, the newest of a closed window, one being written, one free.
pub(crate) const SLOTS_LEAST: usize = 4;
/// Slots of a ring that was not told otherwise: live scraper marks plus three are needed, eleven serve eight scrapers
/// without loss.
pub(crate) const SLOTS_USUAL: usize = 11;
/// Words of a slot between the admission word and the check word.
pub(crate) const PAYLOAD_WORDS: usize = 6;
/// Words of a slot: admission, payload, check.
pub(crate) const SLOT_WORDS: usize = PAYLOAD_WORDS + 2;
/// Words of the ring's header line: the last stamp, the slots ever used, the label area.
pub(crate) const HEADER_WORDS: usize = 8;
/// Words of a ring with so many slots.
pub(crate) const fn ring_words(slots: usize) -> usize {
    slots.saturating_mul(SLOT_WORDS).saturating_add(HEADER_WORDS)
}
/// Words of the label area that one slot has: 128 code points with their lengths fit.
pub(crate) const LABEL_WORDS: usize = 72;
/// The payload word that holds the monotonic time of the observation.
pub(crate) const NOW_WORD: usize = 5;
/// How far explicit exemplars may push the stamps of a bucket ahead of the wall clock.
pub(crate) const STAMP_AHEAD_MS: u64 = 1000;
