//! The class `SlowRequest` and its line in the log.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::history::{label_dict, shown};
use crate::once::interned;

/// A request whose value was above `slow_request_threshold`, as `on_slow_request` is told of it.
#[pyclass(frozen, eq, module = "spanpin")]
#[derive(PartialEq)]
pub(crate) struct SlowRequest {
    metric: String,
    labels: Vec<(String, String)>,
    value: f64,
    threshold: f64,
    trace_id: Option<String>,
    span_id: Option<String>,
    sampled: bool,
    trace_url: String,
}

#[pymethods]
impl SlowRequest {
    /// The name of the metric; that of a counter without `_total`.
    #[getter]
    fn metric(&self) -> &str {
        &self.metric
    }

    /// The labels of the series, a new dict at each call.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        label_dict(py, self.labels.iter().map(|(name, value)| (&**name, &**value)))
    }

    /// The value that was recorded.
    #[getter]
    fn value(&self) -> f64 {
        self.value
    }

    /// The threshold that it is above.
    #[getter]
    fn threshold(&self) -> f64 {
        self.threshold
    }

    /// 32 hexadecimal digits, or `None` without a span.
    #[getter]
    fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// 16 hexadecimal digits, or `None` without a span.
    #[getter]
    fn span_id(&self) -> Option<&str> {
        self.span_id.as_deref()
    }

    /// Whether the trace is sampled, so that it will be found; `False` without a span.
    #[getter]
    fn sampled(&self) -> bool {
        self.sampled
    }

    /// Where the trace is found, by the template `trace_url`; "" without one or without a span.
    #[getter]
    fn trace_url(&self) -> &str {
        &self.trace_url
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "SlowRequest(metric={}, labels={}, value={}, threshold={}, trace_id={}, span_id={}, sampled={}, trace_url={})",
            shown(py, &self.metric)?,
            shown(py, self.labels(py)?)?,
            shown(py, self.value)?,
            shown(py, self.threshold)?,
            shown(py, self.trace_id())?,
            shown(py, self.span_id())?,
            shown(py, self.sampled)?,
            shown(py, &self.trace_url)?,
        ))
    }
}

impl From<&spanpin::SlowRequest<'_>> for SlowRequest {
    fn from(core: &spanpin::SlowRequest<'_>) -> Self {
        let trace = core.trace();
        Self {
            metric: core.metric().to_owned(),
            labels: core.labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            value: core.value(),
            threshold: core.threshold(),
            trace_id: trace.map(|trace| trace.trace_id().to_string()),
            span_id: trace.map(|trace| trace.span_id().to_string()),
            sampled: core.is_sampled(),
            trace_url: core.trace_url().to_owned(),
        }
    }
}

impl SlowRequest {
    /// Writes the request to a logger. The fields have a prefix, because a record has
    /// attributes of its own and programs add more, and none may be given twice.
    pub(crate) fn log(&self, logger: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = logger.py();
        let fields = PyDict::new(py);
        fields.set_item(interned!(py, "spanpin_metric"), &self.metric)?;
        fields.set_item(interned!(py, "spanpin_labels"), self.labels(py)?)?;
        fields.set_item(interned!(py, "spanpin_value"), self.value)?;
        fields.set_item(interned!(py, "spanpin_threshold"), self.threshold)?;
        fields.set_item(interned!(py, "spanpin_trace_id"), self.trace_id())?;
        fields.set_item(interned!(py, "spanpin_span_id"), self.span_id())?;
        fields.set_item(interned!(py, "spanpin_sampled"), self.sampled)?;
        fields.set_item(interned!(py, "spanpin_trace_url"), &self.trace_url)?;
        let keywords = PyDict::new(py);
        keywords.set_item(interned!(py, "extra"), fields)?;
        logger.call_method(interned!(py, "warning"), (interned!(py, "slow request"),), Some(&keywords))?;
        Ok(())
    }
}
