//! Reading a segment that belongs to others: its file is copied, never mapped, and the copy is checked as a file of
//! unknown origin is. So its owner cannot end the reader by truncating it, and the right to read it is enough.
//!
//! Others write meanwhile. So the open window is read first: what it is later is none of this copy's. Then all is copied,
//! and then the cells once more, because an observation is counted before its exemplar is written: no exemplar is in the
//! copy whose count is not.

use alloc::vec::Vec;
use core::mem::offset_of;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::facts::{FamilyFacts, SegmentFacts, WorkerFacts, is_over};
use super::file::{START_WORDS, check_header};
use super::gauge_cells::WORKERS;
use super::heap::Heap;
use super::layout::{Header, SCRAPERS, Scraper as Entry, SeriesRecord};
use super::presence::{has_ended, is_in_use};
use super::problem::{Fault, SegmentReason};
use super::workers::Table;
use super::{Backing, Offset, RecordKind, Segment};
use crate::buffer::{Buffer, filled};
use crate::clock;
use crate::core::Core;
use crate::encode::{Scrape, ScrapeRequest, scrape_copy};
use crate::error::{Error, ErrorCode};
use crate::exemplar::shape::ring_words;
use crate::memory::{Pushed, Shared, out_of_memory};
use crate::open::{build, check_windows, for_each_gate};
use crate::reading::Reading;
use crate::registry::RegistryOptions;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// A copy that contradicts itself is made anew so often: it may be the writers' doing.
const TRIES: u32 = 3;
/// More families than any service has; each series is matched with them one by one.
const MOST_FAMILIES: usize = 4096;
/// An exposition that could be longer than this is not begun.
const MOST_EXPOSITION: u64 = 1 << 30;
/// The most that a line of an exposition has beside names, labels and the exemplar.
const LINE_REST: u64 = 64;
/// The most that an exemplar takes: 128 code points of four bytes, quotes, value and time.
const EXEMPLAR_TEXT: u64 = 1024;

/// What a reader looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All there is: for somebody who looks once.
    Once,
    /// What is finished: an open window is shown when it is over. For scrapers, which come again.
    Finished,
}

/// A copy of a segment that others may be writing to.
pub struct SegmentCopy {
    core: Shared<Core>,
    facts: SegmentFacts,
}

/// What the scrapers of a reader have seen of one segment. It lies in the reader's memory, because who may only read a
/// file cannot leave a mark in it.
pub struct Marks {
    segment: Option<(u64, u64)>,
    floor: u64,
    entries: [[u64; ENTRY_WORDS]; SCRAPERS],
}

const ENTRY_WORDS: usize = 8;

impl Marks {
    /// Nothing was seen by anybody.
    #[must_use]
    pub const fn new() -> Self {
        Marks { segment: None, floor: 0, entries: [[0; ENTRY_WORDS]; SCRAPERS] }
    }
}

impl Default for Marks {
    fn default() -> Self {
        Marks::new()
    }
}

impl SegmentCopy {
    /// Copies the segment in a file. A symbolic link is not followed.
    ///
    /// # Errors
    /// `InvalidOption` for a file that cannot be read, is no segment, or contradicts itself; `SegmentFull` for one that has
    /// more than `most_bytes` or would make an exposition of more than 1 GiB; `OutOfMemory`.
    pub fn read(path: &Path, most_bytes: u64, look: Look) -> Result<SegmentCopy, Error> {
        let file = open(path).map_err(|error| in_file(path, error))?;
        let mut last = None;
        for _ in 0..TRIES {
            match read(&file, most_bytes, look) {
                Ok(copy) => return Ok(copy),
                Err(error) => last = Some(error),
            }
        }
        Err(in_file(path, last.unwrap_or_else(out_of_memory)))
    }

    /// What is to be known of the segment.
    #[must_use]
    pub fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    /// What is to be known of its families, oldest first.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn families(&self) -> Result<Vec<FamilyFacts>, Error> {
        let mut all = Pushed::new();
        let mut reading = Reading::new();
        for family in self.core.families.iter() {
            all.push(FamilyFacts::of(&family, &mut reading)?)?;
        }
        Ok(all.into_vec())
    }

    /// Answers a scrape as [`crate::Registry::scrape`] does, with what the marks say that this scraper has seen. No window of
    /// the segment is closed: what is in the open one comes when it is over.
    ///
    /// # Errors
    /// `Deadline` if it took longer than asked for, `OutOfMemory`.
    pub fn scrape(&self, request: &ScrapeRequest<'_>, marks: &mut Marks) -> Result<Scrape, Error> {
        let header = &*self.core.header;
        let segment = (self.facts.generation, self.facts.created_ms);
        if marks.segment != Some(segment) {
            *marks = Marks { segment: Some(segment), ..Marks::new() };
        }
        header.mark_floor.store(marks.floor, Ordering::Relaxed);
        for (entry, words) in header.scrapers.iter().zip(&marks.entries) {
            words_of(entry).iter().zip(words).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
        }
        let scrape = scrape_copy(&self.core, request, clock::mono_ns() / 1_000_000);
        marks.floor = header.mark_floor.load(Ordering::Relaxed);
        for (entry, words) in header.scrapers.iter().zip(&mut marks.entries) {
            words_of(entry).iter().zip(words).for_each(|(from, to)| *to = from.load(Ordering::Relaxed));
        }
        scrape
    }
}

fn words_of(entry: &Entry) -> [&AtomicU64; ENTRY_WORDS] {
    let Entry { id, class, mark, last_ms, gap, trust, lo, join_lo } = entry;
    [id, class, mark, last_ms, gap, trust, lo, join_lo]
}

fn damaged(cause: &'static str) -> Error {
    Error::fixed(ErrorCode::InvalidOption, cause)
}

/// The same error with the path in front.
fn in_file(path: &Path, error: Error) -> Error {
    let mut message = Buffer::new();
    message.put_str("segment ");
    message.put_path(&path.to_string_lossy());
    message.put_str(": ");
    message.put_str(error.message());
    Error::new(error.code(), message)
}

fn open(path: &Path) -> Result<File, Error> {
    // A pipe is not waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| unreadable(&error))?;
    let kind = file.metadata().map_err(|error| unreadable(&error))?;
    if !kind.is_file() {
        return Err(damaged("it is no regular file: give the file that the service was told to use"));
    }
    Ok(file)
}

fn unreadable(error: &std::io::Error) -> Error {
    let text = match error.kind() {
        ErrorKind::NotFound => "there is no such file: give the path that the service was told to use",
        ErrorKind::PermissionDenied => {
            "permission denied: run as the service's user, or give its group the right to read (segment mode 0640)"
        }
        _ if error.raw_os_error() == Some(libc::ELOOP) => "it is a symbolic link: give the file itself",
        _ => "the system cannot read it",
    };
    Error::fixed(ErrorCode::InvalidOption, text)
}

fn fill(file: &File, bytes: &mut [u8], at: u64) -> Result<(), Error> {
    file.read_exact_at(bytes, at).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            damaged("it is shorter than its header says: it was cut, or something copied over it")
        }
        _ => unreadable(&error),
    })
}

/// The words of the header that are looked at first.
fn start(file: &File) -> Result<[u8; START_WORDS * 8], Error> {
    let mut bytes = [0; START_WORDS * 8];
    file.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => damaged("it is too short for a segment"),
        _ => unreadable(&error),
    })?;
    Ok(bytes)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_ne_bytes(*chunk))
}

fn read(file: &File, most_bytes: u64, look: Look) -> Result<SegmentCopy, Error> {
    // In this order: the records that are known lie below the tail that is read after them.
    start(file)?;
    let newest = header_word(file, offset_of!(Header, newest_record))?;
    let last_made = header_word(file, offset_of!(Header, last_made))?;
    let first = start(file)?;
    let file_bytes = file.metadata().map_err(|error| unreadable(&error))?.size();
    check_header(&first, file_bytes).map_err(|fault| told(&fault))?;
    let tail = word(&first, offset_of!(Header, tail));
    if tail > most_bytes {
        return Err(too_much(tail, most_bytes));
    }
    let window = window(file)?;
    let segment = copy(file, tail)?;
    let header = segment.header().ok_or_else(out_of_memory)?;
    header.newest_record.store(newest, Ordering::Relaxed);
    header.last_made.store(last_made, Ordering::Relaxed);
    header.tail.store(tail, Ordering::Relaxed);
    let allocated = header.allocated.swap(tail, Ordering::Relaxed);
    let options = RegistryOptions { self_metrics: false, exemplar_bytes: 0, ..Default::default() };
    let core = build(&options, segment)?;
    take_up(&core)?;
    copy_cells_again(file, &core)?;
    // The greatest number that an exemplar may have by now.
    let (epoch, _) = self::window(file)?;
    core.header.window.epoch.store(epoch, Ordering::Relaxed);
    check_windows(&core)?;
    let (epoch, opened_ms) = window;
    core.header.window.epoch.store(epoch, Ordering::Relaxed);
    core.header.window.opened_ms.store(opened_ms, Ordering::Relaxed);
    let workers = take_out_dead_workers(file, &core)?;
    let facts = SegmentFacts::of(&core, file_bytes, allocated, is_in_use(file.as_raw_fd()), workers);
    stop_time(&core, &facts, look);
    Ok(SegmentCopy { core, facts })
}

fn header_word(file: &File, at: usize) -> Result<u64, Error> {
    let mut bytes = [0; 8];
    fill(file, &mut bytes, at as u64)?;
    Ok(word(&bytes, 0))
}

fn told(fault: &Fault) -> Error {
    let cause = core::str::from_utf8(fault.cause.as_slice()).unwrap_or_default();
    let mut message = Buffer::new();
    message.put_str(cause);
    message.put_str("; ");
    message.put_str(match fault.reason {
        SegmentReason::Layout => "use the spanpin command of the version that the service has",
        _ => "give the file that the service was told to use, and see that nothing else writes to it",
    });
    Error::new(ErrorCode::InvalidOption, message)
}

fn too_much(bytes: u64, most: u64) -> Error {
    let mut message = Buffer::new();
    message.put_str("it has ");
    message.put_u64(bytes);
    message.put_str(" bytes, more than the ");
    message.put_u64(most);
    message.put_str(" that may be copied: raise the limit");
    Error::new(ErrorCode::SegmentFull, message)
}

/// The bytes up to `tail` in the process' own memory.
fn copy(file: &File, tail: u64) -> Result<Segment, Error> {
    let heap = Heap::reserve(usize::try_from(tail).map_err(|_| out_of_memory())?).ok_or_else(out_of_memory)?;
    if (heap.bytes() as u64) < tail {
        return Err(out_of_memory());
    }
    let segment = Segment { backing: Backing::Heap(heap) };
    let mut chunk = filled(0_u8, CHUNK)?;
    let mut at = 0;
    while at < tail {
        let wanted = tail.saturating_sub(at).min(CHUNK as u64);
        copy_words(
            file,
            &mut chunk,
            Offset::from_bytes(at),
            wanted,
            segment.at(Offset::from_bytes(at), wanted as usize / 8),
        )?;
        at = at.saturating_add(wanted);
    }
    Ok(segment)
}

/// The number of the open window, and when it was opened.
fn window(file: &File) -> Result<(u64, u64), Error> {
    let mut bytes = [0; 16];
    fill(file, &mut bytes, offset_of!(Header, window) as u64)?;
    Ok((word(&bytes, 0), word(&bytes, 8)))
}

/// Copies `wanted` bytes at a place into these words, which take as many.
fn copy_words(
    file: &File,
    chunk: &mut [u8],
    place: Offset,
    wanted: u64,
    words: Option<&[AtomicU64]>,
) -> Result<(), Error> {
    let bytes = chunk.get_mut(..wanted as usize).unwrap_or_default();
    fill(file, bytes, place.bytes())?;
    let (read, _) = bytes.as_chunks::<8>();
    let words = words.ok_or_else(out_of_memory)?;
    words.iter().zip(read).for_each(|(to, from)| to.store(u64::from_ne_bytes(*from), Ordering::Relaxed));
    Ok(())
}

/// Copies what was counted once more: the cells of each series, and its stripes, which may have been made since.
fn copy_cells_again(file: &File, core: &Core) -> Result<(), Error> {
    let mut chunk = filled(0_u8, CHUNK)?;
    for family in core.families.iter() {
        for series in family.series.iter() {
            if let Some(word) = core.segment.stripes_word(series.place()) {
                let at = series.place().plus(offset_of!(SeriesRecord, stripes) as u64);
                copy_words(file, &mut chunk, at, 8, Some(core::slice::from_ref(word)))?;
            }
            if series.has_lost_stripes() {
                return Err(damaged("a series counts in stripes that came after the copy, or lie outside"));
            }
            // With its state: a series that was removed since, and maybe used again, is left out. One is not emptied before it
            // has rested for longer than this takes.
            copy_words(file, &mut chunk, series.life_place(), 8, Some(core::slice::from_ref(series.life_word())))?;
            copy_in_chunks(file, &mut chunk, series.cells_place(), series.cells())?;
            if let (Some(place), Some(stripes)) = (series.stripes_place(), series.striped()) {
                copy_in_chunks(file, &mut chunk, place, &stripes)?;
            }
        }
    }
    Ok(())
}

fn copy_in_chunks(file: &File, chunk: &mut [u8], mut place: Offset, words: &[AtomicU64]) -> Result<(), Error> {
    for words in words.chunks(CHUNK / 8) {
        let wanted = (words.len() as u64).saturating_mul(8);
        copy_words(file, chunk, place, wanted, Some(words))?;
        place = place.plus(wanted);
    }
    Ok(())
}

/// What the records of a segment take together. In a segment that was not made up they lie apart from each other, so
/// they take no more than the segment; else a small file could ask for any amount of memory.
struct Bill {
    bytes: u64,
    most_bytes: u64,
    exposition: u64,
    families: usize,
}

impl Bill {
    fn add(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.most_bytes {
            return Err(damaged("its records take more than all its bytes: it is damaged"));
        }
        Ok(())
    }

    fn add_lines(&mut self, lines: u64, each: u64) -> Result<(), Error> {
        self.exposition = self.exposition.saturating_add(lines.saturating_mul(each));
        if self.exposition > MOST_EXPOSITION {
            return Err(Error::fixed(
                ErrorCode::SegmentFull,
                "its exposition could be longer than 1 GiB: use fewer series, or shorter label values",
            ));
        }
        Ok(())
    }
}

/// Takes up every record, and fails for the first one that is damaged.
fn take_up(core: &Core) -> Result<(), Error> {
    let _held = core.hold();
    core.newest();
    let places = core.all_made_strictly().map_err(|error| match error.code() {
        ErrorCode::OutOfMemory => error,
        _ => damaged("its list of records does not end, or leads outside: it is damaged"),
    })?;
    let most_bytes = core.header.tail.load(Ordering::Relaxed);
    let mut bill = Bill { bytes: 0, most_bytes, exposition: 0, families: 0 };
    for place in places.iter().rev() {
        match core.segment.kind_of(*place) {
            Some(RecordKind::Family) => take_up_family(core, *place, &mut bill)?,
            Some(RecordKind::Series) => take_up_series(core, *place, &mut bill)?,
            None => return Err(damaged("a record is of no known kind: it is damaged")),
        }
    }
    let mut rings = Ok(());
    for_each_gate(core, |slots, gate| {
        if gate.ring.load(Ordering::Relaxed) != 0 && rings.is_ok() {
            rings = bill.add((ring_words(slots) as u64).saturating_mul(8));
            rings = rings.as_ref().map_or(Err(out_of_memory()), |()| bill.add_lines(1, EXEMPLAR_TEXT));
        }
    });
    rings
}

fn take_up_family(core: &Core, place: Offset, bill: &mut Bill) -> Result<(), Error> {
    bill.families = bill.families.saturating_add(1);
    if bill.families > MOST_FAMILIES {
        return Err(Error::fixed(ErrorCode::SegmentFull, "it has more than 4,096 families: read it in the service"));
    }
    let record = core.segment.family_record(place).ok_or_else(|| damaged("a record leads outside: it is damaged"))?;
    let sizes = record.sizes.load(Ordering::Relaxed);
    bill.add((sizes >> 32).saturating_add((sizes & 0xFFFF_FFFF).saturating_mul(8)))?;
    if !core.segment.is_live_family(place) {
        return Ok(());
    }
    core.attach_family(place).map(|_| ())
}

fn take_up_series(core: &Core, place: Offset, bill: &mut Bill) -> Result<(), Error> {
    bill.add(core.segment.text_bytes(place).unwrap_or(u64::MAX))?;
    let Some(series) = core.attach_series(place)? else { return Ok(()) };
    let mut reading = Reading::new();
    if reading.begin(series.series)?.is_none() {
        return Ok(());
    }
    let (cells, gates) = series.family.sizes();
    bill.add((cells as u64).saturating_add((gates as u64).saturating_mul(2)).saturating_mul(8))?;
    bill.add(series.striped().map_or(0, |stripes| size_of_val(&*stripes) as u64))?;
    let each = (reading.rendered_labels().len() as u64).saturating_add(series.family.name.len() as u64);
    bill.add_lines((gates as u64).saturating_add(3), each.saturating_add(LINE_REST))
}

/// Lists the workers, and takes the generations of the dead ones out of the copy, so that their cells are nobody's.
fn take_out_dead_workers(file: &File, core: &Core) -> Result<Vec<WorkerFacts>, Error> {
    let mut all = Pushed::new();
    let Some((place, table)) = core.segment.workers_and_place() else { return Ok(all.into_vec()) };
    for slot in 0..WORKERS {
        let Some([generation, pid, pid_namespace, since_ms]) = table.slot(slot) else { break };
        let seen = generation.load(Ordering::Relaxed);
        if seen == 0 {
            continue;
        }
        let [pid, pid_namespace, since_ms] = [pid, pid_namespace, since_ms].map(|word| word.load(Ordering::Relaxed));
        let ended = has_ended(file.as_raw_fd(), slot, pid, pid_namespace);
        // The lock may be that of a worker that has come since.
        let mut now = [0; 8];
        fill(file, &mut now, place.bytes().saturating_add(Table::slot_bytes(slot)))?;
        let alive = !ended && u64::from_ne_bytes(now) == seen;
        if !alive {
            generation.store(0, Ordering::Relaxed);
        }
        all.push(WorkerFacts { slot, pid, pid_namespace, since_ms, alive })?;
    }
    Ok(all.into_vec())
}

/// Gives the copy its time, on which exemplars age. While processes use the segment it is the system's; when none does, ages
/// count from the last window, so that the last exemplars of a finished job stay.
fn stop_time(core: &Core, facts: &SegmentFacts, look: Look) {
    let window = &core.header.window;
    let now_ms = if facts.at_rest { window.opened_ms.load(Ordering::Relaxed) } else { core.clock.mono_ms() };
    core.clock.set(core.clock.wall_ms(), now_ms);
    // One that nobody uses may be used again while its window is open.
    if is_over(facts.window_age_ms) || look == Look::Once {
        // Closed in the copy only. Whoever writes next closes it in the file.
        window.epoch.store(facts.window.saturating_add(1), Ordering::Relaxed);
    }
}
