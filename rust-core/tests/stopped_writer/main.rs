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
        (Role::Offer, Before::One) => (1, 29),
        (Role::Explicit, Before::One) => (3, 29),
        (Role::LabelledOffer, Before::One) => (5, 61),
        (Role::Offer, Before::Full) => (5, 101),
        (Role::Explicit | Role::LabelledOffer, Before::Full) => (9, 211),
        (Role::Scrape, _) => (1, 97),
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
    assert!(met.instructions > 100 && met.missed * 20 <= met.stops, "it was not where it was before: {met:?}");
    met
}

/// A writer is stopped, outside of its slot and in it, and its slot is taken over.
fn stopped_writer(role: Role) {
    for before in [Before::One, Before::Full] {
        let met = stopped(role, before);
        assert!(met.busy >= 100 && met.stops >= met.busy + 100, "too few stops: {met:?}");
        assert!(met.busy + met.missed >= met.in_slot, "a stop in the slot did not find it claimed: {met:?}");
        assert!(met.taken_over >= 30, "too few slots were taken over: {met:?}");
    }
}

#[test]
fn an_offer_is_stopped() {
    stopped_writer(Role::Offer);
}

#[test]
fn a_labelled_offer_is_stopped() {
    stopped_writer(Role::LabelledOffer);
}

#[test]
fn an_explicit_exemplar_is_stopped() {
    stopped_writer(Role::Explicit);
}

#[test]
fn a_scrape_is_stopped_and_overtaken() {
    for before in [Before::One, Before::Full] {
        let met = stopped(Role::Scrape, before);
        assert!(met.stops >= 300 && met.locked > 0 && met.busy == 0, "too little happened: {met:?}");
    }
}
