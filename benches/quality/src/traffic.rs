//! The requests: when they come, how long they take, whether their trace is sampled.

use crate::random::Random;

/// The default bounds of every histogram here; a last bucket takes the rest.
pub const BOUNDS: [f64; BUCKETS - 1] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
pub const BUCKETS: usize = 12;

/// One request. `driver.c` has the same struct.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    pub at_us: u64,
    pub index: u64,
    /// Its duration in seconds, a whole number of nanoseconds.
    pub value: f64,
    pub bucket: u8,
    pub sampled: bool,
}

/// The bucket of a value.
#[must_use]
pub fn bucket_of(value: f64) -> u8 {
    BOUNDS.iter().map(|bound| u8::from(value > *bound)).sum()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Log-normal durations with a median of 82 ms, Poisson arrivals.
    Steady,
    /// The rate follows a day of one hour: from a fiftieth at night to all of it at noon.
    Diurnal,
    /// For 30 s of every 10 min one bucket gets 100 times the usual traffic.
    Burst,
    /// One request in 10,000 takes some seconds, all others less than one.
    RarePath,
}

/// What the requests of a run are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    pub shape: Shape,
    /// Requests in a second; of `Diurnal` at noon, of `Burst` between the bursts.
    pub rate: u32,
    /// The share of head sampling in percent.
    pub sampled_pct: f64,
}

impl Traffic {
    #[must_use]
    pub const fn new(shape: Shape, rate: u32) -> Self {
        Traffic { shape, rate, sampled_pct: 100.0 }
    }

    #[must_use]
    pub const fn sampled(self, percent: f64) -> Self {
        Traffic { sampled_pct: percent, ..self }
    }

    #[must_use]
    pub fn name(&self) -> String {
        let shape = match self.shape {
            Shape::Steady => "steady",
            Shape::Diurnal => "diurnal",
            Shape::Burst => "burst x100",
            Shape::RarePath => "slow path 1 in 10,000",
        };
        let sampled =
            if self.sampled_pct < 100.0 { format!(", {} % sampled", self.sampled_pct) } else { String::new() };
        format!("{shape}, {}/s{sampled}", thousands(self.rate))
    }
}

fn thousands(n: u32) -> String {
    if n >= 1000 { format!("{},{:03}", n / 1000, n % 1000) } else { n.to_string() }
}

const DAY_US: f64 = 3600e6;
const DIURNAL_STEP_US: f64 = 10e6;
const BURST_EVERY_US: f64 = 600e6;
const BURST_FROM_US: f64 = 300e6;
const BURST_US: f64 = 30e6;

/// The requests of a traffic, one after the other.
pub struct Stream {
    traffic: Traffic,
    random: Random,
    next: Event,
    at_us: f64,
}

impl Stream {
    #[must_use]
    pub fn new(traffic: Traffic) -> Self {
        let random = Random::of(&traffic.name());
        let next = Event { at_us: 0, index: 0, value: 0.0, bucket: 0, sampled: false };
        let mut stream = Stream { traffic, random, next, at_us: 0.0 };
        stream.advance();
        stream
    }

    /// Fills `batch` with the requests before `until_us`, `most` of them at most. False when there are no more.
    pub fn fill(&mut self, until_us: u64, most: usize, batch: &mut Vec<Event>) -> bool {
        batch.clear();
        while self.next.at_us < until_us && batch.len() < most {
            batch.push(self.next);
            self.advance();
        }
        !batch.is_empty()
    }

    /// The rate per microsecond at the present time, and until when it holds.
    fn rate(&self) -> (f64, f64) {
        let usual = f64::from(self.traffic.rate) * 1e-6;
        match self.traffic.shape {
            Shape::Steady | Shape::RarePath => (usual, f64::INFINITY),
            Shape::Diurnal => {
                let until = ((self.at_us / DIURNAL_STEP_US).floor() + 1.0) * DIURNAL_STEP_US;
                let phase = (self.at_us / DAY_US).fract() * std::f64::consts::TAU;
                (usual * (0.02 + 0.98 * (0.5 - 0.5 * phase.cos())), until)
            }
            Shape::Burst => {
                let start = (self.at_us / BURST_EVERY_US).floor() * BURST_EVERY_US;
                let (from, to) = (start + BURST_FROM_US, start + BURST_FROM_US + BURST_US);
                if self.at_us < from {
                    (usual, from)
                } else if self.at_us < to {
                    (usual * 101.0, to)
                } else {
                    (usual, start + BURST_EVERY_US)
                }
            }
        }
    }

    fn advance(&mut self) {
        let rate = loop {
            let (rate, until) = self.rate();
            let at_us = self.at_us + self.random.exponential(1.0 / rate);
            if at_us < until {
                self.at_us = at_us;
                break rate;
            }
            // A Poisson process remembers nothing, so it may be started anew where the rate changes.
            self.at_us = until;
        };
        let usual = f64::from(self.traffic.rate) * 1e-6;
        let seconds = match self.traffic.shape {
            Shape::Burst if rate > usual && self.random.chance(100.0 / 101.0) => self.random.between(0.26, 0.49),
            Shape::RarePath if self.random.chance(1e-4) => self.random.between(2.6, 9.9),
            Shape::RarePath => (0.082 * (0.5 * self.random.normal()).exp()).min(0.99),
            _ => 0.082 * self.random.normal().exp(),
        };
        let value = (seconds * 1e9).ceil() * 1e-9;
        let sampled = self.traffic.sampled_pct >= 100.0 || self.random.chance(self.traffic.sampled_pct / 100.0);
        let index = self.next.index + 1;
        self.next = Event { at_us: self.at_us as u64, index, value, bucket: bucket_of(value), sampled };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(traffic: Traffic, seconds: u64) -> Vec<Event> {
        let mut batch = Vec::new();
        Stream::new(traffic).fill(seconds * 1_000_000, usize::MAX, &mut batch);
        batch
    }

    #[test]
    fn buckets_end_at_their_bounds() {
        assert_eq!([0.005, 0.0051, 10.0, 10.1].map(bucket_of), [0, 1, 10, 11]);
    }

    #[test]
    fn traffic_has_its_rate_and_its_share_of_samples() {
        let found = events(Traffic::new(Shape::Steady, 1000).sampled(10.0), 200);
        assert!((198_000..202_000).contains(&found.len()), "{}", found.len());
        let sampled = found.iter().filter(|event| event.sampled).count();
        assert!((19_400..20_600).contains(&sampled), "{sampled}");
        assert!(found.is_sorted_by_key(|event| event.at_us));
    }

    #[test]
    fn a_burst_fills_one_bucket_a_hundredfold() {
        let found = events(Traffic::new(Shape::Burst, 10), 600);
        let (from, to) = (BURST_FROM_US as u64, (BURST_FROM_US + BURST_US) as u64);
        let burst = found.iter().filter(|event| (from..to).contains(&event.at_us));
        let in_bucket = burst.filter(|event| event.bucket == 6).count();
        assert!((29_000..31_500).contains(&in_bucket), "{in_bucket}");
        let outside = found.iter().filter(|event| !(from..to).contains(&event.at_us)).count();
        assert!((5_400..6_000).contains(&outside), "{outside}");
    }

    #[test]
    fn the_day_has_a_night_and_the_slow_path_is_rare() {
        let day = events(Traffic::new(Shape::Diurnal, 100), 3600);
        let night = day.iter().filter(|event| event.at_us < 300_000_000).count();
        let noon = day.iter().filter(|event| event.at_us.abs_diff(1_800_000_000) < 150_000_000).count();
        assert!(night * 10 < noon, "{night} {noon}");
        let rare = events(Traffic::new(Shape::RarePath, 5000), 200);
        let slow = rare.iter().filter(|event| event.bucket >= 9).count();
        assert!((60..140).contains(&slow), "{slow}");
    }
}
