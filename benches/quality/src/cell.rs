//! A cell of the matrix: one mix of scrapers over one traffic, and the engines that answer it side by side.

use crate::clock::{Clock, Steps};
use crate::engine::{Engine, Shown};
use crate::judge::{Interval, Slowest, Tally};
use crate::scrapers::{Fate, Mix, Plan};
use crate::traffic::{Event, Stream, Traffic};

/// Requests that are handed over at once; a few caches full would be slower.
const BATCH: usize = 2048;

/// What a cell is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    pub traffic: Traffic,
    pub steps: Steps,
    pub mix: Mix,
    pub interval_s: u32,
    /// How many intervals of its slowest scraper it lasts.
    pub scrapes: u32,
}

impl Spec {
    #[must_use]
    pub fn traffic_name(&self) -> String {
        format!("{}{}", self.traffic.name(), self.steps.name())
    }
}

struct Runner {
    name: String,
    engine: Box<dyn Engine>,
    tallies: Vec<Tally>,
    /// The answer of the visit at hand.
    shown: Vec<Shown>,
}

/// Two engines that must show the same.
struct Twins {
    first: usize,
    second: usize,
    compared: u64,
    different: u64,
}

pub struct Cell {
    pub spec: Spec,
    plan: Plan,
    /// The steps of the clock to come.
    steps: Vec<(u64, i64)>,
    clock: Clock,
    next_visit: usize,
    runners: Vec<Runner>,
    twins: Option<Twins>,
    since_visit: Slowest,
    intervals: Vec<Interval>,
}

/// What one engine did in a cell.
pub struct Outcome {
    pub spec: Spec,
    pub traffic: String,
    pub engine: String,
    /// The interval of each scraper, nothing for a curl, and what it got.
    pub scrapers: Vec<(Option<u32>, Tally)>,
}

impl Cell {
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        let plan = spec.mix.plan(spec.interval_s, spec.scrapes);
        let start = Interval { since_us: 0, until_us: 0, slowest: Slowest::none() };
        Cell {
            spec,
            steps: spec.steps.times(plan.end_us),
            clock: Clock::default(),
            next_visit: 0,
            runners: Vec::new(),
            twins: None,
            since_visit: Slowest::none(),
            intervals: vec![start; plan.intervals.len()],
            plan,
        }
    }

    pub fn add(&mut self, name: &str, engine: Box<dyn Engine>) {
        let tallies = self.plan.intervals.iter().map(|_| Tally::default()).collect();
        self.runners.push(Runner { name: name.into(), engine, tallies, shown: Vec::new() });
    }

    /// From now on compares what two of the engines show.
    pub fn compare(&mut self, first: &str, second: &str) {
        let place = |name: &str| self.runners.iter().position(|runner| runner.name == name);
        if let (Some(first), Some(second)) = (place(first), place(second)) {
            self.twins = Some(Twins { first, second, compared: 0, different: 0 });
        }
    }

    /// When something other than a request happens next; nothing after the end.
    fn next_us(&self) -> Option<u64> {
        let visit_us = self.plan.visits.get(self.next_visit)?.at_us;
        Some(self.steps.first().map_or(visit_us, |(at_us, _)| visit_us.min(*at_us)))
    }

    fn observe(&mut self, events: &[Event]) {
        for runner in &mut self.runners {
            runner.engine.observe(events, &self.clock);
        }
    }

    /// Lets happen what is due at `now_us`.
    fn step(&mut self, now_us: u64) {
        while let Some((_, off_ms)) = self.steps.first().filter(|(at_us, _)| *at_us <= now_us) {
            self.clock.off_ms = *off_ms;
            self.steps.remove(0);
        }
        while let Some(visit) = self.plan.visits.get(self.next_visit).filter(|visit| visit.at_us <= now_us).copied() {
            self.next_visit += 1;
            for interval in &mut self.intervals {
                interval.slowest.merge(&self.since_visit);
            }
            self.since_visit = Slowest::none();
            if visit.fate == Fate::RequestLost {
                continue;
            }
            let interval = &mut self.intervals[visit.scraper];
            interval.until_us = visit.at_us;
            for runner in &mut self.runners {
                let identity = &self.plan.identities[visit.identity];
                runner.shown.clear();
                runner.engine.scrape(identity, visit.at_us, &self.clock, &mut runner.shown);
                if visit.fate == Fate::Delivered {
                    runner.tallies[visit.scraper].judge(interval, &runner.shown);
                }
            }
            if let Some(twins) = &mut self.twins {
                twins.compared += 1;
                twins.different += u64::from(self.runners[twins.first].shown != self.runners[twins.second].shown);
            }
            if visit.fate == Fate::Delivered {
                *interval = Interval { since_us: visit.at_us, until_us: visit.at_us, slowest: Slowest::none() };
            }
        }
    }

    /// Answers compared between twins, and how many of them differed.
    #[must_use]
    pub fn twins(&self) -> (u64, u64) {
        self.twins.as_ref().map_or((0, 0), |twins| (twins.compared, twins.different))
    }

    fn outcomes(self) -> impl Iterator<Item = Outcome> {
        let (spec, intervals) = (self.spec, self.plan.intervals);
        self.runners.into_iter().map(move |runner| Outcome {
            spec,
            traffic: spec.traffic_name(),
            engine: runner.name,
            scrapers: intervals.iter().copied().zip(runner.tallies).collect(),
        })
    }
}

/// What came of the cells of one traffic.
#[derive(Default)]
pub struct Results {
    pub outcomes: Vec<Outcome>,
    pub requests: u64,
    /// Answers of the model compared with the library's, and how many of them differed.
    pub compared: u64,
    pub different: u64,
}

/// Runs cells of one traffic over one stream of requests.
#[must_use]
pub fn run(traffic: Traffic, mut cells: Vec<Cell>) -> Results {
    let mut stream = Stream::new(traffic);
    let mut batch = Vec::with_capacity(BATCH);
    let mut results = Results::default();
    while let Some(until_us) = cells.iter().filter_map(Cell::next_us).min() {
        let mut slowest = Slowest::none();
        while stream.fill(until_us, BATCH, &mut batch) {
            slowest.add(&batch);
            results.requests += batch.len() as u64;
            for cell in cells.iter_mut().filter(|cell| cell.next_us().is_some()) {
                cell.observe(&batch);
            }
        }
        for cell in cells.iter_mut().filter(|cell| cell.next_us().is_some()) {
            cell.since_visit.merge(&slowest);
            cell.step(until_us);
        }
    }
    for cell in cells {
        let (compared, different) = cell.twins();
        results.compared += compared;
        results.different += different;
        results.outcomes.extend(cell.outcomes());
    }
    results
}
