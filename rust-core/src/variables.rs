//! The environment variables that a process' defaults come from. The core never reads the environment: bindings do, and
//! pass what they found to [`RegistryOptions::set_variable`].

use crate::buffer::Buffer;
use crate::error::{Error, ErrorCode};
use crate::exemplar::{Adaptive, Filter, Policy};
use crate::open::check_mode;
use crate::raw::lossy;
use crate::registry::{RegistryOptions, ScraperIdentity};

/// The names of all variables, for a binding to look up.
pub const VARIABLES: [&str; 17] = [
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "SPANPIN_EXEMPLAR_POLICY",
    "SPANPIN_EXEMPLAR_MINIMUM_VALUE",
    "SPANPIN_EXEMPLAR_PROBABILITY",
    "SPANPIN_EXEMPLAR_ADAPTIVE",
    "SPANPIN_EXEMPLAR_SLOTS",
    "SPANPIN_EXEMPLAR_MAX_AGE",
    "SPANPIN_EXEMPLAR_BYTES",
    "SPANPIN_EXEMPLAR_KEEP_NAMES",
    "SPANPIN_TRACE_ID_LABEL",
    "SPANPIN_SPAN_ID_LABEL",
    "SPANPIN_TRACE_URL",
    "SPANPIN_MARK_SPANS",
    "SPANPIN_SCRAPER_IDENTITY",
    "SPANPIN_SEGMENT",
    "SPANPIN_SEGMENT_MODE",
    "SPANPIN_SEGMENT_BYTES",
];

impl<'a> RegistryOptions<'a> {
    /// Takes over the value of an environment variable, one of [`VARIABLES`]. An empty value says nothing, as does a
    /// variable of another name. Numbers are range-checked here, texts with the rest of the options.
    ///
    /// # Errors
    /// `InvalidOption` for a value that is not allowed; the options stay as they were. It is meant to be logged, and the
    /// process to go on: a service does not fail for a misspelt variable.
    pub fn set_variable(&mut self, name: &str, value: &'a str) -> Result<(), Error> {
        let given = value.trim();
        if given.is_empty() {
            return Ok(());
        }
        let mut next = *self;
        let rules = &mut next.rules;
        match name {
            "OTEL_METRICS_EXEMPLAR_FILTER" => {
                let known = named(given, &["trace_based", "always_on", "always_off"], Filter::from_name);
                rules.filter = Some(known.ok_or_else(|| bad(name, given, "trace_based, always_on or always_off"))?);
            }
            "SPANPIN_EXEMPLAR_POLICY" => {
                let known = named(given, &["slowest", "uniform", "first"], Policy::from_name);
                rules.policy = Some(known.ok_or_else(|| bad(name, given, "slowest, uniform or first"))?);
            }
            "SPANPIN_EXEMPLAR_MINIMUM_VALUE" => rules.minimum_value = Some(number(name, given)?),
            "SPANPIN_EXEMPLAR_PROBABILITY" => rules.probability = Some(number(name, given)?),
            "SPANPIN_EXEMPLAR_ADAPTIVE" => rules.adaptive = Some(switch(name, given)?.then(Adaptive::default)),
            "SPANPIN_EXEMPLAR_SLOTS" => rules.slots = Some(whole(name, given)?),
            "SPANPIN_EXEMPLAR_MAX_AGE" => rules.max_age_seconds = Some(whole(name, given)?),
            "SPANPIN_EXEMPLAR_BYTES" => {
                let bytes = given.parse();
                next.exemplar_bytes = bytes.map_err(|_| bad(name, given, "a whole number of bytes"))?;
            }
            "SPANPIN_EXEMPLAR_KEEP_NAMES" => next.keep_names = switch(name, given)?,
            "SPANPIN_TRACE_ID_LABEL" => next.trace_id_label = given,
            "SPANPIN_SPAN_ID_LABEL" => next.span_id_label = given,
            "SPANPIN_TRACE_URL" => next.trace_url = given,
            "SPANPIN_MARK_SPANS" => next.mark_spans = switch(name, given)?,
            "SPANPIN_SCRAPER_IDENTITY" => {
                let known = named(given, &["address", "given", "none"], ScraperIdentity::from_name);
                next.scraper_identity = known.ok_or_else(|| bad(name, given, "address, given or none"))?;
            }
            "SPANPIN_SEGMENT" => next.segment = Some(given),
            "SPANPIN_SEGMENT_MODE" => {
                let mode = u32::from_str_radix(given, 8);
                next.segment_mode = mode.map_err(|_| bad(name, given, "an octal number, such as 0600"))?;
                check_mode(next.segment_mode).map_err(|error| blaming(name, &error))?;
            }
            "SPANPIN_SEGMENT_BYTES" => {
                let bytes = given.parse();
                next.reserve_bytes = bytes.map_err(|_| bad(name, given, "a whole number of bytes"))?;
            }
            _ => return Ok(()),
        }
        next.check().map_err(|error| blaming(name, &error))?;
        *self = next;
        Ok(())
    }
}

impl<'a> RegistryOptions<'a> {
    /// The same for a value as the system has it, which may be no text.
    ///
    /// # Errors
    /// As `set_variable`, and `InvalidOption` for a value that is not UTF-8.
    pub fn set_variable_bytes(&mut self, name: &str, value: &'a [u8]) -> Result<(), Error> {
        match core::str::from_utf8(value) {
            Ok(value) => self.set_variable(name, value),
            // Of another name it says nothing either.
            Err(_) if !VARIABLES.contains(&name) => Ok(()),
            Err(_) => {
                let text = lossy(value)?;
                let shown = core::str::from_utf8(text.as_slice()).unwrap_or_default();
                Err(bad(name, shown, "UTF-8, which it is not"))
            }
        }
    }
}

/// The choice of this name, in upper or lower case, as OpenTelemetry wants it of variables.
fn named<T>(given: &str, names: &[&str], choice: impl Fn(&str) -> Option<T>) -> Option<T> {
    names.iter().find(|name| name.eq_ignore_ascii_case(given)).and_then(|name| choice(name))
}

fn number(name: &str, given: &str) -> Result<f64, Error> {
    decimal(given).ok_or_else(|| bad(name, given, "a decimal number of at most 15 digits, such as 0.25"))
}

/// Reads `[-]digits[.digits]` of at most 15 digits. The library's own reading of numbers can panic, which the C library must
/// not; up to this many digits one division of two exact numbers rounds just as well (W. D. Clinger, How to read floating
/// point numbers accurately, 1990).
fn decimal(text: &str) -> Option<f64> {
    const DIGITS_MOST: u32 = 15;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mut whole, mut scale, mut count) = (0_u64, 1_u64, 0_u32);
    let mut behind_point = false;
    for byte in digits.bytes() {
        match byte {
            b'.' if !behind_point => behind_point = true,
            b'0'..=b'9' => {
                whole = whole.wrapping_mul(10).wrapping_add(u64::from(byte & 0x0F));
                scale = if behind_point { scale.wrapping_mul(10) } else { scale };
                count = count.saturating_add(1);
            }
            _ => return None,
        }
    }
    let value = whole as f64 / scale as f64;
    (1..=DIGITS_MOST).contains(&count).then_some(if negative { -value } else { value })
}

fn whole(name: &str, given: &str) -> Result<u32, Error> {
    given.parse().map_err(|_| bad(name, given, "a whole number"))
}

fn switch(name: &str, given: &str) -> Result<bool, Error> {
    let is = |word: &str| given.eq_ignore_ascii_case(word);
    if is("true") || is("1") {
        Ok(true)
    } else if is("false") || is("0") {
        Ok(false)
    } else {
        Err(bad(name, given, "true or false"))
    }
}

fn bad(name: &str, given: &str, allowed: &str) -> Error {
    let mut message = Buffer::new();
    message.put_str("environment variable ");
    message.put_str(name);
    message.put_str(" is ");
    message.put_quoted(given);
    message.put_str(": it must be ");
    message.put_str(allowed);
    Error::new(ErrorCode::InvalidOption, message)
}

fn blaming(name: &str, error: &Error) -> Error {
    let mut message = Buffer::new();
    message.put_str("environment variable ");
    message.put_str(name);
    message.put_str(": ");
    message.put_str(error.message());
    Error::new(ErrorCode::InvalidOption, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_options() {
        let mut options = RegistryOptions::default();
        for (name, value) in VARIABLES.into_iter().zip([
            "always_on",
            " uniform ",
            "0.5",
            "0.25",
            "true",
            "7",
            "60",
            "1000000",
            "1",
            "traceID",
            "spanID",
            "http://t/{trace_id}",
            "true",
            "given",
            " /dev/shm/a ",
            "0640",
            "1048576",
        ]) {
            options.set_variable(name, value).unwrap();
        }
        let rules = options.rules;
        assert_eq!((rules.filter, rules.policy), (Some(Filter::AlwaysOn), Some(Policy::Uniform)));
        assert_eq!((rules.minimum_value, rules.probability), (Some(0.5), Some(0.25)));
        assert_eq!((rules.slots, rules.max_age_seconds), (Some(7), Some(60)));
        assert_eq!(rules.adaptive, Some(Some(Adaptive::default())));
        assert_eq!((options.exemplar_bytes, options.keep_names, options.mark_spans), (1_000_000, true, true));
        assert_eq!((options.trace_id_label, options.span_id_label), ("traceID", "spanID"));
        assert_eq!(options.scraper_identity, ScraperIdentity::Given);
        assert_eq!(options.trace_url, "http://t/{trace_id}");
        assert_eq!((options.segment, options.segment_mode), (Some("/dev/shm/a"), 0o640));
        assert_eq!(options.reserve_bytes, 1 << 20);
    }

    #[test]
    fn decimals_are_read_as_the_library_reads_them() {
        for text in ["0", "0.1", "0.25", "-1.5", "3.", ".5", "123456789012345", "0.00000000000001", "0.3333333333333"] {
            assert_eq!(decimal(text), text.parse().ok(), "{text}");
        }
        for text in ["", "-", ".", "1e3", "NaN", "inf", "1.2.3", "1,5", " 1", "1234567890123456"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn a_bad_value_is_named_and_changes_nothing() {
        let mut options = RegistryOptions::default();
        for (name, value, message) in [
            (
                "OTEL_METRICS_EXEMPLAR_FILTER",
                "on",
                "environment variable OTEL_METRICS_EXEMPLAR_FILTER is \"on\": it must be trace_based, always_on or always_off",
            ),
            (
                "SPANPIN_EXEMPLAR_SLOTS",
                "3",
                "environment variable SPANPIN_EXEMPLAR_SLOTS: slots is 3: it must be from 4 to 19",
            ),
            (
                "SPANPIN_EXEMPLAR_PROBABILITY",
                "often",
                "environment variable SPANPIN_EXEMPLAR_PROBABILITY is \"often\": it must be a decimal number of at most 15 digits, such as 0.25",
            ),
            (
                "SPANPIN_SEGMENT_MODE",
                "rw-------",
                "environment variable SPANPIN_SEGMENT_MODE is \"rw-------\": it must be an octal number, such as 0600",
            ),
            (
                "SPANPIN_SEGMENT_MODE",
                "0755",
                "environment variable SPANPIN_SEGMENT_MODE: segment mode 0755 is not allowed: it must let the owner read and write, and nobody execute; give 0600, or 0640",
            ),
            (
                "SPANPIN_SEGMENT_BYTES",
                "1GB",
                "environment variable SPANPIN_SEGMENT_BYTES is \"1GB\": it must be a whole number of bytes",
            ),
        ] {
            assert_eq!(options.set_variable(name, value).unwrap_err().message(), message);
        }
        let error = options.set_variable_bytes("SPANPIN_SEGMENT", b"/run/caf\xe9").unwrap_err();
        let message = "environment variable SPANPIN_SEGMENT is \"/run/caf\u{fffd}\": it must be UTF-8, which it is not";
        assert_eq!((error.code(), error.message()), (ErrorCode::InvalidOption, message));
        options.set_variable_bytes("SPANPIN_SOMETHING", b"\xe9").unwrap();
        options.set_variable_bytes("SPANPIN_EXEMPLAR_SLOTS", b"").unwrap();
        assert!(options.set_variable("SPANPIN_TRACE_ID_LABEL", "a-b").is_err());
        assert!(options.set_variable("SPANPIN_TRACE_URL", "http://t/{id}").is_err());
        options.set_variable("OTEL_METRICS_EXEMPLAR_FILTER", "ALWAYS_ON").unwrap();
        options.set_variable("SPANPIN_MARK_SPANS", "True").unwrap();
        assert_eq!((options.rules.filter, options.mark_spans), (Some(Filter::AlwaysOn), true));
        options.set_variable("SPANPIN_EXEMPLAR_SLOTS", "").unwrap();
        options.set_variable("SPANPIN_SOMETHING", "x").unwrap();
        assert_eq!((options.rules.slots, options.segment, options.segment_mode), (None, None, 0o600));
        assert_eq!((options.trace_id_label, options.trace_url), ("trace_id", ""));
    }
}
