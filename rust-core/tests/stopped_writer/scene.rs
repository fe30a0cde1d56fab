//! One bucket with two scrapers, and somebody who is stopped: what stood before, what others do meanwhile, what follows.

use std::collections::HashMap;

use spanpin::raw::{Family, FamilyOptions, Hooks, Series};
use spanpin::{Kind, Registry, RegistryOptions, RuleOptions, ScrapeRequest, Scraper};

use crate::judge::{Judge, Made, Shown, context, id_labels};
use crate::ring_words::RingWords;

const WALL_MS: u64 = 1_700_000_000_000;
const MONO_MS: u64 = 1_000_000;
/// The number of the observation that is stopped.
const STOPPED: u64 = 1 << 20;
const STOPPED_VALUE: f64 = 0.9;
/// The time between two scrapes: long enough that each closes a window.
const BEAT_MS: u64 = 1000;
/// A window that nobody closes is closed by the next observation after this time.
const WINDOW_MOST_MS: u64 = 10_000;

/// Who is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Offer,
    LabelledOffer,
    Explicit,
    /// The first scraper, in a scrape.
    Scrape,
}

/// What stood before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// One exemplar, which both scrapers have seen.
    One,
    /// Beside that, a lesser winner of the open window.
    Rival,
    /// More windows than slots, each with an exemplar that both have seen: they are trusted with their own marks.
    Full,
}

/// What others do while one is stopped. `Next` windows have a winner, two windows later a slot is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// A better offer of the same window, which is closed then.
    Better,
    /// A lesser one.
    Lesser,
    /// More winners of the same window than there are slots.
    Many,
    /// An explicit exemplar of the same window.
    Explicit,
    /// A winner of the next window, which is closed; or one that stays open, since time has closed the one before, and
    /// nobody scrapes.
    Next,
    NextOpen,
    /// A winner two windows later, which is closed, or stays open: whoever was here just now closes no window.
    TakenOver,
    TakenOverOpen,
    /// Another two windows later again.
    TakenOverTwice,
    /// Four windows, whose winners are less than most that a full ring holds, but not less than the newest.
    Overtaken,
}

impl Meanwhile {
    pub const ALL: [Meanwhile; 10] = [
        Meanwhile::Better,
        Meanwhile::Lesser,
        Meanwhile::Many,
        Meanwhile::Explicit,
        Meanwhile::Next,
        Meanwhile::NextOpen,
        Meanwhile::TakenOver,
        Meanwhile::TakenOverOpen,
        Meanwhile::TakenOverTwice,
        Meanwhile::Overtaken,
    ];
}

/// A registry with one histogram of one bucket that is used.
pub struct Bed {
    registry: Registry,
}

impl Bed {
    pub fn new() -> Bed {
        let options = RegistryOptions { reserve_bytes: 1 << 20, self_metrics: false, ..Default::default() };
        Bed { registry: Registry::with_options(&options).unwrap() }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Registers the histogram. To be called once.
    pub fn series(&self) -> Series<'_> {
        let family: &Family = self
            .registry
            .register_raw(
                &FamilyOptions {
                    kind: Kind::Histogram,
                    name: "h",
                    help: "",
                    unit: "",
                    label_names: &[],
                    bounds: Some(&[1.0]),
                    rules: RuleOptions::default(),
                    max_series: None,
                },
                Hooks::default(),
            )
            .unwrap();
        family.child_raw(std::iter::empty()).unwrap()
    }
}

/// What the one who is stopped does, from beginning to end. Answers the body of a scrape.
pub fn act(role: Role, registry: &Registry, series: Series<'_>, label: &str) -> Option<String> {
    let span = context(STOPPED, true);
    let labels = [("user", label)];
    _ = match role {
        Role::Offer => series.observe_with(STOPPED_VALUE, || Some(span)),
        Role::LabelledOffer => series.observe_trace(STOPPED_VALUE, span, labels.into_iter()),
        Role::Explicit => series.observe_exemplar_ids(STOPPED_VALUE, span, std::iter::empty()),
        Role::Scrape => return Some(answer(registry, 0)),
    };
    None
}

/// The label that the stopped writer gives.
pub fn label() -> String {
    label_of(STOPPED)
}

/// All are of one length: those of two writers take the same words.
fn label_of(n: u64) -> String {
    format!("u{n:07}")
}

fn answer(registry: &Registry, who: u64) -> String {
    let scraper = Scraper::named(["a", "b", "c", "newcomer"][who as usize]);
    let request = ScrapeRequest { accept: "application/openmetrics-text", scraper, ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

/// What happens around the one who is stopped, in one thread.
pub struct Scene<'a> {
    role: Role,
    registry: &'a Registry,
    series: Series<'a>,
    judge: Judge,
    /// The values of the observations beside the stopped one, and when they were made.
    values: HashMap<u64, (f64, u64)>,
    /// The one that was explicit, and has no label.
    explicit: Option<u64>,
    now_ms: u64,
    last: [Option<Shown>; 4],
}

impl<'a> Scene<'a> {
    pub fn new(role: Role, before: Before, registry: &'a Registry, series: Series<'a>) -> Result<Scene<'a>, String> {
        let (judge, values) = (Judge::default(), HashMap::new());
        let mut scene =
            Scene { role, registry, series, judge, values, explicit: None, now_ms: MONO_MS, last: [None; 4] };
        let windows = if before == Before::Full { 13 } else { 1 };
        scene.pass(0);
        for window in 0..windows {
            // Falling, so that none is beaten by a later one.
            scene.observe(0.8 - f64::from(window) / 100.0);
            scene.pass(BEAT_MS);
            scene.scrape(0)?;
            // The other one has twice the beat.
            if window % 2 == 0 {
                scene.scrape(1)?;
            }
        }
        if before == Before::Rival {
            scene.observe(0.5);
        }
        Ok(scene)
    }

    pub fn words(&self) -> RingWords {
        RingWords::of(self.series, 0)
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.registry.set_clock(WALL_MS + self.now_ms - MONO_MS, self.now_ms);
    }

    fn next(&mut self, value: f64) -> u64 {
        let n = self.values.len() as u64 + 1;
        self.values.insert(n, (value, self.now_ms));
        n
    }

    fn observe(&mut self, value: f64) -> u64 {
        let n = self.next(value);
        if self.role == Role::LabelledOffer {
            self.series.observe_trace(value, context(n, true), [("user", label_of(n).as_str())].into_iter());
        } else {
            self.series.observe_with(value, || Some(context(n, true)));
        }
        n
    }

    fn explicit(&mut self, value: f64) {
        let n = self.next(value);
        self.explicit = Some(n);
        self.series.observe_exemplar_ids(value, context(n, false), std::iter::empty());
    }

    fn scrape(&mut self, who: u64) -> Result<Option<Shown>, String> {
        let body = answer(self.registry, who);
        self.judged(who, &body)
    }

    fn judged(&mut self, who: u64, body: &str) -> Result<Option<Shown>, String> {
        let others = self.values.len() as u64;
        let made = |n: u64| {
            let (value, mono_ms) = if n == STOPPED { (STOPPED_VALUE, self.now_ms) } else { *self.values.get(&n)? };
            let mut labels = id_labels(n);
            if self.role == Role::LabelledOffer && self.explicit != Some(n) {
                labels.push_str(&format!(",user=\"{}\"", label_of(n)));
            }
            // The stopped one is counted before it is shown, so the body counts it beside all others.
            let total = if n == STOPPED { others + 1 } else { n };
            Some(Made { series: "h_bucket".to_owned(), value, labels, total: total as f64, mono_ms })
        };
        let samples = self.judge.answer(who, self.now_ms, body, &made)?;
        let shown = samples[0].shown;
        if shown.is_some() {
            self.last[who as usize] = shown;
        }
        Ok(shown)
    }

    /// What others do.
    pub fn meanwhile(&mut self, what: Meanwhile) -> Result<(), String> {
        // The stopped scraper does not come a second time.
        let one = if self.role == Role::Scrape { 2 } else { 0 };
        match what {
            Meanwhile::Better => {
                self.observe(0.95);
            }
            Meanwhile::Lesser => {
                self.observe(0.1);
            }
            Meanwhile::Many => (0..13).for_each(|i| {
                self.observe(0.91 + f64::from(i) / 1000.0);
            }),
            Meanwhile::Explicit => self.explicit(0.1),
            Meanwhile::Next => {
                self.pass(BEAT_MS);
                self.scrape(one)?;
                self.observe(0.3);
            }
            Meanwhile::NextOpen => {
                self.pass(WINDOW_MOST_MS);
                // An offer to a bucket that has nothing yet looks at the clock.
                self.series.observe_with(2.0, || None);
                self.observe(0.3);
                return Ok(());
            }
            Meanwhile::TakenOver | Meanwhile::TakenOverOpen | Meanwhile::TakenOverTwice => {
                self.pass(BEAT_MS);
                self.scrape(one)?;
                self.pass(BEAT_MS);
                self.scrape(one)?;
                self.observe(0.3);
            }
            Meanwhile::Overtaken => {}
        }
        if what == Meanwhile::Overtaken {
            for who in [one, 1, one, 1] {
                self.pass(BEAT_MS);
                self.scrape(who)?;
                self.observe(0.705);
            }
        }
        if what == Meanwhile::TakenOverTwice {
            self.pass(BEAT_MS);
            self.scrape(one)?;
            self.pass(BEAT_MS);
            self.scrape(1)?;
            self.observe(0.2);
        }
        if what == Meanwhile::TakenOverOpen {
            self.scrape(one)?;
            return Ok(());
        }
        self.pass(BEAT_MS);
        self.scrape(1)?;
        self.scrape(one)?;
        Ok(())
    }

    /// The one who went on is stopped again, and both scrapers look.
    pub fn look(&mut self) -> Result<(), String> {
        self.scrape(if self.role == Role::Scrape { 2 } else { 0 })?;
        self.scrape(1)?;
        Ok(())
    }

    /// The stopped one has come to its end, a scrape with this answer. Both scrapers come twice, somebody new after them;
    /// and the next exemplar is admitted and shown to both.
    pub fn afterwards(&mut self, answer: Option<String>) -> Result<(), String> {
        if let Some(body) = answer {
            self.judged(0, &body)?;
        }
        for beat_ms in [0, BEAT_MS] {
            self.pass(beat_ms);
            self.scrape(0)?;
            self.scrape(1)?;
        }
        let newcomer = self.scrape(3)?;
        let seen = self.last[..3].iter().flatten().map(|shown| shown.stamp_ms).max();
        if newcomer.is_some_and(|shown| Some(shown.stamp_ms) < seen) {
            return Err(format!("step back: a newcomer is shown {newcomer:?}, others were {:?}", self.last));
        }
        let n = self.observe(0.2);
        self.pass(BEAT_MS);
        for who in [0, 1] {
            let shown = self.scrape(who)?;
            if shown.map(|shown| shown.n) != Some(n) {
                return Err(format!("no recovery: scraper {who} is shown {shown:?}, admitted was {n}"));
            }
        }
        Ok(())
    }
}
