//! The classes `Histogram` and `HistogramSeries`.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use spanpin::TraceContext;

use crate::error::from_core;
use crate::exemplar::{Given, Recorder, record};
use crate::family::{Arguments, Family, Found, Kind, Raw, needs_labels, read_filter, read_policy};
use crate::registry::Registry;

/// One series of a histogram: what `Histogram.labels(...)` returns.
#[pyclass(frozen, subclass, module = "spanpin")]
pub(crate) struct HistogramSeries {
    /// `None` in a family with labels, which has no series of its own.
    core: Option<spanpin::Histogram>,
}

#[pymethods]
impl HistogramSeries {
    /// Counts a value, and offers the active OpenTelemetry span as its exemplar.
    ///
    /// The span is only looked up if it could be kept, and the offer follows the
    /// family's filter and policy. Instead of the active span, `trace` may name
    /// one: a `traceparent` text, a `TraceContext`, or an OpenTelemetry
    /// `SpanContext`. `extra` adds labels to the exemplar, as far as they fit in
    /// 128 characters with the ids.
    ///
    /// `exemplar` gives the exemplar's labels explicitly. It is kept whatever
    /// else was offered, and the latest one wins; `trace_id` and `span_id` among
    /// them are recognised. With `exemplar={}` there is none.
    ///
    /// NaN is only counted in a metric of spanpin's own. Infinities are counted
    /// and never offered. An exemplar that cannot be used, such as a malformed
    /// `traceparent`, is dropped and counted; the value is recorded all the same
    /// and nothing is raised.
    #[pyo3(signature = (value, *, trace = None, exemplar = None, extra = None))]
    fn observe(
        &self,
        py: Python<'_>,
        value: f64,
        trace: Option<&Bound<'_, PyAny>>,
        exemplar: Option<&Bound<'_, PyAny>>,
        extra: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let Some(series) = &self.core else { return Err(needs_labels(py)) };
        record(py, series, value, Given { trace, exemplar, extra })
    }
}

impl Recorder for spanpin::Histogram {
    #[inline]
    fn with(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>) {
        self.observe_with(value, source);
    }

    fn plain(&self, value: f64) {
        self.observe(value);
    }

    fn with_labels(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>, extra: &[(&str, &str)]) {
        self.observe_with_labels(value, source, extra);
    }

    fn traceparent(&self, value: f64, text: &str) {
        // The value is counted and a malformed text as well, so there is nothing to report.
        let _ = self.observe_traceparent(value, text);
    }

    fn exemplar(&self, value: f64, context: Option<TraceContext>, labels: &[(&str, &str)]) {
        match context {
            Some(context) => self.observe_exemplar_ids(value, context, labels),
            None => self.observe_exemplar(value, labels),
        };
    }
}

/// A histogram: counts of values in buckets, each with its own exemplars.
///
/// `buckets` are the upper bounds, strictly increasing; +Inf is always there.
/// `filter` decides which spans may become exemplars: "trace_based" (sampled
/// ones), "always_on" or "always_off". `policy` decides which one is kept of
/// those between two scrapes: "slowest" (the default), "uniform" or "first".
/// With a `unit` the name must end in it. More than `max_series` label sets
/// (2000 unless given) share one overflow series.
///
/// Without labels the histogram is used directly; with labels, through
/// `labels(...)`, which takes the values in order or by name.
///
/// Raises `SpanpinError` if the name is taken or an argument is not allowed.
///
/// >>> latency = Histogram(
/// ...     "request_seconds", "Time to answer.", ["method"], buckets=[0.1, 1],
/// ...     registry=Registry())
/// >>> latency.labels("GET").observe(0.25)
/// >>> latency.labels(method="GET").observe(0.75, trace="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
#[pyclass(frozen, extends = HistogramSeries, module = "spanpin")]
pub(crate) struct Histogram {
    family: Family<spanpin::HistogramFamily>,
}

#[pymethods]
impl Histogram {
    #[new]
    #[pyo3(signature = (
        name, help, labels = None, *, unit = None, buckets = None, filter = "trace_based",
        policy = None, max_series = None, registry = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        help: &Bound<'_, PyString>,
        labels: Option<&Bound<'_, PyAny>>,
        unit: Option<&Bound<'_, PyString>>,
        buckets: Option<Vec<f64>>,
        filter: &str,
        policy: Option<&str>,
        max_series: Option<u32>,
        registry: Option<&Bound<'_, Registry>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let arguments = Arguments::read(py, Raw { name, help, labels, unit, max_series, registry })?;
        let labels = arguments.label_slice();
        let mut builder = arguments.registry.histogram(&arguments.name, &arguments.help);
        builder = builder.labels(&labels).unit(&arguments.unit).filter(read_filter(py, filter)?);
        if let Some(most) = arguments.max_series {
            builder = builder.max_series(most);
        }
        if let Some(policy) = policy {
            builder = builder.policy(read_policy(py, policy)?);
        }
        if let Some(bounds) = &buckets {
            builder = builder.bounds(bounds);
        }
        let core = builder.register().map_err(|error| from_core(py, &error))?;
        let series =
            if labels.is_empty() { Some(core.with(&[]).map_err(|error| from_core(py, &error))?) } else { None };
        let family = Family::new(core, arguments);
        Ok(PyClassInitializer::from(HistogramSeries { core: series }).add_subclass(Self { family }))
    }

    /// The name the histogram was registered under.
    #[getter]
    fn name(&self) -> &str {
        &self.family.name
    }

    /// The names of its labels, in order.
    #[getter]
    fn label_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.family.label_names)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.family.repr(py, "Histogram")
    }
}

/// How `labels()` finds the series of a histogram.
pub(crate) struct HistogramKind;

impl Kind for HistogramKind {
    type Class = Histogram;
    type Core = spanpin::HistogramFamily;

    fn family(class: &Histogram) -> &Family<Self::Core> {
        &class.family
    }

    fn series(py: Python<'_>, family: &Self::Core, values: &[&str]) -> PyResult<Found> {
        let series = family.with(values).map_err(|error| from_core(py, &error))?;
        let keep = !series.is_overflow();
        let object = Py::new(py, HistogramSeries { core: Some(series) })?.into_any();
        Ok(Found { object, keep })
    }
}

/// Bucket bounds at equal distances: `start`, `start + width`, and so on.
///
/// >>> linear_buckets(1, 2, 4)
/// (1.0, 3.0, 5.0, 7.0)
#[pyfunction]
pub(crate) fn linear_buckets(py: Python<'_>, start: f64, width: f64, count: usize) -> PyResult<Bound<'_, PyTuple>> {
    let bounds = spanpin::buckets::linear(start, width, count);
    PyTuple::new(py, bounds.map_err(|error| from_core(py, &error))?)
}

/// Bucket bounds that grow by a factor: `start`, `start * factor`, and so on.
///
/// >>> exponential_buckets(1, 10, 3)
/// (1.0, 10.0, 100.0)
#[pyfunction]
pub(crate) fn exponential_buckets(
    py: Python<'_>,
    start: f64,
    factor: f64,
    count: usize,
) -> PyResult<Bound<'_, PyTuple>> {
    let bounds = spanpin::buckets::exponential(start, factor, count);
    PyTuple::new(py, bounds.map_err(|error| from_core(py, &error))?)
}
