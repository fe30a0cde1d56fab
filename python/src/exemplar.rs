//! The arguments `trace=`, `exemplar=` and `extra=` of the recording methods.
//!
//! None of them can make a measurement fail: whatever cannot be used is dropped
//! and counted by the core, and the value is recorded all the same.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};
use spanpin::TraceContext;

use crate::span::{self, Swallowed};
use crate::text::utf8;

/// A series that keeps exemplars.
pub(crate) trait Recorder {
    /// Records a value; `source` is asked only if an exemplar could be kept.
    fn with(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>);
    /// Records a value that offers no exemplar.
    fn plain(&self, value: f64);
    /// The same with labels that go with the span.
    fn with_labels(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>, extra: &[(&str, &str)]);
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
pub(crate) fn record<R: Recorder>(py: Python<'_>, series: &R, value: f64, given: Given<'_, '_>) -> PyResult<()> {
    let mut swallowed = Swallowed::default();
    if let Given { trace: None, exemplar: None, extra: None } = given {
        series.with(value, || span::active(py, &mut swallowed));
    } else {
        record_given(py, series, value, given, &mut swallowed);
    }
    swallowed.finish()
}

fn record_given<R: Recorder>(py: Python<'_>, series: &R, value: f64, given: Given<'_, '_>, swallowed: &mut Swallowed) {
    if let Some(exemplar) = given.exemplar {
        return record_exemplar(series, value, exemplar, given, swallowed);
    }
    let extra = given.extra.and_then(|extra| Labels::read(extra, swallowed)).unwrap_or_default();
    let Some(trace) = given.trace else {
        return series.with_labels(value, || span::active(py, swallowed), &extra.pairs());
    };
    match read_trace(trace, swallowed) {
        Source::Nothing => series.with(value, || None),
        Source::Malformed(text) => series.traceparent(value, &text),
        Source::Span(context) => series.with_labels(value, || Some(context), &extra.pairs()),
    }
}

/// An explicit exemplar. An empty one means that none is wanted, not even the
/// active span.
fn record_exemplar<R: Recorder>(
    series: &R,
    value: f64,
    exemplar: &Bound<'_, PyAny>,
    given: Given<'_, '_>,
    swallowed: &mut Swallowed,
) {
    let Some(labels) = Labels::read(exemplar, swallowed) else {
        return series.traceparent(value, UNUSABLE);
    };
    let mut pairs = labels.pairs();
    if pairs.is_empty() {
        return series.plain(value);
    }
    let extra = given.extra.and_then(|extra| Labels::read(extra, swallowed)).unwrap_or_default();
    pairs.extend(extra.pairs());
    let context = match given.trace.map(|trace| read_trace(trace, swallowed)) {
        Some(Source::Span(context)) => Some(context),
        _ => None,
    };
    series.exemplar(value, context, &pairs);
}

/// The span that `trace=` names.
enum Source<'a> {
    Span(TraceContext),
    Nothing,
    Malformed(Cow<'a, str>),
}

/// Stands for what is no text at all: the core counts it like any malformed `traceparent`.
const UNUSABLE: &str = "";

fn read_trace<'a>(trace: &'a Bound<'_, PyAny>, swallowed: &mut Swallowed) -> Source<'a> {
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
    match swallowed.ok(trace.py(), span::read_context(trace)) {
        Some(Some(context)) => Source::Span(context),
        Some(None) => Source::Nothing,
        None => Source::Malformed(Cow::Borrowed(UNUSABLE)),
    }
}

/// The labels of a mapping, holding on to the Python strings that their text lies in.
#[derive(Default)]
struct Labels<'py>(Vec<(Text<'py>, Text<'py>)>);

enum Text<'py> {
    /// A string that is valid as it is.
    Python(Bound<'py, PyString>),
    /// One that had lone surrogates.
    Repaired(String),
}

impl<'py> Labels<'py> {
    /// `None` for what is no mapping or has a label without a text.
    fn read(labels: &Bound<'py, PyAny>, swallowed: &mut Swallowed) -> Option<Self> {
        // The items first: turning one into text may run code that changes the mapping.
        let items: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> = match labels.cast_exact::<PyDict>() {
            Ok(labels) => labels.iter().collect(),
            Err(_) => {
                let items = labels.cast::<PyMapping>().ok()?.items();
                let items = items.and_then(|items| items.iter().map(|item| item.extract()).collect());
                swallowed.ok(labels.py(), items)?
            }
        };
        let texts = items.into_iter().map(|(name, value)| Ok((Text::read(name)?, Text::read(value)?)));
        swallowed.ok(labels.py(), texts.collect::<PyResult<_>>()).map(Self)
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

impl<'py> Text<'py> {
    fn read(given: Bound<'py, PyAny>) -> PyResult<Self> {
        let text = match given.cast_into_exact::<PyString>() {
            Ok(text) => text,
            Err(error) => error.into_inner().str()?,
        };
        let repaired = match utf8(&text)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(repaired) => Some(repaired),
        };
        Ok(repaired.map_or(Self::Python(text), Self::Repaired))
    }

    fn as_str(&self) -> &str {
        match self {
            // It was valid when it was read, and strings do not change.
            Self::Python(text) => text.to_str().unwrap_or_default(),
            Self::Repaired(text) => text,
        }
    }
}
