//! The arguments `trace=`, `exemplar=` and `extra=` of the recording methods.
//!
//! None of them can make a measurement fail: whatever cannot be used is dropped
//! and counted by the core, and the value is recorded all the same.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple};
use spanpin::TraceContext;

use crate::span;
use crate::text::utf8;

/// A series that keeps exemplars.
pub(crate) trait Recorder {
    /// Records a value; `source` is asked only if an exemplar could be kept.
    fn with(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>);
    /// Records a value that offers no exemplar.
    fn plain(&self, value: f64);
    /// Records a value and offers a span.
    fn trace(&self, value: f64, context: TraceContext, extra: &[(&str, &str)]);
    /// Records a value and offers the span of a `traceparent`; a malformed one is counted.
    fn traceparent(&self, value: f64, text: &str);
    /// Records a value with an exemplar that is kept without the window rule.
    fn exemplar(&self, value: f64, context: Option<TraceContext>, labels: &[(&str, &str)]);
}

/// What a recording method was given beside the value.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a, 'py> {
    pub(crate) trace: Option<&'a Bound<'py, PyAny>>,
    pub(crate) exemplar: Option<&'a Bound<'py, PyAny>>,
    pub(crate) extra: Option<&'a Bound<'py, PyAny>>,
}

/// Records a value by whatever was given.
#[inline]
pub(crate) fn record<R: Recorder>(py: Python<'_>, series: &R, value: f64, given: Given<'_, '_>) {
    if let Given { trace: None, exemplar: None, extra: None } = given {
        series.with(value, || span::active(py));
    } else {
        record_given(py, series, value, given);
    }
}

/// The span that `trace=` names.
enum Source<'a> {
    Span(TraceContext),
    Nothing,
    Malformed(Cow<'a, str>),
}

fn record_given<R: Recorder>(py: Python<'_>, series: &R, value: f64, given: Given<'_, '_>) {
    if let Some(exemplar) = given.exemplar {
        return record_exemplar(series, value, exemplar, given);
    }
    let source = match given.trace {
        Some(trace) => read_trace(trace),
        None => span::active(py).map_or(Source::Nothing, Source::Span),
    };
    match source {
        Source::Nothing => series.with(value, || None),
        Source::Malformed(text) => series.traceparent(value, &text),
        Source::Span(context) => {
            let extra = given.extra.map(pairs).unwrap_or_default();
            series.trace(value, context, &borrowed(&extra.unwrap_or_default()));
        }
    }
}

/// An explicit exemplar. An empty one means that none is wanted, not even the
/// active span.
fn record_exemplar<R: Recorder>(
    series: &R,
    value: f64,
    exemplar: &Bound<'_, PyAny>,
    given: Given<'_, '_>,
) {
    let Some(mut labels) = pairs(exemplar) else {
        return series.traceparent(value, "");
    };
    if labels.is_empty() {
        return series.plain(value);
    }
    labels.extend(given.extra.and_then(pairs).unwrap_or_default());
    let context = match given.trace.map(read_trace) {
        Some(Source::Span(context)) => Some(context),
        _ => None,
    };
    series.exemplar(value, context, &borrowed(&labels));
}

fn read_trace<'a>(trace: &'a Bound<'_, PyAny>) -> Source<'a> {
    if let Ok(text) = trace.cast::<PyString>() {
        let text = utf8(text).unwrap_or_default();
        return match TraceContext::parse_traceparent(&text) {
            Ok(context) => Source::Span(context),
            Err(_) => Source::Malformed(text),
        };
    }
    if let Ok(context) = trace.cast::<crate::trace::TraceContext>() {
        return Source::Span(context.get().core);
    }
    match span::read_context(trace) {
        Ok(Some(context)) => Source::Span(context),
        Ok(None) => Source::Nothing,
        Err(_) => Source::Malformed(Cow::Borrowed("")),
    }
}

type Pair = (String, String);

/// The label pairs of a mapping, or `None` if they cannot be read.
fn pairs(labels: &Bound<'_, PyAny>) -> Option<Vec<Pair>> {
    if let Ok(labels) = labels.cast_exact::<PyDict>() {
        return labels.iter().map(|(name, value)| pair(&name, &value)).collect();
    }
    let items = labels.cast::<PyMapping>().ok()?.items().ok()?;
    let items = items.iter().map(|item| {
        let item = item.cast_into::<PyTuple>().ok()?;
        pair(&item.get_item(0).ok()?, &item.get_item(1).ok()?)
    });
    items.collect()
}

fn pair(name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Option<Pair> {
    Some((owned(name)?, owned(value)?))
}

fn owned(text: &Bound<'_, PyAny>) -> Option<String> {
    if let Ok(text) = text.cast_exact::<PyString>() {
        return utf8(text).ok().map(Cow::into_owned);
    }
    utf8(&text.str().ok()?).ok().map(Cow::into_owned)
}

fn borrowed(pairs: &[Pair]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
