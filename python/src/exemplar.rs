//! The arguments `trace=`, `exemplar=` and `extra=` of the recording methods.
//!
//! None of them can make a measurement fail: whatever cannot be used is dropped
//! and counted by the core, and the value is recorded all the same.

use std::borrow::Cow;
use std::cell::Cell;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};
use spanpin::{DropReason, ExemplarLabels, TraceContext};

use crate::callbacks;
use crate::options::Attached;
use crate::span::{self, Swallowed};
use crate::text::utf8;

/// A series that keeps exemplars. What says so is true if the exemplar was kept.
pub(crate) trait Recorder {
    /// Records a value; `source` is asked only if an exemplar could be kept.
    fn with(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>);
    /// Records a value that offers no exemplar.
    fn plain(&self, value: f64);
    /// The same with labels, which `add` is asked for only if the exemplar is about to be written.
    fn with_labels(
        &self,
        value: f64,
        source: impl FnOnce() -> Option<TraceContext>,
        add: impl FnMut(&mut ExemplarLabels<'_, '_>),
    ) -> bool;
    /// Records a value and offers the span of a `traceparent`; a malformed one is counted.
    fn traceparent(&self, value: f64, text: &str);
    /// Records a value with an exemplar that is kept without the window rule.
    fn exemplar(&self, value: f64, context: Option<TraceContext>, labels: &[(&str, &str)]);
    /// Counts a function of the user's that failed.
    fn count_callback_error(&self);
    /// Counts something that cannot become part of an exemplar.
    fn count_drop(&self, reason: DropReason);
}

/// What a recording method was given beside the value.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a, 'py> {
    pub(crate) trace: Option<&'a Bound<'py, PyAny>>,
    pub(crate) exemplar: Option<&'a Bound<'py, PyAny>>,
    pub(crate) extra: Option<&'a Bound<'py, PyAny>>,
}

/// Records a value by whatever was given and whatever the family attaches to exemplars.
#[inline]
pub(crate) fn record<R: Recorder>(
    py: Python<'_>,
    series: &R,
    attached: Option<&Attached>,
    value: f64,
    given: Given<'_, '_>,
) -> PyResult<()> {
    let swallowed = Swallowed::default();
    if let (Given { trace: None, exemplar: None, extra: None }, None) = (given, attached) {
        series.with(value, || span::active(py, &swallowed));
    } else {
        record_given(&Call { py, series, attached, value, given, swallowed: &swallowed });
    }
    swallowed.finish()
}

/// A call that takes more than looking at the active span.
struct Call<'a, 'py, R> {
    py: Python<'py>,
    series: &'a R,
    attached: Option<&'a Attached>,
    value: f64,
    given: Given<'a, 'py>,
    swallowed: &'a Swallowed,
}

fn record_given<R: Recorder>(call: &Call<'_, '_, R>) {
    if call.attached.is_none_or(|attached| !attached.called_by_core) {
        return call.record();
    }
    let outer = callbacks::begin();
    call.record();
    let failures = callbacks::end(outer);
    for _ in 0..failures.count {
        call.series.count_callback_error();
    }
    if let Some(interrupt) = failures.interrupt {
        call.swallowed.put(call.py, interrupt);
    }
}

impl<'py, R: Recorder> Call<'_, 'py, R> {
    fn record(&self) {
        if let Some(exemplar) = self.given.exemplar {
            return self.record_exemplar(exemplar);
        }
        let Some(trace) = self.given.trace else { return self.offer_active() };
        match read_trace(trace, self.swallowed) {
            Source::Nothing => self.series.with(self.value, || None),
            Source::Malformed(text) => self.series.traceparent(self.value, &text),
            Source::Span(context) => {
                self.series.with_labels(self.value, || Some(context), |labels| self.add_labels(labels));
            }
        }
    }

    /// Offers the active span, which is the one that baggage belongs to and that can be marked.
    fn offer_active(&self) {
        let Self { py, swallowed, .. } = *self;
        let found = Cell::new(None);
        let source = || {
            let (span, context) = span::active_span(py, swallowed)?;
            found.set(Some(span));
            Some(context)
        };
        let written = self.series.with_labels(self.value, source, |labels| {
            self.add_labels(labels);
            self.add_baggage(labels);
        });
        if written
            && self.attached.is_some_and(|attached| attached.mark_spans)
            && let Some(span) = found.take()
        {
            self.attempt(span::mark(&span));
        }
    }

    /// An explicit exemplar. An empty one means that none is wanted, not even the
    /// active span.
    fn record_exemplar(&self, exemplar: &Bound<'py, PyAny>) {
        let Some(labels) = self.swallowed.ok(self.py, Labels::read(exemplar)) else {
            return self.series.traceparent(self.value, UNUSABLE);
        };
        let mut pairs = labels.pairs();
        if pairs.is_empty() {
            // A slow request is told of all the same.
            return match self.attached.is_some_and(|attached| attached.called_by_core) {
                true => self.series.with(self.value, || None),
                false => self.series.plain(self.value),
            };
        }
        let extra = self.read_extra();
        pairs.extend(extra.pairs());
        let context = match self.given.trace.map(|trace| read_trace(trace, self.swallowed)) {
            Some(Source::Span(context)) => Some(context),
            Some(Source::Malformed(_)) => {
                self.series.count_drop(DropReason::InvalidId);
                None
            }
            Some(Source::Nothing) | None => None,
        };
        self.series.exemplar(self.value, context, &pairs);
    }

    /// The labels of the call. Those that are none are counted.
    fn read_extra(&self) -> Labels<'py> {
        let Some(extra) = self.given.extra else { return Labels::default() };
        self.swallowed.ok(self.py, Labels::read(extra)).unwrap_or_else(|| {
            self.series.count_drop(DropReason::LabelValue);
            Labels::default()
        })
    }

    /// Adds the labels of the call and of the family's function.
    fn add_labels(&self, labels: &mut ExemplarLabels<'_, '_>) {
        self.read_extra().push(labels);
        let Some(function) = self.attached.and_then(|attached| attached.labels.as_ref()) else { return };
        let answer = function.bind(self.py).call0().and_then(|answer| match answer.is_none() {
            true => Ok(Labels::default()),
            false => Labels::read(&answer),
        });
        self.attempt(answer).unwrap_or_default().push(labels);
    }

    /// Adds the entries of the active context's baggage that the family asks for.
    fn add_baggage(&self, labels: &mut ExemplarLabels<'_, '_>) {
        for name in self.attached.into_iter().flat_map(|attached| &attached.baggage_keys) {
            let name = name.bind(self.py);
            let value = span::baggage(name).and_then(|value| value.map(Text::read).transpose());
            if let Some(Some(value)) = self.attempt(value) {
                labels.push(name.to_str().unwrap_or_default(), value.as_str());
            }
        }
    }

    /// The answer of code that is not spanpin's, unless it failed, which is counted.
    fn attempt<T>(&self, result: PyResult<T>) -> Option<T> {
        if result.is_err() {
            self.series.count_callback_error();
        }
        self.swallowed.ok(self.py, result)
    }
}

/// The span that `trace=` names.
enum Source<'a> {
    Span(TraceContext),
    Nothing,
    Malformed(Cow<'a, str>),
}

/// Stands for what is no text at all: the core counts it like any malformed `traceparent`.
const UNUSABLE: &str = "";

fn read_trace<'a>(trace: &'a Bound<'_, PyAny>, swallowed: &Swallowed) -> Source<'a> {
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
    /// Fails for what is no mapping or has a label without a text.
    fn read(labels: &Bound<'py, PyAny>) -> PyResult<Self> {
        // The items first: turning one into text may run code that changes the mapping.
        let items: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> = match labels.cast_exact::<PyDict>() {
            Ok(labels) => labels.iter().collect(),
            Err(_) => {
                let mapping = labels.cast::<PyMapping>().map_err(|_| PyTypeError::new_err("labels are a mapping"))?;
                mapping.items()?.iter().map(|item| item.extract()).collect::<PyResult<_>>()?
            }
        };
        items
            .into_iter()
            .map(|(name, value)| Ok((Text::read(name)?, Text::read(value)?)))
            .collect::<PyResult<_>>()
            .map(Self)
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn push(&self, labels: &mut ExemplarLabels<'_, '_>) {
        for (name, value) in &self.0 {
            labels.push(name.as_str(), value.as_str());
        }
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
