//! What the three metric classes share: registration and its arguments.

use std::borrow::Cow;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use spanpin::{ErrorCode, Filter, Policy};

use crate::error::{bad_option, raise};
use crate::labels::LabelCache;
use crate::registry::{Registry, default_registry};
use crate::text::utf8;

/// A kind of metric: how its series are found in the core and shown to Python.
pub(crate) trait Kind: 'static {
    /// The Python class of the family.
    type Class: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync;
    /// The core's family.
    type Core: Send + Sync;
    /// The family behind a Python object.
    fn family(class: &Self::Class) -> &Family<Self::Core>;
    /// The series of these label values as a new Python object.
    fn series(py: Python<'_>, family: &Self::Core, values: &[&str]) -> PyResult<Found>;
}

/// A series found in the core.
pub(crate) struct Found {
    pub(crate) object: Py<PyAny>,
    /// False for the overflow series: what brought it about may pass, and the values that
    /// lead to it are without number.
    pub(crate) keep: bool,
}

/// The part of a family object that is the same for every kind.
pub(crate) struct Family<C> {
    pub(crate) core: C,
    pub(crate) name: String,
    pub(crate) label_names: Vec<Py<PyString>>,
    pub(crate) cache: LabelCache,
}

impl<C> Family<C> {
    pub(crate) fn new(core: C, arguments: Arguments<'_>) -> Self {
        Self { core, name: arguments.name.into_owned(), label_names: arguments.label_names, cache: LabelCache::new() }
    }

    pub(crate) fn label_names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.label_names.iter().map(|name| Ok(utf8(name.bind(py))?.into_owned())).collect()
    }

    pub(crate) fn repr(&self, py: Python<'_>, class: &str) -> PyResult<String> {
        let labels = self.label_names(py)?.join(", ");
        Ok(format!("<spanpin.{class} {} ({labels})>", self.name))
    }
}

/// Registration arguments, read and checked as far as Python's types go.
pub(crate) struct Arguments<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) help: Cow<'a, str>,
    pub(crate) unit: Cow<'a, str>,
    pub(crate) label_names: Vec<Py<PyString>>,
    pub(crate) labels: Vec<String>,
    pub(crate) max_series: Option<u32>,
    pub(crate) registry: spanpin::Registry,
}

/// The arguments as Python gave them.
pub(crate) struct Raw<'a, 'py> {
    pub(crate) name: &'a Bound<'py, PyString>,
    pub(crate) help: &'a Bound<'py, PyString>,
    pub(crate) labels: Option<&'a Bound<'py, PyAny>>,
    pub(crate) unit: Option<&'a Bound<'py, PyString>>,
    pub(crate) max_series: Option<u32>,
    pub(crate) registry: Option<&'a Bound<'py, Registry>>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn read(py: Python<'_>, raw: Raw<'a, '_>) -> PyResult<Self> {
        let (label_names, labels) = match raw.labels {
            Some(labels) => read_label_names(labels)?,
            None => Default::default(),
        };
        let registry = match raw.registry {
            Some(registry) => registry.get().core.clone(),
            None => default_registry(py)?.get().core.clone(),
        };
        Ok(Self {
            name: utf8(raw.name)?,
            help: utf8(raw.help)?,
            unit: raw.unit.map(utf8).transpose()?.unwrap_or_default(),
            label_names,
            labels,
            max_series: raw.max_series,
            registry,
        })
    }

    /// The label names as the core takes them.
    pub(crate) fn label_slice(&self) -> Vec<&str> {
        self.labels.iter().map(String::as_str).collect()
    }
}

/// Label names, interned because keyword names of a call are interned as well
/// and then compare by address.
fn read_label_names(given: &Bound<'_, PyAny>) -> PyResult<(Vec<Py<PyString>>, Vec<String>)> {
    let py = given.py();
    if let Ok(text) = given.cast::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "labels must be a sequence of label names, not the str {}; for one label write \
             labels=({},)",
            text.repr()?,
            text.repr()?
        )));
    }
    let mut interned = Vec::new();
    let mut names = Vec::new();
    for name in given.try_iter()? {
        let name = name?.cast_into::<PyString>()?;
        let text = utf8(&name)?.into_owned();
        interned.push(PyString::intern(py, &text).unbind());
        names.push(text);
    }
    Ok((interned, names))
}

pub(crate) fn read_filter(py: Python<'_>, given: &str) -> PyResult<Filter> {
    match given {
        "trace_based" => Ok(Filter::TraceBased),
        "always_on" => Ok(Filter::AlwaysOn),
        "always_off" => Ok(Filter::AlwaysOff),
        _ => Err(bad_option(py, "filter", given, "\"trace_based\", \"always_on\" or \"always_off\"")),
    }
}

pub(crate) fn read_policy(py: Python<'_>, given: &str) -> PyResult<Policy> {
    match given {
        "slowest" => Ok(Policy::Slowest),
        "uniform" => Ok(Policy::Uniform),
        "first" => Ok(Policy::First),
        _ => Err(bad_option(py, "policy", given, "\"slowest\", \"uniform\" or \"first\"")),
    }
}

/// What the recording methods of a family with labels raise.
#[cold]
pub(crate) fn needs_labels(py: Python<'_>) -> PyErr {
    raise(
        py,
        ErrorCode::LabelCount,
        "this family has labels, so it holds no value of its own; choose a series with \
         labels(...) and record there",
    )
}
