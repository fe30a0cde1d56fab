//! The exceptions of the package: `SpanpinError`, and `SegmentError`, which is one.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use spanpin::ErrorCode;

use crate::once::Once;

const DOC: &core::ffi::CStr = c"A call that spanpin refused.

`code` is the stable name of what went wrong, the same in every language, such
as \"duplicate_name\" or \"label_count\". The message names the offending value
and what is allowed.

Only registrations, `labels()`, scrapes and the parsers of `TraceContext` raise
it. Recording a measurement never does.";

/// The exception class, made on first use.
pub(crate) fn spanpin_error(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: Once<Py<PyType>> = Once::new();
    let class = CLASS.get_or_make(py, || {
        let base = py.get_type::<PyValueError>();
        let class = PyErr::new_type(py, c"spanpin.SpanpinError", Some(DOC), Some(&base), None)?;
        // Not by the argument for members: in PyO3 0.30.1 it is freed before it is used.
        class.bind(py).setattr("code", "")?;
        Ok(class)
    })?;
    Ok(class.bind(py))
}

const SEGMENT_DOC: &core::ffi::CStr = c"A segment file that cannot be used by a registry with `strict=True`.

The message has path, cause and remedy. `code` is \"segment_unusable\".";

/// The exception class for segments that cannot be used, made on first use.
pub(crate) fn segment_error(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: Once<Py<PyType>> = Once::new();
    let class = CLASS.get_or_make(py, || {
        PyErr::new_type(py, c"spanpin.SegmentError", Some(SEGMENT_DOC), Some(spanpin_error(py)?), None)
    })?;
    Ok(class.bind(py))
}

/// A `SpanpinError` with a code and a message.
pub(crate) fn raise(py: Python<'_>, code: ErrorCode, message: &str) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let class = if code == ErrorCode::SegmentUnusable { segment_error(py)? } else { spanpin_error(py)? };
        let error = class.call1((message,))?;
        error.setattr("code", code.as_str())?;
        Ok(PyErr::from_value(error))
    };
    build().unwrap_or_else(|failure| failure)
}

/// The core's error as a `SpanpinError`.
pub(crate) fn from_core(py: Python<'_>, error: &spanpin::Error) -> PyErr {
    raise(py, error.code(), error.message())
}

/// The error for an option that is one of a few words.
#[cold]
pub(crate) fn bad_option(py: Python<'_>, option: &str, given: &str, allowed: &str) -> PyErr {
    let shown: String = given.chars().take(40).collect();
    raise(py, ErrorCode::InvalidOption, &format!("{option} {shown:?} is unknown; use {allowed}"))
}
