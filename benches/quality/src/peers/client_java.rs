//! client_java: one gate for all buckets. It lets one observation through, sampled or not, and opens again after 90 ms,
//! or when the oldest exemplar may be replaced, which is after 7 s. Exemplars go after 70 s.

use super::{Kept, OnePerBucket};
use crate::clock::Clock;
use crate::engine::{Engine, Shown};
use crate::scrapers::Identity;
use crate::traffic::Event;

const MIN_RETENTION_US: i64 = 7_000_000;
const MAX_RETENTION_US: i64 = 70_000_000;
const SAMPLE_INTERVAL_US: i64 = 90_000;

#[derive(Default)]
pub struct Sampler {
    kept: OnePerBucket,
    /// When the gate opens again, on the clock of the timer thread, which does not step.
    opens_us: u64,
}

fn age(kept: &Kept, now_us: u64) -> i64 {
    now_us as i64 - kept.stamp_us as i64
}

impl Sampler {
    /// Offers one observation. Returns how long the gate stays shut.
    fn place(&mut self, event: &Event, clock: &Clock) -> i64 {
        let now_us = clock.wall_us(event.at_us);
        let slot = &mut self.kept.0[usize::from(event.bucket)];
        let may_replace = slot.is_none_or(|kept| age(&kept, now_us) > MIN_RETENTION_US);
        if !may_replace || !event.sampled {
            return SAMPLE_INTERVAL_US;
        }
        *slot = Some(Kept::new(event, clock));
        let mut oldest = 0;
        for slot in &self.kept.0 {
            match slot {
                None => return SAMPLE_INTERVAL_US,
                Some(kept) => oldest = oldest.max(age(kept, now_us)),
            }
        }
        if oldest < MIN_RETENTION_US { MIN_RETENTION_US - oldest } else { SAMPLE_INTERVAL_US }
    }
}

impl Engine for Sampler {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        for event in events {
            if event.at_us >= self.opens_us {
                let shut_us = self.place(event, clock);
                self.opens_us = event.at_us.saturating_add_signed(shut_us);
            }
        }
    }

    fn scrape(&mut self, _who: &Identity, at_us: u64, clock: &Clock, shown: &mut Vec<Shown>) {
        let now_us = clock.wall_us(at_us);
        for slot in &mut self.kept.0 {
            if slot.is_some_and(|kept| age(&kept, now_us) > MAX_RETENTION_US) {
                *slot = None;
            }
        }
        self.kept.show(shown);
    }
}
