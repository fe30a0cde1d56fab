//! The environment variables that a process' defaults come from.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;
use spanpin::{RegistryOptions, VARIABLES};

use crate::log::warning;
use crate::once::interned;
use crate::span::Swallowed;

const SEGMENT: &str = "SPANPIN_SEGMENT";

/// Where services that leave prometheus_client have the directory of its files.
const MULTIPROC_DIR: &str = "PROMETHEUS_MULTIPROC_DIR";

/// The segment's name in that directory. prometheus_client reads `*.db` there.
const IN_MULTIPROC_DIR: &str = "metrics.spanpin";

/// A variable that is set.
pub(crate) struct Variable {
    /// The one that was set.
    source: &'static str,
    /// The one that it stands for.
    name: &'static str,
    /// Its bytes.
    value: Vec<u8>,
}

/// The variables that are set. They are read by `os.environ`, as Python code sees
/// them, and not past the interpreter, while another thread of it may set one.
pub(crate) fn found(py: Python<'_>) -> PyResult<Vec<Variable>> {
    let environment = py.import(interned!(py, "os"))?.getattr(interned!(py, "environ"))?;
    let mut found = Vec::new();
    let get = |name: &str| -> PyResult<Option<Vec<u8>>> {
        let value = environment.call_method1(interned!(py, "get"), (name,))?;
        value.cast::<PyString>().ok().map(bytes_of).transpose()
    };
    for name in VARIABLES {
        if let Some(value) = get(name)? {
            found.push(Variable { source: name, name, value });
        }
    }
    let says_segment = |found: &Variable| found.name == SEGMENT && !found.value.trim_ascii().is_empty();
    if !found.iter().any(says_segment)
        && let Some(directory) = get(MULTIPROC_DIR)?.filter(|directory| !directory.trim_ascii().is_empty())
    {
        let mut directory = directory.trim_ascii();
        while let [before @ .., b'/'] = directory {
            directory = before;
        }
        let value = [directory, b"/", IN_MULTIPROC_DIR.as_bytes()].concat();
        found.push(Variable { source: MULTIPROC_DIR, name: SEGMENT, value });
    }
    Ok(found)
}

/// Takes over the variables, and returns what is wrong with those that were ignored.
pub(crate) fn take<'a>(options: &mut RegistryOptions<'a>, found: &'a [Variable]) -> Vec<String> {
    let bad = found.iter().filter_map(|Variable { source, name, value }| {
        let error = options.set_variable_bytes(name, value).err()?;
        // Under the name that it was set by.
        Some(if source == name { error.message().to_owned() } else { error.message().replacen(name, source, 1) })
    });
    bad.collect()
}

/// The bytes that the environment has, of which Python makes lone surrogates where they are no UTF-8.
fn bytes_of(value: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    if let Ok(text) = value.to_str() {
        return Ok(text.as_bytes().to_vec());
    }
    value.call_method1(interned!(value.py(), "encode"), ("utf-8", "surrogateescape"))?.extract()
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
