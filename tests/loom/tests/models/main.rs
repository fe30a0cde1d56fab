//! Loom models: every order of the steps, and every value that the orderings let a load return, within a bound on
//! preemptions. The files under test are the core's own, see `build.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[allow(dead_code, unused_imports, unused_variables, unused_assignments, clippy::all)]
mod sets {
    include!(concat!(env!("OUT_DIR"), "/models.rs"));
}

mod against_two;
mod check;
mod gauge;
mod records;
mod ring;
mod slot;
mod stripes;
mod sync;
