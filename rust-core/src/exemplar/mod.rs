//! Exemplars: which observation a bucket keeps, and which one a scrape shows. `docs/exemplars.md` has the rule.

mod adaptive;
pub(crate) mod blocks;
mod content;
mod explicit;
mod offer;
pub(crate) mod priority;
pub(crate) mod ring;
pub(crate) mod rules;
pub(crate) mod scrapers;
pub(crate) mod shape;
pub(crate) mod slot;

pub(crate) use self::adaptive::AdaptiveState;
pub(crate) use self::content::{Stored, flags, packer};
pub(crate) use self::offer::Offer;
pub use self::priority::Policy;
pub use self::rules::{Adaptive, LowerEdge, RuleOptions};
pub use self::scrapers::Scraper;

/// Which trace contexts may become exemplars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Filter {
    /// Those of sampled spans, whose traces will be found. The default.
    TraceBased = 1,
    /// Those of any valid span.
    AlwaysOn = 2,
    /// None; explicit exemplars neither.
    AlwaysOff = 3,
}

impl Filter {
    /// The filter with this number, as the C ABI passes it.
    #[must_use]
    pub const fn from_u32(n: u32) -> Option<Filter> {
        match n {
            1 => Some(Filter::TraceBased),
            2 => Some(Filter::AlwaysOn),
            3 => Some(Filter::AlwaysOff),
            _ => None,
        }
    }

    /// The filter of this name, as OpenTelemetry spells it: `trace_based`, `always_on`, `always_off`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Filter> {
        match name {
            "trace_based" => Some(Filter::TraceBased),
            "always_on" => Some(Filter::AlwaysOn),
            "always_off" => Some(Filter::AlwaysOff),
            _ => None,
        }
    }
}
