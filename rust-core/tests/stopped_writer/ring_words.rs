//! The words of one bucket, read beside the library: whether a writer is in a slot just now.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spanpin::raw::{Series, layout_offsets};

/// The words of a bucket's ring, as long as the registry's state.
#[derive(Clone, Copy)]
pub struct RingWords {
    ring: *const AtomicU64,
    slots: usize,
    slot_words: usize,
    header_words: usize,
    scraper_lock: *const AtomicU64,
}

// SAFETY: the pointers lead to atomics only.
unsafe impl Send for RingWords {}

impl RingWords {
    /// The ring of a bucket that has one already.
    pub fn of(series: Series<'_>, bucket: usize) -> RingWords {
        let layout = |wanted: &str| layout_offsets().find(|(name, _)| *name == wanted).unwrap().1 as usize;
        let view = series.view();
        let (gates, segment) = (view.gates.cast::<u8>(), view.segment.cast::<u8>());
        // SAFETY: the series has a gate for each bucket, and each holds this word.
        let lines = unsafe { gates.add(bucket * layout("gate_size") + layout("gate_ring")) }.cast::<AtomicU32>();
        // SAFETY: an aligned atomic word that lives as long as the registry.
        let lines = unsafe { &*lines }.load(Ordering::Acquire) as usize;
        assert_ne!(lines, 0, "the bucket has no ring yet");
        RingWords {
            // SAFETY: the offset of a ring that was published, in the same segment.
            ring: unsafe { segment.add(lines * layout("line_size")) }.cast(),
            slots: layout("slots_count"),
            slot_words: layout("slot_size") / 8,
            header_words: layout("ring_header_size") / 8,
            // SAFETY: a word of the header.
            scraper_lock: unsafe { segment.add(layout("header_scraper_lock")) }.cast(),
        }
    }

    /// Where the ring lies, and how many bytes it has.
    pub fn place(&self) -> (usize, usize) {
        (self.ring as usize, (self.header_words + self.slots * self.slot_words) * 8)
    }

    /// The admission words of all slots.
    pub fn admissions(&self) -> Vec<u64> {
        let words = self.header_words + self.slots * self.slot_words;
        // SAFETY: the words of the ring, all atomic; the registry outlives the test's look at them.
        let words = unsafe { std::slice::from_raw_parts(self.ring, words) };
        words[self.header_words..].iter().step_by(self.slot_words).map(|word| word.load(Ordering::Acquire)).collect()
    }

    /// The admission words of slots in which a writer is.
    pub fn busy(&self) -> Vec<u64> {
        self.admissions().into_iter().filter(|admission| admission & 1 != 0).collect()
    }

    /// Whether somebody holds the table of scrapers.
    pub fn is_table_locked(&self) -> bool {
        // SAFETY: a word of the header, which lives as long as the registry.
        unsafe { &*self.scraper_lock }.load(Ordering::Relaxed) != 0
    }
}
