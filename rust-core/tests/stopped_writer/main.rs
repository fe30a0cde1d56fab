//! A thread is really stopped in the middle of an observation or a scrape, others go on, and it continues: no exemplar is
//! torn, uncounted or outside its bucket, and no scraper sees time go back.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod every_instruction;
#[path = "../properties/judge.rs"]
#[allow(dead_code)]
mod judge;
mod random_moments;
mod ring_words;
mod scene;
mod signal;
mod tracer;

use crate::every_instruction::{CASES, Case, Child, Met};
use crate::scene::{Before, Role};

/// All instructions instead of some: better with an optimised library, which has a tenth of them.
fn is_long() -> bool {
    std::env::var_os("SPANPIN_LONG").is_some()
}

/// Which instructions are stopped at: every so many-th in the slot, and of the others.
fn strides(case: Case) -> (usize, usize) {
    if is_long() {
        return (1, 1);
    }
    match (case.role, case.before) {
        (Role::Offer, Before::One) => (3, 29),
        (Role::Offer | Role::Explicit, Before::Rival) => (5, 29),
        (Role::Explicit, Before::One) => (3, 29),
        (Role::LabelledOffer, Before::One | Before::Rival) => (7, 97),
        (Role::Offer | Role::Explicit | Role::LabelledOffer, Before::Full) => (9, 211),
        (Role::Scrape, _) => (1, 149),
    }
}

fn stopped(role: Role, before: Before) -> Met {
    let case = Case { role, before };
    let number = CASES.iter().position(|known| *known == case).unwrap();
    let (in_slot, outside) = strides(case);
    let started = std::time::Instant::now();
    let wanted = |at: usize, is_in_slot: bool| at.is_multiple_of(if is_in_slot { in_slot } else { outside });
    let met = Child::start().run(number, is_long(), wanted);
    println!("{case:?}: {met:?}, {:.1} s", started.elapsed().as_secs_f64());
    // An observation takes the same way each time. A scrape asks the allocator and the clock, and may take another.
    let most = if role == Role::Scrape { met.stops / 2 } else { met.stops / 100 };
    assert!(met.instructions > 100 && met.missed <= most, "it was not where it was before: {met:?}");
    met
}

/// A writer is stopped, outside of its slot and in it, and its slot is taken over.
fn stopped_writer(role: Role, before: &[Before]) {
    for before in before.iter().copied() {
        let met = stopped(role, before);
        assert!(met.busy >= 100 && met.stops >= met.busy + 100, "too few stops: {met:?}");
        assert!(met.busy + met.missed >= met.in_slot, "a stop in the slot did not find it claimed: {met:?}");
        assert!(met.taken_over >= 30, "too few slots were taken over: {met:?}");
        assert!(met.again >= 100, "too few were stopped a second time: {met:?}");
    }
}

#[test]
fn an_offer_is_stopped() {
    stopped_writer(Role::Offer, &[Before::One, Before::Rival, Before::Full]);
}

#[test]
fn a_labelled_offer_is_stopped() {
    stopped_writer(Role::LabelledOffer, &[Before::One, Before::Full]);
}

#[test]
fn an_explicit_exemplar_is_stopped() {
    stopped_writer(Role::Explicit, &[Before::One, Before::Full]);
}

#[test]
fn a_scrape_is_stopped_and_overtaken() {
    for before in [Before::One, Before::Full] {
        let met = stopped(Role::Scrape, before);
        assert!(met.stops >= 300 && met.locked > 0 && met.busy == 0, "too little happened: {met:?}");
    }
}
