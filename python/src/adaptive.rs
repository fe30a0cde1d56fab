//! The class `Adaptive`.

use pyo3::prelude::*;
use pyo3::types::PyString;
use spanpin::LowerEdge;

use crate::error::bad_option;
use crate::history::shown;
use crate::text::utf8;
use crate::whole::Whole;

/// Sampling of exemplars by where a value lies: all above the p99 of a moving
/// window, one in ten from a lower edge up to it, one in a hundred below the edge.
///
/// `lower` is the edge: a part of the p99, above 0 and at most 1, or "p95".
/// `window` is the length of the moving window in seconds, from 60 to 300. The p99
/// is that of the series' own buckets; before they hold 100 observations in the
/// window everything passes. `p99` gives one instead, in the unit of the metric;
/// `Histogram.set_p99` changes it.
///
/// Numbers are checked by the metric that it is given to.
///
/// >>> Adaptive()
/// Adaptive(lower=0.8, window=120, p99=None)
#[pyclass(frozen, eq, module = "spanpin")]
#[derive(PartialEq)]
pub(crate) struct Adaptive {
    pub(crate) core: spanpin::Adaptive,
}

#[pymethods]
impl Adaptive {
    #[new]
    #[pyo3(signature = (lower = None, window = Whole::Small(120), p99 = None), text_signature = "(lower=0.8, window=120, p99=None)")]
    fn new(py: Python<'_>, lower: Option<&Bound<'_, PyAny>>, window: Whole, p99: Option<f64>) -> PyResult<Self> {
        let lower = lower.map_or(Ok(spanpin::Adaptive::default().lower), read_lower)?;
        let window_seconds = window.fit(py, "adaptive window", "from 60 to 300 seconds")?;
        Ok(Self { core: spanpin::Adaptive { lower, window_seconds, p99 } })
    }

    /// Where the middle band begins: a part of the p99, or "p95".
    #[getter]
    fn lower<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.core.lower {
            LowerEdge::OfP99(part) => Ok(part.into_pyobject(py)?.into_any()),
            LowerEdge::P95 => Ok(PyString::intern(py, P95).into_any()),
        }
    }

    /// The length of the moving window in seconds.
    #[getter]
    fn window(&self) -> u32 {
        self.core.window_seconds
    }

    /// The p99 that was given in place of that of the buckets.
    #[getter]
    fn p99(&self) -> Option<f64> {
        self.core.p99
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (lower, p99) = (shown(py, self.lower(py)?)?, shown(py, self.core.p99)?);
        Ok(format!("Adaptive(lower={lower}, window={}, p99={p99})", self.core.window_seconds))
    }
}

const P95: &str = "p95";

fn read_lower(given: &Bound<'_, PyAny>) -> PyResult<LowerEdge> {
    match given.cast::<PyString>() {
        Ok(text) => match &*utf8(text)? {
            P95 => Ok(LowerEdge::P95),
            other => Err(bad_option(given.py(), "lower", other, "a part of the p99, such as 0.8, or \"p95\"")),
        },
        Err(_) => given.extract().map(LowerEdge::OfP99),
    }
}
