//! Random histories of observations, clock steps and scrapes, in one thread, against a naive oracle of the rule.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod doctored;
mod history;
mod judge;
mod memory_limit;
mod oracle;
mod recorder;
mod table;
mod world;

use std::cell::Cell;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::history::{Setting, Step, crowded, history};
use crate::oracle::Mistake;
use crate::world::{Met, World};

impl Met {
    fn add(&mut self, other: Met) {
        self.answers += other.answers;
        self.shown += other.shown;
        self.exact += other.exact;
        self.exact_nothing += other.exact_nothing;
        self.drawn += other.drawn;
        self.own_view += other.own_view;
        self.labelled += other.labelled;
        self.explicit += other.explicit;
        self.crowded += other.crowded;
        self.not_held += other.not_held;
    }
}

/// Runs random histories. The seeds are fixed; `SPANPIN_SEED` gives others, `PROPTEST_CASES` more.
fn run(
    histories: impl Strategy<Value = (Setting, Vec<Step>)>,
    cases: u32,
    mistake: Option<Mistake>,
) -> (Met, Result<(), String>) {
    let seed: u64 = std::env::var("SPANPIN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).filter(|_| mistake.is_none());
    let cases = more.unwrap_or(cases);
    let mut config = Config { cases, failure_persistence: None, ..Config::default() };
    config.max_shrink_iters = if mistake.is_some() { 0 } else { config.max_shrink_iters.min(2000) };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let met = Cell::new(Met::default());
    let ended = runner.run(&histories, |(setting, steps)| {
        let mut world = World::new(setting, mistake);
        let ended = steps.iter().try_for_each(|step| world.take(step));
        let mut sum = met.get();
        sum.add(world.met);
        met.set(sum);
        ended.map_err(proptest::test_runner::TestCaseError::fail)
    });
    let ended = ended.map_err(|error| match error {
        TestError::Fail(why, history) => format!("{why}\nseed {seed}, history {history:#?}"),
        TestError::Abort(why) => format!("aborted: {why}"),
    });
    (met.get(), ended)
}

#[test]
fn a_few_scrapers_see_what_the_rule_says() {
    let (met, ended) = run(history(1..7, 0..3, 600), 150, None);
    println!("{met:?}");
    ended.unwrap();
    // A harness in which little happens would hold too.
    assert!(met.exact > 40_000 && met.exact_nothing > 40_000 && met.own_view > 10_000, "{met:?}");
    assert!(met.crowded > 3000 && met.drawn > 300 && met.labelled > 8000 && met.explicit > 400, "{met:?}");
}

#[test]
fn a_slow_scraper_sees_the_best_since_its_last_scrape_whoever_else_scrapes() {
    let (met, ended) = run(crowded(1600), 25, None);
    println!("{met:?}");
    ended.unwrap();
    assert!(met.crowded > 1000 && met.own_view > 1000, "{met:?}");
}

#[test]
fn many_scrapers_see_nothing_torn_uncounted_expired_or_older_than_before() {
    let (met, ended) = run(history(1..10, 15..18, 500), 80, None);
    println!("{met:?}");
    ended.unwrap();
    assert!(met.shown > 40_000 && met.not_held > 10_000 && met.labelled > 8000, "{met:?}");
}

/// The comparison finds each of these mistakes: a rule that the library does not follow, or, what comes to the same, a
/// library that does not follow the rule.
#[test]
fn a_wrong_rule_is_found() {
    let mistakes = [
        Mistake::LatestOfEqual,
        Mistake::EarliestWindowOfEqual,
        Mistake::FirstExplicit,
        Mistake::OpenWindowShown,
        Mistake::AgeIgnored,
        Mistake::NothingShownAgain,
        Mistake::NextBestShownAgain,
        Mistake::TiedShownAgain,
        Mistake::StampRepeated,
        Mistake::StampOfTheClock,
        Mistake::ClockNeverLookedAt,
        Mistake::EveryoneTrusted,
        Mistake::NobodyTrusted,
        Mistake::PoolIgnored,
    ];
    for mistake in mistakes {
        let (met, ended) = run(history(1..7, 0..3, 600), 1000, Some(mistake));
        let wrong = ended.err().unwrap_or_else(|| panic!("{mistake:?} was not found: {met:?}"));
        let first = wrong.lines().next().unwrap_or_default();
        println!("{mistake:?}, after {} answers: {first}", met.answers);
        let wanted = ["not by the rule", "span of"];
        assert!(wanted.iter().any(|wanted| first.starts_with(wanted)), "{mistake:?}: {first}");
    }
}
