//! Which exposition format and which coding a scrape is answered in.
//!
//! The `Accept` headers in the field break the rules: parameters twice, a quality
//! of 2 on `*/*`, a wildcard that would beat a named type. The reading here is
//! lenient, never refuses, and prefers a named type to any wildcard.

/// An exposition format that can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// OpenMetrics text 1.0, with exemplars.
    OpenMetrics1,
    /// Prometheus text 0.0.4, which cannot carry exemplars.
    #[default]
    Text004,
}

/// How a scraper asked for names outside the legacy character set.
///
/// All names here are legacy names, which every scheme but `dots` leaves as they
/// are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Escaping {
    /// `allow-utf-8`: names may be any UTF-8.
    AllowUtf8,
    /// `underscores`: other characters become `_`.
    Underscores,
    /// `dots`: reversible; it would double the underscores of legacy names.
    Dots,
    /// `values`: reversible; other characters become their code points.
    Values,
}

/// The answer to an `Accept` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Negotiated {
    /// The format to write.
    pub format: Format,
    /// The escaping scheme that the chosen media range asked for, if it named one.
    pub escaping: Option<Escaping>,
}

impl Negotiated {
    /// The value of the `Content-Type` header.
    ///
    /// OpenMetrics names the escaping scheme if the request did. `dots` is answered
    /// with `underscores`: names are written unchanged, which `dots` would not
    /// allow.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match (self.format, self.escaping) {
            (Format::Text004, _) => "text/plain; version=0.0.4; charset=utf-8",
            (Format::OpenMetrics1, None) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics1, Some(Escaping::AllowUtf8)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Format::OpenMetrics1, Some(Escaping::Underscores | Escaping::Dots)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            (Format::OpenMetrics1, Some(Escaping::Values)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"
            }
        }
    }
}

/// The full quality value, 1.
const FULL: u32 = 1_000_000;

/// Chooses the format for an `Accept` header; several header lines are joined
/// with commas.
///
/// Of the named media ranges that can be written the one of the highest quality
/// wins, of equal ones the first: `application/openmetrics-text` of version
/// 1.0.0, 0.0.1 or none, `text/plain` of version 0.0.4 or none. A range of quality
/// 0 is refused. If none is left, be it for wildcards, an empty header or types
/// that are not known, the answer is text 0.0.4: there is no failure.
#[must_use]
pub fn negotiate(accept: &str) -> Negotiated {
    let mut best = Negotiated::default();
    let mut best_quality = 0;
    for element in pieces(accept, b',') {
        let Some((candidate, quality)) = read_range(element) else { continue };
        if quality > best_quality {
            best = candidate;
            best_quality = quality;
        }
    }
    best
}

/// Whether an `Accept-Encoding` header lets the body be compressed with gzip.
///
/// `gzip`, `x-gzip` or, if neither is named, `*` must have a quality above 0 that
/// is not below that of a named `identity`. An empty header stands for identity.
#[must_use]
pub fn accepts_gzip(accept_encoding: &str) -> bool {
    let mut gzip = None;
    let mut any = None;
    let mut identity = 0;
    for element in pieces(accept_encoding, b',') {
        let mut parts = pieces(element, b';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let mut quality = FULL;
        for (name, value) in parts.filter_map(parameter) {
            if name.eq_ignore_ascii_case("q") {
                quality = parse_quality(value);
            }
        }
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            gzip = gzip.max(Some(quality));
        } else if coding == "*" {
            any = Some(quality);
        } else if coding.eq_ignore_ascii_case("identity") {
            identity = quality;
        }
    }
    let quality = gzip.or(any).unwrap_or(0);
    quality > 0 && quality >= identity
}

/// Reads one media range; `None` if it is not a named type that can be written.
fn read_range(element: &str) -> Option<(Negotiated, u32)> {
    let mut parts = pieces(element, b';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let format = if media.eq_ignore_ascii_case("application/openmetrics-text") {
        Format::OpenMetrics1
    } else if media.eq_ignore_ascii_case("text/plain") {
        Format::Text004
    } else {
        return None;
    };
    let mut quality = FULL;
    let mut escaping = None;
    for (name, value) in parts.filter_map(parameter) {
        if name.eq_ignore_ascii_case("q") {
            quality = parse_quality(value);
        } else if name.eq_ignore_ascii_case("version") {
            let known = match format {
                Format::OpenMetrics1 => matches!(value, "" | "1.0.0" | "0.0.1"),
                Format::Text004 => matches!(value, "" | "0.0.4"),
            };
            if !known {
                return None;
            }
        } else if name.eq_ignore_ascii_case("escaping") {
            escaping = escaping.or_else(|| parse_escaping(value));
        }
    }
    Some((Negotiated { format, escaping }, quality))
}

/// Splits `name=value`, the value with or without quotes.
fn parameter(text: &str) -> Option<(&str, &str)> {
    let (name, value) = cut(text, b'=');
    let value = value?.trim();
    let value = value.strip_prefix('"').unwrap_or(value);
    Some((name.trim(), value.strip_suffix('"').unwrap_or(value)))
}

/// The text between separators. `str::split` has a reachable panic here.
fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let (piece, after) = cut(rest?, separator);
        rest = after;
        Some(piece)
    })
}

/// The text before the first `separator`, an ASCII character, and that after it.
fn cut(text: &str, separator: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == separator) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at.wrapping_add(1)..)),
        None => (text, None),
    }
}

fn parse_escaping(value: &str) -> Option<Escaping> {
    [
        ("allow-utf-8", Escaping::AllowUtf8),
        ("underscores", Escaping::Underscores),
        ("dots", Escaping::Dots),
        ("values", Escaping::Values),
    ]
    .into_iter()
    .find_map(|(name, scheme)| value.eq_ignore_ascii_case(name).then_some(scheme))
}

/// A quality value in millionths; one that is malformed or above 1 counts as 1.
fn parse_quality(text: &str) -> u32 {
    let (whole, fraction) = cut(text, b'.');
    let fraction = fraction.unwrap_or_default();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return FULL;
    }
    if whole.bytes().any(|digit| digit != b'0') {
        return FULL;
    }
    let mut quality: u32 = 0;
    let mut unit = FULL / 10;
    for digit in fraction.bytes() {
        let value = u32::from(digit & 0x0f).wrapping_mul(unit);
        quality = quality.saturating_add(value);
        unit /= 10;
    }
    quality
}

#[cfg(test)]
mod tests;
