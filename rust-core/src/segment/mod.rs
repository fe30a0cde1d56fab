//! The segment: all state in one relocatable, append-only block of memory.
//!
//! Inside it there are offsets, never pointers, and every one of them is read through [`Segment::at`], which checks it.

#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(crate) mod copy;
#[cfg(all(target_os = "linux", not(miri)))]
mod descriptors;
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(crate) mod facts;
#[cfg_attr(not(all(target_os = "linux", not(miri))), path = "no_file.rs")]
mod file;
pub(crate) mod gauge_cells;
mod heap;
pub(crate) mod layout;
pub(crate) mod life;
#[cfg(all(target_os = "linux", not(miri)))]
mod os;
#[cfg(all(target_os = "linux", not(miri)))]
mod presence;
pub(crate) mod problem;
pub(crate) mod publish;
mod record;
pub(crate) mod stripes;
pub(crate) mod workers;

use core::ptr::NonNull;

use self::file::SharedFile;
#[cfg(not(all(target_os = "linux", not(miri))))]
pub(crate) use self::file::boot_id;
use self::heap::Heap;
use self::layout::{
    BYTE_ORDER, FamilyRecord, Gate, Header, LAYOUT_VERSION, LINE, MAGIC, Record, STATE_WORDS, SeriesRecord, Window,
};
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) use self::os::boot_id;
use self::problem::Fault;
pub(crate) use self::record::{
    FamilyText, FamilyWrite, Kind as RecordKind, SeriesText, SeriesWrite, boxed_str, gates_bytes, put_text, take_text,
    texts_in,
};
use crate::error::{Error, ErrorCode};
use crate::hash::fold;
use crate::memory::Pinned;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The cells of a series and, before them, the word of its state and its gates: one address and short lengths, because every
/// series has them.
pub(crate) struct SeriesWords {
    cells: NonNull<AtomicU64>,
    cells_len: u16,
    gates_len: u16,
    /// How many bytes before the cells the gates begin.
    gates_before: u32,
}

impl SeriesWords {
    #[inline]
    pub(crate) fn cells(&self) -> &[AtomicU64] {
        // SAFETY: `pin_series` found so many words at this address, in a range that outlives whoever holds this (INV-3).
        unsafe { NonNull::slice_from_raw_parts(self.cells, self.cells_len.into()).as_ref() }
    }

    /// The word of its state.
    #[inline(always)]
    pub(crate) fn state(&self) -> &AtomicU64 {
        // SAFETY: `pin_series` found it right before the cells.
        let state = unsafe { self.cells.sub(STATE_WORDS) };
        // SAFETY: as above; it is an atomic (INV-2).
        unsafe { state.as_ref() }
    }

    #[inline]
    pub(crate) fn gates(&self) -> &[Gate] {
        // SAFETY: `pin_series` found the gates so many bytes before the cells.
        let first = unsafe { self.cells.byte_sub(self.gates_before as usize) }.cast::<Gate>();
        // SAFETY: as above; gates are aligned as lines are, and consist of atomics (INV-2).
        unsafe { NonNull::slice_from_raw_parts(first, self.gates_len as usize).as_ref() }
    }
}

// SAFETY: it gives out shared references to atomics.
unsafe impl Send for SeriesWords {}
// SAFETY: as above.
unsafe impl Sync for SeriesWords {}

/// A type whose values may lie in a segment.
///
/// # Safety
/// It consists of atomics only, is valid for any content, and has an alignment of at most a line.
unsafe trait InSegment {}

// SAFETY: an atomic word.
unsafe impl InSegment for AtomicU64 {}
// SAFETY: `repr(C)` structs of atomics only, aligned to a line at most.
unsafe impl InSegment for Header {}
// SAFETY: as above.
unsafe impl InSegment for Gate {}
// SAFETY: as above.
unsafe impl InSegment for Record {}
// SAFETY: as above.
unsafe impl InSegment for FamilyRecord {}
// SAFETY: as above.
unsafe impl InSegment for SeriesRecord {}

/// A place in a segment: bytes from its start, in whole lines of 64. Zero is the header, hence "nothing".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset(u64);

impl Offset {
    pub(crate) const HEADER: Offset = Offset(0);

    pub(crate) const fn from_bytes(bytes: u64) -> Offset {
        Offset(bytes)
    }

    pub(crate) const fn from_lines(lines: u32) -> Offset {
        Offset((lines as u64) << 6)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// The same in lines; nothing for a place past 256 GiB.
    pub(crate) fn lines(self) -> Option<u32> {
        u32::try_from(self.0 >> 6).ok()
    }

    pub(crate) const fn plus(self, bytes: u64) -> Offset {
        Offset(self.0.wrapping_add(bytes))
    }
}

/// How often a slow path tries to get space that others take.
const ALLOCATIONS: u32 = 4;

/// When a segment begins.
#[derive(Clone, Copy)]
pub(crate) struct Birth {
    pub(crate) wall_ms: u64,
    /// When the first window was opened.
    pub(crate) opened_ms: u64,
}

/// What a file is to be like.
#[derive(Clone, Copy)]
pub(crate) struct FileOptions<'a> {
    pub(crate) path: &'a str,
    /// Its permission bits. A file that allows more is refused.
    pub(crate) mode: u32,
    /// The greatest size, for a file that is made.
    pub(crate) bytes: usize,
    pub(crate) birth: Birth,
}

/// Where the bytes of a segment are.
enum Backing {
    Heap(Heap),
    File(SharedFile),
}

/// A segment and its backing.
pub(crate) struct Segment {
    backing: Backing,
}

impl Segment {
    /// A fresh segment of up to `reserve` bytes in the process' own memory.
    pub(crate) fn on_heap(reserve: usize, birth: Birth) -> Result<Segment, Error> {
        let Some(heap) = Heap::reserve(reserve) else {
            return Err(Error::fixed(
                ErrorCode::OutOfMemory,
                "no address space for a segment: the system refused even 256 KiB; raise the process' memory limit",
            ));
        };
        // All of it is there: the system gives private memory page by page as it is touched.
        let bytes = heap.bytes() as u64;
        let segment = Segment { backing: Backing::Heap(heap) };
        segment.begin(bytes, bytes, birth);
        Ok(segment)
    }

    /// The segment in a file, which is made if there is none.
    pub(crate) fn in_file(options: &FileOptions<'_>) -> Result<Segment, Fault> {
        SharedFile::open(options).map(Segment::of_file)
    }

    fn of_file(file: SharedFile) -> Segment {
        Segment { backing: Backing::File(file) }
    }

    fn begin(&self, reserved: u64, allocated: u64, birth: Birth) {
        let header_bytes = size_of::<Header>() as u64;
        if let Some(header) = self.header() {
            header.layout_version.store(LAYOUT_VERSION, Ordering::Relaxed);
            header.header_bytes.store(header_bytes as u32, Ordering::Relaxed);
            header.byte_order.store(BYTE_ORDER, Ordering::Relaxed);
            header.reserved_bytes.store(reserved, Ordering::Relaxed);
            header.created_ms.store(birth.wall_ms, Ordering::Relaxed);
            header.tail.store(header_bytes.next_multiple_of(LINE as u64), Ordering::Relaxed);
            header.allocated.store(allocated, Ordering::Relaxed);
            header.window.epoch.store(1, Ordering::Relaxed);
            header.window.opened_ms.store(birth.opened_ms, Ordering::Relaxed);
            header.magic.store(MAGIC, Ordering::Relaxed);
            let immutable = [
                MAGIC,
                u64::from(LAYOUT_VERSION) << 32 | header_bytes,
                BYTE_ORDER,
                header.generation.load(Ordering::Relaxed),
                reserved,
                birth.wall_ms,
            ];
            header.check.store(header_check(&immutable), Ordering::Relaxed);
        }
    }

    /// The path of the file that holds the segment, if one does.
    pub(crate) fn path(&self) -> Option<&str> {
        match &self.backing {
            Backing::Heap(_) => None,
            Backing::File(file) => Some(file.path()),
        }
    }

    /// Lets a file grow so far that `bytes` can be handed out and some more are free for observations, which never let
    /// it grow. What comes of it is seen by `allocate`, and told by `shortage`.
    pub(crate) fn make_room(&self, bytes: usize) {
        if let (Backing::File(file), Some(header)) = (&self.backing, self.header()) {
            file.make_room(header, bytes as u64);
        }
    }

    /// `allocate` for slow paths, which may let a file grow.
    fn allocate_growing(&self, bytes: usize) -> Option<Offset> {
        // Others may take what there was room for.
        (0..ALLOCATIONS).find_map(|_| {
            self.make_room(bytes);
            self.allocate(bytes)
        })
    }

    /// Why the file could not grow, if it could not.
    pub(crate) fn shortage(&self) -> Option<Fault> {
        match &self.backing {
            Backing::Heap(_) => None,
            Backing::File(file) => file.shortage(),
        }
    }

    fn base(&self) -> NonNull<u8> {
        match &self.backing {
            Backing::Heap(heap) => heap.base(),
            Backing::File(file) => file.base(),
        }
    }

    /// Whether the bytes up to `end` are there.
    fn reaches(&self, end: u64) -> bool {
        match &self.backing {
            Backing::Heap(heap) => end <= heap.bytes() as u64,
            Backing::File(file) => file.reaches(end),
        }
    }

    /// The one checked accessor: `count` values of a type at a place, if they lie inside the segment and are aligned.
    fn at<T: InSegment>(&self, place: Offset, count: usize) -> Option<&[T]> {
        let bytes = size_of::<T>().checked_mul(count)? as u64;
        let end = place.0.checked_add(bytes)?;
        if !place.0.is_multiple_of(align_of::<T>() as u64) || !self.reaches(end) {
            return None;
        }
        // SAFETY: `place` is inside the range, which starts at `base`.
        let first = unsafe { self.base().add(place.0 as usize) }.cast::<T>();
        // SAFETY: `count` values fit before the end of the range, `first` is aligned because `base` is to a page, all
        // contents are valid for `T`, and `T` consists of atomics, so that shared access is sound.
        Some(unsafe { NonNull::slice_from_raw_parts(first, count).as_ref() })
    }

    fn one<T: InSegment>(&self, place: Offset) -> Option<&T> {
        self.at(place, 1)?.first()
    }

    /// The header. There is one in every segment.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.one(Offset::HEADER)
    }

    /// Words that were handed out.
    pub(crate) fn words(&self, place: Offset, count: usize) -> Option<&[AtomicU64]> {
        self.handed_out(place, count.checked_mul(8)? as u64)?;
        self.at(place, count)
    }

    /// `words` without a look at whether they are there.
    ///
    /// # Safety
    /// `words` has answered with them before: what is there stays there.
    #[inline]
    pub(crate) unsafe fn known_words(&self, place: Offset, count: usize) -> &[AtomicU64] {
        // SAFETY: `place` is inside the range, which starts at `base`: the caller's promise.
        let first = unsafe { self.base().add(place.0 as usize) }.cast::<AtomicU64>();
        // SAFETY: as in `at`.
        unsafe { NonNull::slice_from_raw_parts(first, count).as_ref() }
    }

    /// The header, for the core that owns this segment.
    pub(crate) fn pin_header(&self) -> Option<Pinned<Header>> {
        // SAFETY: the range stays mapped, at this address, as long as the segment; the core keeps both (INV-3).
        self.header().map(|header| unsafe { Pinned::new(header) })
    }

    /// The window in the header, for the core that owns this segment.
    pub(crate) fn pin_window(&self) -> Option<Pinned<Window>> {
        // SAFETY: as in `pin_header`.
        self.header().map(|header| unsafe { Pinned::new(&header.window) })
    }

    /// `words`, for the core that owns this segment.
    pub(crate) fn pin_words(&self, place: Offset, count: usize) -> Option<Pinned<[AtomicU64]>> {
        // SAFETY: as in `pin_header`.
        self.words(place, count).map(|words| unsafe { Pinned::new(words) })
    }

    /// The gates, the state and the cells of the series whose state lies at a place, for the core that owns this segment.
    pub(crate) fn pin_series(&self, state_at: Offset, gates: usize, cells: usize) -> Option<SeriesWords> {
        let before = gates_bytes(gates);
        let apart = (before / 8).checked_add(STATE_WORDS)?;
        let gates_at = Offset(state_at.0.checked_sub(before as u64)?);
        let all = self.pin_words(gates_at, apart.checked_add(cells)?)?;
        // SAFETY: `apart` words of `all` lie before the cells.
        let first = unsafe { NonNull::from_ref(&*all).cast::<AtomicU64>().add(apart) };
        let (cells_len, gates_len) = (u16::try_from(cells).ok()?, u16::try_from(gates).ok()?);
        let gates_before = u32::try_from(apart.checked_mul(8)?).ok()?;
        Some(SeriesWords { cells: first, cells_len, gates_len, gates_before })
    }

    fn handed_out(&self, place: Offset, bytes: u64) -> Option<()> {
        let tail = self.header()?.tail.load(Ordering::Relaxed);
        (place.0 != 0 && place.0.checked_add(bytes)? <= tail).then_some(())
    }

    /// Hands out zeroed bytes, in whole lines, of what is allocated. Never waits and never grows: observations
    /// call it.
    pub(crate) fn allocate(&self, bytes: usize) -> Option<Offset> {
        let header = self.header()?;
        let bytes = (bytes as u64).checked_next_multiple_of(LINE as u64)?;
        let mut tail = header.tail.load(Ordering::Relaxed);
        loop {
            let end = tail.checked_add(bytes)?;
            if end > header.allocated.load(Ordering::Relaxed) {
                header.want_growth.store(1, Ordering::Relaxed);
                return None;
            }
            match header.tail.compare_exchange(tail, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Offset(tail)),
                Err(now) => tail = now,
            }
        }
    }
}

/// The check over the words of a header that never change.
pub(crate) fn header_check(words: &[u64]) -> u64 {
    words.iter().fold(0, |hash, word| fold(hash, &word.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::heap::LEAST_BYTES;
    use super::*;

    const BIRTH: Birth = Birth { wall_ms: 1, opened_ms: 1 };

    #[test]
    fn places_outside_or_askew_are_refused() {
        let segment = Segment::on_heap(0, BIRTH).unwrap();
        let end = LEAST_BYTES as u64;
        assert!(segment.reaches(end) && !segment.reaches(end + 1));
        assert!(segment.at::<AtomicU64>(Offset(end - 8), 1).is_some());
        assert!(segment.at::<AtomicU64>(Offset(end - 8), 2).is_none());
        assert!(segment.at::<AtomicU64>(Offset(end), 1).is_none());
        assert!(segment.at::<AtomicU64>(Offset(u64::MAX - 7), 1).is_none());
        assert!(segment.at::<AtomicU64>(Offset(4), 1).is_none());
        assert!(segment.at::<AtomicU64>(Offset(0), usize::MAX).is_none());
        assert!(segment.words(Offset(end - 8), 1).is_none(), "not handed out yet");
        assert!(segment.words(Offset::HEADER, 1).is_none(), "the header is no block");
    }

    #[test]
    fn blocks_are_zero_aligned_and_apart() {
        let segment = Segment::on_heap(1 << 20, BIRTH).unwrap();
        let a = segment.allocate(1).unwrap();
        let b = segment.allocate(100).unwrap();
        let c = segment.allocate(64).unwrap();
        assert_eq!((b.0 - a.0, c.0 - b.0), (64, 128));
        assert!(a.0.is_multiple_of(64));
        assert!(segment.words(b, 13).unwrap().iter().all(|w| w.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_full_segment_refuses_and_keeps_what_it_has() {
        let segment = Segment::on_heap(0, BIRTH).unwrap();
        let mut blocks = 0;
        while segment.allocate(4096).is_some() {
            blocks += 1;
        }
        assert!((40..64).contains(&blocks), "{blocks}");
        assert!(segment.allocate(1 << 20).is_none());
        assert_eq!(segment.header().unwrap().want_growth.load(Ordering::Relaxed), 1);
    }
}
