//! client_golang. Classic buckets keep the last exemplar for ever, as those of prometheus_client and prometheus-client
//! do; the caller is taken to offer sampled spans only. Native histograms keep a set of ten.

use super::{Kept, OnePerBucket};
use crate::clock::Clock;
use crate::engine::{Engine, Series, Shown};
use crate::scrapers::Identity;
use crate::traffic::Event;

#[derive(Default)]
pub struct Classic {
    kept: OnePerBucket,
}

impl Engine for Classic {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        for event in events.iter().filter(|event| event.sampled) {
            self.kept.put(event, clock);
        }
    }

    fn scrape(&mut self, _who: &Identity, _at_us: u64, _clock: &Clock, shown: &mut Vec<Shown>) {
        self.kept.show(shown);
    }
}

const MOST: usize = 10;
const TTL_US: u64 = 300_000_000;

/// The set of a native histogram: when it is full, an expired one goes, otherwise the older of the two whose values lie
/// closest on a logarithmic scale, the new one counted in.
#[derive(Default)]
pub struct Native {
    /// Sorted by value, with its logarithm.
    set: Vec<(Kept, f64)>,
}

impl Native {
    fn add(&mut self, new: Kept) {
        let log = new.event.value.ln();
        let set = &mut self.set;
        if set.len() < MOST {
            let place = set.partition_point(|(kept, _)| kept.event.value <= new.event.value);
            set.insert(place, (new, log));
            return;
        }
        let place = set.partition_point(|(kept, _)| kept.event.value < new.event.value);
        let victim = Self::victim(set, &new, log, place);
        set.remove(victim);
        set.insert(if victim < place { place - 1 } else { place }, (new, log));
    }

    fn victim(set: &[(Kept, f64)], new: &Kept, log: f64, place: usize) -> usize {
        let stamp = |at: usize| set[at].0.stamp_us;
        let oldest = (0..MOST).min_by_key(|at| stamp(*at)).unwrap_or(0);
        if new.stamp_us.saturating_sub(stamp(oldest)) > TTL_US {
            return oldest;
        }
        let mut closest = f64::INFINITY;
        let mut victim = 0;
        for (at, pair) in set.windows(2).enumerate() {
            let distance = pair[1].1 - pair[0].1;
            if distance < closest {
                closest = distance;
                victim = if pair[1].0.stamp_us < pair[0].0.stamp_us { at + 1 } else { at };
            }
        }
        // A neighbour that is closer to the new one than any two to each other goes instead.
        for at in [place.checked_sub(1), Some(place)].into_iter().flatten().filter(|at| *at < MOST) {
            let distance = (log - set[at].1).abs();
            if distance < closest {
                closest = distance;
                victim = at;
            }
        }
        victim
    }
}

impl Engine for Native {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        for event in events.iter().filter(|event| event.sampled) {
            self.add(Kept::new(event, clock));
        }
    }

    fn scrape(&mut self, _who: &Identity, _at_us: u64, _clock: &Clock, shown: &mut Vec<Shown>) {
        shown.extend(self.set.iter().map(|(kept, _)| kept.shown(Series::Native)));
    }
}
