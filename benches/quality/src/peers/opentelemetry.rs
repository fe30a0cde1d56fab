//! The reservoir that OpenTelemetry aligns with the buckets of a histogram, for sampled spans. The specification lets it
//! choose at random or keep the last, and each SDK does with it at a collection what it likes.

use super::OnePerBucket;
use crate::clock::Clock;
use crate::engine::{Engine, Shown};
use crate::random::Random;
use crate::scrapers::Identity;
use crate::traffic::{BUCKETS, Event};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The last of the cycle: Java, Python.
    Last,
    /// A uniform sample of the cycle.
    Uniform,
}

pub struct Aligned {
    choice: Choice,
    /// Whether a collection empties the reservoir (Java, Python), or starts the counting anew and leaves the exemplars
    /// until they are overwritten (Go).
    cleared: bool,
    kept: OnePerBucket,
    seen: [u64; BUCKETS],
    random: Random,
}

impl Aligned {
    #[must_use]
    pub fn new(choice: Choice, cleared: bool) -> Self {
        let random = Random::of("aligned reservoir");
        Aligned { choice, cleared, kept: OnePerBucket::default(), seen: [0; BUCKETS], random }
    }
}

impl Engine for Aligned {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        for event in events.iter().filter(|event| event.sampled) {
            let seen = &mut self.seen[usize::from(event.bucket)];
            *seen += 1;
            // Algorithm L, which Go uses, gives every offer the same chance as this.
            if self.choice == Choice::Last || self.random.below(*seen) == 0 {
                self.kept.put(event, clock);
            }
        }
    }

    fn scrape(&mut self, _who: &Identity, _at_us: u64, _clock: &Clock, shown: &mut Vec<Shown>) {
        self.kept.show(shown);
        self.seen = [0; BUCKETS];
        if self.cleared {
            self.kept = OnePerBucket::default();
        }
    }
}
