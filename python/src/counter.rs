//! The classes `Counter` and `CounterSeries`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use spanpin::{DropReason, ExemplarLabels, TraceContext};

use crate::exemplar::{Given, Recorder, record};
use crate::family::{Arguments, Family, Kind, Raw, needs_labels};
use crate::history::{Exemplar, listed};
use crate::options::{Attached, ExemplarOptions};
use crate::registry::Registry;
use crate::whole::Whole;

/// One series of a counter: what `Counter.labels(...)` returns.
#[pyclass(frozen, subclass, module = "spanpin")]
pub(crate) struct CounterSeries {
    /// `None` in a family with labels, which has no series of its own.
    core: Option<spanpin::Counter>,
    attached: Option<Arc<Attached>>,
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
        record(py, series, self.attached.as_deref(), amount, Given { trace, exemplar, extra })
    }

    /// Every exemplar that the series holds, newest first, whatever its age.
    ///
    /// They are up to `slots` winners of each bucket; which bucket follows from the value.
    /// Takes nothing from any scraper.
    fn exemplars(&self, py: Python<'_>) -> PyResult<Vec<Exemplar>> {
        let Some(series) = &self.core else { return Err(needs_labels(py)) };
        listed(py, py.detach(|| series.exemplars()))
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

    fn with_labels(
        &self,
        value: f64,
        source: impl FnOnce() -> Option<TraceContext>,
        add: impl FnMut(&mut ExemplarLabels<'_, '_>),
    ) -> bool {
        self.add_with_labels_from(value, source, add)
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

    fn count_callback_error(&self) {
        spanpin::Counter::count_callback_error(self);
    }

    fn count_drop(&self, reason: DropReason) {
        spanpin::Counter::count_drop(self, reason);
    }
}

/// A counter: a total that only grows, with exemplars.
///
/// The name may end in `_total` or not; the output has it once. The other
/// arguments are those of `Histogram`, but the default policy is "uniform":
/// every increment between two scrapes has the same chance to be the exemplar. The
/// values that `minimum_value`, `exemplar_filter` and slow requests go by are the
/// amounts that are added. A counter has no p99, so `adaptive` is refused.
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
        name, help, labels = None, *, unit = None, filter = None, policy = None,
        minimum_value = None, probability = None, adaptive = None, slots = None, max_age = None,
        exemplar_filter = None, exemplar_labels = None, baggage_keys = None, mark_spans = None,
        slow_request_threshold = None, on_slow_request = None, trace_url = None,
        max_series = None, registry = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        help: &Bound<'_, PyString>,
        labels: Option<&Bound<'_, PyAny>>,
        unit: Option<&Bound<'_, PyString>>,
        filter: Option<&str>,
        policy: Option<&str>,
        minimum_value: Option<f64>,
        probability: Option<f64>,
        adaptive: Option<&Bound<'_, PyAny>>,
        slots: Option<Whole>,
        max_age: Option<Whole>,
        exemplar_filter: Option<&Bound<'_, PyAny>>,
        exemplar_labels: Option<&Bound<'_, PyAny>>,
        baggage_keys: Option<&Bound<'_, PyAny>>,
        mark_spans: Option<bool>,
        slow_request_threshold: Option<f64>,
        on_slow_request: Option<&Bound<'_, PyAny>>,
        trace_url: Option<&str>,
        max_series: Option<Whole>,
        registry: Option<&Bound<'_, Registry>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let arguments = Arguments::read(py, Raw { name, help, labels, unit, max_series, registry })?;
        let options = ExemplarOptions {
            filter,
            policy,
            minimum_value,
            probability,
            adaptive,
            slots,
            max_age,
            exemplar_filter,
            exemplar_labels,
            baggage_keys,
            mark_spans,
            slow_request_threshold,
            on_slow_request,
            trace_url,
        };
        let builder = arguments.registry.counter(&arguments.name, &arguments.help);
        let (builder, attached) = options.apply(py, &arguments.registry, builder)?;
        let (family, core) = Family::register(py, builder, &arguments, attached)?;
        let series = CounterSeries { core, attached: family.attached.clone() };
        Ok(PyClassInitializer::from(series).add_subclass(Self { family }))
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

    /// Removes the series of these label values from the output, and tells whether there was one.
    ///
    /// The values are given as to `labels()`. All that the series has counted goes, and so do
    /// its exemplars. What is recorded through an object of it from here on goes to the
    /// overflow series, without exemplars; the same values begin anew. The memory is used
    /// again for others, ten seconds later, or sooner when the registry has no other space.
    /// The overflow series stays, and so does that of a family without labels.
    ///
    /// Raises `SpanpinError` unless there is one value for each label.
    #[pyo3(signature = (*values, **by_name))]
    fn remove(
        &self,
        py: Python<'_>,
        values: &Bound<'_, PyTuple>,
        by_name: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.family.remove(py, values, by_name)
    }

    /// Removes all series of the family, as `remove` does.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.family.clear(py)
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

    fn object(py: Python<'_>, family: &Family<Self::Core>, series: spanpin::Counter) -> PyResult<Py<PyAny>> {
        let series = CounterSeries { core: Some(series), attached: family.attached.clone() };
        Ok(Py::new(py, series)?.into_any())
    }
}
