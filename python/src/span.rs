//! Finds the span a measurement belongs to, its baggage, and marks it.
//!
//! OpenTelemetry is used by its public interface, and only if the program itself
//! has imported it: before that there can be no span, and importing it on the
//! user's behalf would cost a program without it time and memory.

use std::cell::Cell;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use spanpin::{SpanId, TraceContext, TraceId};

use crate::once::{Once, interned};

/// Errors that must not reach the caller of a recording method, because a
/// measurement never fails for its exemplar's sake.
///
/// What is no `Exception`, such as the `KeyboardInterrupt` of a signal that came
/// just then, is meant for the whole program and is kept for the end of the call.
#[derive(Default)]
pub(crate) struct Swallowed(Cell<Option<PyErr>>);

impl Swallowed {
    pub(crate) fn ok<T>(&self, py: Python<'_>, result: PyResult<T>) -> Option<T> {
        result.map_err(|error| self.put(py, error)).ok()
    }

    #[cold]
    pub(crate) fn put(&self, py: Python<'_>, error: PyErr) {
        if !error.is_instance_of::<PyException>(py) {
            self.0.set(Some(error));
        }
    }

    #[inline]
    pub(crate) fn finish(self) -> PyResult<()> {
        self.0.into_inner().map_or(Ok(()), Err)
    }
}

static GET_CURRENT_SPAN: Imported = Imported::new("opentelemetry.trace", "get_current_span");
static GET_BAGGAGE: Imported = Imported::new("opentelemetry.baggage", "get_baggage");

/// A function of a module that the program may have imported.
struct Imported {
    module: &'static str,
    name: &'static str,
    function: Once<Py<PyAny>>,
}

impl Imported {
    const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name, function: Once::new() }
    }

    /// The function, once its module is there. The look-up in a module that is still
    /// being imported fails and is tried again next time.
    fn get<'py>(&'py self, py: Python<'py>) -> Option<&'py Bound<'py, PyAny>> {
        static MODULES: Once<Py<PyDict>> = Once::new();
        if let Some(function) = self.function.get(py) {
            return Some(function.bind(py));
        }
        let modules =
            MODULES.get_or_make(py, || Ok(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind()));
        let module = modules.ok()?.bind(py).get_item(self.module).ok()??;
        let function = module.getattr(self.name).ok()?.unbind();
        Some(self.function.get_or_make(py, || Ok(function)).ok()?.bind(py))
    }
}

/// The active OpenTelemetry span's context, or `None` if there is none that can be read.
pub(crate) fn active(py: Python<'_>, swallowed: &Swallowed) -> Option<TraceContext> {
    active_span(py, swallowed).map(|(_, context)| context)
}

/// The same with the span itself.
pub(crate) fn active_span<'py>(py: Python<'py>, swallowed: &Swallowed) -> Option<(Bound<'py, PyAny>, TraceContext)> {
    let current = GET_CURRENT_SPAN.get(py)?;
    let found = current.call0().and_then(|span| {
        let context = span.call_method0(interned!(py, "get_span_context"))?;
        Ok(read_context(&context)?.map(|context| (span, context)))
    });
    swallowed.ok(py, found).flatten()
}

/// Sets the attribute by which tail samplers know a trace that an exemplar leads to.
/// Its name and value are those of client_java, so that one rule serves both.
pub(crate) fn mark(span: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = span.py();
    if span.call_method0(interned!(py, "is_recording"))?.is_truthy()? {
        span.call_method1(interned!(py, "set_attribute"), (interned!(py, "exemplar"), interned!(py, "true")))?;
    }
    Ok(())
}

/// The entry of this name in the active context's baggage.
pub(crate) fn baggage<'py>(name: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(get) = GET_BAGGAGE.get(name.py()) else { return Ok(None) };
    Ok(Some(get.call1((name,))?).filter(|value| !value.is_none()))
}

/// Reads an object with the integers `trace_id`, `span_id` and `trace_flags`, as
/// OpenTelemetry's `SpanContext` has them. An all-zero id is OpenTelemetry's way
/// to say that there is no span.
pub(crate) fn read_context(context: &Bound<'_, PyAny>) -> PyResult<Option<TraceContext>> {
    let py = context.py();
    let trace_id: u128 = context.getattr(interned!(py, "trace_id"))?.extract()?;
    let span_id: u64 = context.getattr(interned!(py, "span_id"))?.extract()?;
    let flags: u8 = context.getattr(interned!(py, "trace_flags"))?.extract()?;
    let trace_id = TraceId::from_bytes(trace_id.to_be_bytes());
    let span_id = SpanId::from_bytes(span_id.to_be_bytes());
    Ok(trace_id.zip(span_id).map(|(trace_id, span_id)| TraceContext::new(trace_id, span_id, flags)))
}
