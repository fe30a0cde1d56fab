//! A series: the cells of one label set, and what stands before its exemplars.

use alloc::boxed::Box;

use crate::buffer::Buffer;
use crate::core::WINDOW_MOST_MS;
use crate::encode::prefix;
use crate::error::{Error, ErrorCode};
use crate::exemplar::ring::beats;
use crate::exemplar::rules::Rules;
use crate::exemplar::{AdaptiveState, Offer, Policy, priority, scrapers};
use crate::family::{Family, GateKind, Kind};
use crate::memory::{Link, Node, Pinned, ShortBytes, boxed, copy_slice, out_of_memory};
use crate::segment::layout::Gate;
use crate::segment::{Offset, SeriesText, SeriesWords, take_text};
use crate::stripes::{CellSet, Stripes, is_probe};
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

    /// Counts an observation. NaN is only tallied, because one of them would spoil the sum for ever.
    #[inline]
    pub(crate) fn count_observation(&self, value: f64) -> Option<(u32, u64)> {
        if value.is_nan() || self.family.kind != Kind::Histogram || !self.stripes.is_plain() {
            return self.count_apart(value);
        }
        self.count_in(CellSet { cells: self.cells(), mark: 0 }, value)
    }

    /// `count_observation` of what is not usual: in a stripe, in the overflow series, of NaN.
    #[inline(never)]
    fn count_apart(&self, value: f64) -> Option<(u32, u64)> {
        if value.is_nan() || self.family.kind != Kind::Histogram {
            self.refuse(Tally::Nan);
            return None;
        }
        self.count_if_overflow();
        self.count_in(self.own_cells(), value)
    }

    #[inline(always)]
    fn count_in(&self, set: CellSet<'_>, value: f64) -> Option<(u32, u64)> {
        let (sum, counts) = set.cells.split_first()?;
        let bucket = self.family.bounds.index(value);
        let before = counts.get(bucket)?.fetch_add(1, Ordering::Relaxed);
        if !add_to_float(sum, value) {
            self.note_meeting(counts);
        }
        Some((bucket as u32, before | set.mark))
    }

    /// Counts an observation, and says whether its exemplar is worth a look: it beats what its window has, or it is time to
    /// look at the clock, or it is slow enough to be told of.
    ///
    /// What the usual gate compares is loaded first: loads behind a locked instruction wait for it. What is offered is
    /// looked at again before it is written, so a window that closes in between costs nothing but this offer.
    // Always inlined: behind a call the answer would go through memory.
    #[inline(always)]
    pub(crate) fn count_observation_at_gate(&self, value: f64) -> AtGate {
        if value.is_nan() || self.family.kind != Kind::Histogram || !self.stripes.is_plain() {
            return self.count_apart_at_gate(value);
        }
        self.count_in_at_gate(CellSet { cells: self.cells(), mark: 0 }, value)
    }

    /// `count_observation_at_gate` of what is not usual.
    #[inline(never)]
    fn count_apart_at_gate(&self, value: f64) -> AtGate {
        if value.is_nan() || self.family.kind != Kind::Histogram {
            return self.refuse(Tally::Nan);
        }
        self.count_if_overflow();
        self.count_in_at_gate(self.own_cells(), value)
    }

    #[inline(always)]
    fn count_in_at_gate(&self, set: CellSet<'_>, value: f64) -> AtGate {
        let family = &*self.family;
        let bucket = family.bounds.index(value);
        let Some((sum, counts)) = set.cells.split_first() else { return AtGate::REFUSED };
        let (Some(count), Some(gate)) = (counts.get(bucket), self.gates().get(bucket)) else { return AtGate::REFUSED };
        let kind = family.gate_kind();
        let beats = kind != GateKind::OFF && {
            let head = gate.head.load(Ordering::Relaxed) | priority::LOW_BITS;
            let epoch = family.window.epoch.load(Ordering::Relaxed);
            priority::admission(epoch, priority::rough_key(value)) > head
        };
        let seed = count.fetch_add(1, Ordering::Relaxed) | set.mark;
        if !add_to_float(sum, value) {
            self.note_meeting(counts);
        }
        let passes = match kind {
            GateKind::SLOWEST => beats || (seed & CLOCK_EVERY == 0 && self.is_due()),
            GateKind::OFF => false,
            _ => self.passes_special(bucket as u32, value, seed),
        };
        AtGate { seed, bucket: bucket as u32, passes: passes.into() }
    }

    /// Adds to a counter. An amount that is negative, NaN or infinite is only tallied.
    #[inline]
    pub(crate) fn count_increment(&self, amount: f64) -> Option<u64> {
        let usual = (0.0..f64::INFINITY).contains(&amount) && self.family.kind == Kind::Counter;
        if !usual || !self.stripes.is_plain() {
            return self.count_increment_apart(amount);
        }
        self.count_increment_in(CellSet { cells: self.cells(), mark: 0 }, amount)
    }

    /// `count_increment` of what is not usual: in a stripe, in the overflow series, of an invalid amount.
    #[inline(never)]
    fn count_increment_apart(&self, amount: f64) -> Option<u64> {
        if !(0.0..f64::INFINITY).contains(&amount) || self.family.kind != Kind::Counter {
            self.refuse(Tally::InvalidIncrement);
            return None;
        }
        self.count_if_overflow();
        self.count_increment_in(self.own_cells(), amount)
    }

    #[inline(always)]
    fn count_increment_in(&self, set: CellSet<'_>, amount: f64) -> Option<u64> {
        let [whole, fraction, fractions] = set.cells else { return None };
        let before = if amount < WHOLE_MOST && amount as u64 as f64 == amount {
            let before = whole.fetch_add(amount as u64, Ordering::Relaxed);
            if is_probe(before) {
                self.probe(whole, before.wrapping_add(amount as u64));
            }
            before
        } else {
            if !add_to_float(fraction, amount) {
                self.note_meeting(core::slice::from_ref(fractions));
            }
            fractions.fetch_add(1, Ordering::Relaxed)
        };
        Some(before | set.mark)
    }

    /// Finds out whether a whole cell, which held `after` a moment ago, is wanted by others, which `fetch_add` never tells.
    #[cold]
    #[inline(never)]
    fn probe(&self, whole: &AtomicU64, after: u64) {
        let held = whole.compare_exchange(after, after, Ordering::Relaxed, Ordering::Relaxed);
        self.note_probe(held.is_err());
    }

    /// The cells that the calling thread counts in. A gauge's are never striped: setting one would not be one step.
    #[inline(always)]
    fn own_cells(&self) -> CellSet<'_> {
        self.stripes.own(self.cells(), &self.family.core.header)
    }

    /// Adds to a counter, and says whether the exemplar is worth a look, as `count_observation_at_gate` does. The seed is
    /// the total of additions of this form before, or their number for amounts that are no whole ones.
    #[inline]
    pub(crate) fn count_increment_at_gate(&self, amount: f64) -> AtGate {
        let family = &*self.family;
        let Some(gate) = self.gates().first() else { return self.refuse(Tally::InvalidIncrement) };
        let kind = family.gate_kind();
        let head = gate.head.load(Ordering::Relaxed) | priority::LOW_BITS;
        let epoch = family.window.epoch.load(Ordering::Relaxed);
        let Some(seed) = self.count_increment(amount) else { return AtGate::REFUSED };
        let passes = match kind {
            GateKind::UNIFORM => {
                let key = priority::uniform_key(self.hash, 0, seed);
                priority::admission(epoch, key) > head || (u64::from(key) & CLOCK_EVERY == 0 && self.is_due())
            }
            GateKind::OFF => false,
            _ => self.passes_special(0, amount, seed),
        };
        AtGate { seed, bucket: 0, passes: passes.into() }
    }

    /// Whether this observation is the one in 16 that looks at the clock. A counter's seed is its total, which may rise in
    /// steps of any size, so one in 16 is drawn there.
    fn is_tick(&self, bucket: u32, seed: u64) -> bool {
        let number = match self.family.kind {
            Kind::Counter => u64::from(priority::uniform_key(self.hash, bucket, seed)),
            _ => seed,
        };
        number & CLOCK_EVERY == 0
    }

    /// Whether the open window is to be closed by time. Every 16th observation asks.
    #[cold]
    #[inline(never)]
    fn is_due(&self) -> bool {
        let core = &*self.family.core;
        scrapers::is_due(&core.header, core.clock.mono_ms(), WINDOW_MOST_MS)
    }

    /// What the gate says in families whose gate is not the usual one of their kind.
    #[inline(never)]
    fn passes_special(&self, bucket: u32, value: f64, seed: u64) -> bool {
        let family = &*self.family;
        let Some(gate) = self.gates().get(bucket as usize) else { return false };
        let epoch = family.window.epoch.load(Ordering::Relaxed);
        let beats = beats(&gate.head, priority::admission(epoch, self.priority(bucket, value, seed)));
        let offered = value >= family.offer_from() && (beats || self.is_tick(bucket, seed));
        offered || value > family.slow_from()
    }

    #[cold]
    fn refuse(&self, what: Tally) -> AtGate {
        self.family.core.header.count(what, 1);
        AtGate::REFUSED
    }

    /// Sets a gauge.
    pub(crate) fn set_gauge(&self, value: f64) {
        if let [cell] = self.cells() {
            cell.store(value.to_bits(), Ordering::Relaxed);
            self.count_if_overflow();
        }
    }

    /// Adds to a gauge.
    pub(crate) fn add_gauge(&self, value: f64) {
        if let [cell] = self.cells() {
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
        self.cells().first().map_or(0.0, |cell| f64::from_bits(cell.load(Ordering::Relaxed)))
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

/// A counted observation at its gate, in two registers.
#[derive(Clone, Copy)]
pub(crate) struct AtGate {
    seed: u64,
    bucket: u32,
    passes: u32,
}

impl AtGate {
    /// What was not counted does not pass.
    const REFUSED: AtGate = AtGate { seed: 0, bucket: 0, passes: 0 };

    /// The offer, if it is worth a look.
    #[inline]
    pub(crate) fn passed(self, value: f64) -> Option<Offer> {
        (self.passes != 0).then_some(Offer { bucket: self.bucket, value, seed: self.seed })
    }
}

/// Adds to a float cell. False if this met another update.
#[inline]
fn add_to_float(cell: &AtomicU64, value: f64) -> bool {
    let seen = cell.load(Ordering::Relaxed);
    let sum = (f64::from_bits(seen) + value).to_bits();
    match cell.compare_exchange_weak(seen, sum, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        Err(now) => add_to_float_again(cell, value, now) && now == seen,
    }
}

/// Goes on where `add_to_float` lost. True, for `add_to_float` to tell whether it lost to nobody, as on arm64 it may.
#[cold]
#[inline(never)]
fn add_to_float_again(cell: &AtomicU64, value: f64, mut seen: u64) -> bool {
    loop {
        let sum = (f64::from_bits(seen) + value).to_bits();
        match cell.compare_exchange_weak(seen, sum, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}
