//! The method `labels()`, by hand.
//!
//! It is called for every measurement of a family with labels. A method made by
//! the binding library gets its values as a new tuple or dict, which costs more
//! than finding the series. This one takes the values as they lie on the
//! interpreter's stack and looks them up by address: nothing is allocated and no
//! text is compared unless two equal strings are different objects.

mod cache;

use core::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use spanpin::ErrorCode;

pub(crate) use cache::LabelCache;

use crate::error::raise;
use crate::family::{Family, Kind, find};
use crate::text::utf8;

const NAME: &CStr = c"labels";

const DOC: &CStr = c"labels($self, /, *values, **by_name)
--

The series of these label values, given in order or by name.

A value that is not a str is converted by `str()`. The same values give the same
series; it may be kept to save the look-up. Once there are `max_series` series,
further values share the overflow series.

Raises `SpanpinError` unless there is one value for each label.";

/// Values that are looked up without allocating; more take the slow way.
const MAX_VALUES: usize = 16;

/// Adds the method to the class of a kind.
pub(crate) fn install<K: Kind>(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<K::Class>();
    // The interpreter keeps the address of the definition for as long as the class lives,
    // which is for ever.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: labels::<K> },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: DOC.as_ptr(),
    }));
    // SAFETY: the class is a type object and the definition lives for ever.
    let method = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: the call returned a new reference, or NULL with an exception set.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, method) }?;
    class.setattr("labels", method)
}

/// The arguments of one call, as the vectorcall protocol passes them.
struct Call<'a> {
    /// Positional values, then those of the keywords.
    values: &'a [*mut ffi::PyObject],
    positional: usize,
    /// A tuple of the keyword names, or NULL.
    keywords: *mut ffi::PyObject,
}

unsafe extern "C" fn labels<K: Kind>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls methods with the calling thread attached to it.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the method descriptor has checked that `this` is of the class it was made
    // for, and the caller holds a reference during the call.
    let this = unsafe { Borrowed::from_ptr(py, this) };
    // SAFETY: as above; the class is `K::Class`.
    let this = unsafe { this.cast_unchecked::<K::Class>() };
    let family = K::family(this.get());

    let positional = usize::try_from(positional).unwrap_or(0);
    let by_name = if keywords.is_null() {
        0
    } else {
        // SAFETY: by the protocol `keywords` is then a tuple.
        usize::try_from(unsafe { ffi::PyTuple_Size(keywords) }).unwrap_or(0)
    };
    let values = if arguments.is_null() {
        &[]
    } else {
        // SAFETY: by the protocol the array holds that many objects, alive during the call.
        unsafe { core::slice::from_raw_parts(arguments, positional.saturating_add(by_name)) }
    };
    let call = Call { values, positional, keywords };

    let mut room = [core::ptr::null_mut(); MAX_VALUES];
    // SAFETY: the thread is attached, and the objects of `call` are alive.
    let found = unsafe { in_order(family, &call, &mut room) }.and_then(|values| {
        // SAFETY: as above.
        unsafe { family.cache.find(values) }
    });
    match found {
        Some(series) => {
            let series = series.as_ptr();
            // SAFETY: the cache holds a reference to it for as long as the family lives.
            unsafe { ffi::Py_IncRef(series) };
            series
        }
        None => slow::<K>(family, &call),
    }
}

/// The values in the order of the label names, or `None` if that takes more than
/// comparing addresses.
///
/// # Safety
/// The thread must be attached to the interpreter and the objects alive.
#[inline]
unsafe fn in_order<'a, C>(
    family: &Family<C>,
    call: &Call<'a>,
    room: &'a mut [*mut ffi::PyObject; MAX_VALUES],
) -> Option<&'a [*mut ffi::PyObject]> {
    if call.values.len() != family.label_names.len() {
        return None;
    }
    if call.keywords.is_null() {
        return Some(call.values);
    }
    if call.positional != 0 {
        return None;
    }
    let room = room.get_mut(..call.values.len())?;
    for (name, slot) in family.label_names.iter().zip(room.iter_mut()) {
        let mut place = 0;
        for value in call.values {
            // SAFETY: `place` is below the length of the tuple, which is that of `values`.
            let keyword = unsafe { ffi::PyTuple_GetItem(call.keywords, place) };
            if keyword == name.as_ptr() {
                *slot = *value;
                break;
            }
            place = place.wrapping_add(1);
        }
        if slot.is_null() {
            return None;
        }
    }
    Some(room)
}

/// Everything but a hit: new series, values that are no strings, wrong calls.
#[cold]
#[inline(never)]
fn slow<K: Kind>(family: &Family<K::Core>, call: &Call<'_>) -> *mut ffi::PyObject {
    Python::attach(|py| {
        let result = catch_unwind(AssertUnwindSafe(|| find_or_create::<K>(py, family, call)));
        match result {
            Ok(Ok(series)) => series.into_ptr(),
            Ok(Err(error)) => {
                error.restore(py);
                core::ptr::null_mut()
            }
            Err(_) => {
                PyRuntimeError::new_err("spanpin: labels() failed").restore(py);
                core::ptr::null_mut()
            }
        }
    })
}

fn find_or_create<K: Kind>(py: Python<'_>, family: &Family<K::Core>, call: &Call<'_>) -> PyResult<Py<PyAny>> {
    if let Some(series) = find_converted(py, family, call)? {
        return Ok(series);
    }
    let values = call.values.iter().map(|value| {
        // SAFETY: the objects of a call are alive until it returns.
        unsafe { Bound::from_borrowed_ptr(py, *value) }
    });
    let values: Vec<Bound<'_, PyAny>> = values.collect();
    let values = if call.keywords.is_null() {
        values
    } else {
        // SAFETY: as above; by the protocol it is a tuple.
        let keywords = unsafe { Bound::from_borrowed_ptr(py, call.keywords) };
        by_name(family, keywords.cast::<PyTuple>()?, &values, call.positional)?
    };
    let values = values.iter().map(as_text).collect::<PyResult<Vec<_>>>()?;
    let pointers: Vec<*mut ffi::PyObject> = values.iter().map(Bound::as_ptr).collect();
    if values.len() == family.label_names.len() {
        // SAFETY: the thread is attached and `values` keeps the objects alive.
        if let Some(series) = unsafe { family.cache.find(&pointers) } {
            return Ok(series.clone_ref(py));
        }
    }
    let texts = values.iter().map(utf8).collect::<PyResult<Vec<_>>>()?;
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let found = find::<K>(py, family, &texts)?;
    let Some(life) = found.keep else { return Ok(found.object) };
    let keys = values.into_iter().map(Bound::unbind).collect();
    Ok(family.cache.insert(py, keys, found.object, life))
}

/// The label values of a call that is not looked up, as texts in the order of the label names.
pub(crate) fn texts_in_order<C>(
    family: &Family<C>,
    values: &Bound<'_, PyTuple>,
    by_name: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<String>> {
    let mut all: Vec<Bound<'_, PyAny>> = values.iter().collect();
    if let Some(names) = by_name {
        let keywords = PyTuple::new(values.py(), names.keys())?;
        let positional = all.len();
        all.extend(names.values());
        all = self::by_name(family, &keywords, &all, positional)?;
    }
    all.iter().map(|value| Ok(utf8(&as_text(value)?)?.into_owned())).collect()
}

/// Looks up values of which some are no plain strings, such as a status code.
fn find_converted<C>(py: Python<'_>, family: &Family<C>, call: &Call<'_>) -> PyResult<Option<Py<PyAny>>> {
    let mut room = [core::ptr::null_mut(); MAX_VALUES];
    // SAFETY: the thread is attached, and the objects of a call are alive until it returns.
    let values = unsafe { in_order(family, call, &mut room) };
    let mut texts = [const { None }; MAX_VALUES];
    let mut pointers = [core::ptr::null_mut(); MAX_VALUES];
    let (Some(values), Some(pointers)) = (values, pointers.get_mut(..call.values.len())) else {
        return Ok(None);
    };
    for ((value, text), pointer) in values.iter().zip(&mut texts).zip(&mut *pointers) {
        // SAFETY: the objects of a call are alive until it returns.
        let value = unsafe { Borrowed::from_ptr(py, *value) };
        let converted = text.insert(as_text(&value)?);
        *pointer = converted.as_ptr();
    }
    // SAFETY: the thread is attached, and `texts` keeps the objects alive.
    let found = unsafe { family.cache.find(pointers) };
    Ok(found.map(|series| series.clone_ref(py)))
}

/// A value as a plain `str`; subclasses too go through `str()`, because their
/// text need not be what they print as.
fn as_text<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let text = match value.cast_exact::<PyString>() {
        Ok(text) => return Ok(text.clone()),
        Err(_) => value.str()?,
    };
    if text.is_exact_instance_of::<PyString>() {
        return Ok(text);
    }
    Ok(PyString::new(value.py(), &utf8(&text)?))
}

/// Puts values given by name in the order of the label names.
fn by_name<'py, C>(
    family: &Family<C>,
    keywords: &Bound<'py, PyTuple>,
    values: &[Bound<'py, PyAny>],
    positional: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = keywords.py();
    if positional != 0 {
        return Err(PyTypeError::new_err("labels() takes the values in order or by name, not some of each"));
    }
    let mut ordered = Vec::with_capacity(values.len());
    for name in &family.label_names {
        let mut found = None;
        for (keyword, value) in keywords.iter().zip(values) {
            if keyword.eq(name)? {
                found = Some(value.clone());
            }
        }
        let value = found.ok_or_else(|| wrong_names(py, family, keywords))?;
        ordered.push(value);
    }
    if keywords.len() != ordered.len() {
        return Err(wrong_names(py, family, keywords));
    }
    Ok(ordered)
}

#[cold]
fn wrong_names<C>(py: Python<'_>, family: &Family<C>, keywords: &Bound<'_, PyTuple>) -> PyErr {
    let given: Vec<String> = keywords.iter().map(|name| name.to_string()).collect();
    let wanted = family.label_names(py).unwrap_or_default();
    let message = format!(
        "{} has the labels ({}), but labels() was given ({})",
        family.name,
        wanted.join(", "),
        given.join(", ")
    );
    raise(py, ErrorCode::LabelCount, &message)
}
