//! The wall clock of a run, which may step, and the monotonic clock, which does not.

/// 1,755,780,000 s after the epoch, the wall clock at the start of every run.
const WALL_MS: u64 = 1_755_780_000_000;
/// The monotonic clock at the start.
const MONO_MS: u64 = 10_000_000;
const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    None,
    /// 10 s back at half time.
    Back,
    /// An hour ahead at a quarter of the time, and right again at half time.
    HourAhead,
}

impl Steps {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Steps::None => "",
            Steps::Back => ", clock 10 s back",
            Steps::HourAhead => ", clock 1 h ahead, then right",
        }
    }

    /// The times of the steps in a run of this length, and how far the wall clock is off from then on.
    #[must_use]
    pub fn times(self, end_us: u64) -> Vec<(u64, i64)> {
        match self {
            Steps::None => Vec::new(),
            Steps::Back => vec![(end_us / 2, -10_000)],
            Steps::HourAhead => vec![(end_us / 4, HOUR_MS), (end_us / 2, 0)],
        }
    }
}

/// How the clocks stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// How far the wall clock is off.
    pub off_ms: i64,
}

impl Clock {
    #[must_use]
    pub fn wall_ms(&self, at_us: u64) -> u64 {
        self.wall_start_ms() + at_us / 1000
    }

    #[must_use]
    pub fn wall_us(&self, at_us: u64) -> u64 {
        self.wall_start_ms() * 1000 + at_us
    }

    #[must_use]
    pub fn mono_ms(&self, at_us: u64) -> u64 {
        self.mono_start_ms() + at_us / 1000
    }

    /// The wall clock at the time 0, had it always been as far off as now.
    #[must_use]
    pub fn wall_start_ms(&self) -> u64 {
        WALL_MS.saturating_add_signed(self.off_ms)
    }

    #[must_use]
    pub fn mono_start_ms(&self) -> u64 {
        MONO_MS
    }
}
