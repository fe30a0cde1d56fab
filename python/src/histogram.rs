//! The classes `Histogram` and `HistogramSeries`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use spanpin::{DropReason, ExemplarLabels, TraceContext};

use crate::error::from_core;
use crate::exemplar::{Given, Recorder, record};
use crate::family::{Arguments, Family, Kind, Raw, needs_labels};
use crate::history::{Exemplar, listed};
use crate::options::{Attached, ExemplarOptions};
use crate::registry::Registry;
use crate::whole::Whole;

/// One series of a histogram: what `Histogram.labels(...)` returns.
#[pyclass(frozen, subclass, module = "spanpin")]
pub(crate) struct HistogramSeries {
    /// `None` in a family with labels, which has no series of its own.
    core: Option<spanpin::Histogram>,
    attached: Option<Arc<Attached>>,
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
        record(py, series, self.attached.as_deref(), value, Given { trace, exemplar, extra })
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

impl Recorder for spanpin::Histogram {
    #[inline]
    fn with(&self, value: f64, source: impl FnOnce() -> Option<TraceContext>) {
        self.observe_with(value, source);
    }

    fn plain(&self, value: f64) {
        self.observe(value);
    }

    fn with_labels(
        &self,
        value: f64,
        source: impl FnOnce() -> Option<TraceContext>,
        add: impl FnMut(&mut ExemplarLabels<'_, '_>),
    ) -> bool {
        self.observe_with_labels_from(value, source, add)
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

    fn count_callback_error(&self) {
        spanpin::Histogram::count_callback_error(self);
    }

    fn count_drop(&self, reason: DropReason) {
        spanpin::Histogram::count_drop(self, reason);
    }
}

/// A histogram: counts of values in buckets, each with its own exemplars.
///
/// `buckets` are the upper bounds, strictly increasing; +Inf is always there.
/// With a `unit` the name must end in it. More than `max_series` label sets
/// (2000 unless given) share one overflow series.
///
/// Which exemplars are kept: `filter` decides which spans may become some:
/// "trace_based" (sampled ones), "always_on" or "always_off". `policy` decides which
/// one is kept of those between two scrapes: "slowest" (the default), "uniform" or
/// "first". Below `minimum_value` none is offered. `probability` keeps a part, from 0
/// to 1; `adaptive`, which is True or an `Adaptive`, one that depends on the p99.
/// `exemplar_filter(value, trace)` is asked last, only about what would be kept;
/// `trace` is a `TraceContext`. `slots`, from 4 to 19 (11), is how many a bucket
/// remembers; after `max_age` seconds, from 1 to 86400 (90), one is not shown again.
///
/// What goes with them: `exemplar_labels()` returns a mapping of further labels, or
/// None. `baggage_keys` are the entries of OpenTelemetry's baggage that become labels;
/// without it none do. Both hold for offered spans and not for an `exemplar=`; whoever
/// can scrape can read them. Baggage belongs to the active span and is not added to
/// one given by `trace=`. With `mark_spans` an active span that became an exemplar
/// gets the attribute `exemplar="true"`, by which a tail sampler can keep its trace.
///
/// Above `slow_request_threshold` the logger "spanpin.slow_request" writes a line,
/// and `on_slow_request` is called with a `SlowRequest`: for one request in each
/// window and series, whether or not there is a span or an exemplar. `trace_url` is
/// an address with `{trace_id}` and perhaps `{span_id}`. Whoever reads the log reads
/// the labels of the series.
///
/// The functions run in the recording thread. They may record in turn. If one raises
/// an `Exception`, that is counted in `spanpin_callback_errors_total` and what it was
/// asked for is left out: a filter that raises refuses. Other exceptions, such as
/// `KeyboardInterrupt`, are raised when the value has been recorded. The functions
/// live as long as the registry.
///
/// Rules that are not given come from the environment, see `Registry`.
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
        name, help, labels = None, *, unit = None, buckets = None, filter = None, policy = None,
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
        buckets: Option<Vec<f64>>,
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
        let builder = arguments.registry.histogram(&arguments.name, &arguments.help);
        let (mut builder, attached) = options.apply(py, &arguments.registry, builder)?;
        if let Some(bounds) = &buckets {
            builder = builder.bounds(bounds);
        }
        let (family, core) = Family::register(py, builder, &arguments, attached)?;
        let series = HistogramSeries { core, attached: family.attached.clone() };
        Ok(PyClassInitializer::from(series).add_subclass(Self { family }))
    }

    /// Sets the p99 that adaptive sampling goes by, in the unit of the metric.
    ///
    /// With NaN or an infinity that of the buckets comes back. Without a meaning for a
    /// histogram that does not sample adaptively.
    fn set_p99(&self, p99: f64) {
        self.family.core.set_p99(p99);
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

/// How `labels()` finds the series of a histogram.
pub(crate) struct HistogramKind;

impl Kind for HistogramKind {
    type Class = Histogram;
    type Core = spanpin::HistogramFamily;

    fn family(class: &Histogram) -> &Family<Self::Core> {
        &class.family
    }

    fn object(py: Python<'_>, family: &Family<Self::Core>, series: spanpin::Histogram) -> PyResult<Py<PyAny>> {
        let series = HistogramSeries { core: Some(series), attached: family.attached.clone() };
        Ok(Py::new(py, series)?.into_any())
    }
}

/// What the number of bounds may be.
const COUNT: &str = "from 1 to 4096";

/// Bucket bounds at equal distances: `start`, `start + width`, and so on.
///
/// >>> linear_buckets(1, 2, 4)
/// (1.0, 3.0, 5.0, 7.0)
#[pyfunction]
pub(crate) fn linear_buckets(py: Python<'_>, start: f64, width: f64, count: Whole) -> PyResult<Bound<'_, PyTuple>> {
    let count = count.fit(py, "count", COUNT)?;
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
    count: Whole,
) -> PyResult<Bound<'_, PyTuple>> {
    let count = count.fit(py, "count", COUNT)?;
    let bounds = spanpin::buckets::exponential(start, factor, count);
    PyTuple::new(py, bounds.map_err(|error| from_core(py, &error))?)
}
