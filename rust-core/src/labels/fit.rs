//! The labels of an exemplar: brought within the limit, and packed into words.
//!
//! Packed form: for each label one byte length of the name, two bytes
//! little-endian length of the value, the name, the value. Byte `i` of the form
//! is byte `i % 8` of word `i / 8`, little-endian. The rest is zero.

use super::is_label_name;
use crate::trace::{SpanId, TraceId};

/// The most code points that the label names and values of one exemplar have
/// together.
pub const MAX_CODE_POINTS: usize = 128;

/// The words that hold any labels that fit: 128 code points take at most 512
/// bytes with their lengths.
pub const LABEL_WORDS: usize = 72;

const LABEL_BYTES: usize = LABEL_WORDS * 8;
const HEADER: usize = 3;

/// What is already taken of the limit, and the names that are.
#[derive(Clone, Copy, Debug)]
pub struct FitOptions<'a> {
    /// The code points left for names and values.
    pub budget: usize,
    /// Names that are written elsewhere, such as those of the ids; labels of
    /// these names are left out.
    pub taken: &'a [&'a str],
}

/// The outcome of [`fit_exemplar_labels`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// The words used, from the first one.
    pub words: usize,
    /// The labels kept.
    pub labels: usize,
    /// The code points of the names and values kept.
    pub code_points: usize,
    /// A character of a kept value was replaced.
    pub replaced: bool,
    /// A label did not fit; it and all later ones are missing.
    pub trimmed: bool,
    /// A label was left out because its name is not a label name.
    pub invalid: bool,
}

/// A list of labels that can be walked more than once.
///
/// Every interface has its own representation of a label list; this keeps the
/// core from needing a copy of it.
pub trait LabelList<'a>: Iterator<Item = (&'a str, &'a str)> + Clone {}

impl<'a, T: Iterator<Item = (&'a str, &'a str)> + Clone> LabelList<'a> for T {}

/// Takes the ids from an explicit exemplar's labels.
///
/// The first label named `trace_id` is an id if its value is 32 hexadecimal
/// digits of any case, not all zero; `span_id` likewise with 16. Otherwise it is a
/// plain label.
#[must_use]
pub fn take_ids<'a>(labels: impl LabelList<'a>) -> (Option<TraceId>, Option<SpanId>) {
    let first = |wanted: &str| labels.clone().find(|(name, value)| *name == wanted && !value.is_empty());
    let trace_id = first("trace_id").and_then(|(_, value)| TraceId::parse_any_case(value));
    let span_id = first("span_id").and_then(|(_, value)| SpanId::parse_any_case(value));
    (trace_id, span_id)
}

/// Packs the labels that an exemplar may keep into `words`.
///
/// A label is left out if its value is empty, if its name is not
/// `[a-zA-Z_][a-zA-Z0-9_]*`, is among the taken ones or was kept already (the
/// first one wins). In values `"` becomes `'`, `\` becomes `/` and a line feed a
/// space, because Prometheus stores them escaped. Once a label does not fit, it
/// and all later ones are dropped.
///
/// Words after the used ones keep their content.
pub fn fit_exemplar_labels<'a>(
    words: &mut [u64; LABEL_WORDS],
    options: FitOptions<'_>,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
) -> Fit {
    let mut fit = Fit::default();
    let mut stored = StoredLabels::default();
    let mut left = options.budget.min(MAX_CODE_POINTS);
    for (name, value) in labels {
        if value.is_empty() {
            continue;
        }
        if !is_label_name(name) {
            fit.invalid = true;
            continue;
        }
        if options.taken.contains(&name) || stored.iter().any(|(kept, _)| kept == name) {
            continue;
        }
        let Some(cost) = cost_within(name, value, left) else {
            fit.trimmed = true;
            break;
        };
        let Some(replaced) = stored.append(name, value) else {
            fit.trimmed = true;
            break;
        };
        left = left.saturating_sub(cost);
        fit.code_points = fit.code_points.saturating_add(cost);
        fit.labels = fit.labels.saturating_add(1);
        fit.replaced |= replaced;
    }
    fit.words = stored.write_words(words);
    fit
}

/// The code points of a label, or `None` if they are more than `left`.
fn cost_within(name: &str, value: &str, left: usize) -> Option<usize> {
    // The name is ASCII. Not more of the value is walked than could fit.
    let rest = left.checked_sub(name.len())?;
    let most = rest.checked_add(1)?;
    let count = value.chars().take(most).count();
    if count > rest { None } else { name.len().checked_add(count) }
}

/// The labels of an exemplar, as bytes.
#[derive(Clone, Copy)]
pub struct StoredLabels {
    bytes: [u8; LABEL_BYTES],
    len: usize,
}

impl Default for StoredLabels {
    fn default() -> Self {
        Self { bytes: [0; LABEL_BYTES], len: 0 }
    }
}

impl StoredLabels {
    /// Reads packed labels. Words after the 72nd are not read.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Self {
        let mut stored = Self::default();
        for (place, word) in stored.bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        stored.len = words.len().min(LABEL_WORDS).saturating_mul(8);
        stored
    }

    /// The names and values, in order.
    ///
    /// Ends at the first bytes that [`fit_exemplar_labels`] cannot have written,
    /// so that damaged memory can not reach an exposition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        core::iter::from_fn(move || {
            let (name, value, after) = split_label(rest)?;
            rest = after;
            Some((name, value))
        })
    }

    /// Appends a label with the characters of its value replaced; says whether
    /// one was. `None` if there is no room.
    fn append(&mut self, name: &str, value: &str) -> Option<bool> {
        let name_len = u8::try_from(name.len()).ok()?;
        let value_len = u16::try_from(value.len()).ok()?.to_le_bytes();
        let end = HEADER.checked_add(name.len())?.checked_add(value.len())?.checked_add(self.len)?;
        let room = self.bytes.get_mut(self.len..end)?;
        let header = [name_len].into_iter().chain(value_len);
        let mut replaced = false;
        let value = value.bytes().map(|byte| {
            let kept = match byte {
                b'"' => b'\'',
                b'\\' => b'/',
                b'\n' => b' ',
                other => other,
            };
            replaced |= kept != byte;
            kept
        });
        for (place, byte) in room.iter_mut().zip(header.chain(name.bytes()).chain(value)) {
            *place = byte;
        }
        self.len = end;
        Some(replaced)
    }

    fn write_words(&self, words: &mut [u64; LABEL_WORDS]) -> usize {
        let used = self.len.div_ceil(8);
        for (word, place) in words.iter_mut().zip(self.bytes.as_chunks::<8>().0).take(used) {
            *word = u64::from_le_bytes(*place);
        }
        used
    }
}

fn split_label(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (&[name_len, low, high], rest) = bytes.split_first_chunk::<HEADER>()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
    let name = core::str::from_utf8(name).ok()?;
    let value = core::str::from_utf8(value).ok()?;
    if !is_label_name(name) || value.is_empty() {
        return None;
    }
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    const OPTIONS: FitOptions<'_> = FitOptions { budget: MAX_CODE_POINTS, taken: &[] };

    fn fit(options: FitOptions<'_>, labels: &[(&str, &str)]) -> (Fit, Vec<(String, String)>) {
        let mut words = [u64::MAX; LABEL_WORDS];
        let fit = fit_exemplar_labels(&mut words, options, labels.iter().copied());
        let stored = StoredLabels::from_words(words.get(..fit.words).unwrap());
        let kept: Vec<_> = stored.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!(kept.len(), fit.labels);
        (fit, kept)
    }

    fn names(kept: &[(String, String)]) -> Vec<&str> {
        kept.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn labels_round_trip() {
        let (fit, kept) = fit(OPTIONS, &[("a", "1"), ("user", "zoë\u{0}")]);
        assert_eq!(kept, [("a".into(), "1".into()), ("user".into(), "zoë\u{0}".into())]);
        assert_eq!((fit.code_points, fit.words), (10, 3));
        assert!(!fit.replaced && !fit.trimmed && !fit.invalid);
    }

    #[test]
    fn characters_are_replaced_in_place() {
        let (fit, kept) = fit(OPTIONS, &[("a", "x\"y\\z\n")]);
        assert_eq!(kept, [("a".into(), "x'y/z ".into())]);
        assert!(fit.replaced);
    }

    #[test]
    fn labels_that_are_left_out() {
        let options = FitOptions { budget: 65, taken: &["trace_id", "span_id"] };
        let labels =
            [("trace_id", "x"), ("a", ""), ("b.c", "1"), ("a", "first"), ("a", "second"), ("__name__", "kept")];
        let (fit, kept) = fit(options, &labels);
        assert_eq!(names(&kept), ["a", "__name__"]);
        assert_eq!(kept.first().unwrap().1, "first");
        assert!(fit.invalid && !fit.trimmed);
    }

    #[test]
    fn the_limit_counts_code_points() {
        let exact = "é".repeat(64);
        let options = FitOptions { budget: 65, taken: &[] };
        assert_eq!(fit(options, &[("a", &exact)]).1.len(), 1);
        let over = "é".repeat(65);
        let (result, kept) = fit(options, &[("b", "1"), ("a", &over), ("c", "1")]);
        assert_eq!(names(&kept), ["b"]);
        assert!(result.trimmed);
        let (result, kept) = fit(FitOptions { budget: 0, taken: &[] }, &[("a", "1")]);
        assert!(kept.is_empty() && result.trimmed && result.words == 0);
    }

    #[test]
    fn the_worst_labels_fit_the_words() {
        let wide = "\u{10FFFF}".repeat(127);
        assert_eq!(fit(OPTIONS, &[("a", &wide)]).0.words, 64);
        let all: Vec<String> = (0..64).map(|n| char::from(b'A' + n).to_string()).collect();
        let labels: Vec<_> =
            all.iter().filter(|name| is_label_name(name)).map(|name| (name.as_str(), "\u{10FFFF}")).collect();
        assert_eq!(fit(OPTIONS, &labels).0.labels, 53);
    }

    #[test]
    fn garbage_ends_the_labels() {
        let mut words = [0; LABEL_WORDS];
        let labels = [("good", "1"), ("b", "2")];
        let used = fit_exemplar_labels(&mut words, OPTIONS, labels.into_iter()).words;
        for flip in 0..used * 64 {
            let mut damaged = words;
            damaged[flip / 64] ^= 1 << (flip % 64);
            assert!(StoredLabels::from_words(&damaged).iter().count() <= 2);
        }
        assert_eq!(StoredLabels::from_words(&[u64::MAX; 100]).iter().count(), 0);
        assert_eq!(StoredLabels::from_words(&[0; 3]).iter().count(), 0);
        assert_eq!(StoredLabels::from_words(&[]).iter().count(), 0);
    }

    #[test]
    fn ids_are_taken_from_labels() {
        let trace = "0AF7651916cd43dd8448eb211c80319c";
        let labels = [("span_id", "nope"), ("trace_id", trace), ("span_id", "b7ad6b7169203331")];
        let (trace_id, span_id) = take_ids(labels.into_iter());
        assert_eq!(trace_id.unwrap().to_string(), trace.to_lowercase());
        assert_eq!(span_id, None);
    }
}
