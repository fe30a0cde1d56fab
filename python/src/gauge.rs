//! The classes `Gauge` and `GaugeSeries`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::family::{Arguments, Family, Kind, Raw, needs_labels};
use crate::registry::Registry;
use crate::whole::Whole;

/// One series of a gauge: what `Gauge.labels(...)` returns.
///
/// Any float is allowed everywhere, NaN and the infinities too.
#[pyclass(frozen, subclass, module = "spanpin")]
pub(crate) struct GaugeSeries {
    /// `None` in a family with labels, which has no series of its own.
    core: Option<spanpin::Gauge>,
}

impl GaugeSeries {
    fn series(&self, py: Python<'_>) -> PyResult<&spanpin::Gauge> {
        self.core.as_ref().ok_or_else(|| needs_labels(py))
    }
}

#[pymethods]
impl GaugeSeries {
    /// Sets the value.
    fn set(&self, py: Python<'_>, value: f64) -> PyResult<()> {
        self.series(py)?.set(value);
        Ok(())
    }

    /// Adds an amount, 1 unless given.
    #[pyo3(signature = (amount = 1.0))]
    fn inc(&self, py: Python<'_>, amount: f64) -> PyResult<()> {
        self.series(py)?.add(amount);
        Ok(())
    }

    /// Subtracts an amount, 1 unless given.
    #[pyo3(signature = (amount = 1.0))]
    fn dec(&self, py: Python<'_>, amount: f64) -> PyResult<()> {
        self.series(py)?.sub(amount);
        Ok(())
    }

    /// The present value.
    fn get(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.series(py)?.get())
    }
}

/// A gauge: a value that goes up and down. It has no exemplars.
///
/// The arguments are those of `Histogram` that a gauge has a use for.
///
/// Raises `SpanpinError` if the name is taken or an argument is not allowed.
///
/// >>> depth = Gauge("queue_depth", "Jobs waiting.", registry=Registry())
/// >>> depth.set(3)
/// >>> depth.dec()
/// >>> depth.get()
/// 2.0
#[pyclass(frozen, extends = GaugeSeries, module = "spanpin")]
pub(crate) struct Gauge {
    family: Family<spanpin::GaugeFamily>,
}

#[pymethods]
impl Gauge {
    #[new]
    #[pyo3(signature = (
        name, help, labels = None, *, unit = None, max_series = None, registry = None,
    ))]
    fn new(
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        help: &Bound<'_, PyString>,
        labels: Option<&Bound<'_, PyAny>>,
        unit: Option<&Bound<'_, PyString>>,
        max_series: Option<Whole>,
        registry: Option<&Bound<'_, Registry>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let arguments = Arguments::read(py, Raw { name, help, labels, unit, max_series, registry })?;
        let builder = arguments.registry.gauge(&arguments.name, &arguments.help);
        let (family, core) = Family::register(py, builder, &arguments, None)?;
        Ok(PyClassInitializer::from(GaugeSeries { core }).add_subclass(Self { family }))
    }

    /// The name the gauge was registered under.
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
        self.family.repr(py, "Gauge")
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

/// How `labels()` finds the series of a gauge.
pub(crate) struct GaugeKind;

impl Kind for GaugeKind {
    type Class = Gauge;
    type Core = spanpin::GaugeFamily;

    fn family(class: &Gauge) -> &Family<Self::Core> {
        &class.family
    }

    fn object(py: Python<'_>, _: &Family<Self::Core>, series: spanpin::Gauge) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, GaugeSeries { core: Some(series) })?.into_any())
    }
}
