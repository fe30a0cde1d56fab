//! The lives of a record: it is published, used, removed, and after a while published again for another label set.
//!
//! One word tells which life it is and how far it has come. A series has it in front of its cells, so that an observation
//! finds out with one comparison whether its handle is of this life.

use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// How far a life has come, in the low bits of the word. Zero: nobody but its maker knows the record.
const PHASE_MASK: u64 = 7;
/// It is whole, and about to be published; or published, and its publisher has not come to say so.
const ANNOUNCED: u64 = 1;
/// It is published and in use.
const LIVE: u64 = 2;
/// It was removed. Its cells are still those of this life.
const REMOVED: u64 = 3;
/// It was taken for another life, and is written anew.
const CLAIMED: u64 = 4;

/// The series takes what finds no place.
pub(crate) const OVERFLOW: u64 = 1 << 8;
/// The series has stripes.
pub(crate) const STRIPED: u64 = 1 << 9;
pub(crate) const FLAGS: u64 = OVERFLOW | STRIPED;

/// The first life of a record.
pub(crate) const FIRST: u32 = 1;
/// A record whose lives are used up stays removed: numbers of lives must fit into what a handle has room for, and none may
/// come again.
pub(crate) const LAST: u32 = (1 << 20) - 1;

const LIFE_SHIFT: u32 = 32;

/// The state of a record at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    pub(crate) const fn of(word: u64) -> State {
        State(word)
    }

    /// The word of a series that is live, and has neither stripes nor the part of taking what finds no place.
    pub(crate) const fn plain(life: u32) -> u64 {
        (life as u64) << LIFE_SHIFT | LIVE
    }

    pub(crate) const fn life(self) -> u32 {
        (self.0 >> LIFE_SHIFT) as u32
    }

    pub(crate) const fn is_live(self) -> bool {
        self.0 & PHASE_MASK == LIVE
    }

    pub(crate) const fn is_removed(self) -> bool {
        self.0 & PHASE_MASK == REMOVED
    }

    /// Whether it is live in the life whose plain word is `plain`.
    pub(crate) const fn is_of(self, plain: u64) -> bool {
        self.0 & !FLAGS == plain
    }

    pub(crate) const fn is_overflow(self) -> bool {
        self.0 & OVERFLOW != 0
    }

    pub(crate) const fn is_striped(self) -> bool {
        self.0 & STRIPED != 0
    }

    const fn with(self, phase: u64) -> u64 {
        self.0 & !PHASE_MASK | phase
    }
}

/// Gives a record that nobody else knows its first life.
pub(crate) fn begin(state: &AtomicU64, overflow: bool) {
    let flags = if overflow { OVERFLOW } else { 0 };
    state.store(u64::from(FIRST) << LIFE_SHIFT | flags, Ordering::Relaxed);
}

/// What the state says, and all that was written before it said so.
pub(crate) fn look(state: &AtomicU64) -> State {
    #[cfg(spanpin_stops)]
    crate::stops::at("record-life: looking");
    // SYNC(record-life): Acquire; pairs with `say` and `complete`.
    State(state.load(Ordering::Acquire))
}

/// Whether the state is still the one seen, flags left out: then what was read in between belongs to its life.
pub(crate) fn is_still(state: &AtomicU64, seen: State) -> bool {
    #[cfg(spanpin_stops)]
    crate::stops::at("record-claim: read");
    // SYNC(record-claim): Acquire; pairs with the fence in `claim`: whoever has read what the next life wrote sees that it
    // was claimed.
    fence(Ordering::Acquire);
    state.load(Ordering::Relaxed) & !FLAGS == seen.0 & !FLAGS
}

/// Says that a record is whole and about to be published.
pub(crate) fn announce(state: &AtomicU64) {
    say(state, ANNOUNCED);
}

/// Takes back a record that was announced, but not published: it is as one that was removed.
pub(crate) fn withdraw(state: &AtomicU64) {
    say(state, REMOVED);
}

fn say(state: &AtomicU64, phase: u64) {
    let word = State(state.load(Ordering::Relaxed)).with(phase);
    #[cfg(spanpin_stops)]
    crate::stops::at("record-life: announcing");
    // SYNC(record-life): Release; whoever sees this sees the number under which it is to be published.
    state.store(word, Ordering::Release);
}

/// Says that a record is live, if it was announced for the publication with this number, which has taken place. Whoever
/// finds a record at the head of the publications does this before anything else, because its publisher may be dead.
pub(crate) fn complete(state: &AtomicU64, publication: &AtomicU64, number: u32) {
    #[cfg(spanpin_stops)]
    crate::stops::at("record-life: completing");
    let mut seen = look(state);
    // A record that was claimed meanwhile is announced for a later one.
    while seen.0 & PHASE_MASK == ANNOUNCED && (publication.load(Ordering::Relaxed) >> 32) as u32 == number {
        // SYNC(record-life): Release; Acquire if another was faster.
        match state.compare_exchange(seen.0, seen.with(LIVE), Ordering::Release, Ordering::Acquire) {
            Ok(_) => return,
            Err(now) => seen = State(now),
        }
    }
}

/// Ends a life. False if it has ended, or has not begun.
pub(crate) fn remove(state: &AtomicU64, life: u32) -> bool {
    let mut seen = state.load(Ordering::Relaxed);
    loop {
        if !State(seen).is_of(State::plain(life)) {
            return false;
        }
        match state.compare_exchange(seen, State(seen).with(REMOVED), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}

/// Takes a record whose life `life` has ended for the next one. False if another has.
pub(crate) fn claim(state: &AtomicU64, life: u32) -> bool {
    let mut seen = State(state.load(Ordering::Relaxed));
    loop {
        if !seen.is_removed() || seen.life() != life || life >= LAST {
            return false;
        }
        // It may have been made for an overflow series that another process had made before. Stripes stay.
        let next = u64::from(life.wrapping_add(1)) << LIFE_SHIFT | seen.0 & STRIPED | CLAIMED;
        match state.compare_exchange(seen.0, next, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => seen = State(now),
        }
    }
    // SYNC(record-claim): Release; whoever reads what is written from here on sees that it was claimed.
    fence(Ordering::Release);
    #[cfg(spanpin_stops)]
    crate::stops::at("record-claim: claimed");
    true
}

/// Notes that the series has stripes.
pub(crate) fn set_striped(state: &AtomicU64) {
    state.fetch_or(STRIPED, Ordering::Relaxed);
}
