//! Churn: series that come and go. A removed series rests, so that whoever is about to count in it has done so, and is then
//! used again for another label set of its family, with its cells and rings.
//!
//! Nothing waits for that: a new series is made while there is space, and before the overflow series counts for one, the
//! removed ones are asked that have rested for a short while only.

use alloc::vec::Vec;

use crate::buffer::filled;
use crate::core::Core;
use crate::error::Error;
use crate::exemplar::blocks::ring_lines;
use crate::exemplar::ring::first_stamp;
use crate::exemplar::shape::{HEADER_WORDS, SLOT_WORDS, ring_words};
use crate::family::{Family, Kind};
use crate::memory::out_of_memory;
use crate::segment::gauge_cells::{BLOCK_WORDS, GaugeWords};
use crate::segment::layout::{Gate, SeriesRecord};
use crate::segment::life::{self, look};
use crate::segment::stripes::{STRIPES, published_stripes, stripe_words};
use crate::segment::{Offset, SeriesWrite};
use crate::series::Series;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A removed series rests so long ...
const REST_MS: u64 = if cfg!(spanpin_stops) { 20 } else { 10_000 };
/// ... and at least so long when space is short. From a quarter of the segment on they rest less and less, and so little from
/// the half on: the other one is for longer texts, stripes and rings.
const REST_LEAST_MS: u64 = 50;
/// The part of a segment that is kept for texts.
const TEXTS_PART: u64 = 16;
/// After a search of so many records it is a millisecond longer until the next one.
const RECORDS_PER_MS: u64 = 200;
/// Of those that rest longest so many are asked whether a text fits.
const ASKED: usize = 8;

/// Removed series that this process knows of, those that rest longest first: place in lines and life, packed.
#[derive(Default)]
pub(crate) struct Resting {
    /// A ring of a power of two of places.
    ring: Vec<u64>,
    first: usize,
    count: usize,
    /// When the whole segment may be searched again for those that others have removed.
    search_from_ms: u64,
}

impl Resting {
    fn index(&self, number: usize) -> usize {
        self.first.wrapping_add(number) & self.ring.len().wrapping_sub(1)
    }

    fn get(&self, number: usize) -> Option<(Offset, u32)> {
        let item = *self.ring.get(self.index(number)).filter(|_| number < self.count)?;
        Some((Offset::from_lines((item >> 32) as u32), item as u32))
    }

    fn push(&mut self, place: Offset, life: u32) -> Result<(), Error> {
        if self.count == self.ring.len() {
            let mut bigger = filled(0, self.ring.len().saturating_mul(2).max(16)).map_err(|_| out_of_memory())?;
            for (number, to) in bigger.iter_mut().take(self.count).enumerate() {
                *to = self.ring.get(self.index(number)).copied().unwrap_or_default();
            }
            self.ring = bigger;
            self.first = 0;
        }
        let lines = place.lines().ok_or_else(out_of_memory)?;
        let at = self.index(self.count);
        if let Some(slot) = self.ring.get_mut(at) {
            *slot = u64::from(lines) << 32 | u64::from(life);
            self.count = self.count.wrapping_add(1);
        }
        Ok(())
    }

    /// Takes out the first ones that are not removed any more: others have used them again.
    fn drop_lost(&mut self, core: &Core, now_ms: u64) {
        while self.get(0).is_some_and(|(place, life)| rested(core, place, life, now_ms).is_none()) {
            self.take(0);
        }
    }

    /// Takes out the one with this number; the first moves to its place.
    fn take(&mut self, number: usize) {
        let (first, at) = (self.index(0), self.index(number));
        let moved = self.ring.get(first).copied().unwrap_or_default();
        if let Some(slot) = self.ring.get_mut(at).filter(|_| number < self.count) {
            *slot = moved;
            self.first = first.wrapping_add(1);
            self.count = self.count.wrapping_sub(1);
        }
    }
}

impl Family {
    /// Removes the series with these label values. False if there is none; the series of a family without labels and the
    /// overflow series stay.
    pub(crate) fn remove_series<'v>(&self, values: impl Iterator<Item = &'v str> + Clone) -> Result<bool, Error> {
        let hash = self.hash_of(values.clone())?;
        let _held = self.core.hold();
        self.core.catch_up_to_newest()?;
        let found = self.find(hash, values).filter(|handle| self.may_go(handle));
        Ok(found.is_some_and(|handle| self.end_life(&handle, handle.life())))
    }

    /// Removes all series but the one of a family without labels and the overflow series.
    pub(crate) fn remove_all(&self) -> Result<(), Error> {
        let _held = self.core.hold();
        self.core.catch_up_to_newest()?;
        for series in self.series.iter().filter(|series| self.may_go(series)) {
            if let Some(handle) = Series::current(series) {
                self.end_life(&handle, handle.life());
            }
        }
        Ok(())
    }

    fn may_go(&self, series: &Series) -> bool {
        !self.label_names.is_empty() && !series.is_overflow()
    }

    /// Ends the life of a series. The caller holds the lock.
    fn end_life(&self, series: &Series, life: u32) -> bool {
        if !life::remove(series.life_word(), life) {
            return false;
        }
        #[cfg(spanpin_stops)]
        crate::stops::at("removing: not noted");
        self.count_label_set(false);
        self.core.count_series(self.place(), false);
        self.rest(series.place(), life);
        true
    }

    /// Lets a removed series rest. The caller holds the lock.
    pub(crate) fn rest(&self, place: Offset, life: u32) {
        let core = &*self.core;
        if let Some(record) = core.segment.series_record(place) {
            record.when_ms.store(core.clock.mono_ms(), Ordering::Relaxed);
        }
        // What memory is short for here is found when space is.
        self.resting.with(|resting| resting.push(place, life).is_ok());
    }

    /// Takes a record for a new series that a removed one has left, if one has rested long enough. Once half of the segment is
    /// used, also one that another process has removed. The caller holds the lock.
    pub(crate) fn take_rested(&self, series: &SeriesWrite<'_>) -> Result<Option<Offset>, Error> {
        let header = &*self.core.header;
        let reserved = header.reserved_bytes.load(Ordering::Relaxed);
        let rest_ms = rest_ms(header.tail.load(Ordering::Relaxed), reserved);
        match self.take_after(series, rest_ms)? {
            None if rest_ms <= REST_LEAST_MS => self.take_of_others(series),
            taken => Ok(taken),
        }
    }

    /// The same when there is no space at all.
    pub(crate) fn take_any_rested(&self, series: &SeriesWrite<'_>) -> Result<Option<Offset>, Error> {
        match self.take_after(series, REST_LEAST_MS)? {
            None => self.take_of_others(series),
            taken => Ok(taken),
        }
    }

    /// Whether new records may still be made: the last part of a segment is kept for texts that are longer than the ones
    /// before, as long as there are records to use again.
    pub(crate) fn may_grow(&self, series: &SeriesWrite<'_>) -> bool {
        let header = &*self.core.header;
        let reserved = header.reserved_bytes.load(Ordering::Relaxed);
        let used = header.tail.load(Ordering::Relaxed).saturating_add(series.bytes() as u64);
        used <= reserved.saturating_sub(reserved / TEXTS_PART) || self.resting.with(|resting| resting.count) == Some(0)
    }

    fn take_of_others(&self, series: &SeriesWrite<'_>) -> Result<Option<Offset>, Error> {
        if !self.search()? {
            return Ok(None);
        }
        self.take_after(series, REST_LEAST_MS)
    }

    fn take_after(&self, series: &SeriesWrite<'_>, rest_ms: u64) -> Result<Option<Offset>, Error> {
        let core = &*self.core;
        // A removed one does not take what finds no place.
        if series.overflow {
            return Ok(None);
        }
        let now_ms = core.clock.mono_ms();
        let claimed = self.resting.with(|resting| {
            loop {
                resting.drop_lost(core, now_ms);
                let has_rested = |place, life| rested(core, place, life, now_ms).is_some_and(|ms| ms >= rest_ms);
                let number = (0..ASKED).find(|number| {
                    resting.get(*number).is_some_and(|(place, life)| {
                        has_rested(place, life) && core.segment.has_room_for(place, series)
                    })
                });
                let number = number.unwrap_or_default();
                let (place, life) = resting.get(number).filter(|(place, life)| has_rested(*place, *life))?;
                resting.take(number);
                if claim(core, place, life) {
                    return Some((place, life.wrapping_add(1)));
                }
            }
        });
        let Some((place, life)) = claimed.flatten() else { return Ok(None) };
        self.clear_words(place);
        if let Err(error) = core.segment.describe_series(place, series) {
            self.give_up(place, life);
            return Err(error);
        }
        Ok(Some(place))
    }

    /// Gives up a record that was written, or claimed, and cannot be published.
    pub(crate) fn give_up(&self, place: Offset, life: u32) {
        if let Some(words) = self.core.segment.series_words(place) {
            life::withdraw(words.state);
            self.rest(place, life);
        }
    }

    /// Empties what a claimed record has of the life before.
    fn clear_words(&self, place: Offset) {
        let core = &*self.core;
        let (cells, gates) = self.sizes();
        let Some(record) = core.segment.series_record(place) else { return };
        let at = Offset::from_lines(record.cells.load(Ordering::Relaxed));
        let Some(words) = core.segment.pin_series(at, gates, cells) else { return };
        match GaugeWords::of(words.cells()).filter(|_| self.kind == Kind::Gauge) {
            Some(gauge) => self.clear_gauge(gauge),
            None => words.cells().iter().for_each(zero),
        }
        let stripes = u32::try_from(published_stripes(&record.stripes)).unwrap_or_default();
        let stripes = core.segment.words(Offset::from_lines(stripes), STRIPES.saturating_mul(stripe_words(cells)));
        stripes.unwrap_or_default().iter().for_each(zero);
        words.gates().iter().for_each(|gate| self.clear_gate(gate));
        #[cfg(spanpin_stops)]
        crate::stops::at("record-claim: emptied");
    }

    /// The blocks of cells stay, and belong to nobody.
    fn clear_gauge(&self, gauge: GaugeWords<'_>) {
        [gauge.value, gauge.mode, gauge.added].into_iter().for_each(zero);
        for word in gauge.blocks {
            let block = self.core.segment.gauge_block(word, BLOCK_WORDS);
            block.unwrap_or_default().iter().for_each(zero);
        }
    }

    fn clear_gate(&self, gate: &Gate) {
        let core = &*self.core;
        zero(&gate.head);
        gate.budget.store(0, Ordering::Relaxed);
        let ring = Offset::from_lines(ring_lines(gate));
        let Some(words) = core.segment.words(ring, ring_words(self.slots())) else { return };
        let (slots, _) = words.get(HEADER_WORDS..).unwrap_or_default().as_chunks::<SLOT_WORDS>();
        // A writer of the life before that is still in a slot finds that it was taken over.
        slots.iter().for_each(|[admission, ..]| zero(admission));
        // The new label set may have been shown before, from another ring.
        if let Some(last) = words.first() {
            let greatest = core.header.greatest_stamp_ms.load(Ordering::Relaxed);
            last.fetch_max(first_stamp(greatest), Ordering::Relaxed);
        }
    }

    /// Searches the segment for series of this family that other processes have removed. False if it is too early to search
    /// again: what was removed since has not rested, and large segments are not to be searched all the time.
    fn search(&self) -> Result<bool, Error> {
        let core = &*self.core;
        let now_ms = core.clock.mono_ms();
        if self.resting.with(|resting| now_ms >= resting.search_from_ms) != Some(true) {
            return Ok(false);
        }
        let places = core.all_made_strictly()?;
        let pause_ms = (places.len() as u64 / RECORDS_PER_MS).max(REST_LEAST_MS);
        self.resting.with(|resting| {
            resting.search_from_ms = now_ms.saturating_add(pause_ms);
            let mut found = Resting { search_from_ms: resting.search_from_ms, ..Resting::default() };
            let has_rested = |place, life| rested(core, place, life, now_ms).is_some_and(|ms| ms >= REST_LEAST_MS);
            for place in places.iter().rev() {
                if let Some(life) = self.removed_at(*place).filter(|life| has_rested(*place, *life)) {
                    found.push(*place, life)?;
                }
            }
            // Those that have rested are among the ones found; the others follow in their order.
            for (place, life) in (0..resting.count).filter_map(|number| resting.get(number)) {
                if !has_rested(place, life) {
                    found.push(place, life)?;
                }
            }
            *resting = found;
            Ok::<(), Error>(())
        });
        Ok(true)
    }

    /// The life that has ended of the series at a place, if it is one of this family and was removed.
    fn removed_at(&self, place: Offset) -> Option<u32> {
        let segment = &self.core.segment;
        let is_series = matches!(segment.kind_of(place)?, crate::segment::RecordKind::Series);
        let is_own = is_series && segment.family_of(place)? == self.place();
        let state = look(segment.series_words(place).filter(|_| is_own)?.state);
        (state.is_removed() && state.life() < life::LAST).then(|| state.life())
    }
}

/// How long a removed series rests when so much of a segment is used.
fn rest_ms(used: u64, reserved: u64) -> u64 {
    let quarter = reserved / 4;
    let beyond = used.saturating_sub(quarter).min(quarter);
    let less = REST_MS.saturating_sub(REST_LEAST_MS).saturating_mul(beyond).checked_div(quarter);
    REST_MS.saturating_sub(less.unwrap_or_default())
}

fn zero(word: &AtomicU64) {
    word.store(0, Ordering::Relaxed);
}

/// How long a series has rested whose life `life` has ended; nothing if it is in another one.
fn rested(core: &Core, place: Offset, life: u32, now_ms: u64) -> Option<u64> {
    let record: &SeriesRecord = core.segment.series_record(place)?;
    let state = look(core.segment.series_words(place)?.state);
    if !state.is_removed() || state.life() != life {
        return None;
    }
    let when_ms = record.when_ms.load(Ordering::Relaxed);
    if when_ms > now_ms {
        // Of another boot of the system, or its remover died before it noted the time: it rests from now on.
        let _ = record.when_ms.compare_exchange(when_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed);
    }
    Some(now_ms.saturating_sub(when_ms))
}

fn claim(core: &Core, place: Offset, life: u32) -> bool {
    core.segment.series_words(place).is_some_and(|words| life::claim(words.state, life))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use crate::family::OVERFLOW_LABEL;

    /// What a process does that makes a family's overflow series when another has just made it.
    #[test]
    fn a_record_that_was_made_for_another_overflow_series_is_used_for_a_plain_one() {
        let registry = Registry::new().unwrap();
        registry.set_clock(1_700_000_000_000, 5_000);
        registry.counter("c", "Help.").labels(&["l"]).register().unwrap();
        let family = registry.core.family("c").unwrap();
        let overflow = family.overflow().unwrap();
        let hash = family.hash_of([OVERFLOW_LABEL].into_iter()).unwrap();
        let held = registry.core.hold();
        let made = family.publish_series(hash, OVERFLOW_LABEL.as_bytes(), true, || family.overflow()).unwrap();
        drop(held);
        assert_eq!(made.place(), overflow.place());
        let given_up = family.resting.with(|resting| resting.get(0)).flatten().unwrap().0;
        registry.set_clock(1_700_000_000_000, 5_001 + REST_MS);
        let plain = family.child(["a"].into_iter()).unwrap();
        assert_eq!(plain.place(), given_up);
        assert!(!plain.is_overflow() && family.overflow().unwrap().place() == overflow.place());
    }
}
