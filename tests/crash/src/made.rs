//! Observations by number: series, value, ids and labels all follow from one number, so that a mixture of two shows.
//! `judge.py` has the same rules.

use spanpin::{SpanId, TraceContext, TraceId};

/// Histogram families that all writers share, and the label values of each.
pub const SHARED_FAMILIES: usize = 5;
pub const LABELS: usize = 8;
/// Counter families that all share, with as many label values.
pub const COUNTER_FAMILIES: usize = 2;
/// Each life of a writer has a family of its own with so many series.
pub const OWN: usize = 8;
/// Lives in one batch at most.
pub const LIVES: usize = 160;

pub const SHARED: usize = SHARED_FAMILIES * LABELS;
pub const COUNTERS: usize = COUNTER_FAMILIES * LABELS;
/// All series that a batch can have.
pub const SERIES: usize = SHARED + COUNTERS + LIVES * OWN;

/// Series that come and go, of each life, and such that all share.
pub const PASSING: usize = 4;
pub const MEETING: usize = 3;

pub const BOUNDS: [f64; 3] = [0.25, 0.5, 0.75];
/// Values are multiples of one part in so many, so that every sum of them is exact.
pub const UNITS: u64 = 1 << 20;

const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A series by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which(pub usize);

impl Which {
    pub fn shared(family: usize, label: usize) -> Which {
        Which(family * LABELS + label)
    }

    pub fn counter(family: usize, label: usize) -> Which {
        Which(SHARED + family * LABELS + label)
    }

    pub fn own(life: usize, label: usize) -> Which {
        Which(SHARED + COUNTERS + life * OWN + label)
    }

    /// One of those that a life has for itself, and that come and go.
    pub fn passing(label: usize) -> Which {
        Which(SERIES + label)
    }

    /// One that anybody makes, counts in and removes.
    pub fn meeting(label: usize) -> Which {
        Which(SERIES + PASSING + label)
    }

    pub fn is_counter(self) -> bool {
        (SHARED..SHARED + COUNTERS).contains(&self.0)
    }

    /// The label value, the same as its number in its family.
    pub fn label(self) -> usize {
        match self.0.checked_sub(SHARED + COUNTERS) {
            None => self.0 % LABELS,
            Some(own) => own % OWN,
        }
    }

    /// The family's name.
    pub fn family(self) -> String {
        match (self.0.checked_sub(SHARED), self.0.checked_sub(SHARED + COUNTERS)) {
            (None, _) => format!("h{}", self.0 / LABELS),
            (Some(counter), None) => format!("c{}", counter / LABELS),
            (_, Some(own)) => format!("own{}", own / OWN),
        }
    }

    pub fn all() -> impl Iterator<Item = Which> {
        (0..SERIES).map(Which)
    }
}

/// How the exemplar of an observation is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Offered,
    OfferedWithLabel,
    Explicit,
    ExplicitWithLabel,
}

/// An observation.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub which: Which,
    n: u64,
}

impl Made {
    /// The `i`-th observation of a life, which it makes in this series.
    pub fn new(which: Which, life: usize, i: u64) -> Made {
        Made { which, n: (which.0 as u64) << 44 | (life as u64) << 32 | (i & 0xFFFF_FFFF) }
    }

    /// The value, in units.
    pub fn units(self) -> u64 {
        if self.which.is_counter() {
            // Some amounts are no whole ones.
            if self.n.is_multiple_of(4) { UNITS / 4 } else { UNITS }
        } else {
            (self.n.wrapping_mul(SPREAD) >> 44) + 1
        }
    }

    pub fn value(self) -> f64 {
        self.units() as f64 / UNITS as f64
    }

    pub fn form(self) -> Form {
        // Half of the series have explicit exemplars, which outrank all others.
        match (self.n % 16, self.which.0 % 2) {
            (0, 0) => Form::Explicit,
            (1, 0) => Form::ExplicitWithLabel,
            (2..=6, _) => Form::OfferedWithLabel,
            _ => Form::Offered,
        }
    }

    pub fn span(self) -> TraceContext {
        let trace = TraceId::from_u64s(self.n.wrapping_mul(SPREAD) | 1, self.n);
        let (trace, span) = (trace, SpanId::from_u64(self.n | 1 << 63));
        match (trace, span) {
            (Some(trace), Some(span)) => TraceContext::sampled(trace, span),
            _ => unreachable!("both have a bit set"),
        }
    }

    /// A label as long as there is room for: writing it takes time.
    pub fn label(self) -> String {
        format!("{:062}", self.n)
    }
}
