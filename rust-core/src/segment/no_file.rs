//! Segments in files, where the system has none: there is no value of this type.

use core::ptr::NonNull;

use super::FileOptions;
use super::layout::Header;
use super::problem::{Fault, SegmentReason};

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

    pub(crate) fn shortage(&self) -> Option<Fault> {
        match *self {}
    }
}

/// The id of this boot of the system, which no segment here outlives.
pub(crate) fn boot_id() -> [u64; 2] {
    [0, 0]
}
