//! What one thread does while others do without, and a fork in the middle does not spoil.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use crate::process::fork_generation;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Lets one thread at a time in. Zero, or the fork generation of who is in.
pub(crate) struct Alone(AtomicU64);

impl Alone {
    pub(crate) const fn new() -> Self {
        Alone(AtomicU64::new(0))
    }

    /// Runs `work`, which is told whether a thread of another process, of which this one is a child of fork, was at it and may
    /// have left it half done. Nothing if another thread of this process is at it.
    pub(crate) fn run<R>(&self, work: impl FnOnce(bool) -> R) -> Option<R> {
        let mine = fork_generation();
        let seen = self.0.load(Ordering::Relaxed);
        // SYNC(exclusive): Acquire takes over the work of the thread before.
        if seen == mine || self.0.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return None;
        }
        let answer = work(seen != 0);
        // SYNC(exclusive): Release.
        self.0.store(0, Ordering::Release);
        Some(answer)
    }

    fn is_idle(&mut self) -> bool {
        *self.0.get_mut() == 0
    }

    /// Leaves it as a thread of the process with this fork generation that is at it.
    #[cfg(test)]
    pub(crate) fn enter(&self, generation: u64) {
        self.0.store(generation, Ordering::Relaxed);
    }
}

/// A value that one thread at a time works on, while the others do without. A child of fork begins with a fresh one, if a
/// thread of its parent was at it.
pub(crate) struct Exclusive<T> {
    alone: Alone,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T: Default> Exclusive<T> {
    pub(crate) fn new() -> Self {
        Exclusive { alone: Alone::new(), value: UnsafeCell::new(MaybeUninit::new(T::default())) }
    }

    /// Nothing if another thread is at it.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.alone.run(|inherited| {
            // SAFETY: `run` lets one thread of this process in at a time, and nobody else has the address.
            let value = unsafe { &mut *self.value.get() };
            if inherited {
                // What another process' thread was at may be half done, so it is not even dropped.
                value.write(T::default());
            }
            // SAFETY: it was given a value by `new`, or above, and is never without one.
            work(unsafe { value.assume_init_mut() })
        })
    }
}

impl<T> Drop for Exclusive<T> {
    fn drop(&mut self) {
        if self.alone.is_idle() {
            // SAFETY: it always has a value, and nobody is at it.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

// SAFETY: `with` lets one thread at a time reach the value.
unsafe impl<T: Send> Sync for Exclusive<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn one_at_a_time_and_afresh_after_a_fork() {
        let value = Exclusive::<Vec<u32>>::new();
        assert_eq!(value.with(|list| list.push(1)), Some(()));
        assert_eq!(value.with(|_| value.with(|_| ())), Some(None), "a thread of this process is at it");
        assert_eq!(value.with(|list| list.len()), Some(1));
        value.alone.enter(fork_generation().wrapping_add(1));
        assert_eq!(value.with(|list| list.len()), Some(0), "what another process was at");
    }
}
