//! What belongs to a process and not to a segment: its fork generation, the lock of slow paths, and its memory for
//! exemplars.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Bytes of exemplar memory that the registries of this process have taken, and the most they may: the greatest limit that
/// one of them was made with.
static EXEMPLAR_BYTES: AtomicU64 = AtomicU64::new(0);
static EXEMPLAR_BYTES_MOST: AtomicU64 = AtomicU64::new(0);

/// What one registry has taken of the process' exemplar memory; given back when it is dropped.
pub(crate) struct ExemplarShare(AtomicU64);

impl ExemplarShare {
    /// A share of nothing yet, for a registry with this limit of its own.
    pub(crate) fn new(limit: u64) -> Self {
        EXEMPLAR_BYTES_MOST.fetch_max(limit, Ordering::Relaxed);
        ExemplarShare(AtomicU64::new(0))
    }

    /// Takes so many bytes. False if the process has not so many left.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let taken = add_within(&EXEMPLAR_BYTES, bytes, EXEMPLAR_BYTES_MOST.load(Ordering::Relaxed));
        if taken {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
        taken
    }

    /// Gives back what `take` took.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
        EXEMPLAR_BYTES.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for ExemplarShare {
    fn drop(&mut self) {
        EXEMPLAR_BYTES.fetch_sub(self.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Adds to a number unless the sum passes `most`.
pub(crate) fn add_within(number: &AtomicU64, by: u64, most: u64) -> bool {
    let add = |seen: u64| seen.checked_add(by).filter(|sum| *sum <= most);
    number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
}

/// What a process remembers and its children of fork do not: zero in both words until then.
#[cfg(all(target_os = "linux", not(miri)))]
struct OfProcess {
    generation: AtomicU64,
    salt: AtomicU64,
}

#[cfg(all(target_os = "linux", not(miri)))]
impl OfProcess {
    /// Nothing where the kernel does not wipe pages.
    #[inline]
    fn get() -> Option<&'static OfProcess> {
        use crate::sync::atomic::AtomicPtr;

        static PAGE: AtomicPtr<OfProcess> = AtomicPtr::new(core::ptr::null_mut());

        #[cold]
        fn first() -> *mut OfProcess {
            let page = wiped_on_fork();
            if page.is_null() {
                return page;
            }
            // A lost race leaks one page, once per process.
            let known = PAGE.compare_exchange(core::ptr::null_mut(), page, Ordering::Relaxed, Ordering::Relaxed);
            known.map_or_else(|other| other, |_| page)
        }

        let mut page = PAGE.load(Ordering::Relaxed);
        if page.is_null() {
            page = first();
        }
        // SAFETY: null, or a page that is mapped for ever, readable and writable, aligned to its size.
        unsafe { page.as_ref() }
    }
}

/// A number that differs between a process and the children it forks. Never zero. Where the kernel does not wipe a page
/// it is the process id, which slow paths only ask for.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn fork_generation() -> u64 {
    static GENERATIONS: AtomicU64 = AtomicU64::new(1);

    let Some(process) = OfProcess::get() else {
        // SAFETY: getpid has no preconditions.
        return u64::from(unsafe { libc::getpid() }.unsigned_abs());
    };
    set_once(&process.generation, || GENERATIONS.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
}

/// A number that tells this process from others that use the same segment; `fresh` gives one, at the first call. Never
/// zero. Where the kernel does not wipe a page it is as `fork_generation`.
#[cfg(all(target_os = "linux", not(miri)))]
#[inline]
pub(crate) fn salt(fresh: impl FnOnce() -> u64) -> u64 {
    OfProcess::get().map_or_else(fork_generation, |process| set_once(&process.salt, fresh))
}

/// The word, which is given a number other than zero if it has none.
#[cfg(all(target_os = "linux", not(miri)))]
#[inline]
fn set_once(word: &AtomicU64, fresh: impl FnOnce() -> u64) -> u64 {
    let seen = word.load(Ordering::Relaxed);
    if seen != 0 {
        return seen;
    }
    let fresh = fresh().max(1);
    word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed).map_or_else(|other| other, |_| fresh)
}

/// A page that reads as zero in a child of fork, or null.
#[cfg(all(target_os = "linux", not(miri)))]
fn wiped_on_fork() -> *mut OfProcess {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let size = usize::try_from(size).unwrap_or(4096);
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping replaces nothing.
    let page = unsafe { libc::mmap(core::ptr::null_mut(), size, prot, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return core::ptr::null_mut();
    }
    // SAFETY: the page was just mapped. Kernels before 4.14 and some sandboxes refuse.
    let refused = unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } != 0;
    if refused {
        // SAFETY: the page was just mapped and nobody else knows it.
        unsafe { libc::munmap(page, size) };
        return core::ptr::null_mut();
    }
    page.cast()
}

/// A number that differs between a process and the children it forks, where the system offers no cheap way: the
/// process id, read on slow paths only.
#[cfg(any(not(target_os = "linux"), miri))]
pub(crate) fn fork_generation() -> u64 {
    #[cfg(feature = "std")]
    {
        u64::from(std::process::id())
    }
    #[cfg(not(feature = "std"))]
    {
        1
    }
}

/// A number that tells this process from others, as `fork_generation`.
#[cfg(any(not(target_os = "linux"), miri))]
pub(crate) fn salt(_: impl FnOnce() -> u64) -> u64 {
    fork_generation()
}

/// A lock for slow paths: registration, a new series. It carries the fork generation of its holder, so that a child
/// of fork does not wait for a thread that exists in its parent only.
pub(crate) struct Lock {
    /// Zero, or the fork generation of the holder.
    holder: AtomicU64,
}

/// Holds the lock until it is dropped.
pub(crate) struct Held<'a> {
    lock: &'a Lock,
    generation: u64,
    inherited: bool,
}

impl Held<'_> {
    /// Whether the holder before was a thread of the process that this one was forked from: what it was at may be
    /// half done.
    pub(crate) fn is_inherited(&self) -> bool {
        self.inherited
    }
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Lock { holder: AtomicU64::new(0) }
    }

    /// Leaves the lock as a child of fork finds it whose parent held it.
    #[cfg(test)]
    pub(crate) fn abandon(&self) {
        self.holder.store(u64::MAX, Ordering::Relaxed);
    }

    /// Waits for the lock. What it protects is done in microseconds.
    pub(crate) fn hold(&self) -> Held<'_> {
        let generation = fork_generation();
        let mut turns = 0_u32;
        loop {
            let seen = self.holder.load(Ordering::Relaxed);
            // SYNC(lock): Acquire pairs with the release in `drop`.
            if (seen == 0 || seen != generation)
                && self.holder.compare_exchange(seen, generation, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return Held { lock: self, generation, inherited: seen != 0 };
            }
            turns = turns.saturating_add(1);
            pause(turns);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SYNC(lock): Release. Fails only when a forked child took over, which has its own copy of the memory.
        let _ = self.lock.holder.compare_exchange(self.generation, 0, Ordering::Release, Ordering::Relaxed);
    }
}

/// Lets others run while this thread waits: spins first, then gives up its time slice.
pub(crate) fn pause(turns: u32) {
    if turns < 64 {
        core::hint::spin_loop();
    } else {
        #[cfg(unix)]
        // SAFETY: sched_yield has no preconditions.
        unsafe {
            libc::sched_yield();
        }
        #[cfg(all(not(unix), feature = "std"))]
        std::thread::yield_now();
        #[cfg(all(not(unix), not(feature = "std")))]
        core::hint::spin_loop();
    }
}
