//! The parts of a line that never change: rendered once and kept by the process.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::number::put_float;
use crate::buckets::Bounds;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::labels::put_escaped;
use crate::memory::{Pushed, copy_slice, out_of_memory};
use crate::segment::take_text;

/// The end of each bucket's sample name, `le="..."} `, the last one of `+Inf`.
pub(crate) fn le_labels(bounds: &Bounds) -> Result<Vec<Box<[u8]>>, Error> {
    let mut all = Pushed::new();
    for bound in bounds.as_slice().iter().chain(&[f64::INFINITY]) {
        let mut text = Buffer::new();
        text.put_str("le=\"");
        put_float(&mut text, *bound);
        text.put_str("\"} ");
        text.finish().map_err(|_| out_of_memory())?;
        all.push(copy_slice(text.as_slice())?)?;
    }
    Ok(all.into_vec())
}

/// `a="x",b="y"` from label names and the values of a record. A label with an empty value is the same as none, so it
/// is left out.
pub(crate) fn put_labels(out: &mut Buffer, names: &[Box<str>], values: &[u8]) {
    let mut rest = values;
    let mut first = true;
    for name in names {
        let value = take_text(&mut rest).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or_default();
        if value.is_empty() {
            continue;
        }
        if !first {
            out.put_str(",");
        }
        first = false;
        out.put_str(name);
        out.put_str("=\"");
        put_escaped(out, value);
        out.put_str("\"");
    }
}
