//! Python strings as UTF-8.

use std::borrow::Cow;

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::once::interned;

/// The text of a Python string; each lone surrogate becomes U+FFFD.
pub(crate) fn utf8<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    match text.to_str() {
        Ok(valid) => Ok(Cow::Borrowed(valid)),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(text.py()) => {
            replace_surrogates(text).map(Cow::Owned)
        }
        Err(error) => Err(error),
    }
}

/// Goes through UTF-16, because decoding the surrogates as UTF-8 would write one
/// U+FFFD for each of their three bytes.
#[cold]
fn replace_surrogates(text: &Bound<'_, PyString>) -> PyResult<String> {
    let encode = interned!(text.py(), "encode");
    let encoded = text.call_method1(encode, ("utf-16-le", "surrogatepass"))?;
    let encoded = encoded.cast::<PyBytes>()?;
    let (pairs, _) = encoded.as_bytes().as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    Ok(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}
