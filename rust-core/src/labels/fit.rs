//! The labels of an exemplar: brought within the limit, and packed into words.
//!
//! Packed form: for each label one byte length of the name, two bytes
//! little-endian length of the value, the name, the value. Byte `i` of the form
//! is byte `i % 8` of word `i / 8`, little-endian. The rest is zero.

use super::ids::{Id, IdName, read_id};
use super::is_label_name;

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
    /// The ids that are written elsewhere.
    pub taken: Taken<'a>,
}

/// The names of labels that are left out, because an id is written under them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken<'a> {
    /// The label of a trace id, if there is one.
    pub trace: Option<&'a str>,
    /// The label of a span id, if there is one.
    pub span: Option<&'a str>,
    /// Whether an id under another spelling of these names is left out as well.
    pub spellings: bool,
}

impl Taken<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        if self.trace == Some(name) || self.span == Some(name) {
            return true;
        }
        self.spellings
            && match IdName::of(name).and_then(|known| read_id(known, value)) {
                Some(Id::Trace(_)) => self.trace.is_some(),
                Some(Id::Span(_)) => self.span.is_some(),
                None => false,
            }
    }
}

/// What became of the labels given to a [`Fitter`].
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

/// Brings the labels of an exemplar within its limit, in the order in which they come.
///
/// A label is left out if its value is empty, if its name is not
/// `[a-zA-Z_][a-zA-Z0-9_]*`, is among the taken ones or was kept already (the
/// first one wins). In values `"` becomes `'`, `\` becomes `/` and a line feed a
/// space, because Prometheus stores them escaped. Once a label does not fit, it
/// and all later ones are dropped.
pub struct Fitter<'t> {
    stored: StoredLabels,
    taken: Taken<'t>,
    left: usize,
    fit: Fit,
    /// Whether the family's function was asked for labels.
    pub(crate) asked: bool,
}

impl<'t> Fitter<'t> {
    pub(crate) fn new(options: FitOptions<'t>) -> Self {
        Fitter {
            stored: StoredLabels::default(),
            taken: options.taken,
            left: options.budget.min(MAX_CODE_POINTS),
            fit: Fit::default(),
            asked: false,
        }
    }

    /// Adds a label.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if self.fit.trimmed || value.is_empty() {
            return;
        }
        // Names of ids need not be label names (`X-B3-TraceId`), and nothing is lost of an id that is written.
        if self.taken.has(name, value) || self.stored.iter().any(|(kept, _)| kept == name) {
            return;
        }
        if !is_label_name(name) {
            self.fit.invalid = true;
            return;
        }
        let cost = cost_within(name, value, self.left);
        let Some((cost, replaced)) = cost.and_then(|cost| Some((cost, self.stored.append(name, value)?))) else {
            self.fit.trimmed = true;
            return;
        };
        self.left = self.left.saturating_sub(cost);
        self.fit.code_points = self.fit.code_points.saturating_add(cost);
        self.fit.labels = self.fit.labels.saturating_add(1);
        self.fit.replaced |= replaced;
    }

    /// Packs the labels that were kept into `words`. Words after the used ones keep their content.
    pub(crate) fn finish(mut self, words: &mut [u64; LABEL_WORDS]) -> Fit {
        self.fit.words = self.stored.write_words(words);
        self.fit
    }
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
    /// Ends at the first bytes that a [`Fitter`] cannot have written,
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

    const ID: &str = "b7ad6b7169203331";
    const NONE: Taken<'_> = Taken { trace: None, span: None, spellings: true };
    const OPTIONS: FitOptions<'_> = FitOptions { budget: MAX_CODE_POINTS, taken: NONE };

    fn fitted(words: &mut [u64; LABEL_WORDS], options: FitOptions<'_>, labels: &[(&str, &str)]) -> Fit {
        let mut fitter = Fitter::new(options);
        labels.iter().for_each(|(name, value)| fitter.push(name, value));
        fitter.finish(words)
    }

    fn fit(options: FitOptions<'_>, labels: &[(&str, &str)]) -> (Fit, Vec<(String, String)>) {
        let mut words = [u64::MAX; LABEL_WORDS];
        let fit = fitted(&mut words, options, labels);
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
        let taken = Taken { trace: Some("trace_id"), span: Some("sid"), spellings: true };
        let options = FitOptions { budget: 65, taken };
        let labels = [
            ("traceID", ID),
            ("span_id", ID),
            ("a", ""),
            ("b.c", "1"),
            ("a", "first"),
            ("a", "second"),
            ("__name__", "kept"),
        ];
        let (fit, kept) = fit(options, &labels);
        assert_eq!(names(&kept), ["a", "__name__"]);
        assert_eq!(kept.first().unwrap().1, "first");
        assert!(fit.invalid && !fit.trimmed);
        let exact = FitOptions { budget: 65, taken: Taken { spellings: false, ..taken } };
        assert_eq!(
            names(&super::tests::fit(exact, &[("traceID", ID), ("trace_id", "y"), ("sid", "z")]).1),
            ["traceID"]
        );
    }

    #[test]
    fn a_written_id_is_no_loss_whatever_its_name() {
        let taken = Taken { trace: Some("trace_id"), ..NONE };
        let options = FitOptions { budget: 65, taken };
        let (lossless, kept) = fit(options, &[("X-B3-TraceId", ID), ("dd.trace_id", "7"), ("a", "1")]);
        assert_eq!((names(&kept), lossless.invalid), (["a"].to_vec(), false));
        let (lossy, kept) = fit(options, &[("X-B3-TraceId", "no id"), ("a", "1")]);
        assert_eq!((names(&kept), lossy.invalid), (["a"].to_vec(), true));
        let exact = FitOptions { budget: 65, taken: Taken { spellings: false, ..taken } };
        assert!(fit(exact, &[("X-B3-TraceId", ID)]).0.invalid, "an id that would stay under this name is lost");
    }

    #[test]
    fn the_limit_counts_code_points() {
        let exact = "é".repeat(64);
        let options = FitOptions { budget: 65, taken: NONE };
        assert_eq!(fit(options, &[("a", &exact)]).1.len(), 1);
        let over = "é".repeat(65);
        let (result, kept) = fit(options, &[("b", "1"), ("a", &over), ("c", "1")]);
        assert_eq!(names(&kept), ["b"]);
        assert!(result.trimmed);
        let (result, kept) = fit(FitOptions { budget: 0, taken: NONE }, &[("a", "1")]);
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
        let used = fitted(&mut words, OPTIONS, &labels).words;
        for flip in 0..used * 64 {
            let mut damaged = words;
            damaged[flip / 64] ^= 1 << (flip % 64);
            assert!(StoredLabels::from_words(&damaged).iter().count() <= 2);
        }
        assert_eq!(StoredLabels::from_words(&[u64::MAX; 100]).iter().count(), 0);
        assert_eq!(StoredLabels::from_words(&[0; 3]).iter().count(), 0);
        assert_eq!(StoredLabels::from_words(&[]).iter().count(), 0);
    }
}
