//! The records: a list of all that were made, which they never leave, and the order in which they were published, for the
//! first time or again.
//!
//! One compare-exchange on the head of the publications publishes a record and makes it unique. The head counts them, and
//! each record has the number of its last one and the record published before: so whoever has been here finds what is new,
//! unless one of these was published again since, which its number tells; then the list of all records is walked.
//!
//! A process that dies before the exchange leaks a record and blocks nobody.

use super::life::{State, announce, complete, look};
use crate::sync::atomic::{AtomicU64, Ordering};

/// What became of a record that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is published; the head of the publications was this right then.
    Mine(Head),
    /// An equal one was there before, at this place.
    Existing(u64),
}

/// The words of a record that its publication needs.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) state: &'a AtomicU64,
    pub(crate) publication: &'a AtomicU64,
}

/// A number of publications, and the record of the last of them, in lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head(pub(crate) u64);

impl Head {
    /// How many publications there were.
    pub(crate) const fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The record published last, in lines; zero for none.
    pub(crate) const fn lines(self) -> u32 {
        self.0 as u32
    }

    const fn followed_by(self, lines: u32) -> Head {
        Head((self.number().wrapping_add(1) as u64) << 32 | lines as u64)
    }

    /// The head before the publication of a record that has this word; nothing if it was published again since.
    pub(crate) const fn before(self, publication: u64) -> Option<Head> {
        let number = self.number();
        if (publication >> 32) as u32 != number {
            return None;
        }
        Some(Head((number.wrapping_sub(1) as u64) << 32 | publication & 0xFFFF_FFFF))
    }
}

/// The head of the publications. The record there is live from here on, and so are all before it that were not removed.
pub(crate) fn newest<'a>(head: &AtomicU64, words: impl Fn(u32) -> Option<Words<'a>>) -> Head {
    #[cfg(spanpin_stops)]
    crate::stops::at("record-publish: looking");
    // SYNC(record-publish): pairs with the exchange in `publish`; the records up to this head become visible.
    let seen = Head(head.load(Ordering::Acquire));
    finish(seen, &words);
    seen
}

fn finish<'a>(seen: Head, words: &impl Fn(u32) -> Option<Words<'a>>) {
    if let Some(words) = words(seen.lines()) {
        complete(words.state, words.publication, seen.number());
    }
}

/// Publishes the record `mine`, in lines, unless an equal one is published.
///
/// `walked` is the head that the caller has walked to before. `find(from, until)` walks the publications from `from` back to
/// `until` and answers the place of an equal record. `words` are those of the record at so many lines.
pub(crate) fn publish<'a>(
    head: &AtomicU64,
    mine: u32,
    walked: Head,
    words: impl Fn(u32) -> Option<Words<'a>>,
    mut find: impl FnMut(Head, Head) -> Option<u64>,
) -> Option<Published> {
    let own = words(mine)?;
    let mut walked = walked;
    let mut seen = newest(head, &words);
    loop {
        if let Some(existing) = find(seen, walked) {
            return Some(Published::Existing(existing));
        }
        walked = seen;
        let next = seen.followed_by(mine);
        own.publication.store(u64::from(next.number()) << 32 | u64::from(seen.lines()), Ordering::Relaxed);
        announce(own.state);
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: linked");
        // SYNC(record-publish): Release publishes the record's words; Acquire takes over what others published.
        match head.compare_exchange(seen.0, next.0, Ordering::Release, Ordering::Acquire) {
            Ok(_) => {
                #[cfg(spanpin_stops)]
                crate::stops::at("record-publish: published, not live");
                complete(own.state, own.publication, next.number());
                return Some(Published::Mine(next));
            }
            Err(now) => {
                seen = Head(now);
                finish(seen, &words);
            }
        }
    }
}

/// Adds a new record, in lines, to the list of all. `set_before` writes its link.
pub(crate) fn enlist(last: &AtomicU64, mine: u32, set_before: impl Fn(u32)) {
    let mut seen = last.load(Ordering::Relaxed);
    loop {
        set_before(seen as u32);
        #[cfg(spanpin_stops)]
        crate::stops::at("record-list: linked");
        // SYNC(record-list): Release publishes the link and the kind of the record.
        match last.compare_exchange(seen, u64::from(mine), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// The head of the list of all records.
pub(crate) fn last_made(last: &AtomicU64) -> u32 {
    #[cfg(spanpin_stops)]
    crate::stops::at("record-list: looking");
    // SYNC(record-list): Acquire; the records up to this one become visible.
    last.load(Ordering::Acquire) as u32
}

/// What is read of a record between two looks at its state, if it was live all the while.
pub(crate) fn read_live<T>(state: &AtomicU64, read: impl FnOnce(State) -> T) -> Option<T> {
    let seen = look(state);
    if !seen.is_live() {
        return None;
    }
    let value = read(seen);
    super::life::is_still(state, seen).then_some(value)
}
