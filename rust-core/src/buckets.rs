//! Bucket bounds of histograms.

use alloc::boxed::Box;

use crate::buffer::Buffer;
use crate::encode::number::put_float;
use crate::error::{Error, ErrorCode, Result};
use crate::memory::{Pushed, copy_slice};

/// The bounds of a histogram that was given none: 5 ms to 10 s, for durations in
/// seconds.
pub const DEFAULT_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The most finite bounds a histogram may have.
pub const MAX_BOUNDS: usize = 4096;

/// Up to this many bounds all of them are compared without a branch; above, a
/// binary search does less work.
const LINEAR_SEARCH: usize = 32;
/// So many are compared at once, without a rest.
const SEARCH_STEP: usize = 4;

/// `count` bounds, the first at `start`, each `width` above the one before.
///
/// Fails if `count` is 0 or more than 4096, if `start` is not finite, if `width`
/// is not positive and finite, or if two bounds are equal after rounding.
pub fn linear(start: f64, width: f64, count: usize) -> Result<Box<[f64]>> {
    check_count(count)?;
    if !(width > 0.0 && width.is_finite()) {
        return Err(float_error("linear buckets need a width that is positive and finite, not ", width));
    }
    generate(count, |place| start + width * place as f64)
}

/// `count` bounds, the first at `start`, each `factor` times the one before.
///
/// Fails if `count` is 0 or more than 4096, if `start` is not positive and finite,
/// if `factor` is not finite and above 1, or if a bound is not finite.
pub fn exponential(start: f64, factor: f64, count: usize) -> Result<Box<[f64]>> {
    check_count(count)?;
    if !(start > 0.0 && start.is_finite()) {
        return Err(float_error("exponential buckets need a start that is positive and finite, not ", start));
    }
    if !(factor > 1.0 && factor.is_finite()) {
        return Err(float_error("exponential buckets need a factor that is finite and above 1, not ", factor));
    }
    let mut next = start;
    generate(count, |_| {
        let bound = next;
        next *= factor;
        bound
    })
}

/// The bounds that `bounds` stand for: the same without a trailing `+Inf`, which
/// every histogram has.
///
/// Fails if a bound is NaN or `-Inf`, if `+Inf` is not the last one, if a bound is
/// not above the one before, or if there are more than 4096. No bounds at all is
/// a histogram with the `+Inf` bucket only.
pub fn validate(bounds: &[f64]) -> Result<&[f64]> {
    let finite = match bounds.split_last() {
        Some((last, rest)) if *last == f64::INFINITY => rest,
        _ => bounds,
    };
    if finite.len() > MAX_BOUNDS {
        let mut message = Buffer::new();
        message.put_str("a histogram takes at most ");
        message.put_u64(MAX_BOUNDS as u64);
        message.put_str(" bucket bounds, not ");
        message.put_u64(finite.len() as u64);
        message.put_str(": leave some out");
        return Err(Error::new(ErrorCode::InvalidBounds, message));
    }
    let mut before: Option<f64> = None;
    for (number, bound) in (1u64..).zip(finite.iter().copied()) {
        if !bound.is_finite() {
            let mut message = Buffer::new();
            put_bound(&mut message, "bucket bounds must be finite, +Inf only last: ", number, bound);
            message.put_str(" is not allowed");
            return Err(Error::new(ErrorCode::InvalidBounds, message));
        }
        if let Some(before) = before
            && bound <= before
        {
            let mut message = Buffer::new();
            put_bound(&mut message, "bucket bounds must increase: ", number, bound);
            put_bound(&mut message, " is not above ", number.wrapping_sub(1), before);
            return Err(Error::new(ErrorCode::InvalidBounds, message));
        }
        before = Some(bound);
    }
    Ok(finite)
}

/// The finite bucket bounds of a histogram, valid and owned.
#[derive(Debug, PartialEq)]
pub struct Bounds {
    /// The bounds, and behind them +Inf up to whole steps of the search: no value is above it.
    padded: Box<[f64]>,
    len: usize,
}

impl Bounds {
    /// A copy of `bounds`, without a trailing `+Inf`; fails as [`validate`] does.
    pub fn new(bounds: &[f64]) -> Result<Self> {
        let finite = validate(bounds)?;
        let mut padded = Pushed::new();
        for bound in finite {
            padded.push(*bound)?;
        }
        while !padded.len().is_multiple_of(SEARCH_STEP) {
            padded.push(f64::INFINITY)?;
        }
        Ok(Self { padded: copy_slice(&padded)?, len: finite.len() })
    }

    /// The finite bounds.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[f64] {
        self.padded.get(..self.len).unwrap_or_default()
    }

    /// The number of buckets: the finite bounds and `+Inf`.
    #[must_use]
    #[inline]
    pub fn buckets(&self) -> usize {
        self.len.wrapping_add(1)
    }

    /// The bucket of `value`: the number of bounds below it.
    ///
    /// A value equal to a bound belongs to that bound's bucket. `-Inf` and NaN
    /// give 0, `+Inf` the last bucket.
    #[must_use]
    #[inline]
    pub fn index(&self, value: f64) -> usize {
        self.short_index(value).unwrap_or_else(|| self.padded.partition_point(|bound| *bound < value))
    }

    /// [`Bounds::index`] where the bounds are so few that no branch is needed.
    #[inline(always)]
    pub(crate) fn short_index(&self, value: f64) -> Option<usize> {
        let few = self.padded.len() <= LINEAR_SEARCH;
        few.then(|| self.padded.iter().map(|bound| usize::from(value > *bound)).sum())
    }
}

fn check_count(count: usize) -> Result<()> {
    if (1..=MAX_BOUNDS).contains(&count) {
        return Ok(());
    }
    let mut message = Buffer::new();
    message.put_str("the number of buckets must be 1 to ");
    message.put_u64(MAX_BOUNDS as u64);
    message.put_str(", not ");
    message.put_u64(count as u64);
    Err(Error::new(ErrorCode::InvalidBounds, message))
}

fn generate(count: usize, mut bound: impl FnMut(usize) -> f64) -> Result<Box<[f64]>> {
    let mut bounds = Pushed::new();
    for place in 0..count {
        bounds.push(bound(place))?;
    }
    // A generated +Inf is an overflow, never the implicit last bucket.
    if bounds.last() == Some(&f64::INFINITY) {
        return Err(Error::fixed(
            ErrorCode::InvalidBounds,
            "the generated bucket bounds overflow: take fewer or smaller ones",
        ));
    }
    validate(&bounds)?;
    copy_slice(&bounds)
}

#[cold]
fn float_error(text: &str, value: f64) -> Error {
    let mut message = Buffer::new();
    message.put_str(text);
    put_float(&mut message, value);
    Error::new(ErrorCode::InvalidBounds, message)
}

fn put_bound(message: &mut Buffer, before: &str, number: u64, bound: f64) {
    message.put_str(before);
    message.put_str("bound ");
    message.put_u64(number);
    message.put_str(" (");
    put_float(message, bound);
    message.put_str(")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    fn message(bounds: &[f64]) -> String {
        Bounds::new(bounds).unwrap_err().to_string()
    }

    #[test]
    fn bounds_are_checked() {
        assert_eq!(message(&[0.25, 0.5, 0.5]), "bucket bounds must increase: bound 3 (0.5) is not above bound 2 (0.5)");
        assert_eq!(
            message(&[1.0, f64::NAN]),
            "bucket bounds must be finite, +Inf only last: bound 2 (NaN) is not allowed"
        );
        assert!(Bounds::new(&[f64::NEG_INFINITY, 1.0]).is_err());
        assert!(Bounds::new(&[f64::INFINITY, f64::INFINITY]).is_err());
        assert!(Bounds::new(&[-0.0, 0.0]).is_err());
        assert_eq!(Bounds::new(&[1.0, f64::INFINITY]).unwrap().as_slice(), [1.0]);
        assert_eq!(Bounds::new(&[]).unwrap().buckets(), 1);
        let many: Vec<f64> = (0..4097).map(f64::from).collect();
        assert!(message(&many).ends_with("at most 4096 bucket bounds, not 4097: leave some out"));
        assert!(Bounds::new(many.get(1..).unwrap()).is_ok());
    }

    #[test]
    fn the_index_is_the_number_of_lower_bounds() {
        for count in [0, 1, 11, 32, 33, 100] {
            let all: Vec<f64> = (0..count).map(f64::from).collect();
            let bounds = Bounds::new(&all).unwrap();
            for value in all.iter().flat_map(|b| [b - 0.5, *b, b + 0.5]) {
                let expected = all.iter().filter(|bound| **bound < value).count();
                assert_eq!(bounds.index(value), expected);
            }
            assert_eq!(bounds.index(f64::NEG_INFINITY), 0);
            assert_eq!(bounds.index(f64::INFINITY), all.len());
            assert_eq!(bounds.index(f64::NAN), 0);
        }
    }

    #[test]
    fn generators() {
        assert_eq!(*linear(1.0, 2.0, 3).unwrap(), [1.0, 3.0, 5.0]);
        assert_eq!(*exponential(0.5, 2.0, 4).unwrap(), [0.5, 1.0, 2.0, 4.0]);
        assert!(linear(0.0, 0.0, 3).is_err());
        assert!(linear(f64::NAN, 1.0, 3).is_err());
        assert!(linear(1e300, 1.0, 3).is_err());
        assert!(linear(0.0, 1.0, 0).is_err());
        assert!(linear(0.0, 1.0, 4097).is_err());
        assert!(exponential(0.0, 2.0, 3).is_err());
        assert!(exponential(1.0, 1.0, 3).is_err());
        assert!(exponential(1.0, f64::INFINITY, 2).is_err());
        assert_eq!(
            exponential(1.0, 1e200, 3).unwrap_err().to_string(),
            "the generated bucket bounds overflow: take fewer or smaller ones"
        );
    }
}
