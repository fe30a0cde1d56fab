//! The ring of a bucket: which slot a winner takes, and what a scrape shows.
//!
//! Windows are numbered by the segment's epoch, which every scrape moves on. Each slot holds the winner of one window;
//! each winner takes a slot of its own, so nobody waits for anybody. `docs/exemplars.md` gives the rule and why
//! timestamps never go back.

use super::priority::{
    LOW_BITS, PRIORITY_MAX, SHUT, admission, epoch_of, is_busy, is_explicit, is_published, priority_of, rank_of,
};
use super::shape::{HEADER_WORDS, LABEL_WORDS, NOW_WORD, SLOT_WORDS, SLOTS, STAMP_AHEAD_MS};
use super::slot::{Payload, Slot, label_words};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Turns of the loops that race with other writers or readers; losing more often than that costs one exemplar.
const TRIES: usize = 4;
/// The last stamp of a ring is `ms42 | window22`.
const STAMP_WINDOW_BITS: u32 = 22;
const STAMP_WINDOW_MASK: u64 = (1 << STAMP_WINDOW_BITS) - 1;
/// Flag beside the stamp: an earlier winner of the same window may have the same one.
pub(crate) const TIED: u64 = 4 << 12;

/// The word of a ring's last stamp before its first exemplar: nothing is given a stamp up to `ms`.
pub(crate) const fn first_stamp(ms: u64) -> u64 {
    ms << STAMP_WINDOW_BITS
}

/// A ring in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    header: &'a [AtomicU64; HEADER_WORDS],
    slots: &'a [[AtomicU64; SLOT_WORDS]],
    /// The label area, `LABEL_WORDS` for each slot; empty while no labelled exemplar was written.
    labels: &'a [AtomicU64],
    place: u64,
}

/// What became of an offer that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Published with this stamp, in milliseconds.
    Admitted(u64),
    /// A better one came meanwhile.
    Beaten,
    /// No slot was free for it.
    Busy,
    /// The writer was stopped for so long that its slot was given to another.
    TakenOver,
}

/// Limits of the age of what is shown again, on the monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Age {
    pub(crate) now_ms: u64,
    pub(crate) max_ms: u64,
}

impl Age {
    fn is_young(self, then_ms: u64) -> bool {
        self.now_ms.saturating_sub(then_ms) <= self.max_ms
    }
}

/// The time of an observation.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) wall_ms: u64,
    pub(crate) age: Age,
}

/// Whether an offer is better than the best of its bucket and window so far.
#[inline]
pub(crate) fn beats(head: &AtomicU64, candidate: u64) -> bool {
    candidate > head.load(Ordering::Relaxed) | LOW_BITS
}

/// Moves the head of a bucket to an automatic offer. False if something as good is there.
pub(crate) fn advance_head(head: &AtomicU64, candidate: u64) -> bool {
    let mut seen = head.load(Ordering::Relaxed);
    loop {
        if candidate <= seen | LOW_BITS {
            return false;
        }
        match head.compare_exchange(seen, candidate, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}

/// Moves the head of a bucket to the next explicit exemplar of the window `epoch`, and returns its admission word;
/// nothing if the window has closed, or has no number left.
pub(crate) fn advance_head_explicit(head: &AtomicU64, epoch: u64) -> Option<u64> {
    let mut seen = head.load(Ordering::Relaxed);
    loop {
        let last = if epoch_of(seen) == epoch { priority_of(seen).max(SHUT) } else { SHUT };
        if epoch_of(seen) > epoch || last >= PRIORITY_MAX {
            return None;
        }
        let candidate = admission(epoch, last.wrapping_add(1));
        match head.compare_exchange(seen, candidate, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Some(candidate),
            Err(now) => seen = now,
        }
    }
}

impl<'a> Ring<'a> {
    /// The ring in these words, which lie at `place`.
    pub(crate) fn new(words: &'a [AtomicU64], labels: &'a [AtomicU64], place: u64) -> Option<Self> {
        let (header, slots) = words.split_first_chunk::<HEADER_WORDS>()?;
        let (slots, _) = slots.as_chunks::<SLOT_WORDS>();
        Some(Ring { header, slots, labels, place })
    }

    /// Whether exemplars of this ring can have labels beside the ids.
    pub(crate) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    fn last_stamp(&self) -> &'a AtomicU64 {
        let [last_stamp, ..] = self.header;
        last_stamp
    }

    fn used(&self) -> &'a AtomicU64 {
        let [_, used, ..] = self.header;
        used
    }

    fn slot(&self, index: usize) -> Option<Slot<'a>> {
        let words = self.slots.get(index)?;
        let from = index.wrapping_mul(LABEL_WORDS);
        let labels = self.labels.get(from..from.wrapping_add(LABEL_WORDS)).unwrap_or_default();
        let offset = index.wrapping_mul(SLOT_WORDS).wrapping_add(HEADER_WORDS).wrapping_mul(8);
        Some(Slot::new(words, labels, self.place.wrapping_add(offset as u64)))
    }

    /// The slots for a look at their admission words; place and labels are left out.
    fn slots(&self) -> impl Iterator<Item = Slot<'a>> + use<'a> {
        self.slots.iter().map(|words| Slot::new(words, &[], 0))
    }

    /// Writes the winner `candidate` of its window into a slot of its own. Its head was moved to `candidate` before.
    ///
    /// `payload` builds the content from the stamp. `separated(a, b)` tells whether a live scraper mark lies in
    /// `(a, b]`.
    pub(crate) fn write(
        &self,
        head: &AtomicU64,
        candidate: u64,
        now: Now,
        separated: impl Fn(u64, u64) -> bool,
        payload: impl FnOnce(u64) -> Payload,
        labels: &[u64],
    ) -> Outcome {
        let mut claimed = None;
        for _ in 0..TRIES {
            match self.victim(candidate, now.age, &separated) {
                Victim::Slot(index, seen) => {
                    let Some(slot) = self.slot(index) else { return Outcome::Busy };
                    // Readers look at no slot past the ones ever used, so this is raised before the claim. Also for a
                    // slot in use: whoever sees this claim then knows of the slots that this writer has seen.
                    self.used().fetch_max((index as u64).wrapping_add(1), Ordering::Relaxed);
                    if slot.claim(seen, candidate) {
                        #[cfg(spanpin_stops)]
                        crate::stops::at("exemplar-claim: claimed");
                        claimed = Some(slot);
                        break;
                    }
                }
                Victim::Beaten => return Outcome::Beaten,
                Victim::None => return Outcome::Busy,
            }
        }
        let Some(slot) = claimed else { return Outcome::Busy };
        let (stamp, tied) = self.stamp(candidate, now.wall_ms);
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-stamp: stamped");
        // SYNC(exemplar-stamp): whoever moved the head past us took, or will take, a greater stamp; so a winner that
        // still finds its own head may publish, at whatever time.
        if head.load(Ordering::Relaxed) != candidate {
            slot.give_up(candidate);
            return Outcome::Beaten;
        }
        let mut content = payload(stamp);
        if let ([first, ..], true) = (&mut content, tied) {
            *first |= TIED;
        }
        if slot.publish(candidate, &content, labels) { Outcome::Admitted(stamp) } else { Outcome::TakenOver }
    }

    /// The stamp of a winner in milliseconds, and whether it ties with an earlier one of the same window.
    ///
    /// It is the wall clock, but never less than the last stamp plus a millisecond. There can be more explicit
    /// exemplars than milliseconds: when they have run ahead of the clock for a while, those of one window share a
    /// stamp. One that ties is shown in the answer that its window belongs to, and not again.
    fn stamp(&self, candidate: u64, wall_ms: u64) -> (u64, bool) {
        let last_stamp = self.last_stamp();
        let window = epoch_of(candidate) & STAMP_WINDOW_MASK;
        let mut seen = last_stamp.load(Ordering::Relaxed);
        loop {
            let last = seen >> STAMP_WINDOW_BITS;
            let same_window = seen & STAMP_WINDOW_MASK == window;
            let ahead = last >= wall_ms.saturating_add(STAMP_AHEAD_MS);
            let tied = ahead && same_window && is_explicit(candidate);
            let next = if tied { last } else { wall_ms.max(last.saturating_add(1)) };
            #[cfg(spanpin_stops)]
            crate::stops::at("exemplar-stamp: before");
            // SYNC(exemplar-stamp): each half is needed: Release hands our head to the next stamp's taker, Acquire
            // takes over the heads of the earlier ones.
            let word = next << STAMP_WINDOW_BITS | window;
            match last_stamp.compare_exchange(seen, word, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return (next, tied),
                Err(now) => seen = now,
            }
        }
    }

    /// The slot that a winner may take, by the rules of `docs/exemplars.md`, in their order.
    fn victim(&self, candidate: u64, age: Age, separated: &impl Fn(u64, u64) -> bool) -> Victim {
        let epoch = epoch_of(candidate);
        let mut seen = [0; SLOTS];
        let mut free = None;
        let mut newest = 0;
        let mut newest_closed = 0;
        let mut open_count = 0_usize;
        let mut open_least = u64::MAX;
        for (index, (slot, word)) in self.slots().zip(seen.iter_mut()).enumerate() {
            let admission = slot.admission();
            *word = admission;
            if admission > candidate {
                return Victim::Beaten;
            }
            if admission == 0 || (is_busy(admission) && epoch_of(admission).saturating_add(2) <= epoch) {
                free = free.or(Some(Victim::Slot(index, admission)));
            } else if is_published(admission) {
                newest = newest.max(admission);
                if epoch_of(admission) < epoch {
                    newest_closed = newest_closed.max(admission);
                } else {
                    open_count = open_count.wrapping_add(1);
                    open_least = open_least.min(admission);
                }
            }
        }
        if let Some(victim) = free {
            return victim;
        }
        let place_of = |wanted: u64| {
            seen.iter().position(|a| *a == wanted).map_or(Victim::None, |index| Victim::Slot(index, wanted))
        };
        // Of several winners of the open window all but the newest have lost it.
        if open_count >= 2 {
            return place_of(open_least);
        }
        // The newest and the newest of a closed window are what a scrape falls back to.
        let takeable = |a: u64| is_published(a) && a != newest && a != newest_closed;
        let least = |wanted: &dyn Fn(usize, u64) -> bool| {
            seen.iter().enumerate().filter(|(i, a)| takeable(**a) && wanted(*i, **a)).map(|(_, a)| *a).min()
        };
        let too_old = |i: usize, _: u64| self.slot(i).is_some_and(|s| !age.is_young(s.payload_word(NOW_WORD)));
        let dominated = |_: usize, a: u64| {
            seen.iter().any(|b| is_published(*b) && epoch_of(*b) > epoch_of(a) && rank_of(*b) >= rank_of(a))
        };
        let unasked = |_: usize, a: u64| {
            seen.iter().any(|b| {
                let earlier = is_published(*b) && epoch_of(*b) < epoch_of(a) && rank_of(*b) >= rank_of(a);
                earlier && !separated(epoch_of(*b), epoch_of(a))
            })
        };
        least(&too_old)
            .or_else(|| least(&dominated))
            .or_else(|| least(&unasked))
            .or_else(|| least(&|_, _| true))
            .map_or(Victim::None, place_of)
    }

    /// Collects the admission words of the slots ever used; the others in `seen` stay zero.
    fn collect(&self, seen: &mut [u64; SLOTS]) {
        // A slot that was claimed after this load is one that was empty before it.
        let used = self.used().load(Ordering::Relaxed);
        for (slot, word) in self.slots().zip(seen.iter_mut()).take(used as usize) {
            *word = slot.admission_acquire();
        }
    }

    /// What a scrape that opened the window `open` shows, with `lo` as the first window it has not seen: the best of
    /// the windows in `lo..open`, otherwise the newest closed one that is young enough.
    pub(crate) fn choose(
        &self,
        head: &AtomicU64,
        lo: u64,
        open: u64,
        age: Age,
        labels: &mut [u64; LABEL_WORDS],
    ) -> Option<Payload> {
        for _ in 0..TRIES {
            let mut seen = [0; SLOTS];
            self.collect(&mut seen);
            let mut pool = seen;
            while let Some((index, admission)) = best(&pool, |a| (lo..open).contains(&epoch_of(a)), rank_of) {
                if let Some(payload) = self.read_young(index, admission, age, labels) {
                    return Some(payload);
                }
                if let Some(word) = pool.get_mut(index) {
                    *word = 0;
                }
            }
            let mut again = [0; SLOTS];
            self.collect(&mut again);
            if again != seen {
                continue;
            }
            // A slow scrape that two others have overtaken may find its newest window taken by a later one.
            if epoch_of(head.load(Ordering::Relaxed)) > open {
                return None;
            }
            let (index, admission) = best(&seen, |a| epoch_of(a) < open, |_| 0)?;
            let payload = self.read_young(index, admission, age, labels)?;
            let [first, ..] = payload;
            return (first & TIED == 0).then_some(payload);
        }
        None
    }

    /// Calls `take` with every whole exemplar of the ring and the words of its labels, in no order.
    pub(crate) fn read_all<E>(
        &self,
        labels: &mut [u64; LABEL_WORDS],
        mut take: impl FnMut(Payload, &[u64]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut seen = [0; SLOTS];
        self.collect(&mut seen);
        for (index, admission) in seen.into_iter().enumerate().filter(|(_, a)| is_published(*a)) {
            if let Some(payload) = self.slot(index).and_then(|slot| slot.read(admission, labels)) {
                take(payload, labels.get(..label_words(&payload)).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn read_young(&self, index: usize, admission: u64, age: Age, labels: &mut [u64; LABEL_WORDS]) -> Option<Payload> {
        let payload = self.slot(index)?.read(admission, labels)?;
        let then_ms = payload.get(NOW_WORD)?;
        age.is_young(*then_ms).then_some(payload)
    }
}

enum Victim {
    /// This slot, whose admission word was this.
    Slot(usize, u64),
    /// A better winner, or a later window, has been here.
    Beaten,
    /// Every slot is protected or being written.
    None,
}

/// The published word of the greatest rank, and of equal ranks the greatest word.
fn best(words: &[u64; SLOTS], wanted: impl Fn(u64) -> bool, rank: impl Fn(u64) -> u32) -> Option<(usize, u64)> {
    let published = words.iter().copied().enumerate().filter(|(_, a)| is_published(*a) && wanted(*a));
    published.max_by_key(|(_, a)| (rank(*a), *a))
}
