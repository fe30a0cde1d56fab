//! Many scrapers on one registry, at any beat, more than the table holds, behind changing addresses, while the wall clock
//! steps: what each of them is shown never goes back in time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::HashMap;

use spanpin::{
    Histogram, Registry, RegistryOptions, ScrapeRequest, Scraper, ScraperIdentity, SpanId, TraceContext, TraceId,
};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }
}

struct World {
    registry: Registry,
    histogram: Histogram,
    wall_ms: u64,
    mono_ms: u64,
    observed: u64,
}

impl World {
    fn new(identity: ScraperIdentity) -> World {
        let options = RegistryOptions { self_metrics: false, scraper_identity: identity, ..Default::default() };
        let registry = Registry::with_options(&options).unwrap();
        let histogram = registry.histogram("h", "").bounds(&[1.0]).register().unwrap().with(&[]).unwrap();
        World { registry, histogram, wall_ms: 1_700_000_000_000, mono_ms: 1_000_000, observed: 0 }
    }

    fn pass(&mut self, ms: u64) {
        self.wall_ms += ms;
        self.mono_ms += ms;
        self.registry.set_clock(self.wall_ms, self.mono_ms);
    }

    /// The stamps of the exemplars shown, by bucket, with the number of the trace.
    fn scrape(&self, who: Scraper) -> Vec<(String, u64, f64)> {
        let request = ScrapeRequest { accept: "application/openmetrics-text", scraper: who, ..Default::default() };
        let scrape = self.registry.scrape(&request).unwrap();
        let text = std::str::from_utf8(scrape.body()).unwrap();
        let exemplars = text.lines().filter_map(|line| line.split_once(" # {trace_id=\""));
        let parsed = exemplars.map(|(sample, exemplar)| {
            let bucket = sample.rsplit_once(' ').unwrap().0.to_string();
            let trace = u64::from_str_radix(&exemplar[16..32], 16).unwrap();
            (bucket, trace, exemplar.rsplit_once(' ').unwrap().1.parse().unwrap())
        });
        parsed.collect()
    }
}

fn peer(class: u64, address: u64) -> Scraper {
    Scraper::from_request(&format!("Prometheus/{class}"), "15", "/metrics", &format!("10.0.0.{address}"))
}

/// One history: `ids` scrapers, each with a beat of its own or none, a wall clock that steps, observations in between.
fn history(seed: u64, ids: u64, identity: ScraperIdentity) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(identity);
    let histogram = world.histogram.clone();
    world.pass(0);
    let beats: Vec<u64> = (0..ids).map(|_| [5_000, 15_000, 60_000, 0][random.below(4) as usize]).collect();
    let mut due: Vec<u64> = beats.iter().map(|beat| world.mono_ms + random.below(beat + 1)).collect();
    let mut last: HashMap<(u64, String), (u64, f64)> = HashMap::new();
    let mut shown = 0;
    for _ in 0..1500 {
        world.pass(random.below(1500));
        if random.below(100) == 0 {
            world.wall_ms = world.wall_ms + random.below(3_600_000) - 1_800_000;
            world.pass(0);
        }
        for _ in 0..random.below(4) {
            world.observed += 1;
            let span = SpanId::from_u64(world.observed).unwrap();
            let context = TraceContext::sampled(TraceId::from_u64s(1, world.observed).unwrap(), span);
            let value = random.below(2000) as f64 / 1000.0;
            if random.below(20) == 0 {
                histogram.observe_exemplar_ids(value, context, &[]);
            } else {
                histogram.observe_trace(value, context);
            }
        }
        for id in 0..ids {
            let beat = beats[id as usize];
            let comes = if beat == 0 { random.below(30) == 0 } else { due[id as usize] <= world.mono_ms };
            if !comes {
                continue;
            }
            due[id as usize] = world.mono_ms + beat + random.below(500);
            for (bucket, trace, stamp) in world.scrape(peer(id % 3, id)) {
                shown += 1;
                if let Some((last_trace, last_stamp)) = last.insert((id, bucket.clone()), (trace, stamp)) {
                    let again = trace == last_trace && stamp == last_stamp;
                    assert!(
                        again || stamp > last_stamp,
                        "seed {seed}, scraper {id}, {bucket}: {stamp} after {last_stamp}"
                    );
                }
            }
        }
    }
    assert!(shown > 20, "seed {seed}: only {shown} were shown");
}

#[test]
fn timestamps_never_go_back_for_a_few_scrapers() {
    (1..=40).for_each(|seed| history(seed, 1 + seed % 6, ScraperIdentity::Address));
}

#[test]
fn timestamps_never_go_back_when_the_table_is_too_small() {
    (1..=20).for_each(|seed| history(seed, 17 + seed % 10, ScraperIdentity::Address));
}

#[test]
fn timestamps_never_go_back_when_all_are_one() {
    (1..=20).for_each(|seed| history(seed, 1 + seed % 20, ScraperIdentity::None));
}

#[test]
fn identity_is_made_of_address_headers_and_path() {
    let one = Scraper::from_request("Prometheus/3.15", "15", "/metrics", "10.0.0.1");
    assert_eq!(one, Scraper::from_request("Prometheus/3.15", "15", "/metrics", "10.0.0.1"));
    assert_ne!(one, Scraper::from_request("Prometheus/3.15", "15", "/metrics", "10.0.0.2"));
    assert_ne!(one, Scraper::from_request("Prometheus/3.15", "15", "/metrics?x=1", "10.0.0.1"));
    assert_ne!(one, Scraper::from_request("Prometheus/3.15", "5", "/metrics", "10.0.0.1"));
    assert_ne!(one, Scraper::from_request("curl/8", "15", "/metrics", "10.0.0.1"));
    assert_ne!(one, Scraper::anonymous());
}

/// A scraper every 60 s among windows that another closes every 3 s, in each of which the values fall. Answers the second
/// after its last scrape from which it is shown the best. `joiner` comes once at second 22 of its interval.
fn second_shown_to_the_slow_one(joiner: Option<Scraper>) -> u64 {
    const ROUNDS: u64 = 8;
    let (slow, fast) = (peer(1, 1), peer(2, 1));
    let mut world = World::new(ScraperIdentity::Address);
    let mut shown = Vec::new();
    for second in 0..=60 * ROUNDS {
        world.pass(500);
        if second % 3 == 0 {
            world.scrape(fast);
        }
        if second % 60 == 0 {
            shown = world.scrape(slow);
        }
        if second == 60 * (ROUNDS - 1) + 22 {
            joiner.into_iter().for_each(|joiner| _ = world.scrape(joiner));
        }
        world.pass(500);
        let context = TraceContext::sampled(TraceId::from_u64s(1, second).unwrap(), SpanId::from_u64(1).unwrap());
        world.histogram.observe_trace(0.9 - second as f64 / 1000.0, context);
    }
    let [(_, trace, _)] = &shown[..] else { panic!("{shown:?}") };
    trace - 60 * (ROUNDS - 1)
}

#[test]
fn a_scraper_that_others_join_is_shown_the_best_since_they_came() {
    assert_eq!(second_shown_to_the_slow_one(None), 0);
    assert_eq!(second_shown_to_the_slow_one(Some(peer(3, 2))), 0, "another class");
    // It is shown what came since the newest mark when the other one came: that of second 21, which nobody has any more.
    assert_eq!(second_shown_to_the_slow_one(Some(peer(1, 2))), 21);
}
