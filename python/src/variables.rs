//! The environment variables that a process' defaults come from.

use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use spanpin::{RegistryOptions, VARIABLES};

use crate::span::Swallowed;
use crate::text::utf8;

/// The variables that are set. They are read by `os.environ`, as Python code sees
/// them, and not past the interpreter, while another thread of it may set one.
pub(crate) fn found(py: Python<'_>) -> PyResult<Vec<(&'static str, String)>> {
    let environment = py.import(intern!(py, "os"))?.getattr(intern!(py, "environ"))?;
    let mut found = Vec::new();
    for name in VARIABLES {
        let value = environment.call_method1(intern!(py, "get"), (name,))?;
        if let Ok(value) = value.cast::<PyString>() {
            found.push((name, utf8(value)?.into_owned()));
        }
    }
    Ok(found)
}

/// Takes over the variables, and returns what is wrong with those that were ignored.
pub(crate) fn take<'a>(options: &mut RegistryOptions<'a>, found: &'a [(&'static str, String)]) -> Vec<String> {
    let bad = found.iter().filter_map(|(name, value)| options.set_variable(name, value).err());
    bad.map(|error| error.message().to_owned()).collect()
}

/// Warns of bad variables, of each once in the life of the process. A service
/// starts whatever its log does.
pub(crate) fn warn(py: Python<'_>, bad: Vec<String>) -> PyResult<()> {
    static WARNED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let swallowed = Swallowed::default();
    for message in bad {
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.contains(&message) {
            continue;
        }
        warned.push(message.clone());
        // The log is the program's: it may do anything, make a registry too.
        drop(warned);
        swallowed.ok(py, log(py, &message));
    }
    swallowed.finish()
}

fn log(py: Python<'_>, message: &str) -> PyResult<()> {
    let logger = py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), ("spanpin",))?;
    logger.call_method1(intern!(py, "warning"), (message,))?;
    Ok(())
}
