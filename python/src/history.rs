//! The class `Exemplar`: one entry of a series' history.

use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::from_core;

/// An exemplar that a series holds, as `exemplars()` lists them.
#[pyclass(frozen, eq, module = "spanpin")]
#[derive(PartialEq)]
pub(crate) struct Exemplar {
    value: f64,
    timestamp_ms: u64,
    trace_id: Option<String>,
    span_id: Option<String>,
    labels: Vec<(Box<str>, Box<str>)>,
}

#[pymethods]
impl Exemplar {
    /// The value that was recorded.
    #[getter]
    fn value(&self) -> f64 {
        self.value
    }

    /// When it was recorded, in seconds since 1970, UTC.
    #[getter]
    fn timestamp(&self) -> f64 {
        self.timestamp_ms as f64 / 1000.0
    }

    /// 32 hexadecimal digits, or `None` for an explicit exemplar without one.
    #[getter]
    fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// 16 hexadecimal digits, or `None` for an explicit exemplar without one.
    #[getter]
    fn span_id(&self) -> Option<&str> {
        self.span_id.as_deref()
    }

    /// The labels beside the ids, a new dict at each call.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        label_dict(py, self.labels.iter().map(|(name, value)| (&**name, &**value)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Exemplar(value={}, timestamp={}, trace_id={}, span_id={}, labels={})",
            shown(py, self.value)?,
            shown(py, self.timestamp())?,
            shown(py, self.trace_id())?,
            shown(py, self.span_id())?,
            shown(py, self.labels(py)?)?,
        ))
    }
}

/// The history of a series as Python objects.
pub(crate) fn listed(
    py: Python<'_>,
    history: Result<Vec<spanpin::Exemplar>, spanpin::Error>,
) -> PyResult<Vec<Exemplar>> {
    let history = history.map_err(|error| from_core(py, &error))?;
    Ok(history.into_iter().map(Exemplar::from).collect())
}

impl From<spanpin::Exemplar> for Exemplar {
    fn from(core: spanpin::Exemplar) -> Self {
        Self {
            value: core.value,
            timestamp_ms: core.timestamp_ms,
            trace_id: core.trace_id.map(|id| id.to_string()),
            span_id: core.span_id.map(|id| id.to_string()),
            labels: core.labels,
        }
    }
}

/// A dict of labels.
pub(crate) fn label_dict<'py, 'a>(
    py: Python<'py>,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in labels {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// A value as Python writes it.
pub(crate) fn shown<'py>(py: Python<'py>, value: impl IntoPyObject<'py>) -> PyResult<String> {
    let object = value.into_pyobject(py).map_err(Into::into)?.into_bound().into_any();
    Ok(object.repr()?.to_string())
}
