//! What an answer is worth: compared with the requests of its interval, and with what Prometheus has stored before.

use std::collections::{HashMap, HashSet};

use crate::engine::{Series, Shown};
use crate::traffic::{BUCKETS, Event};

/// Answers at the start of each scraper that do not count for quality. Rejected exemplars count from the first on.
pub const START_UP: u64 = 8;

/// The greatest sampled value of each bucket.
#[derive(Clone, Copy, Debug)]
pub struct Slowest([f64; BUCKETS]);

impl Slowest {
    #[must_use]
    pub const fn none() -> Self {
        Slowest([f64::NEG_INFINITY; BUCKETS])
    }

    pub fn add(&mut self, events: &[Event]) {
        for event in events.iter().filter(|event| event.sampled) {
            let slowest = &mut self.0[usize::from(event.bucket)];
            *slowest = slowest.max(event.value);
        }
    }

    pub fn put(&mut self, bucket: usize, value: f64) {
        self.0[bucket] = self.0[bucket].max(value);
    }

    pub fn merge(&mut self, other: &Slowest) {
        for (slowest, other) in self.0.iter_mut().zip(other.0) {
            *slowest = slowest.max(other);
        }
    }

    /// The buckets with a sampled request, and its value.
    pub fn populated(&self) -> impl DoubleEndedIterator<Item = (usize, f64)> {
        self.0.into_iter().enumerate().filter(|(_, value)| *value > f64::NEG_INFINITY)
    }
}

/// The requests between two answers that reached one scraper.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    pub since_us: u64,
    pub until_us: u64,
    pub slowest: Slowest,
}

/// `part` of `whole`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    fn count(&mut self, hit: bool) {
        self.part += u64::from(hit);
        self.whole += 1;
    }

    /// 100 of nothing: there was nothing to miss.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.whole == 0 { 100.0 } else { 100.0 * self.part as f64 / self.whole as f64 }
    }
}

/// What one scraper got from one engine.
#[derive(Default)]
pub struct Tally {
    answers: u64,
    started_us: u64,
    ended_us: u64,
    pub populated: Share,
    pub fresh: Share,
    pub slowest: Share,
    pub slowest_bucket: Share,
    /// Of the slowest of each bucket, in the answers of the start.
    pub early_bucket: Share,
    pub out_of_order: u64,
    pub exposed: u64,
    pub stored: u64,
    pub ages_s: Vec<f32>,
    store: Store,
}

impl Tally {
    /// Judges an answer that has reached the scraper.
    pub fn judge(&mut self, interval: &Interval, shown: &[Shown]) {
        let before = self.store.stored;
        self.out_of_order += self.store.append(shown);
        self.exposed += shown.len() as u64;
        self.answers += 1;
        if self.answers <= START_UP {
            self.started_us = interval.until_us;
            for (bucket, value) in interval.slowest.populated() {
                let is_it = |event: Event| usize::from(event.bucket) == bucket && event.value == value;
                self.early_bucket.count(shown.iter().any(|shown| is_it(shown.event)));
            }
            return;
        }
        self.ended_us = interval.until_us;
        self.stored += self.store.stored - before;
        let mut best = [None::<Event>; BUCKETS];
        let mut fresh = [false; BUCKETS];
        for shown in shown {
            let event = shown.event;
            assert!(event.at_us <= interval.until_us, "an exemplar from the future");
            self.ages_s.push((interval.until_us - event.at_us) as f32 / 1e6);
            // The trace of an unsampled request does not exist, so an exemplar that leads there is none.
            if event.sampled {
                let bucket = usize::from(event.bucket);
                fresh[bucket] |= event.at_us >= interval.since_us;
                let best = &mut best[bucket];
                *best = Some(best.filter(|best| best.value >= event.value).unwrap_or(event));
            }
        }
        let is_slowest = |bucket: usize, value: f64| best[bucket].is_some_and(|best: Event| best.value == value);
        for (bucket, value) in interval.slowest.populated() {
            self.populated.count(best[bucket].is_some());
            self.fresh.count(fresh[bucket]);
            self.slowest_bucket.count(is_slowest(bucket, value));
        }
        if let Some((bucket, value)) = interval.slowest.populated().next_back() {
            self.slowest.count(is_slowest(bucket, value));
        }
    }

    /// Judged answers.
    #[must_use]
    pub fn judged(&self) -> u64 {
        self.answers.saturating_sub(START_UP)
    }

    #[must_use]
    pub fn stored_per_hour(&self) -> f64 {
        let hours = self.ended_us.saturating_sub(self.started_us) as f64 / 3600e6;
        if hours > 0.0 { self.stored as f64 / hours } else { 0.0 }
    }
}

/// What a Prometheus has stored of one target.
#[derive(Default)]
struct Store {
    newest: HashMap<u8, Shown>,
    /// The exemplars of the last answer's native histogram.
    known: HashSet<u64>,
    stored: u64,
}

impl Store {
    /// Appends the exemplars of an answer. Returns how many are rejected.
    ///
    /// The one of a bucket is stored if it is later than the newest of its series, and ignored if it is the same. Later
    /// versions of Prometheus also store one of the same millisecond if its value is greater; that is not counted on.
    /// The set of a native histogram is sorted first; those that were stored before are passed over.
    fn append(&mut self, shown: &[Shown]) -> u64 {
        let mut rejected = 0;
        let mut native: Vec<&Shown> = Vec::new();
        for shown in shown {
            match shown.series {
                Series::Native => native.push(shown),
                Series::Bucket(bucket) => match self.newest.get(&bucket) {
                    Some(newest) if newest == shown => {}
                    Some(newest) if shown.stamp_ms <= newest.stamp_ms => rejected += 1,
                    _ => self.put(bucket, shown),
                },
            }
        }
        native.sort_by(|a, b| (a.stamp_ms, a.event.value).partial_cmp(&(b.stamp_ms, b.event.value)).unwrap());
        let all: HashSet<u64> = native.iter().map(|shown| shown.event.index).collect();
        for shown in native {
            if self.known.contains(&shown.event.index) {
                continue;
            }
            match self.newest.get(&u8::MAX) {
                Some(newest) if (shown.stamp_ms, shown.event.value) < (newest.stamp_ms, newest.event.value) => {
                    rejected += 1;
                }
                _ => self.put(u8::MAX, shown),
            }
        }
        self.known = all;
        rejected
    }

    fn put(&mut self, series: u8, shown: &Shown) {
        self.newest.insert(series, *shown);
        self.stored += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_us: u64, index: u64, value: f64) -> Event {
        Event { at_us, index, value, bucket: 6, sampled: true }
    }

    fn shown(stamp_ms: u64, event: Event) -> Shown {
        Shown { series: Series::Bucket(6), event, stamp_ms }
    }

    #[test]
    fn prometheus_rejects_what_is_not_later() {
        let mut store = Store::default();
        assert_eq!(store.append(&[shown(1000, event(0, 1, 0.3))]), 0);
        assert_eq!(store.append(&[shown(1000, event(0, 1, 0.3))]), 0, "the same again");
        assert_eq!(store.append(&[shown(1000, event(0, 2, 0.4))]), 1, "another of the same millisecond");
        assert_eq!(store.append(&[shown(999, event(0, 3, 0.4))]), 1, "an earlier one");
        assert_eq!(store.append(&[shown(1001, event(0, 4, 0.4))]), 0);
        assert_eq!(store.stored, 2);
    }

    #[test]
    fn the_native_set_is_sorted_and_known_ones_passed_over() {
        let native = |stamp_ms, index| Shown { series: Series::Native, ..shown(stamp_ms, event(0, index, 0.3)) };
        let mut store = Store::default();
        assert_eq!(store.append(&[native(20, 2), native(10, 1)]), 0);
        assert_eq!(store.append(&[native(10, 1), native(30, 3), native(20, 2)]), 0);
        assert_eq!(store.append(&[native(30, 3), native(15, 4)]), 1, "older than the newest stored");
        assert_eq!(store.stored, 3);
    }

    #[test]
    fn an_answer_is_judged_by_its_interval() {
        let mut tally = Tally::default();
        let mut slowest = Slowest::none();
        slowest.add(&[event(50, 1, 0.3), event(60, 2, 0.4)]);
        let interval = Interval { since_us: 40, until_us: 70, slowest };
        for _ in 0..START_UP {
            tally.judge(&interval, &[]);
        }
        tally.judge(&interval, &[shown(1, event(60, 2, 0.4))]);
        tally.judge(&interval, &[shown(1, event(50, 1, 0.3))]);
        tally.judge(&interval, &[shown(1, event(30, 0, 0.45))]);
        tally.judge(&interval, &[]);
        assert_eq!(tally.judged(), 4);
        assert_eq!(tally.populated, Share { part: 3, whole: 4 });
        assert_eq!(tally.fresh, Share { part: 2, whole: 4 });
        assert_eq!(tally.slowest, Share { part: 1, whole: 4 });
        let unsampled = Event { sampled: false, ..event(60, 2, 0.4) };
        tally.judge(&interval, &[shown(2, unsampled)]);
        assert_eq!(tally.populated, Share { part: 3, whole: 5 }, "a trace that does not exist");
    }
}
