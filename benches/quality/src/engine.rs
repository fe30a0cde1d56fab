//! What is compared: something that takes requests and answers scrapers.

use crate::clock::Clock;
use crate::scrapers::Identity;
use crate::traffic::Event;

/// The exemplars of a native histogram belong to one series; those of buckets to one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    Bucket(u8),
    Native,
}

/// An exemplar in an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    pub series: Series,
    pub event: Event,
    pub stamp_ms: u64,
}

/// A library, or the model of one.
pub trait Engine {
    /// Takes requests in their order. The clock does not step between them.
    fn observe(&mut self, events: &[Event], clock: &Clock);

    /// Answers a scraper: puts what it is shown into `shown`, which is empty.
    fn scrape(&mut self, who: &Identity, at_us: u64, clock: &Clock, shown: &mut Vec<Shown>);
}
