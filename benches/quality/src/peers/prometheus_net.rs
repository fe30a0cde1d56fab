//! prometheus-net: the last exemplar of each bucket, with one gate for the whole series, by the wall clock. It takes the
//! current activity and does not look at its sampled flag.

use super::OnePerBucket;
use crate::clock::Clock;
use crate::engine::{Engine, Shown};
use crate::scrapers::Identity;
use crate::traffic::Event;

pub struct Gate {
    kept: OnePerBucket,
    /// `NewExemplarMinInterval`; zero, the default, is no gate.
    min_interval_us: u64,
    last_us: Option<u64>,
}

impl Gate {
    #[must_use]
    pub fn new(min_interval_s: u64) -> Self {
        Gate { kept: OnePerBucket::default(), min_interval_us: min_interval_s * 1_000_000, last_us: None }
    }
}

impl Engine for Gate {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        for event in events {
            let now_us = clock.wall_us(event.at_us);
            let open = self.last_us.is_none_or(|last_us| now_us as i64 - last_us as i64 >= self.min_interval_us as i64);
            if self.min_interval_us == 0 || open {
                self.kept.put(event, clock);
                self.last_us = Some(now_us);
            }
        }
    }

    fn scrape(&mut self, _who: &Identity, _at_us: u64, _clock: &Clock, shown: &mut Vec<Shown>) {
        self.kept.show(shown);
    }
}
