//! Records numbered observations in a registry, each noted in the journal.

use std::collections::HashMap;

use spanpin::raw::{Family, FamilyOptions, Hooks, Series};
use spanpin::{Error, Kind, Registry, RegistryOptions, RuleOptions, ScrapeRequest, Scraper};

use crate::gauges::MIXED;
use crate::journal::Journal;
use crate::made::{BOUNDS, Form, LIVES, Made, PASSING, Which};

/// Attaches to the segment, or makes it; anything but the segment itself is an error.
pub fn attach(path: &str) -> Result<Registry, Error> {
    let options = RegistryOptions { segment: Some(path), strict: true, self_metrics: false, ..Default::default() };
    Registry::with_options(&options)
}

/// The same for the rest of the process' life.
pub fn attach_for_ever(path: &str) -> &'static Registry {
    Box::leak(Box::new(attach(path).unwrap()))
}

/// What a scraper of this name is shown.
pub fn scrape(registry: &Registry, name: &str) -> String {
    let accept = "application/openmetrics-text";
    let request = ScrapeRequest { accept, scraper: Scraper::named(name), ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

/// A scrape without exemplars, which closes no window: it lets the file grow ahead of the observations to come.
pub fn grow_ahead(registry: &Registry) {
    _ = registry.scrape(&ScrapeRequest { accept: "text/plain", ..Default::default() }).unwrap();
}

/// Numbers that look random.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most
    }
}

/// One that records.
pub struct Recorder {
    pub registry: &'static Registry,
    pub journal: Journal,
    pub slot: usize,
    pub life: usize,
    made: u64,
    families: HashMap<String, &'static Family>,
}

impl Recorder {
    pub fn new(registry: &'static Registry, journal: Journal, slot: usize, life: usize) -> Recorder {
        Recorder { registry, journal, slot, life, made: 0, families: HashMap::new() }
    }

    /// The same for a child of fork, which inherits what is registered.
    pub fn inherited(&self, slot: usize, life: usize) -> Recorder {
        Recorder { slot, life, made: 0, families: self.families.clone(), ..*self }
    }

    /// The family of this name, registered when it is used first.
    pub fn family(&mut self, name: &str, kind: Kind) -> &'static Family {
        if let Some(family) = self.families.get(name) {
            return family;
        }
        let options = FamilyOptions {
            kind,
            name,
            help: "Help.",
            unit: "",
            label_names: &["l"],
            bounds: (kind == Kind::Histogram).then_some(&BOUNDS),
            rules: RuleOptions::default(),
            max_series: Some((LIVES * MIXED.max(PASSING)) as u32),
        };
        let family = self.registry.register_raw(&options, Hooks::default()).unwrap();
        self.families.insert(name.to_owned(), family);
        family
    }

    pub fn series(&mut self, which: Which) -> Series<'static> {
        let kind = if which.is_counter() { Kind::Counter } else { Kind::Histogram };
        let family = self.family(&which.family(), kind);
        series_of(family, &which.label().to_string())
    }

    pub fn gauge_series(&mut self, name: &str, label: &str) -> Series<'static> {
        series_of(self.family(name, Kind::Gauge), label)
    }

    /// The next number for this series.
    pub fn next(&mut self, which: Which) -> Made {
        self.made += 1;
        Made::new(which, self.life, self.made)
    }

    pub fn record(&mut self, which: Which) -> Made {
        let made = self.next(which);
        self.record_made(made);
        made
    }

    pub fn record_made(&mut self, made: Made) {
        let series = self.series(made.which);
        self.journal.noted(self.slot, made, || observe(series, made));
    }

    /// Gives the series stripes as Go does, and lets two threads count in another one at once, as long as it takes.
    pub fn stripe(&mut self, which: Which, other: Which) {
        _ = self.series(which).stripes_view(spanpin::raw::StripesWish::Any);
        let (journal, slot) = (self.journal, self.slot);
        let series = self.series(other);
        let made: Vec<Made> = (0..400).map(|_| self.next(other)).collect();
        std::thread::scope(|scope| {
            for half in made.chunks(200) {
                scope.spawn(move || half.iter().for_each(|made| journal.noted(slot, *made, || observe(series, *made))));
            }
        });
    }
}

pub fn series_of(family: &'static Family, label: &str) -> Series<'static> {
    let series = family.child_raw([label].into_iter()).unwrap();
    assert!(!series.view().overflow, "{label} went to the overflow series");
    series
}

pub fn observe(series: Series<'_>, made: Made) {
    let (value, span, label) = (made.value(), made.span(), made.label());
    let labels = [("pad", label.as_str())].into_iter();
    _ = match (made.form(), made.which.is_counter()) {
        (Form::Offered, false) => series.observe_with(value, || Some(span)),
        (Form::Offered, true) => series.add_with(value, || Some(span)),
        (Form::OfferedWithLabel, false) => series.observe_trace(value, span, labels),
        (Form::OfferedWithLabel, true) => series.add_trace(value, span, labels),
        (Form::Explicit, false) => series.observe_exemplar_ids(value, span, std::iter::empty()),
        (Form::Explicit, true) => series.add_exemplar_ids(value, span, std::iter::empty()),
        (Form::ExplicitWithLabel, false) => series.observe_exemplar_ids(value, span, labels),
        (Form::ExplicitWithLabel, true) => series.add_exemplar_ids(value, span, labels),
    };
}
