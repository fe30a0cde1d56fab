//! Segments in files, where the system has none: there is no value of this type.

use core::ptr::NonNull;

use super::FileOptions;
use super::layout::Header;
use super::problem::{Fault, SegmentReason};
use super::workers::{Table, Worker};

/// A file that is mapped.
pub(crate) enum SharedFile {}

impl SharedFile {
    pub(crate) fn open(options: &FileOptions<'_>) -> Result<SharedFile, Fault> {
        let _ = (options.path, options.mode, options.bytes, options.birth);
        Err(Fault::new(SegmentReason::Unsupported, "segments in files need Linux"))
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        match *self {}
    }

    pub(crate) fn path(&self) -> &str {
        match *self {}
    }

    pub(crate) fn reaches(&self, _end: u64) -> bool {
        match *self {}
    }

    pub(crate) fn make_room(&self, _header: &Header, _bytes: u64) {
        match *self {}
    }

    pub(crate) fn worker(&self) -> Option<Worker> {
        match *self {}
    }

    pub(crate) fn is_worker(&self) -> bool {
        match *self {}
    }

    pub(crate) fn become_worker<'a>(
        &self,
        _wall_ms: u64,
        _table: impl FnOnce() -> Option<Table<'a>>,
    ) -> Option<Worker> {
        match *self {}
    }

    pub(crate) fn alone_as_worker(&self, _what: impl FnOnce()) {
        match *self {}
    }

    pub(crate) fn has_locked(&self, _slot: usize) -> bool {
        match *self {}
    }

    pub(crate) fn is_gone(&self, _table: Table<'_>, _slot: usize) -> bool {
        match *self {}
    }

    pub(crate) fn shortage(&self) -> Option<Fault> {
        match *self {}
    }
}

/// The id of this boot of the system, which no segment here outlives.
pub(crate) fn boot_id() -> [u64; 2] {
    [0, 0]
}
