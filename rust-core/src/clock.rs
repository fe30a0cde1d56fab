//! The two clocks: the monotonic one for windows and ages, the wall clock for stamps only. Tests may set both.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The clocks of a registry.
pub(crate) struct Clock {
    /// Not zero once the clock was set by hand.
    manual: AtomicU64,
    wall_ms: AtomicU64,
    mono_ms: AtomicU64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Clock { manual: AtomicU64::new(0), wall_ms: AtomicU64::new(0), mono_ms: AtomicU64::new(0) }
    }

    /// Sets both clocks by hand, for good. True the first time.
    pub(crate) fn set(&self, wall_ms: u64, mono_ms: u64) -> bool {
        self.wall_ms.store(wall_ms, Ordering::Relaxed);
        self.mono_ms.store(mono_ms, Ordering::Relaxed);
        self.manual.swap(1, Ordering::Relaxed) == 0
    }

    /// Whether it was set by hand.
    pub(crate) fn is_manual(&self) -> bool {
        self.manual.load(Ordering::Relaxed) != 0
    }

    /// Milliseconds since the Unix epoch, coarse where the system has a coarse clock: a stamp may be a few of them early.
    pub(crate) fn wall_ms(&self) -> u64 {
        if self.is_manual() { self.wall_ms.load(Ordering::Relaxed) } else { system::wall_ms() }
    }

    /// Milliseconds of a clock that never steps. Coarse where the system has a coarse one.
    pub(crate) fn mono_ms(&self) -> u64 {
        if self.is_manual() { self.mono_ms.load(Ordering::Relaxed) } else { system::mono_ms() }
    }
}

/// Nanoseconds of the monotonic clock, for what the core says of itself; never set by hand.
pub(crate) fn mono_ns() -> u64 {
    system::mono_ns()
}

#[cfg(unix)]
mod system {
    #[cfg(target_os = "linux")]
    const MONO: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(target_os = "linux")]
    const WALL: libc::clockid_t = libc::CLOCK_REALTIME_COARSE;
    #[cfg(not(target_os = "linux"))]
    const MONO: libc::clockid_t = libc::CLOCK_MONOTONIC;
    #[cfg(not(target_os = "linux"))]
    const WALL: libc::clockid_t = libc::CLOCK_REALTIME;

    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the fields' types differ between systems")]
    fn read(clock: libc::clockid_t) -> (u64, u64) {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the answer. A failure, which these clocks do not have, leaves zero.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        (time.tv_sec as u64, time.tv_nsec as u64)
    }

    fn read_ms(clock: libc::clockid_t) -> u64 {
        let (seconds, nanos) = read(clock);
        seconds.wrapping_mul(1000).wrapping_add(nanos / 1_000_000)
    }

    pub(super) fn wall_ms() -> u64 {
        read_ms(WALL)
    }

    pub(super) fn mono_ms() -> u64 {
        read_ms(MONO)
    }

    pub(super) fn mono_ns() -> u64 {
        let (seconds, nanos) = read(libc::CLOCK_MONOTONIC);
        seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)
    }
}

#[cfg(all(not(unix), feature = "std"))]
mod system {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    pub(super) fn wall_ms() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }

    pub(super) fn mono_ns() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        // An hour on top, so that no age is measured from zero.
        (START.get_or_init(Instant::now).elapsed().as_nanos() as u64).wrapping_add(3_600_000_000_000)
    }

    pub(super) fn mono_ms() -> u64 {
        mono_ns() / 1_000_000
    }
}
