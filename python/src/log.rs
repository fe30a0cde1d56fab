//! What the native module writes to the logger "spanpin".

use pyo3::intern;
use pyo3::prelude::*;
use spanpin::SegmentReason;

use crate::span::Swallowed;

pub(crate) fn warning(py: Python<'_>, message: &str) -> PyResult<()> {
    let logger = py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), ("spanpin",))?;
    logger.call_method1(intern!(py, "warning"), ("%s", message))?;
    Ok(())
}

/// Warns of what a registry has to say about its segment, in one line for each reason,
/// once in a process. A service goes on whatever its log does.
pub(crate) fn segment_notices(py: Python<'_>, registry: &spanpin::Registry) -> PyResult<()> {
    let swallowed = Swallowed::default();
    // The log is the program's and may scrape in turn; it then finds the rest.
    while let Some(notice) = registry.take_segment_notice() {
        let line = match notice.reason {
            SegmentReason::PerWorker => &format!("{}: set SPANPIN_SEGMENT to its path", notice.message),
            _ => &*notice.message,
        };
        swallowed.ok(py, warning(py, line));
    }
    swallowed.finish()
}
