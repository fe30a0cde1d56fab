//! The C ABI of spanpin: `include/spanpin.h` is generated from this crate.
//!
//! Every function takes references that C may pass as NULL (`Option<&T>`), checks them, and calls the core.
//! [`boundary`] holds each type with a pointer in it and the only unsafe code: Rust outside of it cannot make
//! such a value, so what a pointer promises is promised by C alone.
#![cfg_attr(not(test), no_std)]
// The types are named as C sees them.
#![allow(non_camel_case_types)]

extern crate alloc;

mod boundary;
mod text;

// The order of these is that of the header, so each stands in a group of its own.
mod version;

mod status;

mod options;

mod registry;

mod hooks;

mod family;

mod histogram;

mod counter;

mod gauge;

mod exemplar;

mod scrape;
mod segment;

mod history;

pub use boundary::{
    Array, Context, spanpin_counter, spanpin_error, spanpin_exemplar, spanpin_exemplar_list, spanpin_exemplar_record,
    spanpin_family, spanpin_gauge, spanpin_histogram, spanpin_label, spanpin_registry, spanpin_scrape_options,
    spanpin_scrape_result, spanpin_series_view, spanpin_str,
};
pub use counter::*;
pub use exemplar::*;
pub use family::*;
pub use gauge::*;
pub use histogram::*;
pub use history::*;
pub use hooks::*;
pub use options::*;
pub use registry::*;
pub use scrape::*;
pub use segment::*;
pub use status::*;
pub use version::*;
