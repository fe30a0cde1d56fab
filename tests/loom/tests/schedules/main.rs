//! Random schedules: long histories of writers and scrapers, stopped and killed at any step, on sequentially
//! consistent memory. What the models leave out is here: many windows, explicit exemplars, labels, clocks that step,
//! ages, and what a scrape ought to have shown.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod sync {
    pub(crate) mod atomic {
        pub(crate) use crate::stepper::{AtomicU64, fence};
        pub(crate) use std::sync::atomic::Ordering;
    }
}

#[allow(dead_code, unused_imports, unused_variables, unused_assignments, clippy::all)]
mod sets {
    include!(concat!(env!("OUT_DIR"), "/schedules.rs"));
}

mod stepper;

use crate::stepper::Random;

/// `LOOM_LONG` multiplies the runs by four to the power of its number.
fn runs(usual: u64) -> u64 {
    let extra = std::env::var("LOOM_LONG").ok().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    usual << (2 * extra)
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) offers: u64,
    pub(crate) admitted: u64,
    pub(crate) scrapes: u64,
    pub(crate) shown: u64,
    pub(crate) taken_over: u64,
    pub(crate) deaths: u64,
}

type Run = fn(&mut Random, &mut Seen) -> Result<(), String>;

fn first_failure(run: Run, runs: u64) -> (Seen, Option<String>) {
    let mut seen = Seen::default();
    for seed in 0..runs {
        if let Err(broken) = run(&mut Random::new(seed), &mut seen) {
            return (seen, Some(format!("run {seed}: {broken}")));
        }
    }
    (seen, None)
}

fn holds(name: &str, run: Run, usual: u64) {
    let start = std::time::Instant::now();
    let (seen, failure) = first_failure(run, runs(usual));
    println!("{name}: {seen:?}, {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(failure, None, "{name}");
    // A harness in which nothing happens would hold too.
    assert!(seen.admitted > 1000 && seen.shown > 1000, "{name}: too little happened: {seen:?}");
}

fn fails(name: &str, run: Run, expected: &str) {
    let (seen, failure) = first_failure(run, runs(20_000));
    let Some(failure) = failure else { panic!("{name}: nothing broke in {seen:?}, it must be {expected:?}") };
    assert!(failure.contains(expected), "{name}: broke as {failure:?}, not as {expected:?}");
    println!("{name}: {failure}");
}

#[test]
fn concurrent() {
    holds("concurrent", sets::original::scenarios::concurrent, 8000);
}

#[test]
fn one_after_another() {
    holds("one_after_another", sets::original::scenarios::one_after_another, 2000);
}

macro_rules! mutants {
    ($($mutant:ident in $scenario:ident: $expected:literal;)*) => {
        $(
            #[test]
            fn $mutant() {
                let name = concat!(stringify!($mutant), " in ", stringify!($scenario));
                fails(name, sets::$mutant::scenarios::$scenario, $expected);
            }
        )*
    };
}

mod breaks {
    use super::{fails, sets};

    mutants! {
        check_off in concurrent: "torn";
        labels_unchecked in concurrent: "torn";
        busy_accepted in concurrent: "step back";
        stamp_may_repeat in concurrent: "step back";
        tie_across_windows in concurrent: "step back";
        tie_shown_again in concurrent: "step back";
        no_head_check in concurrent: "step back";
        in_place in concurrent: "step back";
        beaten_unseen in concurrent: "step back";
        newest_unprotected in concurrent: "step back";
        newest_closed_unprotected in concurrent: "step back";
        no_head_test in concurrent: "step back";
        no_second_collect in concurrent: "step back";
        next_best_fallback in concurrent: "step back";
        open_window_shown in concurrent: "not closed";
        age_ignored in concurrent: "too old";
        claim_stored in concurrent: "step back";
        publish_stored in concurrent: "step back";
        give_up_stored in concurrent: "step back";
        winner_taken in concurrent: "step back";
        dead_writer_kept in concurrent: "no recovery";
        marks_ignored in one_after_another: "not the best";
        later_dominates in one_after_another: "not the best";
    }
}
