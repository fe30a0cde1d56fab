//! The classes `Counter` and `CounterSeries`.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use spanpin::TraceContext;

use crate::error::from_core;
use crate::exemplar::{Given, Recorder, record};
use crate::family::{Arguments, Family, Found, Kind, Raw, needs_labels, read_filter, read_policy};
use crate::registry::Registry;

/// One series of a counter: what `Counter.labels(...)` returns.
#[pyclass(frozen, subclass, module = "spanpin")]
pub(crate) struct CounterSeries {
    /// `None` in a family with labels, which has no series of its own.
    core: Option<spanpin::Counter>,
}

#[pymethods]
impl CounterSeries {
    /// Adds to the counter, and offers the active OpenTelemetry span as its exemplar.
    ///
    /// `trace`, `exemplar` and `extra` are those of `Histogram.observe`.
    ///
    /// An amount that is negative, NaN or infinite is ignored and counted in a
    /// metric of spanpin's own. An exemplar that cannot be used is dropped and
    /// counted. Nothing is raised for either.
    #[pyo3(signature = (amount = 1.0, *, trace = None, exemplar = None, extra = None))]
    fn inc(
        &self,
        py: Python<'_>,
        amount: f64,
        trace: Option<&Bound<'_, PyAny>>,
        exemplar: Option<&Bound<'_, PyAny>>,
        extra: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let Some(series) = &self.core else { return Err(needs_labels(py)) };
        record(py, series, amount, Given { trace, exemplar, extra })
    }
}

impl Recorder for spanpin::Counter {
    #[inline]
    fn with(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>) {
        self.add_with(value, source);
    }

    fn plain(&self, value: f64) {
        self.add(value);
    }

    fn with_labels(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>, extra: &[(&str, &str)]) {
        self.add_with_labels(value, source, extra);
    }

    fn traceparent(&self, value: f64, text: &str) {
        // The amount is counted and a malformed text as well, so there is nothing to report.
        let _ = self.add_traceparent(value, text);
    }

    fn exemplar(&self, value: f64, context: Option<TraceContext>, labels: &[(&str, &str)]) {
        match context {
            Some(context) => self.add_exemplar_ids(value, context, labels),
            None => self.add_exemplar(value, labels),
        };
    }
}

/// A counter: a total that only grows, with exemplars.
///
/// The name may end in `_total` or not; the output has it once. The other
/// arguments are those of `Histogram`, but the default policy is "uniform":
/// every increment between two scrapes has the same chance to be the exemplar.
///
/// Raises `SpanpinError` if the name is taken or an argument is not allowed.
///
/// >>> errors = Counter("errors_total", "Failed requests.", ["reason"], registry=Registry())
/// >>> errors.labels("timeout").inc()
/// >>> errors.labels(reason="refused").inc(2)
#[pyclass(frozen, extends = CounterSeries, module = "spanpin")]
pub(crate) struct Counter {
    family: Family<spanpin::CounterFamily>,
}

#[pymethods]
impl Counter {
    #[new]
    #[pyo3(signature = (
        name, help, labels = None, *, unit = None, filter = "trace_based", policy = None,
        max_series = None, registry = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        help: &Bound<'_, PyString>,
        labels: Option<&Bound<'_, PyAny>>,
        unit: Option<&Bound<'_, PyString>>,
        filter: &str,
        policy: Option<&str>,
        max_series: Option<u32>,
        registry: Option<&Bound<'_, Registry>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let arguments = Arguments::read(py, Raw { name, help, labels, unit, max_series, registry })?;
        let labels = arguments.label_slice();
        let mut builder = arguments.registry.counter(&arguments.name, &arguments.help);
        builder = builder.labels(&labels).unit(&arguments.unit).filter(read_filter(py, filter)?);
        if let Some(most) = arguments.max_series {
            builder = builder.max_series(most);
        }
        if let Some(policy) = policy {
            builder = builder.policy(read_policy(py, policy)?);
        }
        let core = builder.register().map_err(|error| from_core(py, &error))?;
        let series =
            if labels.is_empty() { Some(core.with(&[]).map_err(|error| from_core(py, &error))?) } else { None };
        let family = Family::new(core, arguments);
        Ok(PyClassInitializer::from(CounterSeries { core: series }).add_subclass(Self { family }))
    }

    /// The name the counter was registered under.
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
        self.family.repr(py, "Counter")
    }
}

/// How `labels()` finds the series of a counter.
pub(crate) struct CounterKind;

impl Kind for CounterKind {
    type Class = Counter;
    type Core = spanpin::CounterFamily;

    fn family(class: &Counter) -> &Family<Self::Core> {
        &class.family
    }

    fn series(py: Python<'_>, family: &Self::Core, values: &[&str]) -> PyResult<Found> {
        let series = family.with(values).map_err(|error| from_core(py, &error))?;
        let keep = !series.is_overflow();
        let object = Py::new(py, CounterSeries { core: Some(series) })?.into_any();
        Ok(Found { object, keep })
    }
}
