//! What the native module writes to the logger "spanpin".

use pyo3::prelude::*;

use crate::once::interned;
use crate::span::Swallowed;

pub(crate) fn warning(py: Python<'_>, message: &str) -> PyResult<()> {
    let logger = py.import(interned!(py, "logging"))?.call_method1(interned!(py, "getLogger"), ("spanpin",))?;
    logger.call_method1(interned!(py, "warning"), ("%s", message))?;
    Ok(())
}

/// Warns of what a registry has to say about its segment, in one line for each reason,
/// once in a process. A service goes on whatever its log does.
pub(crate) fn segment_notices(py: Python<'_>, registry: &spanpin::Registry) -> PyResult<()> {
    let swallowed = Swallowed::default();
    // The log is the program's and may scrape in turn; it then finds the rest.
    while let Some(notice) = registry.take_segment_notice() {
        swallowed.ok(py, warning(py, &notice.message));
    }
    swallowed.finish()
}
