//! A ring with room for two scrapers, which makes every rule of the victim search work.

pub(crate) const SLOTS: usize = 5;
pub(crate) const PAYLOAD_WORDS: usize = 4;
pub(crate) const SLOT_WORDS: usize = PAYLOAD_WORDS + 2;
pub(crate) const HEADER_WORDS: usize = 2;
pub(crate) const RING_WORDS: usize = HEADER_WORDS + SLOTS * SLOT_WORDS;
pub(crate) const LABEL_WORDS: usize = 2;
pub(crate) const NOW_WORD: usize = 3;
pub(crate) const STAMP_AHEAD_MS: u64 = 0;
