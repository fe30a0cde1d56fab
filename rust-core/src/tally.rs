//! What the core counts about itself.

use crate::segment::layout::Header;
use crate::sync::atomic::Ordering;

/// Why an offer did not become an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DropReason {
    /// The span is not sampled, so its trace will not be kept.
    Unsampled = 0,
    /// There was no span.
    NoSpan = 1,
    /// An id was all zero, a `traceparent` malformed, or a label of an id's name held something else.
    InvalidId = 2,
    /// A filter of the family refused it: `always_off`, `probability`, `adaptive`, or a function of the user's.
    Filter = 3,
    /// The window's look-ups were used up.
    Budget = 4,
    /// Labels were left out because they pass 128 code points.
    LabelLimit = 5,
    /// A character that Prometheus does not keep was replaced, or a label with an invalid name left out.
    LabelValue = 6,
    /// The value is infinite.
    Nonfinite = 7,
    /// Every slot of the ring was protected or being written.
    Busy = 8,
    /// The memory for exemplars was used up.
    Memory = 9,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [DropReason; 10] = [
        DropReason::Unsampled,
        DropReason::NoSpan,
        DropReason::InvalidId,
        DropReason::Filter,
        DropReason::Budget,
        DropReason::LabelLimit,
        DropReason::LabelValue,
        DropReason::Nonfinite,
        DropReason::Busy,
        DropReason::Memory,
    ];

    /// The value of the label `reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::Unsampled => "unsampled",
            DropReason::NoSpan => "no_span",
            DropReason::InvalidId => "invalid_id",
            DropReason::Filter => "filter",
            DropReason::Budget => "budget",
            DropReason::LabelLimit => "label_limit",
            DropReason::LabelValue => "label_value",
            DropReason::Nonfinite => "nonfinite",
            DropReason::Busy => "busy",
            DropReason::Memory => "memory",
        }
    }
}

/// The other things counted; their numbers follow the drop reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Tally {
    /// Offers that a gate let pass.
    Offered = 10,
    /// Exemplars written.
    Admitted = 11,
    /// Exemplars whose writer was stopped until its slot was given away.
    TakenOver = 12,
    /// Observations of NaN.
    Nan = 13,
    /// Counter increments that were negative, NaN or infinite.
    InvalidIncrement = 14,
    /// Observations of label sets beyond the limit or the memory.
    Overflow = 15,
    /// Encoded expositions.
    Encodes = 16,
    /// Nanoseconds spent on them.
    EncodeNs = 17,
    /// Slow requests that a listener was told of.
    SlowRequests = 18,
    /// Functions of the user's that failed.
    CallbackErrors = 19,
}

impl Header {
    pub(crate) fn count(&self, what: Tally, by: u64) {
        self.add_to(what as usize, by);
    }

    pub(crate) fn count_drop(&self, reason: DropReason) {
        self.add_to(reason as usize, 1);
    }

    pub(crate) fn tally(&self, what: Tally) -> u64 {
        self.tallies.get(what as usize).map_or(0, |t| t.load(Ordering::Relaxed))
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.tallies.get(reason as usize).map_or(0, |t| t.load(Ordering::Relaxed))
    }

    fn add_to(&self, index: usize, by: u64) {
        if let Some(tally) = self.tallies.get(index) {
            tally.fetch_add(by, Ordering::Relaxed);
        }
    }
}
