//! The rows of the result, and the bars that ours must reach.

use crate::cell::{Outcome, Spec};
use crate::engines::{MODEL, SPANPIN};
use crate::judge::{Share, Tally};
use crate::scrapers::Mix;

/// What the scrapers of one interval got from one engine: of each figure that of the worst of them.
#[derive(Clone, Debug)]
pub struct Row {
    pub engine: String,
    pub traffic: String,
    pub scrape_interval_s: u32,
    pub scrapers: String,
    pub populated_pct: f64,
    pub fresh_pct: f64,
    pub slowest_pct: f64,
    pub slowest_bucket_pct: f64,
    /// Of all scrapers of the row together, and of a curl beside them.
    pub out_of_order: u64,
    pub stored_per_hour: f64,
    pub median_age_s: f64,
    pub max_age_s: f64,
    /// Answers that count, of the scraper with the fewest.
    pub answers: u64,
    bars: Bars,
}

/// What is demanded of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bars {
    /// Everything.
    All,
    /// That buckets show something, that it is fresh, never out of order, never too old.
    Fresh,
    /// Never out of order, never too old.
    Order,
    /// Never too old.
    Age,
    None,
}

/// The age limit of what is shown again, with the half millisecond by which clocks round.
const AGE_MOST_S: f64 = 90.001;

impl Bars {
    fn of(engine: &str, spec: &Spec) -> Bars {
        if engine == SPANPIN {
            match spec.mix {
                // What was in the lost answer is gone for this scraper: a mark that waits for success would step back.
                Mix::LostAnswers => Bars::Fresh,
                // With the scrape that was lost the interval is 120 s, longer than the age limit.
                Mix::LostScrapes if spec.interval_s > 45 => Bars::Order,
                mix if mix.is_stable() => Bars::All,
                Mix::OneAddress => Bars::Fresh,
                _ => Bars::Age,
            }
        } else if engine.starts_with(SPANPIN) {
            Bars::Order
        } else {
            Bars::None
        }
    }
}

impl Row {
    /// The bars this row misses, each with its figure.
    #[must_use]
    pub fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let mut least = |what: &str, percent: f64, least: f64| {
            if percent < least {
                missed.push(format!("{what} {percent:.3} %, not {least} %"));
            }
        };
        if matches!(self.bars, Bars::All | Bars::Fresh) {
            least("populated", self.populated_pct, 100.0);
            least("fresh", self.fresh_pct, 99.5);
        }
        if self.bars == Bars::All {
            least("slowest", self.slowest_pct, 99.5);
            least("slowest per bucket", self.slowest_bucket_pct, 99.0);
        }
        if self.bars != Bars::None && self.max_age_s > AGE_MOST_S {
            missed.push(format!("an exemplar {:.1} s old, not 90 s", self.max_age_s));
        }
        if !matches!(self.bars, Bars::None | Bars::Age) && self.out_of_order > 0 {
            missed.push(format!("{} out of order, not 0", self.out_of_order));
        }
        if self.bars != Bars::None && self.answers < 200 {
            missed.push(format!("only {} intervals, not 200", self.answers));
        }
        missed
    }

    #[must_use]
    pub fn has_all_bars(&self) -> bool {
        self.bars == Bars::All
    }

    /// For sorting: the worse, the smaller.
    #[must_use]
    pub fn goodness(&self) -> f64 {
        let order = if self.out_of_order > 0 { -100.0 } else { 0.0 };
        self.populated_pct.min(self.fresh_pct).min(self.slowest_pct).min(self.slowest_bucket_pct) + order
    }
}

/// The rows of some outcomes, worst first. The model of our rule has none: it shows what `spanpin` shows.
#[must_use]
pub fn rows(outcomes: &[Outcome]) -> Vec<Row> {
    let mut rows = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.engine != MODEL) {
        let mut intervals: Vec<u32> = outcome.scrapers.iter().filter_map(|(interval_s, _)| *interval_s).collect();
        intervals.sort_unstable();
        intervals.dedup();
        rows.extend(intervals.into_iter().map(|interval_s| row(outcome, interval_s)));
    }
    rows.sort_by(|a, b| a.goodness().total_cmp(&b.goodness()));
    rows
}

fn row(outcome: &Outcome, interval_s: u32) -> Row {
    let spec = &outcome.spec;
    let tallies: Vec<&Tally> =
        outcome.scrapers.iter().filter(|(of, _)| *of == Some(interval_s)).map(|(_, tally)| tally).collect();
    let curls = outcome.scrapers.iter().filter(|(of, _)| of.is_none()).map(|(_, tally)| tally);
    let worst = |share: fn(&Tally) -> Share| tallies.iter().map(|tally| share(tally).percent()).fold(100.0, f64::min);
    let mut ages_s: Vec<f32> = tallies.iter().flat_map(|tally| &tally.ages_s).copied().collect();
    ages_s.sort_by(f32::total_cmp);
    Row {
        engine: outcome.engine.clone(),
        traffic: outcome.traffic.clone(),
        scrape_interval_s: interval_s,
        scrapers: spec.mix.name(spec.interval_s),
        populated_pct: worst(|tally| tally.populated),
        fresh_pct: worst(|tally| tally.fresh),
        slowest_pct: worst(|tally| tally.slowest),
        slowest_bucket_pct: worst(|tally| tally.slowest_bucket),
        out_of_order: tallies.iter().copied().chain(curls).map(|tally| tally.out_of_order).sum(),
        stored_per_hour: tallies.iter().map(|tally| tally.stored_per_hour()).fold(0.0, f64::max),
        median_age_s: ages_s.get(ages_s.len() / 2).copied().unwrap_or(0.0).into(),
        max_age_s: ages_s.last().copied().unwrap_or(0.0).into(),
        answers: tallies.iter().map(|tally| tally.judged()).min().unwrap_or(0),
        bars: Bars::of(&outcome.engine, spec),
    }
}
