//! Models of the rules of other libraries. Each keeps what the library keeps and nothing else; `make quality-check`
//! compares those of client_golang, prometheus_client and OpenTelemetry with the real ones.

pub mod client_golang;
pub mod client_java;
pub mod opentelemetry;
pub mod prometheus_net;

use crate::clock::Clock;
use crate::engine::{Series, Shown};
use crate::traffic::{BUCKETS, Event};

/// An exemplar as a library stores it.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub event: Event,
    /// The wall clock when it was stored.
    pub stamp_us: u64,
}

impl Kept {
    fn new(event: &Event, clock: &Clock) -> Self {
        Kept { event: *event, stamp_us: clock.wall_us(event.at_us) }
    }

    fn shown(&self, series: Series) -> Shown {
        Shown { series, event: self.event, stamp_ms: self.stamp_us / 1000 }
    }
}

/// One exemplar for each bucket.
#[derive(Clone, Copy, Default)]
struct OnePerBucket([Option<Kept>; BUCKETS]);

impl OnePerBucket {
    fn show(&self, shown: &mut Vec<Shown>) {
        for (kept, bucket) in self.0.iter().zip(0..) {
            shown.extend(kept.map(|kept| kept.shown(Series::Bucket(bucket))));
        }
    }

    fn put(&mut self, event: &Event, clock: &Clock) {
        self.0[usize::from(event.bucket)] = Some(Kept::new(event, clock));
    }
}
