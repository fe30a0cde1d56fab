//! Histograms and counters whose buckets keep the trace of a request that was slow.
//!
//! ```
//! use spanpin::{Registry, ScrapeRequest, TraceContext};
//!
//! let registry = Registry::new()?;
//! let latency = registry.histogram("http_request_duration_seconds", "Latency.").labels(&["route"]).register()?;
//! let orders = latency.with(&["/orders"])?;
//!
//! # registry.set_clock(1_755_780_000_000, 1_000_000);
//! // A request that was made in a sampled span.
//! let span = TraceContext::parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")?;
//! orders.observe_trace(0.67, span);
//!
//! # registry.set_clock(1_755_780_001_000, 1_001_000);
//! let scrape = registry.scrape(&ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() })?;
//! let body = String::from_utf8_lossy(scrape.body());
//! assert!(body.contains(r#"le="1.0"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c","#));
//! # Ok::<(), spanpin::Error>(())
//! ```
//!
//! The exemplar of a bucket is the observation that was slowest since the last scrape of the one who asks.
//! Observing takes no lock, allocates nothing and never fails.
//!
//! # Limits
//!
//! One histogram has at most 4,096 bounds; labels of an exemplar have 128 code points; a family has 2,000 series
//! unless told otherwise. Metric and label names are the legacy ones; label values are any UTF-8.
//!
//! # Errors
//!
//! Registration and label look-ups fail with an [`Error`] that says what was wrong, what is allowed and what to do.
//! Observing never fails: what cannot be done is counted, and shown as `spanpin_*` metrics.
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod bridge;
pub mod buckets;
#[doc(hidden)]
pub mod buffer;
mod builder;
mod churn;
mod clock;
mod core;
mod counting;
mod encode;
mod error;
mod exclusive;
mod exemplar;
mod family;
mod gauge;
mod handles;
mod hash;
mod history;
mod hooks;
mod labels;
mod memory;
mod negotiate;
mod observe;
mod open;
mod process;
#[doc(hidden)]
pub mod raw;
mod reading;
mod register;
mod registry;
mod segment;
mod series;
mod shape;
mod snapshot;
#[cfg(spanpin_stops)]
#[doc(hidden)]
pub mod stops;
mod stripes;
mod sync;
mod tally;
mod text;
mod trace;
mod variables;

#[cfg(feature = "tracing")]
pub use crate::bridge::tracing::log_slow_request;
pub use crate::builder::FamilyBuilder;
pub use crate::encode::{Scrape, ScrapeRequest};
pub use crate::error::{Error, ErrorCode, Result};
pub use crate::exemplar::{Adaptive, Filter, LowerEdge, Policy, RuleOptions, Scraper};
pub use crate::family::Kind;
pub use crate::handles::{Counter, CounterFamily, FamilyHandle, Gauge, GaugeFamily, Histogram, HistogramFamily, Life};
pub use crate::hooks::{ExemplarLabels, SlowRequest};
pub use crate::negotiate::{Escaping, Format, Negotiated, accepts_gzip, negotiate};
pub use crate::registry::{Registry, RegistryOptions, ScraperIdentity};
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub use crate::segment::copy::{Look, Marks, SegmentCopy};
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub use crate::segment::facts::{FamilyFacts, SegmentFacts, WorkerFacts};
pub use crate::segment::problem::{SegmentNotice, SegmentReason};
pub use crate::snapshot::{Exemplar, FamilySnapshot, SeriesSnapshot, Snapshot, Value};
pub use crate::tally::DropReason;
pub use crate::trace::{SpanId, TraceContext, TraceId};
pub use crate::variables::VARIABLES;
