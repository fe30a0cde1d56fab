//! The one door to atomics: every other module imports them from here, so that the models in `tests/loom` can put
//! loom's in their place.

pub(crate) mod atomic {
    pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
}
