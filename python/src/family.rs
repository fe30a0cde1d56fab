//! What the three metric classes share: registration and its arguments.

use std::borrow::Cow;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use spanpin::{ErrorCode, FamilyBuilder, FamilyHandle, Life};

use crate::error::{from_core, raise};
use crate::labels::{LabelCache, texts_in_order};
use crate::log::segment_notices;
use crate::options::Attached;
use crate::registry::{Registry, default_registry};
use crate::text::utf8;
use crate::whole::{Whole, fit};

/// A family of the core.
pub(crate) trait CoreFamily: FamilyHandle + Send + Sync {
    type Series;
    fn child(&self, values: &[&str]) -> Result<Self::Series, spanpin::Error>;
    fn is_overflow(series: &Self::Series) -> bool;
    fn life(series: &Self::Series) -> Life;
    fn remove_series(&self, values: &[&str]) -> Result<bool, spanpin::Error>;
    fn remove_all(&self) -> Result<(), spanpin::Error>;
}

macro_rules! core_family {
    ($($family:ident, $series:ident;)*) => {$(
        impl CoreFamily for spanpin::$family {
            type Series = spanpin::$series;

            fn child(&self, values: &[&str]) -> Result<Self::Series, spanpin::Error> {
                self.with(values)
            }

            fn is_overflow(series: &Self::Series) -> bool {
                series.is_overflow()
            }

            fn life(series: &Self::Series) -> Life {
                series.life()
            }

            fn remove_series(&self, values: &[&str]) -> Result<bool, spanpin::Error> {
                self.remove(values)
            }

            fn remove_all(&self) -> Result<(), spanpin::Error> {
                self.clear()
            }
        }
    )*};
}

core_family! {
    HistogramFamily, Histogram;
    CounterFamily, Counter;
    GaugeFamily, Gauge;
}

/// A kind of metric: how its series are found in the core and shown to Python.
pub(crate) trait Kind: 'static {
    /// The Python class of the family.
    type Class: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync;
    /// The core's family.
    type Core: CoreFamily;
    /// The family behind a Python object.
    fn family(class: &Self::Class) -> &Family<Self::Core>;
    /// A series as a new Python object.
    fn object(
        py: Python<'_>,
        family: &Family<Self::Core>,
        series: <Self::Core as CoreFamily>::Series,
    ) -> PyResult<Py<PyAny>>;
}

/// The series of these label values.
pub(crate) fn find<K: Kind>(py: Python<'_>, family: &Family<K::Core>, values: &[&str]) -> PyResult<Found> {
    let series = family.core.child(values).map_err(|error| from_core(py, &error))?;
    let keep = (!K::Core::is_overflow(&series)).then(|| K::Core::life(&series));
    Ok(Found { object: K::object(py, family, series)?, keep })
}

/// A series found in the core.
pub(crate) struct Found {
    pub(crate) object: Py<PyAny>,
    /// The life for which it may be kept. Nothing for the overflow series: what brought it
    /// about may pass, and the values that lead to it are without number.
    pub(crate) keep: Option<Life>,
}

/// The part of a family object that is the same for every kind.
pub(crate) struct Family<C> {
    pub(crate) core: C,
    pub(crate) name: String,
    pub(crate) label_names: Vec<Py<PyString>>,
    pub(crate) cache: LabelCache,
    pub(crate) attached: Option<Arc<Attached>>,
}

impl<C: CoreFamily> Family<C> {
    /// Ends a constructor: the family, and its one series if it has no labels.
    pub(crate) fn register<'a>(
        py: Python<'_>,
        builder: FamilyBuilder<'a, C>,
        arguments: &'a Arguments<'_>,
        attached: Option<Arc<Attached>>,
    ) -> PyResult<(Self, Option<C::Series>)> {
        let labels: Vec<&str> = arguments.labels.iter().map(String::as_str).collect();
        let mut builder = builder.labels(&labels).unit(&arguments.unit);
        if let Some(most) = arguments.max_series {
            builder = builder.max_series(most);
        }
        let core = builder.register().map_err(|error| from_core(py, &error))?;
        segment_notices(py, &arguments.registry)?;
        let series = match labels.is_empty() {
            true => Some(core.child(&[]).map_err(|error| from_core(py, &error))?),
            false => None,
        };
        let label_names = arguments.label_names.iter().map(|name| name.clone_ref(py)).collect();
        let name = arguments.name.clone().into_owned();
        Ok((Self { core, name, label_names, cache: LabelCache::new(), attached }, series))
    }
}

impl<C: CoreFamily> Family<C> {
    /// `remove()`: whether there was a series of these label values.
    pub(crate) fn remove(
        &self,
        py: Python<'_>,
        values: &Bound<'_, PyTuple>,
        by_name: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let texts = texts_in_order(self, values, by_name)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        py.detach(|| self.core.remove_series(&texts)).map_err(|error| from_core(py, &error))
    }

    /// `clear()`.
    pub(crate) fn clear(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.core.remove_all()).map_err(|error| from_core(py, &error))
    }
}

impl<C> Family<C> {
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
    pub(crate) max_series: Option<Whole>,
    pub(crate) registry: Option<&'a Bound<'py, Registry>>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn read(py: Python<'_>, raw: Raw<'a, '_>) -> PyResult<Self> {
        let (label_names, labels) = match raw.labels {
            Some(labels) => read_names("labels", labels)?,
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
            max_series: fit(py, "max_series", raw.max_series.as_ref(), MAX_SERIES)?,
            registry,
        })
    }
}

/// What `max_series` may be.
const MAX_SERIES: &str = "from 0 to 4294967295; leave it out for 2000 label sets";

/// Names of labels. They are interned because keyword names of a call are interned as
/// well and then compare by address.
pub(crate) fn read_names(argument: &str, given: &Bound<'_, PyAny>) -> PyResult<(Vec<Py<PyString>>, Vec<String>)> {
    let py = given.py();
    if let Ok(text) = given.cast::<PyString>() {
        let text = text.repr()?;
        return Err(PyTypeError::new_err(format!(
            "{argument} must be a sequence of names, not the str {text}; for one name write {argument}=({text},)"
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
