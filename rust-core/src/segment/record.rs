//! Records: families and series as they lie in the segment, written once before they are published.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::layout::{FamilyRecord, Gate, LINE, RECORD_FAMILY, RECORD_SERIES, Record, SERIES_OVERFLOW, SeriesRecord};
use super::{Offset, Segment};
use crate::buffer::Buffer;
use crate::error::{Error, ErrorCode};
use crate::exemplar::rules::RULE_WORDS;
use crate::memory::{Pushed, copy_slice, out_of_memory};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Gates that one line holds.
const GATES_IN_LINE: usize = LINE / size_of::<Gate>();

/// What a family record is made of.
pub(crate) struct FamilyWrite<'a> {
    /// `kind << 8`.
    pub(crate) tag: u64,
    pub(crate) hash: u64,
    pub(crate) created_ms: u64,
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) label_names: &'a [&'a str],
    pub(crate) bounds: &'a [f64],
    pub(crate) max_series: u32,
    pub(crate) rules: [u64; RULE_WORDS],
}

/// What a family record says, copied out of the segment and then checked.
pub(crate) struct FamilyText {
    pub(crate) tag: u64,
    pub(crate) name: Box<str>,
    pub(crate) help: Box<str>,
    pub(crate) unit: Box<str>,
    pub(crate) label_names: Vec<Box<str>>,
    pub(crate) bounds: Box<[f64]>,
    pub(crate) rules: [u64; RULE_WORDS],
}

/// What a series record is made of.
pub(crate) struct SeriesWrite<'a> {
    pub(crate) family: Offset,
    pub(crate) hash: u64,
    pub(crate) created_ms: u64,
    /// The label values, each after its u32 length.
    pub(crate) text: &'a [u8],
    pub(crate) gates: usize,
    pub(crate) cells: usize,
    pub(crate) overflow: bool,
}

/// What a series record says.
pub(crate) struct SeriesText {
    pub(crate) family: Offset,
    pub(crate) hash: u64,
    pub(crate) text: Box<[u8]>,
    /// Where gates and, behind them, cells lie.
    pub(crate) gates: Offset,
    pub(crate) overflow: bool,
}

impl SeriesText {
    /// Where the gates of a series lie whose record is at `place` and has so many bytes of label values.
    pub(crate) fn gates_after(place: Offset, text_len: usize) -> Offset {
        let at = size_of::<SeriesRecord>().saturating_add(text_len).next_multiple_of(LINE);
        place.plus(at as u64)
    }
}

/// A record of either kind.
pub(crate) enum Kind {
    Family,
    Series,
}

fn full() -> Error {
    Error::fixed(
        ErrorCode::SegmentFull,
        "the segment is full: reserve more bytes for the registry, or use fewer series and label values",
    )
}

fn damaged() -> Error {
    Error::fixed(
        ErrorCode::SegmentFull,
        "a record of the segment is damaged: a length or an offset points outside of it",
    )
}

/// Appends a text after its u32 length.
pub(crate) fn put_text(out: &mut Buffer, text: &[u8]) {
    out.put(&(text.len() as u32).to_le_bytes());
    out.put(text);
}

/// Takes a text after its u32 length from the front of `bytes`.
pub(crate) fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *bytes = rest;
    Some(text)
}

fn take_str(bytes: &mut &[u8]) -> Result<Box<str>, Error> {
    let text = take_text(bytes).ok_or_else(damaged)?;
    let text = core::str::from_utf8(text).map_err(|_| damaged())?;
    boxed_str(text)
}

pub(crate) fn boxed_str(text: &str) -> Result<Box<str>, Error> {
    let bytes = copy_slice(text.as_bytes())?;
    alloc::string::String::from_utf8(bytes.into_vec()).map(alloc::string::String::into_boxed_str).map_err(|_| damaged())
}

fn words_of(bytes: usize) -> usize {
    bytes.div_ceil(8)
}

impl Segment {
    fn store_bytes(&self, place: Offset, bytes: &[u8]) -> Option<()> {
        for (word, chunk) in self.words(place, words_of(bytes.len()))?.iter().zip(bytes.chunks(8)) {
            let mut value = [0; 8];
            for (to, from) in value.iter_mut().zip(chunk) {
                *to = *from;
            }
            word.store(u64::from_le_bytes(value), Ordering::Relaxed);
        }
        Some(())
    }

    fn load_bytes(&self, place: Offset, len: usize) -> Result<Buffer, Error> {
        let words = self.words(place, words_of(len)).ok_or_else(damaged)?;
        let mut out = Buffer::with_capacity(len).map_err(|_| out_of_memory())?;
        for word in words {
            out.put(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        out.truncate(len);
        out.finish().map_err(|_| out_of_memory())?;
        Ok(out)
    }

    /// Writes a family's record. It is unpublished: nobody else sees it.
    pub(crate) fn write_family(&self, family: &FamilyWrite<'_>) -> Result<Offset, Error> {
        let mut text = Buffer::new();
        for part in [family.name, family.help, family.unit] {
            put_text(&mut text, part.as_bytes());
        }
        for name in family.label_names {
            put_text(&mut text, name.as_bytes());
        }
        text.finish().map_err(|_| out_of_memory())?;
        let text_at = size_of::<FamilyRecord>();
        let bounds_at = text_at.saturating_add(words_of(text.len()).saturating_mul(8));
        let bytes = bounds_at.saturating_add(family.bounds.len().saturating_mul(8));
        let place = self.allocate_growing(bytes).ok_or_else(full)?;
        let record = self.family_record(place).ok_or_else(full)?;
        record.record.tag.store(RECORD_FAMILY | family.tag, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: family in part");
        record.hash.store(family.hash, Ordering::Relaxed);
        record.created_ms.store(family.created_ms, Ordering::Relaxed);
        let sizes = (text.len() as u64) << 32 | family.bounds.len() as u64;
        record.sizes.store(sizes, Ordering::Relaxed);
        let limits = (family.label_names.len() as u64) << 32 | u64::from(family.max_series);
        record.limits.store(limits, Ordering::Relaxed);
        for (word, rule) in record.rules.iter().zip(family.rules) {
            word.store(rule, Ordering::Relaxed);
        }
        self.store_bytes(place.plus(text_at as u64), text.as_slice()).ok_or_else(full)?;
        let bounds = self.words(place.plus(bounds_at as u64), family.bounds.len()).ok_or_else(full)?;
        for (word, bound) in bounds.iter().zip(family.bounds) {
            word.store(bound.to_bits(), Ordering::Relaxed);
        }
        Ok(place)
    }

    /// Writes anew what a family's record says beside its shape, for processes that do not register the family. Each word
    /// by itself; readers take any mixture of old ones and new ones.
    pub(crate) fn write_rules(&self, place: Offset, rules: [u64; RULE_WORDS], max_series: u32) {
        let Some(record) = self.family_record(place) else { return };
        for (word, rule) in record.rules.iter().zip(rules) {
            word.store(rule, Ordering::Relaxed);
        }
        let names = record.limits.load(Ordering::Relaxed) & !u64::from(u32::MAX);
        record.limits.store(names | u64::from(max_series), Ordering::Relaxed);
    }

    /// The age limit that a family's record has now.
    pub(crate) fn max_age_ms(&self, place: Offset) -> Option<u64> {
        let [_, max_age_ms, ..] = &self.family_record(place)?.rules;
        Some(max_age_ms.load(Ordering::Relaxed))
    }

    /// Copies a family's record out of the segment.
    pub(crate) fn read_family(&self, place: Offset) -> Result<FamilyText, Error> {
        let record = self.family_record(place).ok_or_else(damaged)?;
        let sizes = record.sizes.load(Ordering::Relaxed);
        let limits = record.limits.load(Ordering::Relaxed);
        let text_len = (sizes >> 32) as usize;
        let text_at = size_of::<FamilyRecord>();
        let text = self.load_bytes(place.plus(text_at as u64), text_len)?;
        let mut rest = text.as_slice();
        let (name, help, unit) = (take_str(&mut rest)?, take_str(&mut rest)?, take_str(&mut rest)?);
        let mut label_names = Pushed::new();
        for _ in 0..(limits >> 32).min(text_len as u64) {
            label_names.push(take_str(&mut rest)?)?;
        }
        let bounds_at = text_at.saturating_add(words_of(text_len).saturating_mul(8));
        let mut bounds = Pushed::new();
        let words = self.words(place.plus(bounds_at as u64), (sizes & 0xFFFF_FFFF) as usize).ok_or_else(damaged)?;
        for word in words {
            bounds.push(f64::from_bits(word.load(Ordering::Relaxed)))?;
        }
        let mut rules = [0; RULE_WORDS];
        for (rule, word) in rules.iter_mut().zip(&record.rules) {
            *rule = word.load(Ordering::Relaxed);
        }
        Ok(FamilyText {
            tag: record.record.tag.load(Ordering::Relaxed),
            name,
            help,
            unit,
            label_names: label_names.into_vec(),
            bounds: copy_slice(&bounds)?,
            rules,
        })
    }

    /// Writes a series' record with its gates and cells, all zero. It is unpublished.
    pub(crate) fn write_series(&self, series: &SeriesWrite<'_>) -> Result<Offset, Error> {
        let text_at = size_of::<SeriesRecord>();
        let gates_at = text_at.saturating_add(series.text.len()).next_multiple_of(LINE);
        let bytes = gates_at.saturating_add(gates_bytes(series.gates)).saturating_add(series.cells.saturating_mul(8));
        let place = self.allocate_growing(bytes).ok_or_else(full)?;
        let record = self.series_record(place).ok_or_else(full)?;
        let flags = if series.overflow { SERIES_OVERFLOW << 8 } else { 0 };
        record.record.tag.store(RECORD_SERIES | flags, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: series in part");
        record.family.store(series.family.bytes(), Ordering::Relaxed);
        record.hash.store(series.hash, Ordering::Relaxed);
        record.created_ms.store(series.created_ms, Ordering::Relaxed);
        let gates = place.plus(gates_at as u64).lines().ok_or_else(full)?;
        record.place.store((series.text.len() as u64) << 32 | u64::from(gates), Ordering::Relaxed);
        self.store_bytes(place.plus(text_at as u64), series.text).ok_or_else(full)?;
        Ok(place)
    }

    /// Copies a series' record out of the segment.
    pub(crate) fn read_series(&self, place: Offset) -> Result<SeriesText, Error> {
        let record = self.series_record(place).ok_or_else(damaged)?;
        let at = record.place.load(Ordering::Relaxed);
        let text = self.load_bytes(place.plus(size_of::<SeriesRecord>() as u64), (at >> 32) as usize)?;
        Ok(SeriesText {
            family: Offset::from_bytes(record.family.load(Ordering::Relaxed)),
            hash: record.hash.load(Ordering::Relaxed),
            text: copy_slice(text.as_slice())?,
            gates: Offset::from_lines(at as u32),
            overflow: record.record.tag.load(Ordering::Relaxed) >> 8 & SERIES_OVERFLOW != 0,
        })
    }

    /// Bytes of the label values that a series' record claims to have.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn text_bytes(&self, place: Offset) -> Option<u64> {
        Some(self.series_record(place)?.place.load(Ordering::Relaxed) >> 32)
    }

    pub(crate) fn family_record(&self, place: Offset) -> Option<&FamilyRecord> {
        self.handed_out(place, size_of::<FamilyRecord>() as u64)?;
        self.one(place)
    }

    fn series_record(&self, place: Offset) -> Option<&SeriesRecord> {
        self.handed_out(place, size_of::<SeriesRecord>() as u64)?;
        self.one(place)
    }

    /// Where the record of a series says where its stripes lie.
    pub(crate) fn stripes_word(&self, place: Offset) -> Option<&AtomicU64> {
        Some(&self.series_record(place)?.stripes)
    }

    fn record(&self, place: Offset) -> Option<&Record> {
        self.handed_out(place, size_of::<Record>() as u64)?;
        self.one(place)
    }

    /// The link of a record to the one before it.
    pub(crate) fn next_of(&self, place: Offset) -> Option<&AtomicU64> {
        Some(&self.record(place)?.next)
    }

    /// What kind of record lies at a place.
    pub(crate) fn kind_of(&self, place: Offset) -> Option<Kind> {
        match self.record(place)?.tag.load(Ordering::Relaxed) & 0xFF {
            RECORD_FAMILY => Some(Kind::Family),
            RECORD_SERIES => Some(Kind::Series),
            _ => None,
        }
    }
}

/// Bytes of so many gates, in whole lines, so that no gate shares a line with a count.
#[inline]
pub(crate) const fn gates_bytes(gates: usize) -> usize {
    gates.div_ceil(GATES_IN_LINE).saturating_mul(LINE)
}
