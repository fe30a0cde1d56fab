//! The class `TraceContext`.

use std::hash::{Hash, Hasher};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};
use spanpin::{ErrorCode, SpanId, TraceId};

use crate::error::{from_core, raise};
use crate::text::utf8;
use crate::whole::Whole;

/// The span a measurement points to: trace id, span id and trace flags.
///
/// Ids are given as hexadecimal text (32 and 16 digits) or as the integers that
/// OpenTelemetry uses. Without flags the span counts as sampled.
///
/// >>> context = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", 0xf067aa0ba902b7)
/// >>> context.span_id, context.sampled
/// ('00f067aa0ba902b7', True)
/// >>> print(context)
/// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
#[pyclass(frozen, eq, hash, module = "spanpin")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) core: spanpin::TraceContext,
}

impl Hash for TraceContext {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.core.trace_id().to_bytes().hash(state);
        self.core.span_id().to_bytes().hash(state);
        self.core.flags().hash(state);
    }
}

#[pymethods]
impl TraceContext {
    #[new]
    #[pyo3(signature = (trace_id, span_id, flags = Whole::Small(1)), text_signature = "(trace_id, span_id, flags=1)")]
    fn new(trace_id: &Bound<'_, PyAny>, span_id: &Bound<'_, PyAny>, flags: Whole) -> PyResult<Self> {
        let trace_id = trace_id_of(trace_id)?;
        let py = span_id.py();
        let span_id = span_id_of(span_id)?;
        let flags = flags.fit(py, "flags", "from 0 to 255; 1 stands for sampled")?;
        Ok(Self { core: spanpin::TraceContext::new(trace_id, span_id, flags) })
    }

    /// Reads a W3C `traceparent` header.
    ///
    /// Raises `SpanpinError` if the text does not follow W3C Trace Context: it
    /// must be version, trace id, span id and flags in lower-case hexadecimal
    /// digits, joined by hyphens, and the ids must not be all zero.
    ///
    /// >>> TraceContext.parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").sampled
    /// False
    #[staticmethod]
    fn parse(py: Python<'_>, traceparent: &Bound<'_, PyString>) -> PyResult<Self> {
        let core =
            spanpin::TraceContext::parse_traceparent(&utf8(traceparent)?).map_err(|error| from_core(py, &error))?;
        Ok(Self { core })
    }

    /// The trace id as 32 lower-case hexadecimal digits.
    #[getter]
    fn trace_id(&self) -> String {
        digits(&self.core.trace_id().to_hex())
    }

    /// The span id as 16 lower-case hexadecimal digits.
    #[getter]
    fn span_id(&self) -> String {
        digits(&self.core.span_id().to_hex())
    }

    /// The trace flags, an integer from 0 to 255.
    #[getter]
    fn flags(&self) -> u8 {
        self.core.flags()
    }

    /// Whether the trace is sampled: bit 0 of the flags.
    #[getter]
    fn sampled(&self) -> bool {
        self.core.is_sampled()
    }

    fn __str__(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id(), self.span_id(), self.core.flags())
    }

    fn __repr__(&self) -> String {
        format!("TraceContext('{}', '{}', flags={})", self.trace_id(), self.span_id(), self.core.flags())
    }

    fn __getnewargs__(&self) -> (String, String, u8) {
        (self.trace_id(), self.span_id(), self.core.flags())
    }
}

fn digits(hex: &[u8]) -> String {
    hex.iter().map(|digit| char::from(*digit)).collect()
}

fn trace_id_of(given: &Bound<'_, PyAny>) -> PyResult<TraceId> {
    let py = given.py();
    if let Ok(text) = given.cast::<PyString>() {
        return TraceId::from_hex_any_case(&utf8(text)?).map_err(|error| from_core(py, &error));
    }
    if let Ok(number) = given.cast::<PyInt>() {
        let id = number.extract::<u128>().ok().map(u128::to_be_bytes).and_then(TraceId::from_bytes);
        return id.ok_or_else(|| out_of_range(given, ErrorCode::InvalidTraceId, "trace id", 128));
    }
    Err(wrong_type(given, "trace_id", 32))
}

fn span_id_of(given: &Bound<'_, PyAny>) -> PyResult<SpanId> {
    let py = given.py();
    if let Ok(text) = given.cast::<PyString>() {
        return SpanId::from_hex_any_case(&utf8(text)?).map_err(|error| from_core(py, &error));
    }
    if let Ok(number) = given.cast::<PyInt>() {
        let id = number.extract::<u64>().ok().map(u64::to_be_bytes).and_then(SpanId::from_bytes);
        return id.ok_or_else(|| out_of_range(given, ErrorCode::InvalidSpanId, "span id", 64));
    }
    Err(wrong_type(given, "span_id", 16))
}

#[cold]
fn out_of_range(given: &Bound<'_, PyAny>, code: ErrorCode, what: &str, bits: u32) -> PyErr {
    // Hexadecimal, because Python refuses to write very large integers in decimal.
    let shown = given.call_method1("__format__", ("#x",)).map(|text| text.to_string());
    let mut shown = shown.unwrap_or_default();
    shown.truncate(48);
    raise(given.py(), code, &format!("{what} {shown} must be from 1 to 2**{bits} - 1"))
}

#[cold]
fn wrong_type(given: &Bound<'_, PyAny>, argument: &str, digits: u32) -> PyErr {
    let class = given.get_type().to_string();
    PyTypeError::new_err(format!("{argument} must be a str of {digits} hexadecimal digits or an int, not {class}"))
}
