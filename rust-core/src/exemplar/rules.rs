//! How the exemplars of a family are chosen: its filters, its policy, the size of its rings, the age limit. Each process goes
//! by those of its own code; they lie in the family's record besides, for processes that have not registered it.

use super::shape::{SLOTS, SLOTS_LEAST, SLOTS_USUAL};
use super::{Filter, Policy};
use crate::buffer::Buffer;
use crate::core::AGE_MOST_MS;
use crate::encode::number::put_float;
use crate::error::{Error, ErrorCode};
use crate::family::Kind;

/// Words of the rules in a family's record: `filter8 | policy8 | slots8 | adaptive edge8 | adaptive window32`, the age
/// limit in milliseconds, and the bits of four f64: minimum value, probability, lower edge, the caller's p99.
pub(crate) const RULE_WORDS: usize = 6;

const WINDOW_LEAST_S: u32 = 60;
const WINDOW_MOST_S: u32 = 300;
const WINDOW_USUAL_S: u32 = 120;
const AGE_LEAST_S: u32 = 1;
const AGE_MOST_S: u32 = 86_400;
pub(super) const EDGE_USUAL: f64 = 0.8;
/// What an edge is taken for that the family has not set: the numbers lie in the record.
const EDGE_NONE: u64 = 0;
const EDGE_OF_P99: u64 = 1;
const EDGE_P95: u64 = 2;

/// Where the middle band of adaptive sampling begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LowerEdge {
    /// At this part of the p99, above 0 and at most 1. The default is 0.8.
    OfP99(f64),
    /// At the p95 of the same window.
    P95,
}

/// Sampling by where a value lies: every offer above the p99 of a moving window passes, one in ten from the lower edge up
/// to it, one in a hundred below. Before a series has 100 observations in the window every offer passes.
///
/// The p99 is that of the series' own buckets, brought up to date once a second, by the first offer after it, and
/// interpolated inside its bucket as `histogram_quantile` does; a p99 above the last bound counts as the last bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Where the middle band begins.
    pub lower: LowerEdge,
    /// The length of the moving window in seconds, from 60 to 300. Default 120.
    pub window_seconds: u32,
    /// A p99 of the caller's in place of that of the buckets; `set_p99` of the family changes it. With
    /// [`LowerEdge::P95`] the edge still comes from the buckets.
    pub p99: Option<f64>,
}

impl Default for Adaptive {
    fn default() -> Self {
        Adaptive { lower: LowerEdge::OfP99(EDGE_USUAL), window_seconds: WINDOW_USUAL_S, p99: None }
    }
}

/// The rules as they are asked for; what is not said is the registry's default.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleOptions {
    /// Which trace contexts may become exemplars.
    pub filter: Option<Filter>,
    /// Which offer of a window is kept.
    pub policy: Option<Policy>,
    /// The slots of a ring, 4 to 19.
    pub slots: Option<u32>,
    /// The age after which an exemplar is not shown again, in seconds.
    pub max_age_seconds: Option<u32>,
    /// The least value that is offered.
    pub minimum_value: Option<f64>,
    /// The part of the offers that passes, 0 to 1.
    pub probability: Option<f64>,
    /// Sampling by where a value lies; `Some(None)` for none whatever the default.
    pub adaptive: Option<Option<Adaptive>>,
}

impl RuleOptions {
    /// These, and where they say nothing, `defaults`.
    #[must_use]
    pub fn or(self, defaults: &RuleOptions) -> RuleOptions {
        RuleOptions {
            filter: self.filter.or(defaults.filter),
            policy: self.policy.or(defaults.policy),
            slots: self.slots.or(defaults.slots),
            max_age_seconds: self.max_age_seconds.or(defaults.max_age_seconds),
            minimum_value: self.minimum_value.or(defaults.minimum_value),
            probability: self.probability.or(defaults.probability),
            adaptive: self.adaptive.or(defaults.adaptive),
        }
    }

    /// The part of a process' defaults that makes sense for this kind: a least value and adaptive sampling are meant for
    /// what histograms observe, not for what counters add.
    pub(crate) fn of_kind(self, kind: Kind) -> RuleOptions {
        if kind == Kind::Histogram { self } else { RuleOptions { minimum_value: None, adaptive: None, ..self } }
    }

    /// Fails if a number is outside its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        in_range("slots", self.slots, SLOTS_LEAST as u32, SLOTS as u32, "")?;
        in_range("max_age", self.max_age_seconds, AGE_LEAST_S, AGE_MOST_S, " seconds")?;
        if let Some(value) = self.minimum_value
            && value.is_nan()
        {
            return Err(bad_float("minimum_value", value, "a number, in the unit of the metric"));
        }
        if let Some(part) = self.probability
            && !(0.0..=1.0).contains(&part)
        {
            return Err(bad_float("probability", part, "from 0 to 1"));
        }
        self.adaptive.flatten().map_or(Ok(()), |adaptive| adaptive.check())
    }

    /// The rules of a family of this kind. The numbers were checked.
    pub(crate) fn resolve(&self, kind: Kind) -> Rules {
        Rules {
            filter: self.filter.unwrap_or(Filter::TraceBased),
            policy: self.policy.unwrap_or(if kind == Kind::Counter { Policy::Uniform } else { Policy::Slowest }),
            slots: self.slots.map_or(SLOTS_USUAL, |slots| slots as usize),
            max_age_ms: self.max_age_seconds.map_or(AGE_MOST_MS, |s| u64::from(s).saturating_mul(1000)),
            minimum_value: self.minimum_value.unwrap_or(f64::NEG_INFINITY),
            probability: self.probability.unwrap_or(1.0),
            adaptive: self.adaptive.flatten(),
        }
    }
}

impl Adaptive {
    fn check(&self) -> Result<(), Error> {
        in_range("adaptive window", Some(self.window_seconds), WINDOW_LEAST_S, WINDOW_MOST_S, " seconds")?;
        if let LowerEdge::OfP99(part) = self.lower
            && !(part > 0.0 && part <= 1.0)
        {
            return Err(bad_float("adaptive lower edge", part, "above 0 and at most 1, a part of the p99"));
        }
        match self.p99 {
            Some(p99) if !p99.is_finite() => Err(bad_float("adaptive p99", p99, "finite")),
            _ => Ok(()),
        }
    }
}

/// The rules of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    pub(crate) filter: Filter,
    pub(crate) policy: Policy,
    pub(crate) slots: usize,
    pub(crate) max_age_ms: u64,
    pub(crate) minimum_value: f64,
    pub(crate) probability: f64,
    pub(crate) adaptive: Option<Adaptive>,
}

impl Rules {
    /// The least value that is offered; NaN, which no value reaches, when none is.
    pub(crate) fn offer_from(&self) -> f64 {
        if self.filter == Filter::AlwaysOff || self.probability == 0.0 { f64::NAN } else { self.minimum_value }
    }

    /// Whether offers are drawn by lot, so that passing the gate is not enough.
    pub(crate) fn draws(&self) -> bool {
        self.probability < 1.0 || self.adaptive.is_some()
    }

    pub(crate) fn to_words(self) -> [u64; RULE_WORDS] {
        // A lower edge that nobody asks for is one that is allowed all the same: words change one by one, and a reader may
        // see the choices of one registration with the edge of another.
        let (edge, window, lower, p99) = match self.adaptive {
            None => (EDGE_NONE, 0, EDGE_USUAL, f64::NAN),
            Some(Adaptive { lower, window_seconds, p99 }) => {
                let p99 = p99.unwrap_or(f64::NAN);
                match lower {
                    LowerEdge::OfP99(part) => (EDGE_OF_P99, window_seconds, part, p99),
                    LowerEdge::P95 => (EDGE_P95, window_seconds, EDGE_USUAL, p99),
                }
            }
        };
        let choices = u64::from(self.filter as u32) | u64::from(self.policy as u32) << 8 | (self.slots as u64) << 16;
        [
            choices | edge << 24 | u64::from(window) << 32,
            self.max_age_ms,
            self.minimum_value.to_bits(),
            self.probability.to_bits(),
            lower.to_bits(),
            p99.to_bits(),
        ]
    }

    /// The rules in a record, or nothing if a number is none that this version writes.
    pub(crate) fn from_words(words: [u64; RULE_WORDS]) -> Option<Rules> {
        let [choices, max_age_ms, minimum, probability, lower, p99] = words;
        let window_seconds = (choices >> 32) as u32;
        let p99 = Some(f64::from_bits(p99)).filter(|p99| p99.is_finite());
        let lower = match choices >> 24 & 0xFF {
            EDGE_NONE => None,
            EDGE_OF_P99 => Some(LowerEdge::OfP99(f64::from_bits(lower))),
            EDGE_P95 => Some(LowerEdge::P95),
            _ => return None,
        };
        let adaptive = lower.map(|lower| Adaptive { lower, window_seconds, p99 });
        let rules = Rules {
            filter: Filter::from_u32((choices & 0xFF) as u32)?,
            policy: Policy::from_u32((choices >> 8 & 0xFF) as u32)?,
            slots: (choices >> 16 & 0xFF) as usize,
            max_age_ms,
            minimum_value: f64::from_bits(minimum),
            probability: f64::from_bits(probability),
            adaptive,
        };
        let fits = (SLOTS_LEAST..=SLOTS).contains(&rules.slots)
            && (0.0..=1.0).contains(&rules.probability)
            && !rules.minimum_value.is_nan()
            && adaptive.is_none_or(|adaptive| adaptive.check().is_ok());
        fits.then_some(rules)
    }
}

fn in_range(what: &str, given: Option<u32>, least: u32, most: u32, unit: &str) -> Result<(), Error> {
    let Some(given) = given.filter(|given| !(least..=most).contains(given)) else { return Ok(()) };
    let mut message = Buffer::new();
    message.put_str(what);
    message.put_str(" is ");
    message.put_u64(u64::from(given));
    message.put_str(": it must be from ");
    message.put_u64(u64::from(least));
    message.put_str(" to ");
    message.put_u64(u64::from(most));
    message.put_str(unit);
    Err(Error::new(ErrorCode::InvalidOption, message))
}

fn bad_float(what: &str, given: f64, allowed: &str) -> Error {
    let mut message = Buffer::new();
    message.put_str(what);
    message.put_str(" is ");
    put_float(&mut message, given);
    message.put_str(": it must be ");
    message.put_str(allowed);
    Error::new(ErrorCode::InvalidOption, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_the_record() {
        let adaptives = [
            None,
            Some(Adaptive::default()),
            Some(Adaptive { lower: LowerEdge::P95, window_seconds: 300, p99: Some(0.25) }),
        ];
        for adaptive in adaptives {
            let options = RuleOptions {
                filter: Some(Filter::AlwaysOn),
                policy: Some(Policy::First),
                slots: Some(19),
                max_age_seconds: Some(7),
                minimum_value: Some(-0.5),
                probability: Some(0.25),
                adaptive: Some(adaptive),
            };
            options.check().unwrap();
            let rules = options.resolve(Kind::Histogram);
            assert_eq!(Rules::from_words(rules.to_words()), Some(rules));
        }
        // Whatever mixture of the words of two registrations a reader sees, it is rules.
        let words = adaptives.map(|adaptive| {
            let options = RuleOptions { adaptive: Some(adaptive), minimum_value: Some(1.0), ..RuleOptions::default() };
            options.resolve(Kind::Histogram).to_words()
        });
        for mixture in 0..3_usize.pow(RULE_WORDS as u32) {
            let mut mixed = words[0];
            for (at, word) in mixed.iter_mut().enumerate() {
                *word = words[mixture / 3_usize.pow(at as u32) % 3][at];
            }
            assert!(Rules::from_words(mixed).is_some(), "{mixed:x?}");
        }
        let mut words = RuleOptions::default().resolve(Kind::Counter).to_words();
        assert_eq!(Rules::from_words(words).unwrap().policy, Policy::Uniform);
        words[0] ^= 0xFF << 16;
        assert_eq!(Rules::from_words(words), None, "no ring has that many slots");
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let usual = RuleOptions::default();
        let adaptive = |adaptive| RuleOptions { adaptive: Some(Some(adaptive)), ..usual };
        for (options, message) in [
            (RuleOptions { slots: Some(3), ..usual }, "slots is 3: it must be from 4 to 19"),
            (RuleOptions { slots: Some(20), ..usual }, "slots is 20: it must be from 4 to 19"),
            (RuleOptions { max_age_seconds: Some(0), ..usual }, "max_age is 0: it must be from 1 to 86400 seconds"),
            (RuleOptions { probability: Some(1.5), ..usual }, "probability is 1.5: it must be from 0 to 1"),
            (RuleOptions { probability: Some(f64::NAN), ..usual }, "probability is NaN: it must be from 0 to 1"),
            (
                RuleOptions { minimum_value: Some(f64::NAN), ..usual },
                "minimum_value is NaN: it must be a number, in the unit of the metric",
            ),
            (
                adaptive(Adaptive { window_seconds: 59, ..Default::default() }),
                "adaptive window is 59: it must be from 60 to 300 seconds",
            ),
            (
                adaptive(Adaptive { lower: LowerEdge::OfP99(0.0), ..Default::default() }),
                "adaptive lower edge is 0.0: it must be above 0 and at most 1, a part of the p99",
            ),
            (
                adaptive(Adaptive { p99: Some(f64::INFINITY), ..Default::default() }),
                "adaptive p99 is +Inf: it must be finite",
            ),
        ] {
            let error = options.check().unwrap_err();
            assert_eq!((error.code(), error.message()), (ErrorCode::InvalidOption, message));
        }
    }
}
