//! Handles: what a Rust program keeps of families and series. Each holds the registry's state alive.

use alloc::vec::Vec;
use core::borrow::Borrow;

use crate::core::Core;
use crate::error::Error;
use crate::exemplar::packer;
use crate::family::Family;
use crate::hooks::ExemplarLabels;
use crate::memory::{Pinned, Shared};
use crate::series::Handle;
use crate::snapshot::Exemplar;
use crate::tally::DropReason;
use crate::trace::TraceContext;

mod sealed {
    pub trait Sealed {}
}

/// A handle of a family.
pub trait FamilyHandle: sealed::Sealed {
    #[doc(hidden)]
    fn from_parts(parts: Parts) -> Self;
}

/// What a family's handle is made of.
#[doc(hidden)]
pub struct Parts {
    pub(crate) core: Shared<Core>,
    pub(crate) family: Pinned<Family>,
}

/// One life of a series: whether it was removed since. For bindings that keep what they have made for it.
#[doc(hidden)]
#[derive(Clone)]
pub struct Life {
    /// Keeps `series` where it is.
    _core: Shared<Core>,
    series: Handle,
}

impl Life {
    /// False once the series was removed, by any process.
    #[inline]
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.series.is_live()
    }
}

macro_rules! family {
    ($(#[$doc:meta])* $family:ident, $child:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $family {
            core: Shared<Core>,
            family: Pinned<Family>,
        }

        impl sealed::Sealed for $family {}

        impl FamilyHandle for $family {
            fn from_parts(parts: Parts) -> Self {
                $family { core: parts.core, family: parts.family }
            }
        }

        impl $family {
            /// The series with these label values, in the order of the names; `&[]` for a family without labels.
            ///
            /// A known one is found without a lock or an allocation. A new one is created, or, when the family has
            /// reached its limit or the memory its end, stands for the overflow series, whose label values are all
            /// `spanpin_overflow`. An empty value is the same as no label in the exposition.
            ///
            /// # Errors
            /// `LabelCount` for a wrong number of values.
            pub fn with(&self, values: &[&str]) -> Result<$child, Error> {
                let series = self.family.child(values.iter().copied())?;
                Ok($child { _core: self.core.clone(), series })
            }

            /// Removes the series with these label values from the exposition, with all that it has counted and its
            /// exemplars. Whether there was one; the overflow series stays, and so does that of a family without labels.
            ///
            /// What is counted by handles of it from here on goes to the overflow series, without exemplars. The same label
            /// values begin anew, with handles of their own. The memory of a removed series is used again for others of its
            /// family, ten seconds later, or sooner when the segment has no other space: nothing waits for that.
            ///
            /// # Errors
            /// `LabelCount` for a wrong number of values, `OutOfMemory`.
            pub fn remove(&self, values: &[&str]) -> Result<bool, Error> {
                self.family.remove_series(values.iter().copied())
            }

            /// Removes all series of the family, as `remove` does.
            ///
            /// # Errors
            /// `OutOfMemory`.
            pub fn clear(&self) -> Result<(), Error> {
                self.family.remove_all()
            }
        }

        /// One series of the family. Cheap to clone; every method may be called from any thread.
        #[derive(Clone)]
        pub struct $child {
            /// Keeps `series` where it is.
            _core: Shared<Core>,
            pub(crate) series: Handle,
        }

        impl $child {
            /// True for the overflow series, which counts what found no series of its own. A later look-up with the
            /// same label values may find another one, so such a handle is not to be kept.
            #[must_use]
            pub fn is_overflow(&self) -> bool {
                self.series.is_overflow()
            }

            /// False once the series was removed, by any process: what is counted here then goes to the overflow series.
            #[must_use]
            pub fn is_live(&self) -> bool {
                self.series.is_live()
            }

            /// The life that this handle is of.
            #[doc(hidden)]
            #[must_use]
            pub fn life(&self) -> Life {
                Life { _core: self._core.clone(), series: self.series }
            }

            /// Counts a function of the user's that failed, for bindings that call some themselves.
            #[doc(hidden)]
            pub fn count_callback_error(&self) {
                self.series.count_callback_error();
            }

            /// Counts something that was dropped before it came here, for bindings that read arguments themselves.
            #[doc(hidden)]
            pub fn count_drop(&self, reason: DropReason) {
                self.series.count_drop(reason);
            }
        }
    };
}

family!(
    /// Histograms that share a name and label names.
    HistogramFamily,
    Histogram
);
family!(
    /// Counters that share a name and label names.
    CounterFamily,
    Counter
);
family!(
    /// Gauges that share a name and label names.
    GaugeFamily,
    Gauge
);

impl Histogram {
    /// Counts a value in its bucket and adds it to the sum. Offers no exemplar.
    ///
    /// NaN is counted in `spanpin_nan_observations` only. ±Inf and negative values are counted. Takes no lock and
    /// does not allocate.
    #[inline]
    pub fn observe(&self, value: f64) {
        self.series.count_observation(value);
    }

    /// Counts a value, and offers the trace context that `span` answers as its exemplar.
    ///
    /// `span` is called only if the exemplar could be kept: the value is the best of its bucket and window so far. It
    /// may take its time and may observe in turn. No span, an unsampled one and ±Inf are counted but not offered.
    ///
    /// True if the exemplar was kept. The same holds for every method here that says so by its type.
    #[inline]
    pub fn observe_with(&self, value: f64, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        self.series.observe_with(value, span)
    }

    /// Counts a value, and offers this trace context, or the one behind this reference, as its exemplar. Not sampled, it is not
    /// offered, unless the filter is `AlwaysOn`. A reference is a little faster: nothing is copied.
    #[inline]
    pub fn observe_trace(&self, value: f64, context: impl Borrow<TraceContext>) -> bool {
        self.series.observe_context(value, context.borrow())
    }

    /// Counts a value, and offers this trace context with more labels. Names and values have 128 code points with
    /// those of the ids; what goes beyond is left out from the end, and counted.
    pub fn observe_trace_labels(&self, value: f64, context: TraceContext, extra: &[(&str, &str)]) -> bool {
        self.series.observe_trace(value, context, extra.iter().copied())
    }

    /// Counts a value, and offers the trace context that `span` answers with more labels, which obey the limit of
    /// [`Histogram::observe_trace_labels`].
    pub fn observe_with_labels(
        &self,
        value: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: &[(&str, &str)],
    ) -> bool {
        self.series.observe_with_labels(value, span, packer(extra.iter().copied()))
    }

    /// Counts a value, and offers the trace context that `span` answers with the labels that `extra` adds. `extra` is
    /// called only for what is about to be written.
    pub fn observe_with_labels_from(
        &self,
        value: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        mut extra: impl FnMut(&mut ExemplarLabels<'_, '_>),
    ) -> bool {
        self.series.observe_with_labels(value, span, |fitter| extra(&mut ExemplarLabels(fitter)))
    }

    /// Counts a value, and offers the trace context of a `traceparent` header as its exemplar.
    ///
    /// # Errors
    /// `InvalidTraceparent` for a malformed one; the value is counted all the same.
    pub fn observe_traceparent(&self, value: f64, traceparent: &str) -> Result<bool, Error> {
        self.series.observe_traceparent(value, traceparent)
    }

    /// Counts a value with an explicit exemplar, whatever its window has: the latest explicit one is shown, before
    /// any offered one. More than 128 code points are left out from the end; if nothing is left, so is the exemplar.
    ///
    /// Ids are recognised under the usual spellings of their names (`trace_id`, `traceID`, `TraceId`, `X-B3-TraceId`,
    /// `dd.trace_id`; of each kind the first that is one), and written first, in the one format: hexadecimal digits of
    /// any case; 16 digits of a trace id, which are filled up with zeros on the left; decimal numbers of 64 bits with 17
    /// digits or more, with fewer under the names of Datadog. What is none stays a plain label and is counted
    /// (`invalid_id`). With [`keep_names`](crate::RegistryOptions::keep_names) the names stay as they are written here.
    pub fn observe_exemplar(&self, value: f64, labels: &[(&str, &str)]) -> bool {
        self.series.observe_exemplar(value, labels.iter().copied())
    }

    /// Counts a value with an explicit exemplar of these ids, sampled or not, and more labels.
    pub fn observe_exemplar_ids(&self, value: f64, context: TraceContext, extra: &[(&str, &str)]) -> bool {
        self.series.observe_exemplar_ids(value, context, extra.iter().copied())
    }

    /// Every exemplar that the rings of this series hold, newest first: up to [`slots`](crate::FamilyBuilder::slots)
    /// winners for each bucket, whatever their age. Takes nothing from any scraper.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn exemplars(&self) -> Result<Vec<Exemplar>, Error> {
        self.series.history()
    }
}

impl HistogramFamily {
    /// Sets the p99 of adaptive sampling in place of that of the buckets, which comes back with a value that is not
    /// finite. Without a meaning for a family that does not sample adaptively. Any thread may call it at any time.
    pub fn set_p99(&self, p99: f64) {
        self.family.set_given_p99(p99);
    }
}

impl Counter {
    /// Adds one. Offers no exemplar. Takes no lock and does not allocate.
    #[inline]
    pub fn inc(&self) {
        self.series.count_increment(1.0);
    }

    /// Adds an amount. One that is negative, NaN or infinite is left out and counted in
    /// `spanpin_invalid_increments`.
    #[inline]
    pub fn add(&self, amount: f64) {
        self.series.count_increment(amount);
    }

    /// Adds an amount, and offers the trace context that `span` answers, as [`Histogram::observe_with`] does.
    #[inline]
    pub fn add_with(&self, amount: f64, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        self.series.add_with(amount, span)
    }

    /// Adds one, and offers the trace context that `span` answers.
    #[inline]
    pub fn inc_with(&self, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        self.series.add_with(1.0, span)
    }

    /// Adds an amount, and offers this trace context as its exemplar.
    #[inline]
    pub fn add_trace(&self, amount: f64, context: impl Borrow<TraceContext>) -> bool {
        self.series.add_context(amount, context.borrow())
    }

    /// Adds an amount, and offers this trace context with more labels, as [`Histogram::observe_trace_labels`] does.
    pub fn add_trace_labels(&self, amount: f64, context: TraceContext, extra: &[(&str, &str)]) -> bool {
        self.series.add_trace(amount, context, extra.iter().copied())
    }

    /// Adds an amount, and offers the trace context that `span` answers with more labels.
    pub fn add_with_labels(
        &self,
        amount: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: &[(&str, &str)],
    ) -> bool {
        self.series.add_with_labels(amount, span, packer(extra.iter().copied()))
    }

    /// Adds an amount, and offers the trace context that `span` answers with the labels that `extra` adds, as
    /// [`Histogram::observe_with_labels_from`] does.
    pub fn add_with_labels_from(
        &self,
        amount: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        mut extra: impl FnMut(&mut ExemplarLabels<'_, '_>),
    ) -> bool {
        self.series.add_with_labels(amount, span, |fitter| extra(&mut ExemplarLabels(fitter)))
    }

    /// Adds an amount, and offers the trace context of a `traceparent` header as its exemplar.
    ///
    /// # Errors
    /// `InvalidTraceparent` for a malformed one; the amount is added all the same.
    pub fn add_traceparent(&self, amount: f64, traceparent: &str) -> Result<bool, Error> {
        self.series.add_traceparent(amount, traceparent)
    }

    /// Adds an amount with an explicit exemplar, as [`Histogram::observe_exemplar`] does.
    pub fn add_exemplar(&self, amount: f64, labels: &[(&str, &str)]) -> bool {
        self.series.add_exemplar(amount, labels.iter().copied())
    }

    /// Adds an amount with an explicit exemplar of these ids, sampled or not, and more labels.
    pub fn add_exemplar_ids(&self, amount: f64, context: TraceContext, extra: &[(&str, &str)]) -> bool {
        self.series.add_exemplar_ids(amount, context, extra.iter().copied())
    }

    /// Every exemplar that the ring of this series holds, newest first, as [`Histogram::exemplars`].
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn exemplars(&self) -> Result<Vec<Exemplar>, Error> {
        self.series.history()
    }
}

impl Gauge {
    /// Sets the value; any f64 is one.
    #[inline]
    pub fn set(&self, value: f64) {
        self.series.set_gauge(value);
    }

    /// Adds to the value.
    #[inline]
    pub fn add(&self, amount: f64) {
        self.series.add_gauge(amount);
    }

    /// Subtracts from the value.
    #[inline]
    pub fn sub(&self, amount: f64) {
        self.series.add_gauge(-amount);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.series.add_gauge(1.0);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.series.add_gauge(-1.0);
    }

    /// The value. In a segment in a file, while nothing but adding has been done: the sum of what the living workers added,
    /// which asks the system about each of them.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.series.gauge()
    }
}
