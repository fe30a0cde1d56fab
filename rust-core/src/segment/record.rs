//! Records: families and series as they lie in the segment, written once before they are published.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::layout::{
    FamilyRecord, Gate, LINE, RECORD_FAMILY, RECORD_SERIES, Record, SERIES_OVERFLOW, STATE_WORDS, SeriesRecord,
};
use super::life::{State, begin, look};
use super::publish::{Words, read_live};
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
    pub(crate) tag: u32,
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
    pub(crate) tag: u32,
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

/// What a series record says while it is live.
pub(crate) struct SeriesText {
    /// Which life of the record this is.
    pub(crate) life: u32,
    pub(crate) family: Offset,
    pub(crate) hash: u64,
    pub(crate) text: Box<[u8]>,
    /// Where its state and, behind it, its cells lie; its gates lie before them.
    pub(crate) cells: Offset,
    /// Where the record ends, with its text if that lies behind it.
    pub(crate) end: Offset,
    pub(crate) overflow: bool,
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

/// The texts that follow one another, each after its u32 length.
pub(crate) fn texts_in(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = bytes;
    core::iter::from_fn(move || take_text(&mut rest)).map(|text| core::str::from_utf8(text).unwrap_or_default())
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
        begin(&record.state, false);
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
        let place = self.allocate_growing(series.bytes()).ok_or_else(full)?;
        let record = self.series_record(place).ok_or_else(full)?;
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: series in part");
        record.family.store(series.family.lines().ok_or_else(full)?, Ordering::Relaxed);
        let cells = place.plus(series.cells_at() as u64).lines().ok_or_else(full)?;
        record.cells.store(cells, Ordering::Relaxed);
        begin(self.state_of(record).ok_or_else(full)?, series.overflow);
        self.describe_series(place, series)?;
        Ok(place)
    }

    /// Writes what is of one life only into a series' record, which is unpublished, or claimed by the caller.
    pub(crate) fn describe_series(&self, place: Offset, series: &SeriesWrite<'_>) -> Result<(), Error> {
        let record = self.series_record(place).ok_or_else(damaged)?;
        let flags = if series.overflow { SERIES_OVERFLOW << 8 } else { 0 };
        record.record.tag.store(RECORD_SERIES | flags, Ordering::Relaxed);
        let text_at = self.text_place(place, record, series).ok_or_else(full)?;
        record.hash.store(series.hash, Ordering::Relaxed);
        record.when_ms.store(series.created_ms, Ordering::Relaxed);
        record.text_bytes.store(u32::try_from(series.text.len()).map_err(|_| full())?, Ordering::Relaxed);
        self.store_bytes(text_at, series.text).ok_or_else(full)
    }

    /// Whether the text of a series fits where that of a record lies.
    pub(crate) fn has_room_for(&self, place: Offset, series: &SeriesWrite<'_>) -> bool {
        self.series_record(place).is_some_and(|record| self.fits(place, record, series).is_some())
    }

    fn fits(&self, place: Offset, record: &SeriesRecord, series: &SeriesWrite<'_>) -> Option<()> {
        let bytes = series.text.len() as u64;
        let room = match Offset::from_lines(record.text.load(Ordering::Relaxed)) {
            Offset::HEADER => {
                let before = size_of::<SeriesRecord>().checked_add(gates_bytes(series.gates))?;
                let cells = Offset::from_lines(record.cells.load(Ordering::Relaxed));
                cells.bytes().checked_sub(place.plus(before as u64).bytes())?
            }
            at => self.words(at, 1)?.first()?.load(Ordering::Relaxed),
        };
        (bytes <= room).then_some(())
    }

    /// Where the text of a series is to be written: behind the record, or elsewhere once one was longer.
    fn text_place(&self, place: Offset, record: &SeriesRecord, series: &SeriesWrite<'_>) -> Option<Offset> {
        const WORD: usize = size_of::<u64>();
        if self.fits(place, record, series).is_some() {
            return Some(self.text_of(place, record));
        }
        // Half as much again, so that growing texts do not take a block each.
        let bytes = series.text.len();
        let block = bytes.checked_add(bytes / 2)?.checked_add(WORD)?.checked_next_multiple_of(LINE)?;
        let at = self.allocate_growing(block)?;
        self.words(at, 1)?.first()?.store(block.wrapping_sub(WORD) as u64, Ordering::Relaxed);
        record.text.store(at.lines()?, Ordering::Relaxed);
        Some(at.plus(WORD as u64))
    }

    fn text_of(&self, place: Offset, record: &SeriesRecord) -> Offset {
        match Offset::from_lines(record.text.load(Ordering::Relaxed)) {
            Offset::HEADER => place.plus(size_of::<SeriesRecord>() as u64),
            elsewhere => elsewhere.plus(size_of::<u64>() as u64),
        }
    }

    /// Copies a series' record out of the segment; nothing if it is not live.
    pub(crate) fn read_series(&self, place: Offset) -> Result<Option<SeriesText>, Error> {
        let words = self.series_words(place).ok_or_else(damaged)?;
        read_live(words.state, |state| self.read_series_of(place, state)).transpose()
    }

    fn read_series_of(&self, place: Offset, state: State) -> Result<SeriesText, Error> {
        let record = self.series_record(place).ok_or_else(damaged)?;
        let bytes = record.text_bytes.load(Ordering::Relaxed) as usize;
        let text_at = self.text_of(place, record);
        let behind = place.plus(size_of::<SeriesRecord>() as u64);
        let text = self.load_bytes(text_at, bytes)?;
        Ok(SeriesText {
            life: state.life(),
            family: Offset::from_lines(record.family.load(Ordering::Relaxed)),
            hash: record.hash.load(Ordering::Relaxed),
            text: copy_slice(text.as_slice())?,
            cells: Offset::from_lines(record.cells.load(Ordering::Relaxed)),
            end: if text_at == behind { behind.plus(bytes as u64) } else { behind },
            overflow: state.is_overflow(),
        })
    }

    /// The record of the family that a series belongs to.
    pub(crate) fn family_of(&self, place: Offset) -> Option<Offset> {
        Some(Offset::from_lines(self.series_record(place)?.family.load(Ordering::Relaxed)))
    }

    fn state_of(&self, record: &SeriesRecord) -> Option<&AtomicU64> {
        self.words(Offset::from_lines(record.cells.load(Ordering::Relaxed)), STATE_WORDS)?.first()
    }

    /// The words by which a series is published.
    pub(crate) fn series_words(&self, place: Offset) -> Option<Words<'_>> {
        let record = self.series_record(place)?;
        Some(Words { state: self.state_of(record)?, publication: &record.record.publication })
    }

    /// The words by which a record is published.
    pub(crate) fn record_words(&self, place: Offset) -> Option<Words<'_>> {
        match self.kind_of(place)? {
            Kind::Family => {
                let record = self.family_record(place)?;
                Some(Words { state: &record.state, publication: &record.record.publication })
            }
            Kind::Series => self.series_words(place),
        }
    }

    /// Whether a family was published.
    pub(crate) fn is_live_family(&self, place: Offset) -> bool {
        self.family_record(place).is_some_and(|record| look(&record.state).is_live())
    }

    /// Bytes of the label values that a series' record claims to have.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn text_bytes(&self, place: Offset) -> Option<u64> {
        Some(self.series_record(place)?.text_bytes.load(Ordering::Relaxed).into())
    }

    pub(crate) fn family_record(&self, place: Offset) -> Option<&FamilyRecord> {
        self.handed_out(place, size_of::<FamilyRecord>() as u64)?;
        self.one(place)
    }

    pub(crate) fn series_record(&self, place: Offset) -> Option<&SeriesRecord> {
        self.handed_out(place, size_of::<SeriesRecord>() as u64)?;
        self.one(place)
    }

    /// Where the record of a series says where its stripes lie.
    pub(crate) fn stripes_word(&self, place: Offset) -> Option<&AtomicU64> {
        Some(&self.series_record(place)?.stripes)
    }

    pub(crate) fn record(&self, place: Offset) -> Option<&Record> {
        self.handed_out(place, size_of::<Record>() as u64)?;
        self.one(place)
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

impl SeriesWrite<'_> {
    /// Where state and cells of a new series lie, from its record on.
    fn cells_at(&self) -> usize {
        let gates_at = size_of::<SeriesRecord>().saturating_add(self.text.len()).next_multiple_of(LINE);
        gates_at.saturating_add(gates_bytes(self.gates))
    }

    /// What a new record takes with its gates and cells.
    pub(crate) fn bytes(&self) -> usize {
        self.cells_at().saturating_add(self.cells.saturating_add(STATE_WORDS).saturating_mul(8))
    }
}

/// Bytes of so many gates, in whole lines, so that no gate shares a line with a count.
#[inline]
pub(crate) const fn gates_bytes(gates: usize) -> usize {
    gates.div_ceil(GATES_IN_LINE).saturating_mul(LINE)
}
