//! Adaptive sampling: the p99 of a series over a moving window, from its own bucket counts.
//!
//! A series keeps copies of its counts, one for each quarter of the window. What it counted since the oldest copy is the
//! moving window: its length lies between three quarters and all of what was asked for. The quantile is interpolated
//! inside its bucket, as Prometheus' `histogram_quantile` does.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::priority::chance;
use super::rules::{Adaptive, EDGE_USUAL, LowerEdge};
use crate::buckets::Bounds;
use crate::error::Error;
use crate::exclusive::Alone;
use crate::memory::{Pushed, boxed};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Copies of the counts that are kept.
const COPIES: u64 = 4;
/// Below this many observations in the window everything is offered.
const OBSERVATIONS_LEAST: u64 = 100;
/// The edges are brought up to date this often.
const REFRESH_MS: u64 = 1000;
/// Parts of the offers that pass in the middle band, and below it.
const MIDDLE: f64 = 0.10;
const BELOW: f64 = 0.01;
/// Tells this draw apart from that of the option `probability`.
const SALT: u64 = 0xADA9;

/// What a series remembers for adaptive sampling.
pub(crate) struct AdaptiveState {
    /// Who brings the edges up to date is alone; others do without.
    busy: Alone,
    /// Copies taken so far.
    copies: AtomicU64,
    /// Monotonic milliseconds of the last copy, and of the last look at the edges.
    copied_ms: AtomicU64,
    refreshed_ms: AtomicU64,
    /// Bits of the f64 where the bands begin; negative infinity while everything is offered.
    upper: AtomicU64,
    lower: AtomicU64,
    /// `COPIES` copies of the counts, one after the other.
    counts: Vec<AtomicU64>,
}

impl AdaptiveState {
    pub(crate) fn new(buckets: usize) -> Result<Box<Self>, Error> {
        let mut counts = Pushed::new();
        for _ in 0..buckets.saturating_mul(COPIES as usize) {
            counts.push(AtomicU64::new(0))?;
        }
        let open = f64::NEG_INFINITY.to_bits();
        boxed(AdaptiveState {
            busy: Alone::new(),
            copies: AtomicU64::new(0),
            copied_ms: AtomicU64::new(0),
            refreshed_ms: AtomicU64::new(0),
            upper: AtomicU64::new(open),
            lower: AtomicU64::new(open),
            counts: counts.into_vec(),
        })
    }

    /// Forgets all, for a series that begins another life.
    pub(crate) fn forget(&self) {
        self.store_edges((f64::NEG_INFINITY, f64::NEG_INFINITY));
        for word in [&self.copies, &self.copied_ms, &self.refreshed_ms] {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Whether an offer passes. `seed` is its bucket's count before.
    pub(crate) fn passes(&self, value: f64, draw: Draw) -> bool {
        let above = |edge: &AtomicU64| value > f64::from_bits(edge.load(Ordering::Relaxed));
        if above(&self.upper) {
            return true;
        }
        let part = if above(&self.lower) { MIDDLE } else { BELOW };
        draw.passes(SALT, part)
    }

    /// Brings the edges up to date if it is time. `given` is the caller's p99.
    pub(crate) fn refresh(
        &self,
        adaptive: &Adaptive,
        given: Option<f64>,
        bounds: &Bounds,
        counts: impl ExactSizeIterator<Item = u64> + Clone,
        now_ms: u64,
    ) {
        let refreshed = self.refreshed_ms.load(Ordering::Relaxed);
        if refreshed != 0 && now_ms.saturating_sub(refreshed) < REFRESH_MS {
            return;
        }
        self.busy.run(|_| {
            self.refreshed_ms.store(now_ms.max(1), Ordering::Relaxed);
            self.copy_if_due(u64::from(adaptive.window_seconds).saturating_mul(1000), counts.clone(), now_ms);
            self.store_edges(self.edges(adaptive, given, bounds, counts));
        });
    }

    /// Looks again for the edges while there are none, so that the hundredth observation ends that time and not the next
    /// second.
    pub(crate) fn close(
        &self,
        adaptive: &Adaptive,
        given: Option<f64>,
        bounds: &Bounds,
        counts: impl ExactSizeIterator<Item = u64> + Clone,
    ) {
        if self.upper.load(Ordering::Relaxed) == f64::NEG_INFINITY.to_bits() {
            self.busy.run(|_| self.store_edges(self.edges(adaptive, given, bounds, counts)));
        }
    }

    fn store_edges(&self, (upper, lower): (f64, f64)) {
        self.upper.store(upper.to_bits(), Ordering::Relaxed);
        self.lower.store(lower.to_bits(), Ordering::Relaxed);
    }

    fn copy_if_due(&self, window_ms: u64, counts: impl ExactSizeIterator<Item = u64> + Clone, now_ms: u64) {
        let copies = self.copies.load(Ordering::Relaxed);
        let since_ms = now_ms.saturating_sub(self.copied_ms.load(Ordering::Relaxed));
        if copies != 0 && since_ms < window_ms / COPIES {
            return;
        }
        // One copy for each quarter that has passed: what is older than the window no longer counts.
        let quarters = since_ms.checked_div(window_ms / COPIES).unwrap_or(COPIES);
        let again = if copies == 0 { COPIES } else { quarters.min(COPIES) };
        for more in 0..again {
            let first = (copies.wrapping_add(more) % COPIES) as usize;
            let places = self.counts.iter().skip(first.saturating_mul(counts.len()));
            for (to, count) in places.zip(counts.clone()) {
                to.store(count, Ordering::Relaxed);
            }
        }
        self.copies.store(copies.wrapping_add(again), Ordering::Relaxed);
        self.copied_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Where the bands begin.
    fn edges(
        &self,
        adaptive: &Adaptive,
        given: Option<f64>,
        bounds: &Bounds,
        counts: impl ExactSizeIterator<Item = u64> + Clone,
    ) -> (f64, f64) {
        let oldest = (self.copies.load(Ordering::Relaxed) % COPIES) as usize;
        let oldest = self.counts.iter().skip(oldest.saturating_mul(counts.len()));
        // Relaxed reads may see an older count than the copy holds; that is none since then.
        let since = counts.zip(oldest).map(|(now, then)| {
            let change = now.wrapping_sub(then.load(Ordering::Relaxed));
            if change > u64::MAX / 2 { 0 } else { change }
        });
        let total = since.clone().fold(0_u64, u64::saturating_add);
        if total < OBSERVATIONS_LEAST {
            return (f64::NEG_INFINITY, f64::NEG_INFINITY);
        }
        let upper = given.unwrap_or_else(|| quantile(0.99, total, since.clone(), bounds.as_slice()));
        let lower = match adaptive.lower {
            LowerEdge::OfP99(part) => part * upper,
            // Without a bound there is no p95 to know.
            LowerEdge::P95 if bounds.as_slice().is_empty() => EDGE_USUAL * upper,
            LowerEdge::P95 => quantile(0.95, total, since, bounds.as_slice()),
        };
        (upper, if lower < upper { lower } else { upper })
    }
}

/// The quantile `q` of `total` observations that are counted in buckets with these upper bounds.
fn quantile(q: f64, total: u64, counts: impl Iterator<Item = u64>, bounds: &[f64]) -> f64 {
    let rank = q * total as f64;
    let mut below = 0_u64;
    let mut start = bounds.first().map_or(f64::NEG_INFINITY, |first| if *first > 0.0 { 0.0 } else { *first });
    for (count, end) in counts.zip(bounds) {
        let upto = below.saturating_add(count);
        if upto as f64 >= rank && count > 0 {
            return start + (end - start) * ((rank - below as f64) / count as f64);
        }
        below = upto;
        start = *end;
    }
    // It lies above the last bound, of which nothing more is known. Without a bound nothing is known at all.
    bounds.last().copied().unwrap_or(f64::NEG_INFINITY)
}

/// The lot of one observation: the same for the same observation, as good as random among them.
#[derive(Clone, Copy)]
pub(crate) struct Draw {
    pub(crate) series: u64,
    pub(crate) bucket: u32,
    pub(crate) seed: u64,
}

impl Draw {
    /// True with probability `part`, independently for each salt.
    pub(crate) fn passes(self, salt: u64, part: f64) -> bool {
        chance(self.series ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15), self.bucket, self.seed) < part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fork_generation;

    fn counters(counts: &[u64]) -> Vec<AtomicU64> {
        counts.iter().map(|n| AtomicU64::new(*n)).collect()
    }

    fn edges(state: &AdaptiveState) -> (f64, f64) {
        let read = |word: &AtomicU64| f64::from_bits(word.load(Ordering::Relaxed));
        (read(&state.upper), read(&state.lower))
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let bounds = [1.0, 2.0, 4.0];
        let q = |q, counts: &[u64]| quantile(q, counts.iter().sum(), counts.iter().copied(), &bounds);
        assert_eq!(q(0.5, &[10, 10, 0, 0]), 1.0);
        assert_eq!(q(0.75, &[10, 10, 0, 0]), 1.5);
        assert_eq!(q(0.99, &[0, 0, 100, 0]), 3.98);
        assert_eq!(q(0.99, &[0, 0, 0, 5]), 4.0);
        assert_eq!(quantile(0.99, 3, [3].into_iter(), &[]), f64::NEG_INFINITY);
        assert_eq!(quantile(0.5, 2, [2].into_iter(), &[-1.0]), -1.0);
    }

    #[test]
    fn the_window_moves() {
        let bounds = Bounds::new(&[1.0, 2.0, 4.0]).unwrap();
        let state = AdaptiveState::new(4).unwrap();
        let adaptive = Adaptive { window_seconds: 60, ..Default::default() };
        let mut counts = counters(&[0, 0, 0, 0]);
        let refresh = |counts: &[AtomicU64], now_ms| {
            state.refresh(&adaptive, None, &bounds, counts.iter().map(|c| c.load(Ordering::Relaxed)), now_ms);
        };
        refresh(&counts, 1000);
        *counts[0].get_mut() = 99;
        refresh(&counts, 2000);
        assert_eq!(edges(&state).0, f64::NEG_INFINITY, "99 observations are too few");
        *counts[0].get_mut() = 100;
        refresh(&counts, 2999);
        assert_eq!(edges(&state).0, f64::NEG_INFINITY, "not yet due");
        refresh(&counts, 3000);
        assert_eq!(edges(&state), (0.99, 0.8 * 0.99));
        // Slower ones come in; the fast ones leave the window a minute later at the latest.
        for second in 4..66 {
            *counts[2].get_mut() += 10;
            refresh(&counts, second * 1000);
        }
        let (upper, _) = edges(&state);
        assert!((3.97..=4.0).contains(&upper), "{upper}");
        *counts[1].get_mut() += 1000;
        refresh(&counts, 66_000);
        assert!(edges(&state).0 > 2.0);
        // Pauses of most of the window each: what is older than the window does not count.
        *counts[2].get_mut() += 100;
        refresh(&counts, 70_000);
        for second in [120, 170] {
            *counts[0].get_mut() += 200;
            refresh(&counts, second * 1000);
        }
        assert!(edges(&state).0 <= 1.0, "{:?}", edges(&state));
        // A pause longer than the window: nothing of before counts.
        refresh(&counts, 300_000);
        assert_eq!(edges(&state).0, f64::NEG_INFINITY);
    }

    #[test]
    fn a_given_p99_holds_from_the_hundredth_observation_on() {
        let bounds = Bounds::new(&[1.0]).unwrap();
        let state = AdaptiveState::new(2).unwrap();
        let counts = |first: u64| [first, 0].into_iter();
        state.refresh(&Adaptive::default(), Some(10.0), &bounds, counts(0), 5000);
        state.close(&Adaptive::default(), Some(10.0), &bounds, counts(99));
        assert_eq!(edges(&state).0, f64::NEG_INFINITY);
        state.close(&Adaptive::default(), Some(10.0), &bounds, counts(100));
        assert_eq!(edges(&state), (10.0, 8.0), "in the same second");
        let p95 = Adaptive { lower: LowerEdge::P95, ..Default::default() };
        state.refresh(&p95, Some(10.0), &bounds, counts(100), 6000);
        assert_eq!(edges(&state), (10.0, 0.95));
        let none = Bounds::new(&[]).unwrap();
        state.refresh(&p95, Some(10.0), &none, counts(100), 7000);
        assert_eq!(edges(&state), (10.0, 8.0), "no bound, no p95");
    }

    #[test]
    fn a_refresh_that_a_fork_cut_off_is_taken_over() {
        let state = AdaptiveState::new(1).unwrap();
        state.busy.enter(fork_generation());
        state.busy.run(|_| panic!("a thread of this process is at it"));
        state.busy.enter(fork_generation().wrapping_add(1));
        let mut ran = false;
        state.busy.run(|_| ran = true);
        assert!(ran);
    }

    #[test]
    fn the_bands_pass_their_parts() {
        let state = AdaptiveState::new(1).unwrap();
        state.upper.store(10.0_f64.to_bits(), Ordering::Relaxed);
        state.lower.store(8.0_f64.to_bits(), Ordering::Relaxed);
        let part = |value| {
            let draws = (0..1_000_000).map(|seed| Draw { series: 0x1234, bucket: 3, seed });
            draws.filter(|draw| state.passes(value, *draw)).count()
        };
        assert_eq!(part(10.1), 1_000_000);
        assert!((90_000..=110_000).contains(&part(9.0)));
        assert!((8_000..=12_000).contains(&part(1.0)));
        assert!((8_000..=12_000).contains(&part(8.0)), "the edge itself is below");
    }
}
