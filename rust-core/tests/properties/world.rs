//! A history against the real library, with the oracle and the judge beside it.

use spanpin::{Exemplar, Filter, Policy, Registry, RegistryOptions, ScrapeRequest, Scraper, ScraperIdentity, Value};

use super::history::{BOUNDS, Extra, Meanwhile, SERIES, Setting, Source, Step};
use super::judge::{Judge, Made, Shown, context, id_labels};
use super::oracle::{Mistake, Oracle, Rank, Turn, WINDOW_LEAST_MS, Wanted};
use super::recorder::Recorder;
use super::table::Who;

const WALL_MS: u64 = 1_700_000_000_000;
const MONO_MS: u64 = 1_000_000;
const BUCKETS: usize = BOUNDS.len() + 1;
/// So many scrapers a ring serves without loss.
const LOSSLESS: usize = 8;
/// So many a table holds.
const HELD: usize = 16;

/// How much of the rule a run has met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    pub answers: u64,
    pub shown: u64,
    /// Compared with the oracle and equal: something, nothing, one of several.
    pub exact: u64,
    pub exact_nothing: u64,
    pub drawn: u64,
    /// Something of a window that others had seen already.
    pub own_view: u64,
    pub labelled: u64,
    pub explicit: u64,
    /// In a ring that had more winners than slots.
    pub crowded: u64,
    /// By a scraper of more than the table holds.
    pub not_held: u64,
}

pub struct World {
    setting: Setting,
    registry: Registry,
    recorders: Vec<Recorder>,
    books: Books,
    oracle: Oracle,
    judge: Judge,
    due_ms: Vec<Option<u64>>,
    pub met: Met,
}

/// What was observed.
struct Books {
    made: Vec<Made>,
    /// Of each bucket of the histogram.
    counted: Vec<u64>,
    /// Of the counter: whole amounts, the sum of the others, their number.
    whole: u64,
    fraction: f64,
    fractions: u64,
}

impl World {
    pub fn new(setting: Setting, mistake: Option<Mistake>) -> World {
        let scraper_identity = if setting.merged { ScraperIdentity::None } else { ScraperIdentity::Address };
        let options =
            RegistryOptions { reserve_bytes: 1 << 20, self_metrics: false, scraper_identity, ..Default::default() };
        let registry = Registry::with_options(&options).unwrap();
        let family = registry.histogram("h", "").labels(&["l"]).bounds(&BOUNDS);
        let family = family.filter(setting.filter).policy(setting.policy).register().unwrap();
        let counter = registry.counter("c", "").filter(setting.filter).policy(setting.policy).register().unwrap();
        let histograms = (0..SERIES).map(|n| Recorder::Histogram(family.with(&[&n.to_string()]).unwrap()));
        let recorders = histograms.chain([Recorder::Counter(counter.with(&[]).unwrap())]).collect();
        registry.set_clock(WALL_MS, MONO_MS);
        let first_due =
            |(n, s): (usize, &super::history::ScraperSetting)| Some(MONO_MS + s.beat_ms? * (n as u64 + 1) / 9);
        World {
            registry,
            recorders,
            books: Books {
                made: Vec::new(),
                counted: vec![0; SERIES * BUCKETS],
                whole: 0,
                fraction: 0.0,
                fractions: 0,
            },
            oracle: Oracle::new(SERIES * BUCKETS + 1, WALL_MS, MONO_MS, mistake),
            judge: Judge::default(),
            due_ms: setting.scrapers.iter().enumerate().map(first_due).collect(),
            met: Met::default(),
            setting,
        }
    }

    pub fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Observe { value, source, .. } if self.setting.falling && value.is_finite() => {
                // Less than 1, more than 0.5, with some to and fro.
                let fallen = self.books.made.len().min(800) as f64 / 2000.0;
                self.observe(0, 0.99 - fallen - (value.abs() * 1000.0) % 10.0 / 1000.0, source)
            }
            Step::Pass { ms } if self.setting.falling => self.pass(ms % 5000),
            Step::Observe { series, value, source } => self.observe(*series, *value, source),
            Step::Pass { ms } => self.pass(*ms),
            Step::SetWall { by_ms } => {
                self.oracle.wall_ms = self.oracle.wall_ms.saturating_add_signed(*by_ms);
                self.wait(0);
                Ok(())
            }
            Step::Scrape { who } => {
                if self.is_overfull() {
                    self.wait(self.oracle.until_closable_ms());
                }
                let body = answer(&self.registry, self.asks(*who));
                self.judge(*who, &body)
            }
            Step::Text => {
                let text = self.registry.scrape(&ScrapeRequest::default()).unwrap().into_body();
                let text = String::from_utf8(text).unwrap();
                if text.contains(" # ") { Err(format!("an exemplar in text 0.0.4: {text}")) } else { Ok(()) }
            }
            Step::Snapshot => self.snapshot(),
        }
    }

    /// Whether a scraper closes a young window depends on who was forgotten for want of a place in the table, which the
    /// oracle does not model: then they come to windows that anybody closes.
    fn is_overfull(&self) -> bool {
        self.setting.scrapers.len() > HELD && !self.setting.merged
    }

    fn wait(&mut self, ms: u64) {
        self.oracle.wall_ms += ms;
        self.oracle.mono_ms += ms;
        self.registry.set_clock(self.oracle.wall_ms, self.oracle.mono_ms);
    }

    /// Lets time go by; whoever has a beat scrapes when it is due.
    fn pass(&mut self, ms: u64) -> Result<(), String> {
        let until = self.oracle.mono_ms + ms;
        while let Some((due_ms, who)) = self.due_ms.iter().zip(0..).filter_map(|(due, who)| Some(((*due)?, who))).min()
            && due_ms <= until
        {
            self.wait(due_ms.saturating_sub(self.oracle.mono_ms));
            self.take(&Step::Scrape { who })?;
            let setting = &self.setting.scrapers[who];
            // How late it is next follows from the time, so that no random number is needed here.
            let late_ms = (due_ms.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % (setting.jitter_ms + 1);
            self.due_ms[who] = setting.beat_ms.map(|beat| due_ms + beat + late_ms);
        }
        self.wait(until.saturating_sub(self.oracle.mono_ms));
        Ok(())
    }

    fn observe(&mut self, series: usize, value: f64, source: &Source) -> Result<(), String> {
        let recorder = self.recorders[series].clone();
        let n = self.books.next();
        let drawn = self.setting.policy == Policy::Uniform;
        // Whether an infinite value passes a gate that draws, and closes a window, cannot be seen from outside.
        if drawn && !value.is_finite() {
            recorder.plain(value);
            self.books.count(series, value, String::new(), self.oracle.mono_ms);
            return Ok(());
        }
        let mut called = false;
        match source {
            Source::Plain => {
                recorder.plain(value);
                self.books.count(series, value, String::new(), self.oracle.mono_ms);
                Ok(())
            }
            Source::BadHeader => {
                let good = recorder.header(value, "00-zz");
                self.books.count(series, value, String::new(), self.oracle.mono_ms);
                if good { Err("a malformed header was taken".to_owned()) } else { Ok(()) }
            }
            Source::NoSpan => {
                recorder.looked_up(value, || {
                    called = true;
                    None
                });
                self.offered(series, value, None, String::new(), Some(called)).map(|_| ())
            }
            Source::Context { sampled, extra: Extra::None } if !drawn => {
                recorder.context(value, context(n, *sampled));
                self.offered_at_once(series, value, *sampled, id_labels(n), None)
            }
            Source::Context { sampled, extra } => {
                let span = || {
                    called = true;
                    Some(context(n, *sampled))
                };
                with_pairs(n, *extra, |pairs| recorder.looked_up_with(value, span, pairs));
                let labels = format!("{}{}", id_labels(n), written(n, *extra));
                self.offered_at_once(series, value, *sampled, labels, Some(called))
            }
            Source::Header { sampled } if !drawn => {
                let ids = context(n, true);
                let header = format!("00-{}-{}-0{}", ids.trace_id(), ids.span_id(), u8::from(*sampled));
                if !recorder.header(value, &header) {
                    return Err(format!("refused: {header}"));
                }
                self.offered_at_once(series, value, *sampled, id_labels(n), None)
            }
            Source::Header { sampled } => {
                let looked_up = Source::LookedUp { sampled: *sampled, meanwhile: Meanwhile::Nothing };
                self.observe(series, value, &looked_up)
            }
            Source::LookedUp { sampled, meanwhile } => self.looked_up(series, value, *sampled, meanwhile),
            Source::ExplicitIds { extra } => {
                with_pairs(n, *extra, |pairs| recorder.explicit_ids(value, context(n, false), pairs));
                let labels = format!("{}{}", id_labels(n), written(n, *extra));
                self.explicit(series, value, labels);
                Ok(())
            }
            Source::ExplicitLabels { trace, span, upper_case, extra } => {
                let ids = context(n, true);
                let (trace_id, span_id) = (ids.trace_id().to_string(), ids.span_id().to_string());
                let number = n.to_string();
                let mut labels = Vec::new();
                let mut given = vec![("trace_id", *trace, &trace_id), ("span_id", *span, &span_id)];
                given.retain(|(_, given, _)| *given);
                given.extend((!trace && !span).then_some(("n", true, &number)));
                for (name, _, value) in &given {
                    labels.push(format!("{name}=\"{value}\""));
                }
                let cased: Vec<String> =
                    given.iter().map(|(_, _, v)| if *upper_case { v.to_uppercase() } else { (*v).clone() }).collect();
                with_pairs(n, *extra, |pairs| {
                    // Ids are written first, wherever they stand.
                    let ids = given.iter().zip(&cased).map(|((name, _, _), value)| (*name, value.as_str()));
                    let number_first = !trace && !span;
                    let all: Vec<_> = if number_first {
                        ids.chain(pairs.iter().copied()).collect()
                    } else {
                        pairs.iter().copied().take(1).chain(ids).chain(pairs.iter().copied().skip(1)).collect()
                    };
                    recorder.explicit_labels(value, &all);
                });
                self.explicit(series, value, format!("{}{}", labels.join(","), written(n, *extra)));
                Ok(())
            }
        }
    }

    fn looked_up(&mut self, series: usize, value: f64, sampled: bool, meanwhile: &Meanwhile) -> Result<(), String> {
        let n = self.books.next();
        let (recorder, registry) = (self.recorders[series].clone(), self.registry.clone());
        // What is observed meanwhile in the same bucket may win a draw or not, which nobody can tell.
        let meanwhile = match meanwhile {
            Meanwhile::Observe { same_series: true, .. } if self.setting.policy == Policy::Uniform => {
                &Meanwhile::Nothing
            }
            Meanwhile::Observe { value, .. } if !value.is_finite() => &Meanwhile::Nothing,
            other => other,
        };
        let mut called = false;
        let mut inner_called = false;
        let mut body = String::new();
        let clock = (self.oracle.wall_ms, self.oracle.mono_ms);
        let beside = (series + 1) % self.recorders.len();
        let inner_series = move |same: bool| if same { series } else { beside };
        let closable_ms = if self.is_overfull() { WINDOW_LEAST_MS } else { 0 };
        recorder.looked_up(value, || {
            called = true;
            match meanwhile {
                Meanwhile::Nothing => {}
                Meanwhile::Wait { ms } => registry.set_clock(clock.0 + ms, clock.1 + ms),
                Meanwhile::Scrape { who } => {
                    registry.set_clock(clock.0 + closable_ms, clock.1 + closable_ms);
                    body = answer(&registry, self.asks(*who));
                }
                Meanwhile::Observe { value, same_series } => {
                    self.recorders[inner_series(*same_series)].looked_up(*value, || {
                        inner_called = true;
                        Some(context(n + 1, true))
                    });
                }
            }
            Some(context(n, sampled))
        });
        let Some(offer) = self.offered(series, value, Some(sampled), id_labels(n), Some(called))? else {
            return Ok(());
        };
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Wait { ms } => self.wait(*ms),
            Meanwhile::Scrape { who } => {
                self.wait(closable_ms);
                self.judge(*who, &body)?;
            }
            Meanwhile::Observe { value, same_series } => {
                let series = inner_series(*same_series);
                self.offered_at_once(series, *value, true, id_labels(n + 1), Some(inner_called))?;
            }
        }
        self.admit(offer);
        Ok(())
    }

    /// An offer was made, with a span that was sampled or not, or without one. Answers the offer if its span is looked at.
    /// If the library told whether it looked at the span, that is compared.
    fn offered(
        &mut self,
        series: usize,
        value: f64,
        sampled: Option<bool>,
        labels: String,
        called: Option<bool>,
    ) -> Result<Option<Offer>, String> {
        let n = self.books.next();
        let Some((bucket, before)) = self.books.count(series, value, labels, self.oracle.mono_ms) else {
            return if called == Some(true) { Err(format!("a span was looked at for {value}")) } else { Ok(None) };
        };
        let rank = match self.setting.policy {
            Policy::Slowest => Rank::of_value(value),
            Policy::First => Rank::Offered(1.0),
            Policy::Uniform => Rank::Drawn,
        };
        let of_histogram = self.setting.policy == Policy::Slowest && series < SERIES;
        let ranks = (if of_histogram { Rank::at_gate(value) } else { rank }, rank);
        let off = self.setting.filter == Filter::AlwaysOff;
        let seen = called.unwrap_or_default();
        let looked = !off && self.oracle.span_is_looked_at(bucket, ranks, value.is_finite(), before, seen);
        if called.is_some_and(|called| called != looked) {
            return Err(format!("span of {n} looked at: {seen}, by the rule: {looked}"));
        }
        let passes = sampled.is_some_and(|sampled| sampled || self.setting.filter == Filter::AlwaysOn);
        Ok(looked.then_some(Offer { n, bucket, rank, passes }))
    }

    fn offered_at_once(
        &mut self,
        series: usize,
        value: f64,
        sampled: bool,
        labels: String,
        called: Option<bool>,
    ) -> Result<(), String> {
        if let Some(offer) = self.offered(series, value, Some(sampled), labels, called)? {
            self.admit(offer);
        }
        Ok(())
    }

    fn admit(&mut self, offer: Offer) {
        if !offer.passes {
            return;
        }
        self.books.made[offer.n as usize - 1].mono_ms = self.oracle.mono_ms;
        self.oracle.admit(offer.bucket, offer.rank, offer.n);
    }

    fn explicit(&mut self, series: usize, value: f64, labels: String) {
        let n = self.books.next();
        let counted = self.books.count(series, value, labels, self.oracle.mono_ms);
        if let Some((bucket, _)) = counted
            && value.is_finite()
            && self.setting.filter != Filter::AlwaysOff
        {
            self.oracle.explicit(bucket, n);
            self.met.explicit += 1;
        }
    }

    fn asks(&self, who: usize) -> Scraper {
        let class = format!("scraper/{}", self.setting.scrapers[who].class);
        Scraper::from_request(&class, "15", "/metrics", &format!("10.0.0.{who}"))
    }

    /// Judges an answer that was given just now, and compares it with the rule.
    fn judge(&mut self, who: usize, body: &str) -> Result<(), String> {
        let scrapers = self.setting.scrapers.len();
        let identity = if self.setting.merged {
            Who { class: 0, address: 0 }
        } else {
            Who { class: self.setting.scrapers[who].class, address: who as u64 }
        };
        let turn = self.oracle.scrape(identity);
        let made = |n: u64| self.books.made.get(n.checked_sub(1)? as usize).cloned();
        let samples = self.judge.answer(identity.address, self.oracle.mono_ms, body, &made)?;
        self.met.answers += 1;
        if samples.len() != SERIES * BUCKETS + 1 {
            return Err(format!("{} samples in {body}", samples.len()));
        }
        for (bucket, sample) in samples.iter().enumerate() {
            if let Some(shown) = sample.shown {
                self.met.shown += 1;
                self.met.not_held += u64::from(scrapers > HELD && !self.setting.merged);
                let labels = &self.books.made[shown.n as usize - 1].labels;
                self.met.labelled += u64::from(labels.contains("user"));
            }
            if scrapers <= LOSSLESS || self.setting.merged {
                self.compare(bucket, turn, sample.shown).map_err(|wrong| format!("{wrong}, in {body}"))?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, bucket: usize, turn: Turn, shown: Option<Shown>) -> Result<(), String> {
        let wanted = self.oracle.shown(bucket, turn);
        let good = match &wanted {
            Wanted::Exactly(wanted) => shown == *wanted,
            Wanted::OneOf(some) => shown.is_some_and(|shown| some.contains(&shown)),
            Wanted::Unknown => return Ok(()),
        };
        if !good {
            return Err(format!("not by the rule: bucket {bucket} shows {shown:?}, wanted is {wanted:?} for {turn:?}"));
        }
        self.met.own_view += u64::from(turn.own_view && shown.is_some());
        self.met.crowded += u64::from(self.oracle.winners(bucket) > 11 && shown.is_some());
        match wanted {
            Wanted::OneOf(_) => self.met.drawn += 1,
            _ if shown.is_some() => self.met.exact += 1,
            _ => self.met.exact_nothing += 1,
        }
        Ok(())
    }

    /// A snapshot shows what the newest mark allows, and changes nothing.
    fn snapshot(&mut self) -> Result<(), String> {
        let snapshot = self.registry.snapshot().unwrap();
        let turn = self.oracle.look();
        let mut bucket = 0;
        for series in snapshot.families.iter().flat_map(|family| &family.series) {
            let exemplars = match &series.value {
                Value::Histogram { exemplars, .. } => exemplars.iter().map(Option::as_ref).collect(),
                Value::Counter(_, exemplar) => vec![exemplar.as_ref()],
                Value::Gauge(_) => Vec::new(),
            };
            for exemplar in exemplars {
                let shown = exemplar.map(|exemplar| self.books.identify(exemplar)).transpose()?;
                if self.setting.scrapers.len() <= LOSSLESS || self.setting.merged {
                    self.compare(bucket, turn, shown).map_err(|wrong| format!("{wrong}, in a snapshot"))?;
                }
                bucket += 1;
            }
        }
        Ok(())
    }
}

/// An offer whose span is looked at.
struct Offer {
    /// Its span passes the filter.
    passes: bool,
    n: u64,
    bucket: usize,
    rank: Rank,
}

/// What decides which addition to a counter looks at the clock: the upper 27 bits of the lot that README.md of the
/// conformance cases describes, for the series `c` without labels.
fn lot_of_counter(seed: u64) -> u64 {
    const FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word).wrapping_mul(u128::from(FACTOR) << 1 | 1);
        (product as u64) ^ ((product >> 64) as u64).rotate_left(29)
    };
    let series = mix(mix(0, 1 | 1 << 63), u64::from(b'c'));
    let mut x = series ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..2 {
        x = (x ^ x >> 32).wrapping_mul(FACTOR);
    }
    (x ^ x >> 32) >> 37
}

impl Books {
    /// The number of the next observation.
    fn next(&self) -> u64 {
        self.made.len() as u64 + 1
    }

    /// Counts an observation. Answers its bucket among all, and what the gate takes for the count before. Nothing for NaN,
    /// and for what a counter refuses.
    fn count(&mut self, series: usize, value: f64, labels: String, mono_ms: u64) -> Option<(usize, u64)> {
        let (name, total, bucket, before) = if series < SERIES {
            if value.is_nan() {
                return None;
            }
            let bucket = series * BUCKETS + BOUNDS.iter().filter(|bound| **bound < value).count();
            let counted = &mut self.counted[bucket];
            *counted += 1;
            (format!("h_bucket{{l=\"{series}\"}}"), *counted as f64, bucket, *counted - 1)
        } else {
            if !(0.0..f64::INFINITY).contains(&value) {
                return None;
            }
            let before = if value < 9e15 && value.fract() == 0.0 {
                self.whole += value as u64;
                self.whole - value as u64
            } else {
                self.fraction += value;
                self.fractions += 1;
                self.fractions - 1
            };
            ("c_total".to_owned(), self.whole as f64 + self.fraction, SERIES * BUCKETS, lot_of_counter(before))
        };
        self.made.push(Made { series: name, value, labels, total, mono_ms });
        Some((bucket, before))
    }

    /// Which observation an exemplar of a snapshot is.
    fn identify(&self, exemplar: &Exemplar) -> Result<Shown, String> {
        let mut labels = Vec::new();
        labels.extend(exemplar.trace_id.map(|id| format!("trace_id=\"{id}\"")));
        labels.extend(exemplar.span_id.map(|id| format!("span_id=\"{id}\"")));
        labels.extend(exemplar.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")));
        let labels = labels.join(",");
        let place = self.made.iter().position(|made| made.labels == labels && made.value == exemplar.value);
        let n = place.ok_or_else(|| format!("torn: nobody made {exemplar:?}"))? as u64 + 1;
        Ok(Shown { n, stamp_ms: exemplar.timestamp_ms })
    }
}

fn answer(registry: &Registry, scraper: Scraper) -> String {
    let request = ScrapeRequest { accept: "application/openmetrics-text", scraper, ..Default::default() };
    String::from_utf8(registry.scrape(&request).unwrap().into_body()).unwrap()
}

/// The labels that an observation has beside its ids, as they are given.
fn with_pairs(n: u64, extra: Extra, give: impl FnOnce(&[(&str, &str)])) {
    let (user, replaced, long) = (format!("u{n}"), format!("u\"{n}\\"), "x".repeat(120));
    match extra {
        Extra::None => give(&[]),
        Extra::One => give(&[("user", &user)]),
        Extra::Replaced => give(&[("user", &replaced)]),
        Extra::TooLong => give(&[("user", &user), ("note", &long)]),
        Extra::Invalid => give(&[("not.a.name", "1"), ("empty", "")]),
    }
}

/// The same as they are written, after a comma.
fn written(n: u64, extra: Extra) -> String {
    match extra {
        Extra::None | Extra::Invalid => String::new(),
        Extra::One | Extra::TooLong => format!(",user=\"u{n}\""),
        Extra::Replaced => format!(",user=\"u'{n}/\""),
    }
}
