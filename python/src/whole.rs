//! Whole numbers as arguments: one that is out of range is told like every other bad option, and not as Python's
//! `OverflowError`, which names neither argument nor range.

use std::fmt::Display;

use pyo3::prelude::*;
use pyo3::types::PyInt;
use spanpin::ErrorCode;

use crate::error::raise;

/// A number of any size.
pub(crate) enum Whole {
    Small(i64),
    /// Its digits, shortened; a `u64` besides if it is one.
    Large(String, Option<u64>),
}

/// Digits of a number that are shown.
const SHOWN: usize = 40;

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let error = match given.extract::<i64>() {
            Ok(number) => return Ok(Self::Small(number)),
            Err(error) => error,
        };
        // What is no number has an error of its own.
        let Ok(number) = given.cast::<PyInt>() else { return Err(error) };
        let digits = number.str().map(|digits| digits.to_string_lossy().into_owned());
        // Python refuses to write very long numbers.
        let digits = digits.unwrap_or_else(|_| "a number of thousands of digits".to_owned());
        let shown = match digits.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", &digits[..end]),
            None => digits,
        };
        Ok(Self::Large(shown, given.extract::<u64>().ok()))
    }
}

impl Whole {
    /// The number as the core takes it, or the error that says what is `allowed`.
    pub(crate) fn fit<T: TryFrom<i64> + TryFrom<u64>>(
        &self,
        py: Python<'_>,
        option: &str,
        allowed: &str,
    ) -> PyResult<T> {
        match self {
            Self::Small(number) => T::try_from(*number).map_err(|_| out_of_range(py, option, number, allowed)),
            Self::Large(digits, number) => {
                let fitting = number.and_then(|number| T::try_from(number).ok());
                fitting.ok_or_else(|| out_of_range(py, option, digits, allowed))
            }
        }
    }
}

/// The same for an option that may be left out.
pub(crate) fn fit<T: TryFrom<i64> + TryFrom<u64>>(
    py: Python<'_>,
    option: &str,
    given: Option<&Whole>,
    allowed: &str,
) -> PyResult<Option<T>> {
    given.map(|given| given.fit(py, option, allowed)).transpose()
}

#[cold]
fn out_of_range(py: Python<'_>, option: &str, given: impl Display, allowed: &str) -> PyErr {
    raise(py, ErrorCode::InvalidOption, &format!("{option} is {given}: it must be {allowed}"))
}
