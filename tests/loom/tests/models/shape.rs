//! A ring small enough for a model.

pub(crate) const SLOTS: usize = 3;
pub(crate) const PAYLOAD_WORDS: usize = 2;
pub(crate) const SLOT_WORDS: usize = PAYLOAD_WORDS + 2;
pub(crate) const HEADER_WORDS: usize = 2;
pub(crate) const RING_WORDS: usize = HEADER_WORDS + SLOTS * SLOT_WORDS;
pub(crate) const LABEL_WORDS: usize = 1;
pub(crate) const NOW_WORD: usize = 1;
pub(crate) const STAMP_AHEAD_MS: u64 = 1000;
