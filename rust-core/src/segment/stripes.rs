//! The striped cells of a series that many write at once: sixteen further sets of its cells, each on lines of its own.
//! They are published once, in the series' record, and stay for ever. The base cells count beside them.

use crate::sync::atomic::{AtomicU64, Ordering};

/// How many further sets there are.
pub(crate) const STRIPES: usize = 16;
/// Two lines, which processors fetch together.
const STRIPE_WORDS_STEP: usize = 16;

/// The distance of the stripes of a series with so many cells, in words.
pub(crate) const fn stripe_words(cells: usize) -> usize {
    cells.next_multiple_of(STRIPE_WORDS_STEP)
}

/// Publishes the stripes at `mine`, in lines, unless there are some; returns those that there are. The block of the one
/// that comes second is lost.
pub(crate) fn publish_stripes(word: &AtomicU64, mine: u64) -> u64 {
    #[cfg(spanpin_stops)]
    crate::stops::at("stripes-publish: before");
    // SYNC(stripes-publish): Release, so that whoever counts in a stripe has its publication before it; Acquire takes
    // over another's.
    word.compare_exchange(0, mine, Ordering::AcqRel, Ordering::Acquire).map_or_else(|other| other, |_| mine)
}

/// Where the stripes lie, in lines; zero while there are none. A reader that shows exemplars asks only after it has read
/// them: then whatever they show was counted in a set that it knows.
pub(crate) fn published_stripes(word: &AtomicU64) -> u64 {
    #[cfg(spanpin_stops)]
    crate::stops::at("stripes-publish: looking");
    // SYNC(stripes-publish): Acquire.
    word.load(Ordering::Acquire)
}
