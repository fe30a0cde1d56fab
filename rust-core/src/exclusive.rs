//! A value that one thread works on while others do without, and that a fork in the middle does not spoil.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use crate::process::fork_generation;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A value that one thread at a time works on, while the others do without. A child of fork begins with a fresh one, if a
/// thread of its parent was at it.
pub(crate) struct Exclusive<T> {
    /// Zero, or the fork generation of who works on it.
    busy: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T: Default> Exclusive<T> {
    pub(crate) fn new() -> Self {
        Exclusive { busy: AtomicU64::new(0), value: UnsafeCell::new(MaybeUninit::new(T::default())) }
    }

    /// Nothing if another thread is at it.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mine = fork_generation();
        let seen = self.busy.load(Ordering::Relaxed);
        // SYNC(exclusive): Acquire takes over the work of the thread before.
        if seen == mine || self.busy.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return None;
        }
        // SAFETY: the exchange above lets one thread of this process in at a time, and nobody else has the address.
        let value = unsafe { &mut *self.value.get() };
        if seen != 0 {
            // What another process' thread was at may be half done, so it is not even dropped.
            value.write(T::default());
        }
        // SAFETY: it was given a value by `new`, or above, and is never without one.
        let answer = work(unsafe { value.assume_init_mut() });
        // SYNC(exclusive): Release.
        self.busy.store(0, Ordering::Release);
        Some(answer)
    }
}

impl<T> Drop for Exclusive<T> {
    fn drop(&mut self) {
        if *self.busy.get_mut() == 0 {
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
        value.busy.store(fork_generation().wrapping_add(1), Ordering::Relaxed);
        assert_eq!(value.with(|list| list.len()), Some(0), "what another process was at");
    }
}
