//! CPU time, because on a machine that others use as well the wall clock says little.

/// CPU time of this thread in nanoseconds.
#[must_use]
pub fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "the system has no CPU clock for threads");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Binds the calling thread to one processor. False if the system refuses.
#[must_use]
pub fn pin_to(processor: usize) -> bool {
    // SAFETY: a set of processors is plain bits, for which zeros are valid.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a set; a number that it has no room for is ignored.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: `set` outlives the call and has the size that is given.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0 }
}
