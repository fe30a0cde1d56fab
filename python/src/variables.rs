//! The environment variables that a process' defaults come from.

use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use spanpin::{RegistryOptions, VARIABLES};

use crate::log::warning;
use crate::span::Swallowed;
use crate::text::utf8;

const SEGMENT: &str = "SPANPIN_SEGMENT";

/// Where services that leave prometheus_client have the directory of its files.
const MULTIPROC_DIR: &str = "PROMETHEUS_MULTIPROC_DIR";

/// The segment's name in that directory. prometheus_client reads `*.db` there.
const IN_MULTIPROC_DIR: &str = "metrics.spanpin";

/// The variables that are set. They are read by `os.environ`, as Python code sees
/// them, and not past the interpreter, while another thread of it may set one.
pub(crate) fn found(py: Python<'_>) -> PyResult<Vec<(&'static str, String)>> {
    let environment = py.import(intern!(py, "os"))?.getattr(intern!(py, "environ"))?;
    let mut found = Vec::new();
    let get = |name: &str| -> PyResult<Option<String>> {
        let value = environment.call_method1(intern!(py, "get"), (name,))?;
        value.cast::<PyString>().ok().map(|value| Ok(utf8(value)?.into_owned())).transpose()
    };
    for name in VARIABLES {
        if let Some(value) = get(name)? {
            found.push((name, value));
        }
    }
    let says_segment = |(name, value): &(&str, String)| *name == SEGMENT && !value.trim().is_empty();
    if !found.iter().any(says_segment)
        && let Some(directory) = get(MULTIPROC_DIR)?.filter(|directory| !directory.trim().is_empty())
    {
        found.push((SEGMENT, format!("{}/{IN_MULTIPROC_DIR}", directory.trim().trim_end_matches('/'))));
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
        swallowed.ok(py, warning(py, &message));
    }
    swallowed.finish()
}
