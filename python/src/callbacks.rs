//! Functions of the user's that the core calls: the filter, and what is told of
//! slow requests.
//!
//! They run in the observing thread, which is attached to the interpreter, and
//! nothing is held meanwhile: they may record on the same series, let other threads
//! run, and raise. The core knows nothing of Python's exceptions, so these wait
//! beside the call for its end.

use std::cell::Cell;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use spanpin::TraceContext;

use crate::once::interned;
use crate::slow_request::SlowRequest;

/// What the functions have raised in a call of the core.
#[derive(Default)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    /// What is no `Exception` and meant for the whole program.
    pub(crate) interrupt: Option<PyErr>,
}

thread_local! {
    static FAILURES: Cell<Failures> = const { Cell::new(Failures { count: 0, interrupt: None }) };
}

/// Begins a call of the core, perhaps inside of another. Returns what `end` takes.
pub(crate) fn begin() -> Failures {
    FAILURES.take()
}

/// Ends the call: what its functions have raised.
pub(crate) fn end(outer: Failures) -> Failures {
    FAILURES.replace(outer)
}

/// The answer of a function, unless it raised.
fn answered<T>(py: Python<'_>, result: PyResult<T>) -> Option<T> {
    let error = match result {
        Ok(answer) => return Some(answer),
        Err(error) => error,
    };
    let mut failures = FAILURES.take();
    failures.count = failures.count.saturating_add(1);
    let is_exception = error.is_instance_of::<PyException>(py);
    let dropped = if is_exception { Some(error) } else { failures.interrupt.replace(error) };
    FAILURES.set(failures);
    // Last, because it may run code that records.
    drop(dropped);
    None
}

/// A filter that raises refuses.
pub(crate) fn filter(function: Py<PyAny>) -> impl Fn(f64, TraceContext) -> bool + Send + Sync + 'static {
    move |value, core| {
        Python::attach(|py| {
            let answer = function.bind(py).call1((value, crate::trace::TraceContext { core }));
            answered(py, answer.and_then(|answer| answer.is_truthy())).unwrap_or(false)
        })
    }
}

/// Writes the line of a slow request to a logger, and tells a function of it.
pub(crate) fn slow_request(
    logger: Py<PyAny>,
    function: Option<Py<PyAny>>,
) -> impl Fn(&spanpin::SlowRequest<'_>) + Send + Sync + 'static {
    move |request| {
        Python::attach(|py| {
            let request = SlowRequest::from(request);
            answered(py, request.log(logger.bind(py)));
            if let Some(function) = &function {
                answered(py, function.bind(py).call1((request,)));
            }
        });
    }
}

/// The logger of slow requests.
pub(crate) fn logger(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let logging = py.import(interned!(py, "logging"))?;
    Ok(logging.call_method1(interned!(py, "getLogger"), ("spanpin.slow_request",))?.unbind())
}
