//! The hot path: counting an observation or an increment, and asking its gate.
//!
//! A locked instruction waits for every store before it, those of saved registers included. So the usual way calls
//! nothing: it says in two registers what it has left to do, and whoever ends with a call for that, or with none, needs no
//! frame.

use crate::core::WINDOW_MOST_MS;
use crate::exemplar::ring::beats;
use crate::exemplar::{Offer, priority, scrapers};
use crate::family::{CLOCK_LEAST, GateKind, Kind};
use crate::segment::life::State;
use crate::series::{Handle, add_to_float};
use crate::stripes::{CellSet, SEED_SHIFT, is_probe, load};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tally::Tally;

/// From here on an f64 holds whole numbers only in steps.
const WHOLE_MOST: f64 = 9_007_199_254_740_992.0;

/// What the short way has left to do for an observation or an increment.
#[derive(Clone, Copy)]
pub struct Left {
    /// The count before, or the counter's total.
    seed: u64,
    /// Zero if nothing is left. The bucket is not kept: to find it again costs less than to hand it on.
    what: u32,
}

/// It beats what its window has.
const BEATS: u32 = 1;
/// It is the one in 16 that looks at the clock.
const TICK: u32 = 2;
/// The gate is not the usual one of its kind, and is still to be asked.
const SPECIAL: u32 = 4;
/// The value is not added to the sum: that met another update.
const SUM: u32 = 8;
/// A counter's cell is to be asked whether others want it.
const PROBE: u32 = 16;
/// Nothing is done yet: it is no number, or counts in a stripe or in the overflow series, or there are many buckets.
const UNUSUAL: u32 = 32;
/// Bits of a seed that hold the number of the stripe.
const MARK_BITS: u32 = u64::BITS - SEED_SHIFT;

impl Left {
    const NOTHING: Left = Left { seed: 0, what: 0 };
    const ALL: Left = Left { seed: 0, what: UNUSUAL };

    /// Whether all is done: it is counted, and its exemplar is not worth a look.
    #[inline(always)]
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self.what == 0
    }

    #[inline(always)]
    const fn has(self, what: u32) -> bool {
        self.what & what != 0
    }
}

impl Handle {
    /// Whether observations go the usual way: to the cells of the series, which is in the life of this handle and takes only
    /// what is its own. A thread that learns late that it is not so still counts where every reader looks; one that was
    /// stopped right behind this for longer than a removed series rests counts in the next life.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.life_word().load(Ordering::Relaxed) == self.plain()
    }

    /// The cells for an observation that does not go the usual way; nothing if the life of this handle has ended.
    pub(crate) fn cells_apart(&self) -> Option<CellSet<'_>> {
        let state = State::of(self.life_word().load(Ordering::Relaxed));
        if !state.is_of(self.plain()) {
            return None;
        }
        if state.is_overflow() {
            self.family.count_overflow();
        }
        if state.is_striped() && !self.stripes.are_known() {
            self.learn_stripes();
        }
        Some(self.own_cells())
    }

    /// The series that counts for a handle whose life has ended. Without exemplars: they would be shown for another label set.
    pub(crate) fn instead(&self) -> Option<Handle> {
        self.family.overflow().filter(|overflow| overflow.place() != self.place())
    }

    /// Counts an observation. NaN is only tallied, because one of them would spoil the sum for ever.
    #[inline(always)]
    pub(crate) fn count_observation(&self, value: f64) {
        if self.is_unusual_observation(value) {
            return self.count_unusual(value);
        }
        let Some(bucket) = self.family.bounds.short_index(value) else { return self.count_unusual(value) };
        if let Some((sum, counts)) = self.cells().split_first()
            && let Some(count) = counts.get(bucket)
        {
            count.fetch_add(1, Ordering::Relaxed);
            if !add_once(sum, value) {
                self.add_contended(value);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn count_unusual(self, value: f64) {
        self.count_observation_of(value);
    }

    /// The cells for an observation, whatever is unusual about it. Nothing if it is no number, which is tallied, or if the
    /// overflow series has counted it for a handle whose life has ended.
    fn cells_to_observe(&self, value: f64) -> Option<CellSet<'_>> {
        if !self.takes_observation(value) {
            self.family.core.header.count(Tally::Nan, 1);
            return None;
        }
        let set = self.cells_apart();
        if set.is_none() {
            self.instead()?.count_observation(value);
        }
        set
    }

    /// Counts an observation, and answers its bucket and that bucket's count before.
    pub(crate) fn count_observation_of(&self, value: f64) -> Option<(u32, u64)> {
        let set = self.cells_to_observe(value)?;
        let (sum, counts) = set.cells.split_first()?;
        let bucket = self.family.bounds.index(value);
        let before = counts.get(bucket)?.fetch_add(1, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("counting: bucket without sum");
        if !add_once(sum, value) {
            self.add_contended(value);
        }
        Some((bucket as u32, before | set.mark))
    }

    #[inline(always)]
    fn takes_observation(&self, value: f64) -> bool {
        !value.is_nan() && self.family.kind == Kind::Histogram
    }

    #[inline(always)]
    fn is_unusual_observation(&self, value: f64) -> bool {
        !self.takes_observation(value) || !self.is_plain()
    }

    /// Whether no observation is offered, and nobody is told of slow ones.
    #[inline(always)]
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.family.is_off()
    }

    /// Counts an observation the short way. What is left is for [`Handle::finish_observation`]; then its exemplar may be worth
    /// a look: it beats what its window has, or it is time to look at the clock, or it is slow enough to be told of.
    #[inline(always)]
    pub fn observe_short(&self, value: f64) -> Left {
        if self.is_unusual_observation(value) {
            return Left::ALL;
        }
        match self.family.bounds.short_index(value) {
            Some(bucket) => self.count_at_gate(CellSet { cells: self.cells(), mark: 0 }, bucket, value),
            None => Left::ALL,
        }
    }

    /// What the gate compares is loaded between the two locked instructions, where it waits together with the sum. What is
    /// offered is looked at again before it is written, so a window that closes in between costs nothing but this offer.
    #[inline(always)]
    fn count_at_gate(&self, set: CellSet<'_>, bucket: usize, value: f64) -> Left {
        let family = &*self.family;
        let Some((sum, counts)) = set.cells.split_first() else { return Left::NOTHING };
        let (Some(count), Some(gate)) = (counts.get(bucket), self.gates().get(bucket)) else { return Left::NOTHING };
        if family.is_off() {
            count.fetch_add(1, Ordering::Relaxed);
            return if add_once(sum, value) { Left::NOTHING } else { Left { seed: 0, what: SUM } };
        }
        let seed = count.fetch_add(1, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("counting: at the gate, bucket without sum");
        let (head, epoch, (kind, looks)) = (load(&gate.head), load(&family.window.epoch), family.gate());
        let beats = priority::admission(epoch, priority::rough_key(value)) > head | priority::LOW_BITS;
        let added = add_once(sum, value);
        if kind == GateKind::SLOWEST && !beats && seed as u32 & looks != 0 && added {
            return Left::NOTHING;
        }
        let what = if added { 0 } else { SUM }
            | match kind {
                GateKind::OFF => 0,
                GateKind::SLOWEST if beats => BEATS,
                GateKind::SLOWEST => TICK,
                _ => SPECIAL,
            };
        Left { seed: seed | set.mark, what }
    }

    /// Does what the short way has left of an observation, and answers the offer if it is worth a look.
    #[cold]
    #[inline(never)]
    pub(crate) fn finish_observation(self, value: f64, mut left: Left) -> Option<Offer> {
        let bucket = self.family.bounds.index(value);
        if left.has(UNUSUAL) {
            left = self.count_at_gate(self.cells_to_observe(value)?, bucket, value);
        }
        self.finish(bucket as u32, value, left)
    }

    /// Adds a value to the sum, where that met another update.
    #[cold]
    #[inline(never)]
    fn add_contended(self, value: f64) {
        if let Some((sum, counts)) = self.own_cells().cells.split_first() {
            add_to_float(sum, value);
            self.note_meeting(counts);
        }
    }

    #[inline]
    fn finish(&self, bucket: u32, value: f64, left: Left) -> Option<Offer> {
        if left.has(SUM) {
            self.add_contended(value);
        }
        let seed = left.seed;
        let passes = if left.has(SPECIAL) {
            self.passes_special(bucket, value, seed)
        } else {
            left.has(BEATS) || (left.has(TICK) && self.is_due())
        };
        passes.then_some(Offer { bucket, value, seed })
    }

    /// Adds to a counter. An amount that is negative, NaN or infinite is only tallied.
    #[inline(always)]
    pub(crate) fn count_increment(&self, amount: f64) {
        if self.is_unusual_increment(amount) {
            return self.increment_unusual(amount);
        }
        let (before, what) = add_amount(self.cells(), amount);
        if what != 0 {
            self.finish_amount(amount, Left { seed: before, what });
        }
    }

    #[cold]
    #[inline(never)]
    fn increment_unusual(self, amount: f64) {
        self.count_increment_of(amount);
    }

    /// The cells for an increment, as [`Handle::cells_to_observe`] finds them for an observation.
    fn cells_to_add(&self, amount: f64) -> Option<CellSet<'_>> {
        if !self.takes_increment(amount) {
            self.family.core.header.count(Tally::InvalidIncrement, 1);
            return None;
        }
        let set = self.cells_apart();
        if set.is_none() {
            self.instead()?.count_increment(amount);
        }
        set
    }

    /// Adds to a counter, and answers the total of additions of this form before, or their number for amounts that are no
    /// whole ones.
    pub(crate) fn count_increment_of(&self, amount: f64) -> Option<u64> {
        let set = self.cells_to_add(amount)?;
        let (before, what) = add_amount(set.cells, amount);
        if what != 0 {
            self.finish_amount(amount, Left { seed: before, what });
        }
        Some(before | set.mark)
    }

    #[inline(always)]
    fn takes_increment(&self, amount: f64) -> bool {
        (0.0..f64::INFINITY).contains(&amount) && self.family.kind == Kind::Counter
    }

    #[inline(always)]
    fn is_unusual_increment(&self, amount: f64) -> bool {
        !self.takes_increment(amount) || !self.is_plain()
    }

    /// Adds to a counter the short way, as [`Handle::observe_short`] does.
    #[inline(always)]
    pub fn add_short(&self, amount: f64) -> Left {
        if self.is_unusual_increment(amount) {
            return Left::ALL;
        }
        self.add_at_gate(CellSet { cells: self.cells(), mark: 0 }, amount)
    }

    #[inline(always)]
    fn add_at_gate(&self, set: CellSet<'_>, amount: f64) -> Left {
        let family = &*self.family;
        let Some(gate) = self.gates().first() else { return Left::NOTHING };
        let (kind, looks) = family.gate();
        let head = gate.head.load(Ordering::Relaxed) | priority::LOW_BITS;
        let epoch = family.window.epoch.load(Ordering::Relaxed);
        let (before, mut what) = add_amount(set.cells, amount);
        let seed = before | set.mark;
        match kind {
            GateKind::UNIFORM => {
                let key = priority::uniform_key(self.hash(), 0, seed);
                if priority::admission(epoch, key) > head {
                    what |= BEATS;
                }
                // A counter's seed is its total, which may rise in steps of any size, so those that look at the clock are drawn.
                if key & looks == 0 {
                    what |= TICK;
                }
            }
            GateKind::OFF => {}
            _ => what |= SPECIAL,
        }
        Left { seed, what }
    }

    /// Does what the short way has left of an increment, and answers the offer if it is worth a look.
    #[cold]
    #[inline(never)]
    pub(crate) fn finish_increment(self, amount: f64, mut left: Left) -> Option<Offer> {
        if left.has(UNUSUAL) {
            left = self.add_at_gate(self.cells_to_add(amount)?, amount);
        }
        self.finish_amount(amount, left);
        self.finish(0, amount, Left { what: left.what & !SUM, ..left })
    }

    /// Adds the fraction that met others, or finds out whether the whole cell, which held `seed` before, is wanted by others:
    /// `fetch_add` never tells.
    #[cold]
    #[inline(never)]
    fn finish_amount(self, amount: f64, left: Left) {
        let [whole, fraction, fractions] = self.own_cells().cells else { return };
        if left.has(SUM) {
            add_to_float(fraction, amount);
            self.note_meeting(core::slice::from_ref(fractions));
        }
        if left.has(PROBE) {
            // What it held a moment ago; the number of the stripe stands above it.
            let after = (left.seed << MARK_BITS >> MARK_BITS).wrapping_add(amount as u64);
            let held = whole.compare_exchange(after, after, Ordering::Relaxed, Ordering::Relaxed);
            self.note_probe(held.is_err());
        }
    }

    /// The cells that the calling thread counts in. A gauge's are never striped: setting one would not be one step.
    #[inline(always)]
    fn own_cells(&self) -> CellSet<'_> {
        self.stripes.own(self.cells(), &self.family.core)
    }

    /// Whether this observation is the one in 16 that looks at the clock.
    fn is_tick(&self, bucket: u32, seed: u64) -> bool {
        let number = match self.family.kind {
            Kind::Counter => u64::from(priority::uniform_key(self.hash(), bucket, seed)),
            _ => seed,
        };
        number & u64::from(CLOCK_LEAST) == 0
    }

    /// Whether the open window is to be closed by time. Every 16th observation asks, or less of many.
    fn is_due(&self) -> bool {
        let core = &*self.family.core;
        let now_ms = core.clock.mono_ms();
        self.family.note_look(now_ms);
        scrapers::is_due(&core.header, now_ms, WINDOW_MOST_MS)
    }

    /// What the gate says in families whose gate is not the usual one of their kind.
    fn passes_special(&self, bucket: u32, value: f64, seed: u64) -> bool {
        let family = &*self.family;
        let Some(gate) = self.gates().get(bucket as usize) else { return false };
        let epoch = family.window.epoch.load(Ordering::Relaxed);
        let beats = beats(&gate.head, priority::admission(epoch, self.priority(bucket, value, seed)));
        let offered = value >= family.offer_from() && (beats || self.is_tick(bucket, seed));
        offered || value > family.slow_from()
    }
}

/// Adds to a float cell, unless this meets another update.
#[inline(always)]
fn add_once(cell: &AtomicU64, value: f64) -> bool {
    let seen = cell.load(Ordering::Relaxed);
    let sum = (f64::from_bits(seen) + value).to_bits();
    cell.compare_exchange(seen, sum, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Adds an amount to the cells of a counter. Answers the seed, and what is left: [`SUM`], [`PROBE`].
#[inline(always)]
fn add_amount(cells: &[AtomicU64], amount: f64) -> (u64, u32) {
    let [whole, fraction, fractions] = cells else { return (0, 0) };
    if amount < WHOLE_MOST && amount as u64 as f64 == amount {
        let before = whole.fetch_add(amount as u64, Ordering::Relaxed);
        (before, if is_probe(before) { PROBE } else { 0 })
    } else {
        let what = if add_once(fraction, amount) { 0 } else { SUM };
        (fractions.fetch_add(1, Ordering::Relaxed), what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Registry, RegistryOptions};
    use crate::series::Series;

    fn series(registry: &Registry, bounds: &[f64]) -> Handle {
        let family = registry.histogram("h", "").bounds(bounds).register().unwrap();
        let _ = family.with(&[]).unwrap();
        registry.core.family("h").unwrap().series.iter().find_map(Series::current).unwrap()
    }

    fn registry() -> Registry {
        Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap()
    }

    /// Where observations are many they look at the clock less often, and as often as before once they are few.
    #[test]
    fn looks_at_the_clock_follow_the_rate() {
        let registry = registry();
        let series = series(&registry, &[1.0]);
        let looks = || series.family.gate().1;
        series.family.note_look(1000);
        assert_eq!(looks(), 15);
        let masks: alloc::vec::Vec<_> = (0..5).map(|_| (series.family.note_look(1000), looks()).1).collect();
        assert_eq!(masks, [31, 63, 127, 127, 127]);
        series.family.note_look(1004);
        assert_eq!(looks(), 127);
        series.family.note_look(1104);
        assert_eq!(looks(), 15);
        assert_eq!(series.family.gate().0, GateKind::SLOWEST);
    }

    /// By a clock that stands still nothing can be known of the rate.
    #[test]
    fn looks_at_a_clock_set_by_hand_stay_as_they_are() {
        let registry = registry();
        registry.set_clock(1_000_000, 5000);
        let series = series(&registry, &[1.0]);
        (0..9).for_each(|_| series.family.note_look(5000));
        assert_eq!(series.family.gate().1, 15);
    }

    /// Many buckets are found another way, in the plain and in the offered form.
    #[test]
    fn histograms_of_any_width_count_in_the_right_bucket() {
        for width in [0, 1, 3, 4, 5, 31, 32, 33, 64, 200] {
            let bounds: alloc::vec::Vec<f64> = (0..width).map(f64::from).collect();
            let registry = registry();
            let series = series(&registry, &bounds);
            for bucket in 0..=width {
                let value = f64::from(bucket) - 0.5;
                series.count_observation(value);
                let left = series.observe_short(value);
                if !left.is_nothing() {
                    let _ = series.finish_observation(value, left);
                }
                assert_eq!(series.count_observation_of(value), Some((bucket as u32, 2)), "{value} of {width}");
            }
            assert!(series.cells().iter().skip(1).all(|count| load(count) == 3));
            let sum = (0..=width).map(|bucket| 3.0 * (f64::from(bucket) - 0.5)).sum::<f64>();
            assert_eq!(f64::from_bits(load(&series.cells()[0])), sum);
        }
    }

    /// A sum, or a fraction, that met another update is added to all the same.
    #[test]
    fn what_is_left_is_done() {
        let registry = registry();
        let series = series(&registry, &[1.0]);
        assert!(series.finish_observation(0.5, Left { seed: 3, what: SUM }).is_none());
        assert_eq!(f64::from_bits(load(&series.cells()[0])), 0.5);
        let offer = series.finish_observation(0.25, Left { seed: 3, what: SUM | BEATS }).unwrap();
        assert_eq!((offer.bucket, offer.seed), (0, 3));
        assert_eq!(f64::from_bits(load(&series.cells()[0])), 0.75);
        assert!(series.finish_observation(f64::NAN, Left::ALL).is_none());
    }
}
