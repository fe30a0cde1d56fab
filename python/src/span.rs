//! Finds the span a measurement belongs to.

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use spanpin::{SpanId, TraceContext, TraceId};

/// Errors that must not reach the caller of a recording method, because a
/// measurement never fails for its exemplar's sake.
///
/// What is no `Exception`, such as the `KeyboardInterrupt` of a signal that came
/// just then, is meant for the whole program and is kept for the end of the call.
#[derive(Default)]
pub(crate) struct Swallowed(Option<PyErr>);

impl Swallowed {
    pub(crate) fn ok<T>(&mut self, py: Python<'_>, result: PyResult<T>) -> Option<T> {
        result.map_err(|error| self.put(py, error)).ok()
    }

    #[cold]
    fn put(&mut self, py: Python<'_>, error: PyErr) {
        if !error.is_instance_of::<PyException>(py) {
            self.0 = Some(error);
        }
    }

    #[inline]
    pub(crate) fn finish(self) -> PyResult<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// The active OpenTelemetry span, or `None` if there is none that can be read.
pub(crate) fn active(py: Python<'_>, swallowed: &mut Swallowed) -> Option<TraceContext> {
    let current = get_current_span(py)?;
    let context = current.call0().and_then(|span| {
        let context = span.call_method0(intern!(py, "get_span_context"))?;
        read_context(&context)
    });
    swallowed.ok(py, context).flatten()
}

/// `opentelemetry.trace.get_current_span`, if the program itself has imported it.
///
/// Before that there can be no span, and importing OpenTelemetry on the user's
/// behalf would cost a program without it time and memory. The look-up of a
/// module that is still being imported fails and is tried again next time.
fn get_current_span(py: Python<'_>) -> Option<&Bound<'_, PyAny>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(function) = FUNCTION.get(py) {
        return Some(function.bind(py));
    }
    let modules = MODULES.get_or_try_init(py, || -> PyResult<_> {
        Ok(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind())
    });
    let module = modules.ok()?.bind(py).get_item(intern!(py, "opentelemetry.trace")).ok()??;
    let function = module.getattr(intern!(py, "get_current_span")).ok()?.unbind();
    Some(FUNCTION.get_or_init(py, || function).bind(py))
}

/// Reads an object with the integers `trace_id`, `span_id` and `trace_flags`, as
/// OpenTelemetry's `SpanContext` has them. An all-zero id is OpenTelemetry's way
/// to say that there is no span.
pub(crate) fn read_context(context: &Bound<'_, PyAny>) -> PyResult<Option<TraceContext>> {
    let py = context.py();
    let trace_id: u128 = context.getattr(intern!(py, "trace_id"))?.extract()?;
    let span_id: u64 = context.getattr(intern!(py, "span_id"))?.extract()?;
    let flags: u8 = context.getattr(intern!(py, "trace_flags"))?.extract()?;
    let trace_id = TraceId::from_bytes(trace_id.to_be_bytes());
    let span_id = SpanId::from_bytes(span_id.to_be_bytes());
    Ok(trace_id.zip(span_id).map(|(trace_id, span_id)| TraceContext::new(trace_id, span_id, flags)))
}
