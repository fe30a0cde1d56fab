//! Who scrapes, when, from where, and whether the answer arrives.

use crate::random::Random;

/// The mixes of scrapers. `S` is the interval of the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    One,
    /// Two of the same interval, out of phase.
    Two,
    /// One at `S` and one at 60 s that start together, and a curl now and then.
    WithSlow,
    /// Four of the same interval that fall due at the same moment.
    Four,
    /// 5 s, 5 s, 15 s and 60 s, and a curl now and then.
    Five,
    /// Two that share one address.
    OneAddress,
    /// One whose scrapes come from two addresses in turn.
    TurnAddress,
    /// One whose scrapes come from one of so many addresses at random.
    RandomAddress(u32),
    /// One, of whose scrapes 5 % never arrive.
    LostScrapes,
    /// One, of whose answers 5 % never arrive.
    LostAnswers,
}

/// The jitter of every scrape, either way.
const JITTER_US: f64 = 500_000.0;
/// How often somebody calls curl, on average.
const CURL_MEAN_US: f64 = 240e6;
const LOST: f64 = 0.05;

/// What a scraper says of itself. Equal numbers stand for equal texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_agent: &'static str,
    pub scrape_timeout: String,
    pub path: &'static str,
    pub peer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    /// The request never reached the service.
    RequestLost,
    /// The service answered, and the answer did not arrive.
    AnswerLost,
}

#[derive(Clone, Copy, Debug)]
pub struct Visit {
    pub at_us: u64,
    pub scraper: usize,
    pub identity: usize,
    pub fate: Fate,
}

/// All scrapes of a cell, in their order.
pub struct Plan {
    /// The interval of each scraper in seconds; nothing for a curl.
    pub intervals: Vec<Option<u32>>,
    pub identities: Vec<Identity>,
    pub visits: Vec<Visit>,
    /// When the last scrape is over.
    pub end_us: u64,
}

/// One scraper on its way into a plan.
struct Beat {
    interval_s: u32,
    phase: f64,
    identities: Vec<usize>,
}

impl Mix {
    #[must_use]
    pub fn name(self, interval_s: u32) -> String {
        match self {
            Mix::One => "one".into(),
            Mix::Two => "two out of phase".into(),
            Mix::WithSlow => format!("{interval_s} s + 60 s + curl"),
            Mix::Four => "four at once".into(),
            Mix::Five => "5 s + 5 s + 15 s + 60 s + curl".into(),
            Mix::OneAddress => "two behind one address".into(),
            Mix::TurnAddress => "one, 2 addresses in turn".into(),
            Mix::RandomAddress(of) => format!("one, {of} addresses at random"),
            Mix::LostScrapes => "one, 5 % of scrapes lost".into(),
            Mix::LostAnswers => "one, 5 % of answers lost".into(),
        }
    }

    /// The scrapes of `scrapes` intervals of the slowest scraper.
    #[must_use]
    pub fn plan(self, interval_s: u32, scrapes: u32) -> Plan {
        let mut random = Random::of(&format!("{self:?} {interval_s}"));
        let mut plan = Plan { intervals: Vec::new(), identities: Vec::new(), visits: Vec::new(), end_us: 0 };
        let mut beats = Vec::new();
        let mut add = |plan: &mut Plan, interval_s: u32, phase: f64, peers: &[u32]| {
            let identities = peers.iter().map(|peer| plan.identity(&prometheus(interval_s, *peer))).collect();
            beats.push(Beat { interval_s, phase, identities });
        };
        match self {
            Mix::One | Mix::LostScrapes | Mix::LostAnswers => add(&mut plan, interval_s, 0.0, &[1]),
            Mix::Two => (0..2).for_each(|n| add(&mut plan, interval_s, [0.0, 0.37][n as usize], &[n + 1])),
            Mix::WithSlow => {
                add(&mut plan, interval_s, 0.0, &[1]);
                add(&mut plan, 60, 0.0, &[2]);
            }
            Mix::Four => (1..=4).for_each(|n| add(&mut plan, interval_s, 0.0, &[n])),
            Mix::Five => [(5, 0.0), (5, 0.6), (15, 0.0), (60, 0.0)]
                .into_iter()
                .zip(1..)
                .for_each(|((interval_s, phase), n)| add(&mut plan, interval_s, phase, &[n])),
            Mix::OneAddress => [0.0, 0.37].into_iter().for_each(|phase| add(&mut plan, interval_s, phase, &[1])),
            Mix::TurnAddress => add(&mut plan, interval_s, 0.0, &[1, 2]),
            Mix::RandomAddress(of) => add(&mut plan, interval_s, 0.0, &Vec::from_iter(1..=of)),
        }
        let slowest = beats.iter().map(|beat| beat.interval_s).max().unwrap_or(interval_s);
        // A beat of jitter before the first scrape.
        let start_us = 1_000_000.0 + f64::from(slowest) * 1e6;
        plan.end_us = (start_us + f64::from(slowest) * f64::from(scrapes) * 1e6) as u64;
        for beat in &beats {
            let scraper = plan.intervals.len();
            plan.intervals.push(Some(beat.interval_s));
            let interval_us = f64::from(beat.interval_s) * 1e6;
            for n in 0_usize.. {
                let due_us = start_us + (n as f64 + beat.phase) * interval_us;
                let at_us = (due_us + random.between(-JITTER_US, JITTER_US)) as u64;
                if at_us >= plan.end_us {
                    break;
                }
                let turn = if matches!(self, Mix::RandomAddress(_)) { random.next() as usize } else { n };
                let identity = beat.identities[turn % beat.identities.len()];
                let fate = match self {
                    Mix::LostScrapes if random.chance(LOST) => Fate::RequestLost,
                    Mix::LostAnswers if random.chance(LOST) => Fate::AnswerLost,
                    _ => Fate::Delivered,
                };
                plan.visits.push(Visit { at_us, scraper, identity, fate });
            }
        }
        if matches!(self, Mix::WithSlow | Mix::Five) {
            plan.add_curl(&mut random);
        }
        plan.visits.sort_by_key(|visit| visit.at_us);
        plan
    }

    /// Whether each scraper of the mix has an identity of its own that does not change.
    #[must_use]
    pub fn is_stable(self) -> bool {
        !matches!(self, Mix::OneAddress | Mix::TurnAddress | Mix::RandomAddress(_))
    }
}

fn prometheus(interval_s: u32, peer: u32) -> Identity {
    Identity {
        user_agent: "Prometheus/3.5.0",
        // Prometheus' default of 10 s, which may not exceed the interval.
        scrape_timeout: interval_s.min(10).to_string(),
        path: "/metrics",
        peer: format!("10.0.0.{peer}"),
    }
}

impl Plan {
    /// The place of an identity in the list, made if it is new.
    fn identity(&mut self, wanted: &Identity) -> usize {
        if let Some(place) = self.identities.iter().position(|known| known == wanted) {
            return place;
        }
        self.identities.push(wanted.clone());
        self.identities.len() - 1
    }

    fn add_curl(&mut self, random: &mut Random) {
        let curl = Identity {
            user_agent: "curl/8.14.1",
            scrape_timeout: String::new(),
            path: "/metrics",
            peer: "127.0.0.1".into(),
        };
        let (identity, scraper) = (self.identity(&curl), self.intervals.len());
        self.intervals.push(None);
        let mut at_us = random.exponential(CURL_MEAN_US);
        while at_us < self.end_us as f64 {
            self.visits.push(Visit { at_us: at_us as u64, scraper, identity, fate: Fate::Delivered });
            at_us += random.exponential(CURL_MEAN_US);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scraper_keeps_its_beat_and_gets_its_intervals() {
        for mix in [Mix::One, Mix::Two, Mix::WithSlow, Mix::Four, Mix::Five, Mix::OneAddress] {
            let plan = mix.plan(15, 210);
            for (scraper, interval) in plan.intervals.iter().enumerate() {
                let Some(interval) = interval else { continue };
                let times: Vec<u64> =
                    plan.visits.iter().filter(|visit| visit.scraper == scraper).map(|visit| visit.at_us).collect();
                assert!(times.len() >= 208, "{mix:?}: {}", times.len());
                let beat = u64::from(*interval) * 1_000_000;
                assert!(times.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(beat) <= 1_000_000), "{mix:?}");
            }
        }
    }

    #[test]
    fn identities_are_shared_and_changed_as_named() {
        assert_eq!(Mix::OneAddress.plan(15, 210).identities.len(), 1);
        assert_eq!(Mix::Two.plan(15, 210).identities.len(), 2);
        let turns = Mix::TurnAddress.plan(15, 210);
        assert!(turns.visits.windows(2).all(|pair| pair[0].identity != pair[1].identity));
        let random = Mix::RandomAddress(2).plan(15, 210);
        assert!(random.visits.windows(2).any(|pair| pair[0].identity == pair[1].identity));
        let lost = Mix::LostScrapes.plan(15, 400).visits.iter().filter(|v| v.fate == Fate::RequestLost).count();
        assert!((8..40).contains(&lost), "{lost}");
    }
}
