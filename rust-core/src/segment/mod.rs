//! The segment: all state in one relocatable, append-only block of memory.
//!
//! Inside it there are offsets, never pointers, and every one of them is read through [`Segment::at`], which checks it.

mod heap;
pub(crate) mod layout;
pub(crate) mod publish;
mod record;

use core::ptr::NonNull;

use self::heap::Heap;
use self::layout::{BYTE_ORDER, FamilyRecord, Gate, Header, LAYOUT_VERSION, LINE, MAGIC, Record, SeriesRecord, Window};
pub(crate) use self::record::{
    FamilyText, FamilyWrite, Kind as RecordKind, SeriesText, SeriesWrite, boxed_str, gates_bytes, put_text, take_text,
};
use crate::error::{Error, ErrorCode};
use crate::memory::Pinned;
use crate::sync::atomic::{AtomicU64, Ordering};

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

/// A segment and its backing.
pub(crate) struct Segment {
    heap: Heap,
}

impl Segment {
    /// A fresh segment of up to `reserve` bytes in the process' own memory.
    pub(crate) fn on_heap(reserve: usize, wall_ms: u64, mono_ms: u64) -> Result<Segment, Error> {
        let Some(heap) = Heap::reserve(reserve) else {
            return Err(Error::fixed(
                ErrorCode::OutOfMemory,
                "no address space for a segment: the system refused even 256 KiB; raise the process' memory limit",
            ));
        };
        let segment = Segment { heap };
        let header_bytes = size_of::<Header>() as u64;
        if let Some(header) = segment.header() {
            header.layout_version.store(LAYOUT_VERSION, Ordering::Relaxed);
            header.header_bytes.store(header_bytes as u32, Ordering::Relaxed);
            header.byte_order.store(BYTE_ORDER, Ordering::Relaxed);
            header.reserved_bytes.store(segment.heap.bytes() as u64, Ordering::Relaxed);
            header.created_ms.store(wall_ms, Ordering::Relaxed);
            header.tail.store(header_bytes.next_multiple_of(LINE as u64), Ordering::Relaxed);
            // All of it is there: the system gives private memory page by page as it is touched.
            header.allocated.store(segment.heap.bytes() as u64, Ordering::Relaxed);
            header.window.epoch.store(1, Ordering::Relaxed);
            header.window.opened_ms.store(mono_ms, Ordering::Relaxed);
            header.magic.store(MAGIC, Ordering::Relaxed);
        }
        Ok(segment)
    }

    /// The one checked accessor: `count` values of a type at a place, if they lie inside the segment and are aligned.
    fn at<T: InSegment>(&self, place: Offset, count: usize) -> Option<&[T]> {
        let bytes = size_of::<T>().checked_mul(count)? as u64;
        let end = place.0.checked_add(bytes)?;
        if !place.0.is_multiple_of(align_of::<T>() as u64) || end > self.heap.bytes() as u64 {
            return None;
        }
        // SAFETY: `place` is inside the range, which starts at `base`.
        let first = unsafe { self.heap.base().add(place.0 as usize) }.cast::<T>();
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

    /// The gates of a series.
    pub(crate) fn gates(&self, place: Offset, count: usize) -> Option<&[Gate]> {
        self.handed_out(place, count.checked_mul(size_of::<Gate>())? as u64)?;
        self.at(place, count)
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

    /// `gates`, for the core that owns this segment.
    pub(crate) fn pin_gates(&self, place: Offset, count: usize) -> Option<Pinned<[Gate]>> {
        // SAFETY: as in `pin_header`.
        self.gates(place, count).map(|gates| unsafe { Pinned::new(gates) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_outside_or_askew_are_refused() {
        let segment = Segment::on_heap(0, 1, 1).unwrap();
        let end = segment.heap.bytes() as u64;
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
        let segment = Segment::on_heap(1 << 20, 1, 1).unwrap();
        let a = segment.allocate(1).unwrap();
        let b = segment.allocate(100).unwrap();
        let c = segment.allocate(64).unwrap();
        assert_eq!((b.0 - a.0, c.0 - b.0), (64, 128));
        assert!(a.0.is_multiple_of(64));
        assert!(segment.words(b, 13).unwrap().iter().all(|w| w.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_full_segment_refuses_and_keeps_what_it_has() {
        let segment = Segment::on_heap(0, 1, 1).unwrap();
        let mut blocks = 0;
        while segment.allocate(4096).is_some() {
            blocks += 1;
        }
        assert!((40..64).contains(&blocks), "{blocks}");
        assert!(segment.allocate(1 << 20).is_none());
        assert_eq!(segment.header().unwrap().want_growth.load(Ordering::Relaxed), 1);
    }
}
