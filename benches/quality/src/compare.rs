//! The shipped rule against simpler ones and against two that are known to be wrong, in the model.

use crate::cell::{self, Cell, Results, Spec};
use crate::clock::Steps;
use crate::engines::{SPANPIN, model, spanpin};
use crate::judge::{Share, Tally};
use crate::library::Library;
use crate::rule::{Settings, Share as Shares, Trust, Victims};
use crate::scrapers::Mix;
use crate::traffic::{Shape, Traffic};

const SHIPPED: &str = "shipped";
const NO_TRUST: &str = "own mark at once: no trust";
const NEWEST_GOES: &str = "wrong: the newest goes first";
const MARK_STAYS: &str = "wrong: a mark never moves";

/// The rules that are compared.
fn rules() -> Vec<(&'static str, Settings)> {
    let shipped = Settings::shipped();
    let all = shipped.victims;
    let victims = |victims: Victims| Settings { victims, ..shipped };
    let oldest = Victims { beaten: false, expired: false, dominated: false, unasked: false };
    vec![
        (SHIPPED, shipped),
        (NO_TRUST, Settings { trust: Trust::AtOnce, ..shipped }),
        ("own mark after 4 beats in a row, none after a miss", Settings { trust: Trust::Streak(4), ..shipped }),
        ("the same after 5 beats", Settings { trust: Trust::Streak(5), ..shipped }),
        ("the same after 6 beats", Settings { trust: Trust::Streak(6), ..shipped }),
        ("the same after 8 beats", Settings { trust: Trust::Streak(8), ..shipped }),
        ("marks of one class not joined", Settings { join: false, ..shipped }),
        ("one mark for all: `scraper_identity` `none`", Settings { identity: false, ..shipped }),
        ("19 slots", Settings { slots: 19, ..shipped }),
        ("7 slots", Settings { slots: 7, ..shipped }),
        ("5 slots", Settings { slots: 5, ..shipped }),
        ("4 slots", Settings { slots: 4, ..shipped }),
        ("11 slots, always the oldest goes", victims(oldest)),
        ("19 slots, always the oldest goes", Settings { slots: 19, ..victims(oldest) }),
        ("of the open window's winners none goes first", victims(Victims { beaten: false, ..all })),
        ("what is past the age limit does not go first", victims(Victims { expired: false, ..all })),
        ("what a later window beats does not go first", victims(Victims { dominated: false, ..all })),
        ("what nobody asks for does not go first", victims(Victims { unasked: false, ..all })),
        ("windows of 1 s at most", Settings { window_most_ms: 1000, ..shipped }),
        ("windows of 60 s at most", Settings { window_most_ms: 60_000, ..shipped }),
        ("every scraper shares a window younger than 20 ms", Settings { share: Shares::All, ..shipped }),
        ("28 bits of priority", Settings { key_bits: 28, ..shipped }),
        ("age limit 60 s", Settings { age_ms: 60_000, ..shipped }),
        ("age limit 150 s", Settings { age_ms: 150_000, ..shipped }),
        (
            "age limit for what is shown again only",
            Settings { any_age_once: true, ..victims(Victims { expired: false, ..all }) },
        ),
        (NEWEST_GOES, Settings { keep_newest: false, ..shipped }),
        (MARK_STAYS, Settings { move_mark: false, ..shipped }),
    ]
}

/// Those that differ from the shipped one in whom they trust, and that one.
fn rules_of_trust() -> Vec<(&'static str, Settings)> {
    let shipped = Settings::shipped();
    let mut rules = rules();
    rules.retain(|(_, rule)| {
        Settings { trust: rule.trust, join: rule.join, identity: rule.identity, ..shipped } == *rule
    });
    rules
}

/// What a rule achieves: of each figure the worst scraper's.
pub struct Line {
    pub rule: String,
    /// Every mix of stable identities, at 5, 15 and 60 s, and five scrapers at once.
    pub populated_pct: f64,
    pub fresh_pct: f64,
    pub slowest_pct: f64,
    pub slowest_bucket_pct: f64,
    /// The first eight answers of each scraper of two.
    pub early_bucket_pct: f64,
    /// One scraper that loses 5 % of its scrapes, per bucket, at 15 and 60 s.
    pub lost_15_pct: f64,
    pub lost_60_pct: f64,
    /// In all cells so far.
    pub out_of_order: u64,
    pub exposed: u64,
    /// One scraper with addresses at random, for months: exemplars out of order, and how many were exposed. Only for
    /// rules that differ in whom they trust.
    pub random: Option<(u64, u64)>,
    pub max_age_s: f64,
}

/// How long the runs are.
#[derive(Clone, Copy)]
pub struct Length {
    pub scrapes: u32,
    pub random_scrapes: u32,
}

impl Length {
    #[must_use]
    pub const fn of(quick: bool) -> Length {
        if quick {
            Length { scrapes: 60, random_scrapes: 10_000 }
        } else {
            Length { scrapes: 212, random_scrapes: 600_000 }
        }
    }
}

/// Runs all rules, and the library beside the model for addresses at random.
///
/// # Errors
/// The library refuses to make a registry.
pub fn run(library: Library, length: Length) -> Result<Vec<Line>, String> {
    let usual = Traffic::new(Shape::Steady, 100);
    let mut cells = Vec::new();
    for interval_s in [5, 15, 60] {
        cells.extend([Mix::One, Mix::Two, Mix::Four].map(|mix| (mix, interval_s)));
    }
    cells.extend([(Mix::WithSlow, 5), (Mix::WithSlow, 15), (Mix::Five, 5)]);
    cells.extend([(Mix::LostScrapes, 15), (Mix::LostScrapes, 60), (Mix::OneAddress, 15), (Mix::TurnAddress, 15)]);
    let usual = run_models(usual, rules(), &cells, length.scrapes, None)?;
    let sparse = Traffic::new(Shape::Steady, 10);
    let cells = [2, 3].map(|of| (Mix::RandomAddress(of), 15));
    let random = run_models(sparse, rules_of_trust(), &cells, length.random_scrapes, Some(library))?;
    let names = rules().into_iter().map(|(name, _)| name).chain([SPANPIN]);
    Ok(names.map(|name| line(name, &usual, &random)).collect())
}

fn run_models(
    traffic: Traffic,
    rules: Vec<(&str, Settings)>,
    cells: &[(Mix, u32)],
    scrapes: u32,
    library: Option<Library>,
) -> Result<Results, String> {
    let mut built = Vec::new();
    for (mix, interval_s) in cells {
        let mut cell = Cell::new(Spec { traffic, steps: Steps::None, mix: *mix, interval_s: *interval_s, scrapes });
        for (name, settings) in &rules {
            cell.add(name, model(*settings));
        }
        if let Some(library) = library {
            cell.add(SPANPIN, spanpin(library, false)?);
        }
        built.push(cell);
    }
    Ok(cell::run(traffic, built))
}

/// The worst share of the scrapers of some cells, a curl left out.
fn worst(rule: &str, results: &Results, cells: impl Fn(&Spec) -> bool, share: fn(&Tally) -> Share) -> f64 {
    let outcomes = results.outcomes.iter().filter(|outcome| outcome.engine == rule && cells(&outcome.spec));
    let scrapers = outcomes.flat_map(|outcome| &outcome.scrapers).filter(|(interval_s, _)| interval_s.is_some());
    scrapers.map(|(_, tally)| share(tally).percent()).fold(100.0, f64::min)
}

fn sum(rule: &str, results: &Results, figure: fn(&Tally) -> u64) -> u64 {
    let outcomes = results.outcomes.iter().filter(|outcome| outcome.engine == rule);
    outcomes.flat_map(|outcome| &outcome.scrapers).map(|(_, tally)| figure(tally)).sum()
}

fn line(rule: &str, usual: &Results, random: &Results) -> Line {
    let stable = |spec: &Spec| spec.mix.is_stable() && spec.mix != Mix::LostScrapes;
    let lost = |interval_s: u32| {
        let cells = move |spec: &Spec| spec.mix == Mix::LostScrapes && spec.interval_s == interval_s;
        worst(rule, usual, cells, |tally| tally.slowest_bucket)
    };
    let ages = usual.outcomes.iter().filter(|outcome| outcome.engine == rule).flat_map(|outcome| &outcome.scrapers);
    Line {
        rule: rule.into(),
        populated_pct: worst(rule, usual, stable, |tally| tally.populated),
        fresh_pct: worst(rule, usual, stable, |tally| tally.fresh),
        slowest_pct: worst(rule, usual, stable, |tally| tally.slowest),
        slowest_bucket_pct: worst(rule, usual, stable, |tally| tally.slowest_bucket),
        early_bucket_pct: worst(rule, usual, |spec| spec.mix == Mix::Two, |tally| tally.early_bucket),
        lost_15_pct: lost(15),
        lost_60_pct: lost(60),
        out_of_order: sum(rule, usual, |tally| tally.out_of_order),
        exposed: sum(rule, usual, |tally| tally.exposed),
        random: random
            .outcomes
            .iter()
            .any(|outcome| outcome.engine == rule)
            .then(|| (sum(rule, random, |tally| tally.out_of_order), sum(rule, random, |tally| tally.exposed))),
        max_age_s: ages.flat_map(|(_, tally)| &tally.ages_s).copied().fold(0.0, f32::max).into(),
    }
}

/// What shows that the benchmark can tell a good rule from a bad one; each text is a failure.
#[must_use]
pub fn doubts(lines: &[Line]) -> Vec<String> {
    let mut doubts = Vec::new();
    let find = |name: &str| lines.iter().find(|line| line.rule == name);
    let [Some(shipped), Some(no_trust), Some(newest), Some(stays)] =
        [SHIPPED, NO_TRUST, NEWEST_GOES, MARK_STAYS].map(find)
    else {
        return vec!["a rule was not run".into()];
    };
    if newest.slowest_bucket_pct > 90.0 {
        doubts.push(format!("`{NEWEST_GOES}` is not found out: {:.2} % per bucket", newest.slowest_bucket_pct));
    }
    if no_trust.random.is_none_or(|(out_of_order, _)| out_of_order == 0) {
        doubts.push(format!("`{NO_TRUST}` is not found out: nothing out of order behind random addresses"));
    }
    if stays.fresh_pct > 90.0 || stays.slowest_bucket_pct > 90.0 {
        doubts.push(format!("`{MARK_STAYS}` is not found out: {:.2} % fresh", stays.fresh_pct));
    }
    if let Some(real) = find(SPANPIN).filter(|real| real.random != shipped.random) {
        doubts.push(format!(
            "the library and its model differ behind random addresses: {:?} {:?}",
            real.random, shipped.random
        ));
    }
    doubts
}
