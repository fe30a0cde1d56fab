//! Functions of the user's that a family calls: a filter, a source of labels, a listener for admitted exemplars, and one
//! for slow requests. They run in the observing thread, off the hot path, and hold nothing of the family while they do.
//!
//! A function that panics costs nothing but its own answer where the crate has std: it is caught and counted.

use alloc::boxed::Box;

use crate::buffer::Buffer;
use crate::error::{Error, ErrorCode};
use crate::family::Family;
use crate::labels::Fitter;
use crate::memory::boxed;
use crate::segment::{boxed_str, texts_in};
use crate::trace::TraceContext;

type FilterFn = dyn Fn(f64, TraceContext) -> bool + Send + Sync;
type LabelsFn = dyn Fn(&mut ExemplarLabels<'_, '_>) -> bool + Send + Sync;
type AdmittedFn = dyn Fn(f64, TraceContext) -> bool + Send + Sync;
type SlowFn = dyn Fn(&SlowRequest<'_>) -> bool + Send + Sync;

/// The functions of a family.
#[derive(Default)]
pub struct Hooks {
    pub(crate) filter: Option<Box<FilterFn>>,
    pub(crate) labels: Option<Box<LabelsFn>>,
    pub(crate) admitted: Option<Box<AdmittedFn>>,
    pub(crate) slow: Option<Slow>,
    #[cfg(feature = "opentelemetry")]
    pub(crate) spans: crate::bridge::opentelemetry::SpanOptions,
}

/// What is done about slow requests.
pub(crate) struct Slow {
    pub(crate) threshold: f64,
    pub(crate) trace_url: Option<TraceUrl>,
    pub(crate) call: Box<SlowFn>,
}

impl Hooks {
    /// `call` decides about what would be admitted: true to keep it.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn set_filter(
        &mut self,
        call: impl Fn(f64, TraceContext) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        self.filter = Some(boxed(call)?);
        Ok(())
    }

    /// `call` adds labels to exemplars about to be written. False stands for an error.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn set_labels(
        &mut self,
        call: impl Fn(&mut ExemplarLabels<'_, '_>) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        self.labels = Some(boxed(call)?);
        Ok(())
    }

    /// `call` is told of each exemplar with a span that was written. False stands for an error.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn set_admitted(
        &mut self,
        call: impl Fn(f64, TraceContext) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        self.admitted = Some(boxed(call)?);
        Ok(())
    }

    /// `call` is told of values above `threshold`, once per window and series. False stands for an error. An empty
    /// `trace_url` stands for none.
    ///
    /// # Errors
    /// `InvalidOption` for a threshold that is NaN, a template that is none, or a second function; `OutOfMemory`.
    pub fn set_slow(
        &mut self,
        threshold: f64,
        trace_url: &str,
        call: impl Fn(&SlowRequest<'_>) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        if self.slow.is_some() {
            let message = "a family has one function for slow requests: call log_slow_request in your own for both";
            return Err(Error::fixed(ErrorCode::InvalidOption, message));
        }
        let call: Box<SlowFn> = boxed(call)?;
        self.slow =
            Some(Slow { threshold: checked_threshold(threshold)?, trace_url: TraceUrl::given(trace_url)?, call });
        Ok(())
    }

    /// Whether a function is asked before an exemplar is written.
    pub(crate) fn is_asked(&self) -> bool {
        self.filter.is_some() || self.labels.is_some()
    }

    /// The value above which slow requests are told of; +Inf, which no value is above, without.
    pub(crate) fn slow_from(&self) -> f64 {
        self.slow.as_ref().map_or(f64::INFINITY, |slow| slow.threshold)
    }
}

fn checked_threshold(threshold: f64) -> Result<f64, Error> {
    if threshold.is_nan() {
        let message = "slow_request_threshold is NaN: it must be a number, in the unit of the metric";
        return Err(Error::fixed(ErrorCode::InvalidOption, message));
    }
    Ok(threshold)
}

/// Calls a function of the user's: nothing if it panicked.
#[cfg(feature = "std")]
pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> Option<R> {
    let outer = DEPTH.get();
    DEPTH.set(outer.saturating_add(1));
    let answer = std::panic::catch_unwind(core::panic::AssertUnwindSafe(call)).ok();
    DEPTH.set(outer);
    answer
}

/// Calls a function of the user's. Without std there is no unwinding to catch.
#[cfg(not(feature = "std"))]
pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> Option<R> {
    Some(call())
}

#[cfg(feature = "std")]
std::thread_local! {
    /// How many functions of the user's this thread is in.
    static DEPTH: core::cell::Cell<u32> = const { core::cell::Cell::new(0) };
}

/// Functions that observe may lead to one another so deep.
#[cfg(feature = "std")]
const DEPTH_MOST: u32 = 8;

/// Whether this thread is so deep in functions of the user's that no further one is asked.
#[cfg(feature = "std")]
pub(crate) fn is_too_deep() -> bool {
    DEPTH.get() >= DEPTH_MOST
}

/// Without std nobody knows how deep a thread is.
#[cfg(not(feature = "std"))]
pub(crate) fn is_too_deep() -> bool {
    false
}

/// The labels of an exemplar that is about to be written, for a function that adds some.
pub struct ExemplarLabels<'f, 't>(pub(crate) &'f mut Fitter<'t>);

impl ExemplarLabels<'_, '_> {
    /// Adds a label. One with an empty value or a name that was given already is left out, one that passes the limit
    /// of 128 code points is dropped with all after it.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push(name, value);
    }
}

/// A request that took longer than its family's threshold.
pub struct SlowRequest<'a> {
    pub(crate) family: &'a Family,
    /// The label values of the series, as in its record.
    pub(crate) values: Buffer,
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) trace_url: Buffer,
}

impl SlowRequest<'_> {
    /// The name of the metric; that of a counter without `_total`.
    #[must_use]
    pub fn metric(&self) -> &str {
        &self.family.name
    }

    /// The value that was observed.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }

    /// The threshold that it is above.
    #[must_use]
    pub const fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The span it was made in, sampled or not, if there was one.
    #[must_use]
    pub const fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// Whether the trace is sampled, so that it will be found.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.trace.is_some_and(|trace| trace.is_sampled())
    }

    /// Names and values of the series' labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.family.label_names.iter().map(|name| &**name).zip(texts_in(self.values.as_slice()))
    }

    /// Where the trace is found, by the template of the family; empty without one or without a span.
    #[must_use]
    pub fn trace_url(&self) -> &str {
        core::str::from_utf8(self.trace_url.as_slice()).unwrap_or_default()
    }
}

/// An address with places for the ids: `https://traces.example/trace/{trace_id}?span={span_id}`.
pub(crate) struct TraceUrl(Box<str>);

impl TraceUrl {
    /// The template, nothing for an empty one.
    pub(crate) fn given(template: &str) -> Result<Option<TraceUrl>, Error> {
        if template.is_empty() {
            return Ok(None);
        }
        let mut has_trace = false;
        let mut rest = template;
        while let Some((_, after)) = rest.split_once('{') {
            let place = after.split_once('}');
            has_trace |= place.is_some_and(|(name, _)| name == "trace_id");
            match place {
                Some(("trace_id" | "span_id", behind)) => rest = behind,
                _ => {
                    let text = " has a place that is neither {trace_id} nor {span_id}";
                    return Err(Error::quoting(ErrorCode::InvalidOption, "trace_url ", template, text));
                }
            }
        }
        if !has_trace {
            let text = " names no trace: put {trace_id} where its 32 hexadecimal digits belong";
            return Err(Error::quoting(ErrorCode::InvalidOption, "trace_url ", template, text));
        }
        Ok(Some(TraceUrl(boxed_str(template)?)))
    }

    pub(crate) fn put(&self, out: &mut Buffer, trace: TraceContext) {
        let mut rest = &*self.0;
        while let Some((before, after)) = rest.split_once('{') {
            out.put_str(before);
            let Some((name, behind)) = after.split_once('}') else { break };
            if name == "trace_id" {
                out.put(&trace.trace_id().to_hex());
            } else {
                out.put(&trace.span_id().to_hex());
            }
            rest = behind;
        }
        out.put_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_traces() {
        let trace = TraceContext::parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        let url = |template| {
            let mut out = Buffer::new();
            TraceUrl::given(template).unwrap().unwrap().put(&mut out, trace);
            alloc::string::String::from_utf8(out.into_vec()).unwrap()
        };
        assert_eq!(url("http://j/trace/{trace_id}"), "http://j/trace/0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            url("{span_id}/{trace_id}/{span_id}?x"),
            "b7ad6b7169203331/0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331?x"
        );
        assert!(TraceUrl::given("").unwrap().is_none());
        for (template, message) in [
            ("http://j/{id}", "trace_url \"http://j/{id}\" has a place that is neither {trace_id} nor {span_id}"),
            ("http://j/{", "trace_url \"http://j/{\" has a place that is neither {trace_id} nor {span_id}"),
            (
                "http://j/{span_id}",
                "trace_url \"http://j/{span_id}\" names no trace: put {trace_id} where its 32 hexadecimal digits belong",
            ),
        ] {
            assert_eq!(TraceUrl::given(template).err().unwrap().message(), message);
        }
    }
}
