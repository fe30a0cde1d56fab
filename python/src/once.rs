//! Values that are made on first use, and that no fork can leave half made.
//!
//! PyO3's `get_or_init` and `intern!` let other threads run while a value is made. A process that is forked at that
//! moment would wait for ever for a thread that it does not have.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A value that is made on first use.
pub(crate) struct Once<T>(PyOnceLock<T>);

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Self(PyOnceLock::new())
    }

    pub(crate) fn get(&self, py: Python<'_>) -> Option<&T> {
        self.0.get(py)
    }

    /// The value; `make` is called if there is none yet. Of two threads that make one at the same time, one throws its
    /// own away.
    pub(crate) fn get_or_make<'a>(&'a self, py: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&'a T> {
        if let Some(value) = self.get(py) {
            return Ok(value);
        }
        let made = make()?;
        // Runs no Python code, and lets no other thread run.
        let _ = self.0.set(py, made);
        self.get(py).ok_or_else(|| PyRuntimeError::new_err("a value that was set is not there"))
    }
}

/// An interned string, in a function that may fail.
macro_rules! interned {
    ($py:expr, $text:literal) => {{
        static TEXT: crate::once::Once<::pyo3::Py<::pyo3::types::PyString>> = crate::once::Once::new();
        let py = $py;
        TEXT.get_or_make(py, || Ok(::pyo3::types::PyString::intern(py, $text).unbind()))?.bind(py)
    }};
}

pub(crate) use interned;
