//! The newest-first list of records: one compare-exchange on its head publishes a record and makes it unique.
//!
//! A process that dies before the exchange leaks the bytes of its record and blocks nobody.

use crate::sync::atomic::{AtomicU64, Ordering};

/// What became of a record that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is in the list.
    Mine,
    /// An equal one was there before, at this place.
    Existing(u64),
}

/// Publishes the record `mine` unless an equal one is in the list.
///
/// `walked` is the head that the caller has walked to before. `find(from, until)` walks the records from `from` to
/// before `until` and answers the place of an equal one. `set_next` writes the link of the record, which nobody else
/// sees yet.
pub(crate) fn publish(
    head: &AtomicU64,
    mine: u64,
    walked: u64,
    set_next: impl Fn(u64),
    mut find: impl FnMut(u64, u64) -> Option<u64>,
) -> Published {
    let mut walked = walked;
    #[cfg(spanpin_stops)]
    crate::stops::at("record-publish: looking");
    // SYNC(record-publish): pairs with the exchange below; the records up to this head become visible.
    let mut seen = head.load(Ordering::Acquire);
    loop {
        if let Some(existing) = find(seen, walked) {
            return Published::Existing(existing);
        }
        walked = seen;
        set_next(seen);
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: linked");
        // SYNC(record-publish): Release publishes the record's words; Acquire takes over what others published.
        match head.compare_exchange(seen, mine, Ordering::Release, Ordering::Acquire) {
            Ok(_) => return Published::Mine,
            Err(now) => seen = now,
        }
    }
}
