//! Names and label values: what is allowed, and how it is escaped.

use crate::buffer::Buffer;
use crate::error::{Error, ErrorCode, Result};

mod fit;
mod ids;

pub(crate) use fit::{Fit, FitOptions, Fitter, MAX_CODE_POINTS, StoredLabels, Taken};
pub(crate) use ids::{Id, IdName, read_id, take_ids};

pub use fit::LabelList;

/// Whether `name` is `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_metric_name(name: &str) -> bool {
    is_name(name, b':')
}

/// Whether `name` is `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_label_name(name: &str) -> bool {
    is_name(name, b'_')
}

/// Fails unless `name` is a metric name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn check_metric_name(name: &str) -> Result<()> {
    if is_metric_name(name) {
        return Ok(());
    }
    Err(Error::quoting(
        ErrorCode::InvalidName,
        "metric name ",
        name,
        " is invalid: it must match [a-zA-Z_:][a-zA-Z0-9_:]*",
    ))
}

/// Fails unless an entry of a baggage can become a label of an exemplar under its own name.
pub fn check_baggage_key(key: &str) -> Result<()> {
    if is_label_name(key) {
        return Ok(());
    }
    let text = " cannot be a label of an exemplar: it must match [a-zA-Z_][a-zA-Z0-9_]*";
    Err(Error::quoting(ErrorCode::InvalidOption, "baggage key ", key, text))
}

/// Fails unless every name is a label name, is not reserved and occurs once.
///
/// Reserved are names that start with `__`, and `le` on a histogram.
pub fn check_label_names(names: &[&str], histogram: bool) -> Result<()> {
    for (place, name) in names.iter().enumerate() {
        if !is_label_name(name) {
            return Err(Error::quoting(
                ErrorCode::InvalidLabelName,
                "label name ",
                name,
                " is invalid: it must match [a-zA-Z_][a-zA-Z0-9_]*",
            ));
        }
        if name.starts_with("__") {
            return Err(Error::quoting(
                ErrorCode::ReservedLabel,
                "label name ",
                name,
                " is reserved: a label name must not start with __",
            ));
        }
        if histogram && *name == "le" {
            return Err(Error::fixed(
                ErrorCode::ReservedLabel,
                "label name \"le\" is reserved on a histogram for its bucket bounds: use another name",
            ));
        }
        if names.iter().take(place).any(|earlier| earlier == name) {
            return Err(Error::quoting(
                ErrorCode::DuplicateLabel,
                "label name ",
                name,
                " is given twice: label names must be unique",
            ));
        }
    }
    Ok(())
}

/// Fails unless `unit` is empty, or made of `[a-zA-Z0-9_:]` and the suffix of
/// `family` after an underscore.
///
/// `family` is the family name, that of a counter without `_total`.
pub fn check_unit(family: &str, unit: &str) -> Result<()> {
    if unit.is_empty() {
        return Ok(());
    }
    if !unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':') {
        return Err(Error::quoting(
            ErrorCode::InvalidUnit,
            "unit ",
            unit,
            " is invalid: it must be made of [a-zA-Z0-9_:]",
        ));
    }
    let stem = family.strip_suffix(unit).and_then(|rest| rest.strip_suffix('_'));
    if stem.is_some_and(|stem| !stem.is_empty()) {
        return Ok(());
    }
    let mut message = Buffer::new();
    message.put_str("unit ");
    message.put_quoted(unit);
    message.put_str(" does not fit metric name ");
    message.put_quoted(family);
    message.put_str(": the name must end in _");
    message.put_str(unit);
    message.put_str(" (before _total)");
    Err(Error::new(ErrorCode::InvalidUnit, message))
}

/// Writes a label value, or OpenMetrics help text: `\`, line feed and `"` are
/// escaped.
pub fn put_escaped(out: &mut Buffer, text: &str) {
    put_escaping(out, text, true);
}

/// Writes help text of the text format 0.0.4: `\` and line feed are escaped, `"`
/// is not.
pub fn put_escaped_text_help(out: &mut Buffer, text: &str) {
    put_escaping(out, text, false);
}

/// Writes bytes that should be UTF-8; each invalid sequence becomes U+FFFD.
pub fn put_lossy(out: &mut Buffer, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.put_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.put_str("\u{FFFD}");
        }
    }
}

fn is_name(name: &str, also: u8) -> bool {
    let mut bytes = name.bytes();
    let allowed = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == also;
    bytes.next().is_some_and(allowed) && bytes.all(|byte| allowed(byte) || byte.is_ascii_digit())
}

fn put_escaping(out: &mut Buffer, text: &str, quotes: bool) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\n') || (quotes && *byte == b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(special) {
        let Some((plain, tail)) = rest.split_at_checked(at) else { break };
        let Some((byte, after)) = tail.split_first() else { break };
        out.put(plain);
        out.put(match byte {
            b'\n' => b"\\n",
            b'"' => b"\\\"",
            _ => b"\\\\",
        });
        rest = after;
    }
    out.put(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn written(write: impl FnOnce(&mut Buffer)) -> String {
        let mut out = Buffer::new();
        write(&mut out);
        String::from_utf8(out.into_vec()).unwrap()
    }

    #[test]
    fn metric_names() {
        for good in ["a", "_", ":", "http_requests_total", "a:b", "A9"] {
            assert!(check_metric_name(good).is_ok(), "{good}");
        }
        for bad in ["", "9a", "a-b", "a b", "é", "a\n"] {
            assert_eq!(check_metric_name(bad).unwrap_err().code(), ErrorCode::InvalidName);
        }
    }

    #[test]
    fn label_names() {
        let code = |names: &[&str], histogram| match check_label_names(names, histogram) {
            Ok(()) => None,
            Err(error) => Some(error.code()),
        };
        assert_eq!(code(&["a", "b", "_c"], true), None);
        assert_eq!(code(&["le"], false), None);
        assert_eq!(code(&["le"], true), Some(ErrorCode::ReservedLabel));
        assert_eq!(code(&["__name__"], false), Some(ErrorCode::ReservedLabel));
        assert_eq!(code(&["a", "b", "a"], false), Some(ErrorCode::DuplicateLabel));
        assert_eq!(code(&["a:b"], false), Some(ErrorCode::InvalidLabelName));
        assert_eq!(code(&[""], false), Some(ErrorCode::InvalidLabelName));
    }

    #[test]
    fn units() {
        assert!(check_unit("x_seconds", "seconds").is_ok());
        assert!(check_unit("x", "").is_ok());
        for (family, unit) in [("x", "seconds"), ("xseconds", "seconds"), ("_seconds", "seconds")] {
            let error = check_unit(family, unit).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidUnit, "{family}");
        }
        assert!(check_unit("x_a b", "a b").is_err());
    }

    #[test]
    fn escapes() {
        let text = "a\\b\n\"c\"\u{0}é";
        assert_eq!(written(|out| put_escaped(out, text)), "a\\\\b\\n\\\"c\\\"\u{0}é");
        assert_eq!(written(|out| put_escaped_text_help(out, text)), "a\\\\b\\n\"c\"\u{0}é");
        assert_eq!(written(|out| put_escaped(out, "")), "");
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        let bytes = b"a\xff\xe2\x82b\xc3\xa9\xed\xa0\x80";
        let expected = String::from_utf8_lossy(bytes);
        assert_eq!(written(|out| put_lossy(out, bytes)), expected);
    }
}
