//! A series: the cells of one label set, and what stands before its exemplars.

use alloc::boxed::Box;

use crate::buffer::Buffer;
use crate::encode::prefix;
use crate::error::Error;
use crate::exemplar::ring::beats;
use crate::exemplar::{Filter, Policy, priority};
use crate::family::{Family, Kind};
use crate::memory::{Link, Node, Pinned, boxed, copy_slice, out_of_memory};
use crate::segment::layout::Gate;
use crate::segment::{Offset, SeriesText, gates_bytes, take_text};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tally::Tally;

/// Every 16th observation looks at the clock, to close a window that no scrape has closed.
const CLOCK_EVERY: u64 = 15;
/// From here on an f64 holds whole numbers only in steps.
const WHOLE_MOST: f64 = 9_007_199_254_740_992.0;
/// Marks the overflow series of a family in the length of its label values, which are far shorter.
const OVERFLOW: u32 = 1 << 31;

/// A series as this process knows it.
pub struct Series {
    pub(crate) family: Pinned<Family>,
    /// The cells; `segment::layout` says which word is what.
    pub(crate) cells: Pinned<[AtomicU64]>,
    /// One for each bucket; a counter has one, a gauge none.
    pub(crate) gates: Pinned<[Gate]>,
    hash: u64,
    /// The label values as in the record, then the rendered label pairs.
    text: Box<[u8]>,
    /// Bytes of the label values; [`OVERFLOW`] is added in the series that takes what finds no place.
    values_len: u32,
    /// Where the record lies, in lines.
    place: u32,
    next: Link<Series>,
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
        let (cells, gates) = family.sizes();
        let cells_at = text.gates.plus(gates_bytes(gates) as u64);
        let cells = core.segment.pin_words(cells_at, cells).ok_or_else(out_of_memory)?;
        let gates = core.segment.pin_gates(text.gates, gates).ok_or_else(out_of_memory)?;
        let mut both = Buffer::new();
        both.put(&text.text);
        prefix::put_labels(&mut both, &family.label_names, &text.text);
        both.finish().map_err(|_| out_of_memory())?;
        boxed(Series {
            family,
            cells,
            gates,
            hash: text.hash,
            place: place.lines().ok_or_else(out_of_memory)?,
            text: copy_slice(both.as_slice())?,
            values_len: text.text.len() as u32 | if text.overflow { OVERFLOW } else { 0 },
            next: Link::empty(),
        })
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn place(&self) -> Offset {
        Offset::from_lines(self.place)
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

    /// Counts an observation. Returns its bucket and that bucket's count before; nothing for NaN, which is only
    /// tallied, because one of them would spoil the sum for ever.
    #[inline]
    pub(crate) fn count_observation(&self, value: f64) -> Option<(u32, u64)> {
        if value.is_nan() || self.family.kind != Kind::Histogram {
            self.family.core.header.count(Tally::Nan, 1);
            return None;
        }
        let (sum, counts) = self.cells.split_first()?;
        let bucket = self.family.bounds.index(value);
        let before = counts.get(bucket)?.fetch_add(1, Ordering::Relaxed);
        add_to_float(sum, value);
        self.count_if_overflow();
        Some((bucket as u32, before))
    }

    /// Adds to a counter. Returns the number of additions of this form before; nothing for an amount that is negative, NaN
    /// or infinite, which is only tallied.
    #[inline]
    pub(crate) fn count_increment(&self, amount: f64) -> Option<(u32, u64)> {
        let [whole, fraction, fractions] = &*self.cells else { return None };
        if !(0.0..f64::INFINITY).contains(&amount) || self.family.kind != Kind::Counter {
            self.family.core.header.count(Tally::InvalidIncrement, 1);
            return None;
        }
        self.count_if_overflow();
        if amount < WHOLE_MOST && amount as u64 as f64 == amount {
            Some((0, whole.fetch_add(amount as u64, Ordering::Relaxed)))
        } else {
            add_to_float(fraction, amount);
            Some((0, fractions.fetch_add(1, Ordering::Relaxed)))
        }
    }

    /// Sets a gauge.
    pub(crate) fn set_gauge(&self, value: f64) {
        if let [cell] = &*self.cells {
            cell.store(value.to_bits(), Ordering::Relaxed);
            self.count_if_overflow();
        }
    }

    /// Adds to a gauge.
    pub(crate) fn add_gauge(&self, value: f64) {
        if let [cell] = &*self.cells {
            add_to_float(cell, value);
            self.count_if_overflow();
        }
    }

    #[inline]
    fn count_if_overflow(&self) {
        if self.is_overflow() {
            self.family.count_overflow();
        }
    }

    /// The value of a gauge.
    pub(crate) fn gauge(&self) -> f64 {
        self.cells.first().map_or(0.0, |cell| f64::from_bits(cell.load(Ordering::Relaxed)))
    }

    /// The priority of an offer under this family's policy.
    #[inline]
    pub(crate) fn priority(&self, bucket: u32, value: f64, seed: u64) -> u32 {
        match self.family.policy {
            Policy::Slowest => priority::value_key(value),
            Policy::Uniform => priority::uniform_key(self.hash, bucket, seed),
            Policy::First => 1,
        }
    }

    /// Whether an offer may be looked at: it beats what its window has, or it is time to look at the clock. Two loads
    /// and a compare.
    #[inline]
    pub(crate) fn gate_passes(&self, bucket: u32, value: f64, seed: u64) -> bool {
        if self.family.filter == Filter::AlwaysOff {
            return false;
        }
        let Some(gate) = self.gates.get(bucket as usize) else { return false };
        let epoch = self.family.core.header.window.epoch.load(Ordering::Relaxed);
        let candidate = priority::admission(epoch, self.priority(bucket, value, seed));
        beats(&gate.head, candidate) || seed & CLOCK_EVERY == 0
    }
}

#[inline]
fn add_to_float(cell: &AtomicU64, value: f64) {
    let mut seen = cell.load(Ordering::Relaxed);
    loop {
        let sum = (f64::from_bits(seen) + value).to_bits();
        match cell.compare_exchange_weak(seen, sum, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}
