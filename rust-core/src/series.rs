//! A series: the cells of one label set, and what stands before its exemplars.

use alloc::boxed::Box;

use crate::buffer::Buffer;
use crate::encode::prefix;
use crate::error::{Error, ErrorCode};
use crate::exemplar::rules::Rules;
use crate::exemplar::{AdaptiveState, Policy, priority};
use crate::family::Family;
use crate::memory::{Link, Node, Pinned, ShortBytes, boxed, copy_slice, out_of_memory};
use crate::segment::layout::Gate;
use crate::segment::{Offset, SeriesText, SeriesWords, take_text};
use crate::stripes::Stripes;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Marks the overflow series of a family in the length of its label values, which are far shorter.
const OVERFLOW: u32 = 1 << 31;

/// A series as this process knows it.
pub struct Series {
    pub(crate) family: Pinned<Family>,
    /// The cells, and the gates.
    words: SeriesWords,
    hash: u64,
    /// The label values as in the record, then the rendered label pairs.
    text: ShortBytes,
    /// Bytes of the label values; [`OVERFLOW`] is added in the series that takes what finds no place.
    values_len: u32,
    pub(crate) stripes: Stripes,
    /// What some families remember beside the cells.
    state: Link<SeriesState>,
    next: Link<Series>,
}

/// What a series of a family with adaptive sampling, or with a listener for slow requests, remembers.
pub(crate) struct SeriesState {
    /// The window in which the listener was told last.
    pub(crate) slow_told: AtomicU64,
    pub(crate) adaptive: Link<AdaptiveState>,
}

impl Node for Series {
    fn next(&self) -> &Link<Self> {
        &self.next
    }
    fn next_mut(&mut self) -> &mut Link<Self> {
        &mut self.next
    }
}

impl Series {
    /// The series that a record describes.
    pub(crate) fn from_record(family: Pinned<Family>, place: Offset, text: SeriesText) -> Result<Box<Series>, Error> {
        let core = &*family.core;
        // No want of memory, which would be tried again: a record that was damaged.
        let outside = || Error::fixed(ErrorCode::SegmentFull, "a series of the segment has cells outside of it");
        let (cells, gates) = family.sizes();
        let words = core.segment.pin_series(text.gates, gates, cells).ok_or_else(outside)?;
        let mut both = Buffer::new();
        both.put(&text.text);
        prefix::put_labels(&mut both, &family.label_names, &text.text);
        both.finish().map_err(|_| out_of_memory())?;
        let series = boxed(Series {
            family,
            words,
            hash: text.hash,
            text: ShortBytes::new(copy_slice(both.as_slice())?).ok_or_else(out_of_memory)?,
            values_len: text.text.len() as u32 | if text.overflow { OVERFLOW } else { 0 },
            stripes: Stripes::new(place.lines().ok_or_else(outside)?, text.overflow),
            state: Link::empty(),
            next: Link::empty(),
        })?;
        if series.has_lost_stripes() {
            return Err(Error::fixed(ErrorCode::SegmentFull, "a series of the segment has stripes outside of it"));
        }
        series.add_state()?;
        Ok(series)
    }

    /// The cells; `segment::layout` says which word is what.
    #[inline]
    pub(crate) fn cells(&self) -> &[AtomicU64] {
        self.words.cells()
    }

    /// One for each bucket; a counter has one, a gauge none.
    #[inline]
    pub(crate) fn gates(&self) -> &[Gate] {
        self.words.gates()
    }

    pub(crate) fn state(&self) -> Option<&SeriesState> {
        self.state.get()
    }

    /// Gives the series what its family wants remembered. The caller holds the lock.
    fn add_state(&self) -> Result<(), Error> {
        if self.family.wants_state() { self.add_state_for(self.family.rules()) } else { Ok(()) }
    }

    /// Gives the series what these rules want remembered, or a listener for slow requests, unless it has it. The caller
    /// holds the lock.
    pub(crate) fn add_state_for(&self, rules: &Rules) -> Result<(), Error> {
        let state = match self.state.get() {
            Some(state) => state,
            None => self.state.set(boxed(SeriesState { slow_told: AtomicU64::new(0), adaptive: Link::empty() })?),
        };
        if rules.adaptive.is_some() && state.adaptive.get().is_none() {
            state.adaptive.set(AdaptiveState::new(self.gates().len())?);
        }
        Ok(())
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn place(&self) -> Offset {
        Offset::from_lines(self.stripes.place)
    }

    /// Where the cells lie.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn cells_place(&self) -> Offset {
        SeriesText::gates_after(self.place(), self.values_len())
            .plus(crate::segment::gates_bytes(self.gates().len()) as u64)
    }

    pub(crate) fn is_overflow(&self) -> bool {
        self.values_len & OVERFLOW != 0
    }

    fn values_len(&self) -> usize {
        (self.values_len & !OVERFLOW) as usize
    }

    /// `a="x",b="y"`, escaped; empty values are left out.
    pub(crate) fn rendered_labels(&self) -> &[u8] {
        self.text.get(self.values_len()..).unwrap_or_default()
    }

    /// The label values in the order of the family's names.
    pub(crate) fn label_values(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.text.get(..self.values_len()).unwrap_or_default();
        core::iter::from_fn(move || take_text(&mut rest)).map(|v| core::str::from_utf8(v).unwrap_or_default())
    }

    /// True for the series of this family with these values.
    #[inline]
    pub(crate) fn is<'v>(&self, family: &Family, hash: u64, values: impl Iterator<Item = &'v str>) -> bool {
        if self.hash != hash || !core::ptr::eq(&raw const *self.family, family) {
            return false;
        }
        let mut rest = self.text.get(..self.values_len()).unwrap_or_default();
        for value in values {
            if take_text(&mut rest) != Some(value.as_bytes()) {
                return false;
            }
        }
        rest.is_empty()
    }

    /// True for the series of this family with the label values of a record.
    pub(crate) fn has_text(&self, family: &Family, text: &SeriesText) -> bool {
        // The hash first: the label values lie elsewhere in memory.
        let may_be = self.hash == text.hash && core::ptr::eq(&raw const *self.family, family);
        may_be && self.text.get(..self.values_len()).is_some_and(|values| *values == *text.text)
    }

    #[inline]
    pub(crate) fn count_if_overflow(&self) {
        if self.is_overflow() {
            self.family.count_overflow();
        }
    }

    /// The priority of an offer under this family's policy.
    #[inline]
    pub(crate) fn priority(&self, bucket: u32, value: f64, seed: u64) -> u32 {
        match self.family.rules().policy {
            Policy::Slowest => priority::value_key(value),
            Policy::Uniform => priority::uniform_key(self.hash, bucket, seed),
            Policy::First => 1,
        }
    }
}

/// Adds to a float cell.
pub(crate) fn add_to_float(cell: &AtomicU64, value: f64) {
    let mut seen = cell.load(Ordering::Relaxed);
    loop {
        let sum = (f64::from_bits(seen) + value).to_bits();
        match cell.compare_exchange_weak(seen, sum, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}
