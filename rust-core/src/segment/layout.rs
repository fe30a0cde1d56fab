//! The layout of a segment: the only truth of which word lies where. `docs/segment-layout.md` explains it, and
//! `tests/layout/layout.json` repeats it for the other languages.
//!
//! Everything is made of atomics, because other threads, and with a shared backing other processes, write at any time.

use crate::exemplar::rules::RULE_WORDS;
use crate::exemplar::shape::{HEADER_WORDS, SLOT_WORDS};
use crate::sync::atomic::{AtomicU32, AtomicU64};

/// `SPANPIN` and the number of the container format.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"SPANPIN\x01");
/// Raised whenever a word moves or changes its meaning.
pub(crate) const LAYOUT_VERSION: u32 = 3;
/// Reads differently on a machine of the other byte order.
pub(crate) const BYTE_ORDER: u64 = 0x0102_0304_0506_0708;
/// The unit of offsets and the alignment of blocks.
pub(crate) const LINE: usize = 64;
/// Scrapers that are told apart at one time.
pub(crate) const SCRAPERS: usize = 16;
/// Words for what the core counts about itself.
pub(crate) const TALLIES: usize = 32;

/// The first block of a segment.
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) layout_version: AtomicU32,
    pub(crate) header_bytes: AtomicU32,
    pub(crate) byte_order: AtomicU64,
    pub(crate) generation: AtomicU64,
    pub(crate) boot_id: [AtomicU64; 2],
    /// Bytes of the whole address range.
    pub(crate) reserved_bytes: AtomicU64,
    pub(crate) created_ms: AtomicU64,

    /// Bytes handed out. Only grows.
    pub(crate) tail: AtomicU64,
    /// Bytes that may be handed out: the part of the range that is really there. Only grows.
    pub(crate) allocated: AtomicU64,
    /// `number of publications32 | the record published last32`, in lines. Published by SYNC(record-publish).
    pub(crate) newest_record: AtomicU64,
    /// Bytes of rings and label areas.
    pub(crate) exemplar_bytes: AtomicU64,
    /// Not zero once something found no allocated space.
    pub(crate) want_growth: AtomicU64,
    pub(crate) series: AtomicU64,
    /// A hash of the words up to here that never change: all but the boot id.
    pub(crate) check: AtomicU64,
    /// How many numbers were given to tell processes apart that count in stripes.
    pub(crate) salts: AtomicU64,

    pub(crate) window: Window,

    /// The greatest stamp given, in Unix milliseconds.
    pub(crate) greatest_stamp_ms: AtomicU64,
    /// The record made last, in lines: head of the list of all records. Published by SYNC(record-list).
    pub(crate) last_made: AtomicU64,
    pub(crate) spare_line: [AtomicU64; 5],
    /// Offset of the table of workers in lines, zero while there is none. Published by SYNC(block-publish).
    pub(crate) workers: AtomicU64,

    /// Zero, or the time at which the scraper table was locked.
    pub(crate) scraper_lock: AtomicU64,
    /// The greatest mark of an entry that was given to another scraper.
    pub(crate) mark_floor: AtomicU64,
    pub(crate) spare_scraper: [AtomicU64; 6],
    pub(crate) scrapers: [Scraper; SCRAPERS],

    pub(crate) tallies: [AtomicU64; TALLIES],
}

/// The window that is open. A line of its own, read by every observation in a traced request.
#[repr(C, align(64))]
pub(crate) struct Window {
    /// Number of the open window, from 1.
    pub(crate) epoch: AtomicU64,
    /// Monotonic milliseconds at which it was opened.
    pub(crate) opened_ms: AtomicU64,
}

/// What is remembered of a scraper.
#[repr(C, align(64))]
pub(crate) struct Scraper {
    pub(crate) id: AtomicU64,
    pub(crate) class: AtomicU64,
    /// The epoch that its last scrape opened: it has seen every window before. Raised by SYNC(scraper-mark).
    pub(crate) mark: AtomicU64,
    /// Monotonic milliseconds of its last scrape.
    pub(crate) last_ms: AtomicU64,
    /// Bits of an f64: its usual interval in milliseconds; zero before its second scrape.
    pub(crate) gap: AtomicU64,
    /// `score << 1 | trusted`; score in 0..=8.
    pub(crate) trust: AtomicU64,
    /// The greatest lower bound it was given.
    pub(crate) lo: AtomicU64,
    /// The newest mark of all when it was last not trusted.
    pub(crate) join_lo: AtomicU64,
}

/// What stands before a bucket's exemplars.
#[repr(C, align(16))]
pub(crate) struct Gate {
    /// `epoch32 | priority31 | 0`: an offer is looked at only if it is greater.
    pub(crate) head: AtomicU64,
    /// Offset of the ring in lines, zero before the first exemplar. Published by SYNC(ring-publish).
    pub(crate) ring: AtomicU32,
    /// `epoch16 | used16`: the look-ups this window has cost.
    pub(crate) budget: AtomicU32,
}

/// Kinds of record, in the low byte of their first word.
pub(crate) const RECORD_FAMILY: u32 = 1;
pub(crate) const RECORD_SERIES: u32 = 2;

/// The first words of every record.
#[repr(C)]
pub(crate) struct Record {
    /// `RECORD_*`; for families also `kind << 8`, for series `flags << 8`.
    pub(crate) tag: AtomicU32,
    /// The record made before this one, in lines; zero for the first.
    pub(crate) made_before: AtomicU32,
    /// `number of its last publication32 | the record published before it32`, in lines.
    pub(crate) publication: AtomicU64,
}

/// A family. The text (name, help, unit, label names, each after its u32 length) and then the bounds follow.
#[repr(C)]
pub(crate) struct FamilyRecord {
    pub(crate) record: Record,
    /// As that of a series, see `life.rs`; a family has one life.
    pub(crate) state: AtomicU64,
    pub(crate) hash: AtomicU64,
    pub(crate) created_ms: AtomicU64,
    /// `text bytes << 32 | bounds`.
    pub(crate) sizes: AtomicU64,
    /// `label names << 32 | greatest number of series`.
    pub(crate) limits: AtomicU64,
    /// Series of this family that live, the overflow series left out.
    pub(crate) series: AtomicU64,
    /// How its exemplars are chosen; `exemplar/rules.rs` says which word is what.
    pub(crate) rules: [AtomicU64; RULE_WORDS],
}

/// A series. The text (label values, each after its u32 length) follows; then, on lines of their own, gates, and behind them
/// the word of its state and the cells.
#[repr(C)]
pub(crate) struct SeriesRecord {
    pub(crate) record: Record,
    /// The family's record, in lines.
    pub(crate) family: AtomicU32,
    /// The state and, behind it, the cells, in lines. The gates lie right before them.
    pub(crate) cells: AtomicU32,
    pub(crate) hash: AtomicU64,
    /// When it was created, in Unix milliseconds; once it is removed, when it was, in monotonic ones.
    pub(crate) when_ms: AtomicU64,
    pub(crate) text_bytes: AtomicU32,
    /// The text, in lines, behind a word that tells how many bytes have room there; zero while it lies behind this record. One
    /// that is longer than the first one of all is somewhere else.
    pub(crate) text: AtomicU32,
    /// Offset of the stripes in lines; zero while there is one set of cells. Published by SYNC(stripes-publish).
    pub(crate) stripes: AtomicU64,
}

/// Flag of the series that takes what finds no place.
pub(crate) const SERIES_OVERFLOW: u32 = 1;

/// Words in front of the cells of a series: its state.
pub(crate) const STATE_WORDS: usize = 1;
/// Words of a histogram: the sum, then the counts of its buckets.
pub(crate) const HISTOGRAM_SUM_AT: usize = 0;
pub(crate) const HISTOGRAM_COUNTS_AT: usize = 1;
/// Words of a counter: whole increments, the sum of the others, their number.
pub(crate) const COUNTER_WHOLE_AT: usize = 0;
pub(crate) const COUNTER_FRACTION_AT: usize = 1;
pub(crate) const COUNTER_CELLS: usize = 3;

const _: () = {
    assert!(size_of::<Window>() == LINE);
    assert!(size_of::<Scraper>() == LINE);
    assert!(size_of::<Gate>() == 16);
    assert!(size_of::<Header>() == LINE * 5 + LINE * SCRAPERS + TALLIES * 8);
    assert!(core::mem::offset_of!(Header, window) == 2 * LINE);
    assert!(HEADER_WORDS * 8 == LINE && SLOT_WORDS * 8 == LINE);
};
