//! Loom's atomics, each with a companion that every access touches first.
//!
//! Loom explores another order of two accesses only if the later one meets the earlier as the *last* access of the
//! atomic. A thread that loads and then exchanges hides the load of another thread behind its own, and every order in
//! which it comes before that load is missed. The companion, a relaxed counter, makes each access conflict with the
//! one before it. It orders no memory.

pub(crate) mod atomic {
    use loom::sync::atomic::AtomicU64 as Modelled;
    pub(crate) use loom::sync::atomic::{Ordering, fence};

    #[derive(Debug)]
    pub(crate) struct AtomicU64 {
        touched: Modelled,
        value: Modelled,
    }

    impl AtomicU64 {
        pub(crate) fn new(value: u64) -> Self {
            AtomicU64 { touched: Modelled::new(0), value: Modelled::new(value) }
        }

        fn touch(&self) -> &Modelled {
            self.touched.fetch_add(1, Ordering::Relaxed);
            &self.value
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.touch().load(order)
        }

        pub(crate) fn store(&self, value: u64, order: Ordering) {
            self.touch().store(value, order);
        }

        pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
            self.touch().swap(value, order)
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_add(value, order)
        }

        pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_or(value, order)
        }

        pub(crate) fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
            self.touch().fetch_max(value, order)
        }

        pub(crate) fn compare_exchange(
            &self,
            seen: u64,
            new: u64,
            done: Ordering,
            failed: Ordering,
        ) -> Result<u64, u64> {
            self.touch().compare_exchange(seen, new, done, failed)
        }
    }
}
