//! Places in the shared protocols at which a test stops a process, to kill it there. Only in builds with
//! `--cfg spanpin_stops`, which `tests/crash` makes; in all others neither this module nor its calls exist.
//!
//! A stop is written `crate::stops::at("name: where")`, beside the comment with the name of the synchronisation that it is at.
//! Steps that are no synchronisation, such as the growth of a file, have stops as well. `tests/crash/points.py` finds them
//! all in the source.

use std::sync::OnceLock;

static HANDLER: OnceLock<fn(&'static str)> = OnceLock::new();

/// Has `handler` called at every stop of this process, and of the children that it forks. The first one stays.
pub fn set_handler(handler: fn(&'static str)) {
    _ = HANDLER.set(handler);
}

/// The calling thread is at this stop.
pub(crate) fn at(name: &'static str) {
    if let Some(handler) = HANDLER.get() {
        handler(name);
    }
}
