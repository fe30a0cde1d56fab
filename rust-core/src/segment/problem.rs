//! Why a registry does not count in the segment it was asked to use, or not as it was asked to, as data for whoever
//! writes the log.

use alloc::boxed::Box;

use super::boxed_str;
use crate::buffer::Buffer;
use crate::error::{Error, ErrorCode};
use crate::memory::{Link, boxed, out_of_memory};
use crate::sync::atomic::{AtomicU64, Ordering};

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum SegmentReason {
    /// The file has a layout that this version does not know.
    Layout = 0,
    /// The file is no segment, or its content contradicts itself.
    Damaged = 1,
    /// The file cannot be opened or made.
    Unwritable = 2,
    /// The file system, the quota or the limit of file sizes leaves no room.
    NoSpace = 3,
    /// The segment holds a metric of this name in another shape.
    Shape = 4,
    /// The path is a symbolic link or no regular file, belongs to another user, or is open to others than it should be.
    Refused = 5,
    /// The file lies on a file system that cannot hold a segment.
    FileSystem = 6,
    /// There is no address space for it.
    Memory = 7,
    /// Segments in files are not available on this system.
    Unsupported = 8,
    /// There is no segment file, and this process was forked from one that had the registry: it counts for itself alone.
    PerWorker = 9,
}

impl SegmentReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [SegmentReason; 10] = [
        SegmentReason::Layout,
        SegmentReason::Damaged,
        SegmentReason::Unwritable,
        SegmentReason::NoSpace,
        SegmentReason::Shape,
        SegmentReason::Refused,
        SegmentReason::FileSystem,
        SegmentReason::Memory,
        SegmentReason::Unsupported,
        SegmentReason::PerWorker,
    ];

    /// The value of the label `reason` of `spanpin_segment_degraded`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SegmentReason::Layout => "layout",
            SegmentReason::Damaged => "damaged",
            SegmentReason::Unwritable => "unwritable",
            SegmentReason::NoSpace => "no_space",
            SegmentReason::Shape => "shape",
            SegmentReason::Refused => "refused",
            SegmentReason::FileSystem => "file_system",
            SegmentReason::Memory => "memory",
            SegmentReason::Unsupported => "unsupported",
            SegmentReason::PerWorker => "per_worker",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            SegmentReason::Layout => {
                "remove the file once the processes of the other version have ended, or give this version another path \
                 (SPANPIN_SEGMENT, or the registry's option segment)"
            }
            SegmentReason::Damaged => {
                "remove the file; nothing else may write to it, truncate it or copy over it, so if something does, give \
                 another path (SPANPIN_SEGMENT, or the registry's option segment)"
            }
            SegmentReason::Unwritable => {
                "make the directory and give the service's user the right to write there, or give another path \
                 (SPANPIN_SEGMENT, or the registry's option segment)"
            }
            SegmentReason::NoSpace => {
                "make room on the file system (Docker gives /dev/shm 64 MiB: --shm-size), raise the limit, or give a path \
                 with more room (SPANPIN_SEGMENT, or the registry's option segment)"
            }
            SegmentReason::Shape => {
                "none needed while old and new workers run together; at the next full restart remove the file \
                 (SPANPIN_SEGMENT, or the registry's option segment) to have the new shape alone"
            }
            SegmentReason::Refused => {
                "give a path of the service's own (SPANPIN_SEGMENT, or the registry's option segment): a regular file of \
                 its user, with no more permissions than SPANPIN_SEGMENT_MODE, or the option segment_mode, asks for"
            }
            SegmentReason::FileSystem => {
                "give a path on a tmpfs such as /dev/shm or /run, or on ext4 or XFS (SPANPIN_SEGMENT, or the registry's \
                 option segment)"
            }
            SegmentReason::Memory => {
                "raise the process' limit of address space, or make the segment smaller (SPANPIN_SEGMENT_BYTES, or the \
                 registry's option reserve_bytes)"
            }
            SegmentReason::Unsupported => {
                "leave the path out (SPANPIN_SEGMENT, or the registry's option segment); this system counts in each \
                 process' own memory"
            }
            SegmentReason::PerWorker => {
                "give the registry a segment file (SPANPIN_SEGMENT, or its option segment), so that all workers count \
                 together and each of them answers for all"
            }
        }
    }

    /// Whether a fresh file beside the one at fault may do.
    pub(crate) const fn another_file_may_do(self) -> bool {
        matches!(
            self,
            SegmentReason::Layout | SegmentReason::Damaged | SegmentReason::Unwritable | SegmentReason::Refused
        )
    }
}

/// A segment that cannot be used, and why.
pub(crate) struct Fault {
    pub(crate) reason: SegmentReason,
    pub(crate) cause: Buffer,
}

impl Fault {
    pub(crate) fn new(reason: SegmentReason, cause: &str) -> Fault {
        let mut text = Buffer::new();
        text.put_str(cause);
        Fault { reason, cause: text }
    }

    fn cause(&self) -> &str {
        core::str::from_utf8(self.cause.as_slice()).unwrap_or_default()
    }

    /// The same as an error, for who wants this segment or none.
    pub(crate) fn into_error(self, path: &str) -> Error {
        let mut message = Buffer::new();
        put_start(&mut message, path, self.cause());
        message.put_str("; ");
        message.put_str(self.reason.remedy());
        Error::new(ErrorCode::SegmentUnusable, message)
    }
}

fn put_start(out: &mut Buffer, path: &str, cause: &str) {
    out.put_str("segment");
    if !path.is_empty() {
        out.put_str(" ");
        out.put_path(path);
    }
    out.put_str(": ");
    out.put_str(cause);
}

/// Where a registry counts in place of the segment it was asked to use.
#[derive(Clone, Copy)]
pub(crate) enum Instead<'a> {
    File(&'a str),
    Heap,
    FreshRecord,
    OldRings,
    Overflow,
    Nothing,
}

/// Something to log once: a registry counts elsewhere than it was told to, or not as it was told to.
#[derive(Debug)]
pub struct SegmentNotice {
    /// What is wrong.
    pub reason: SegmentReason,
    /// The path that was asked for; empty if none was.
    pub path: Box<str>,
    /// What was found there.
    pub cause: Box<str>,
    /// One line for a log: path, cause, what was done, remedy.
    pub message: Box<str>,
}

impl SegmentNotice {
    fn of(fault: &Fault, path: &str, instead: Instead<'_>) -> Result<SegmentNotice, Error> {
        let mut line = Buffer::new();
        put_start(&mut line, path, fault.cause());
        match instead {
            Instead::File(other) => {
                line.put_str("; counting in ");
                line.put_path(other);
                line.put_str(" instead");
            }
            Instead::Heap => line.put_str("; counting in this process' own memory instead, apart from other workers"),
            Instead::OldRings => line.put_str("; counting in it, with the rings it has"),
            Instead::FreshRecord => line.put_str("; counting it anew beside the old one"),
            Instead::Nothing => {}
            Instead::Overflow => line.put_str("; new series are counted as spanpin_overflow until there is room"),
        }
        line.put_str("; ");
        line.put_str(fault.reason.remedy());
        line.finish().map_err(|_| out_of_memory())?;
        let message = boxed_str(core::str::from_utf8(line.as_slice()).unwrap_or_default())?;
        Ok(SegmentNotice { reason: fault.reason, path: boxed_str(path)?, cause: boxed_str(fault.cause())?, message })
    }
}

/// What a process has to say about its segment. One notice for each reason at most, so that nothing floods a log.
pub(crate) struct Notices {
    /// Bit `reason` is set while it holds.
    degraded: AtomicU64,
    taken: AtomicU64,
    notices: [Link<SegmentNotice>; SegmentReason::ALL.len()],
}

impl Notices {
    pub(crate) const fn new() -> Self {
        Notices {
            degraded: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            notices: [const { Link::empty() }; SegmentReason::ALL.len()],
        }
    }

    /// Adds a notice unless there is one for its reason. The caller holds the registry's lock.
    pub(crate) fn add(&self, fault: &Fault, path: &str, instead: Instead<'_>) {
        self.degraded.fetch_or(bit(fault.reason), Ordering::Relaxed);
        let Some(link) = self.notices.get(fault.reason as usize) else { return };
        if link.get().is_none()
            && let Ok(notice) = SegmentNotice::of(fault, path, instead).and_then(boxed)
        {
            link.set(notice);
        }
    }

    /// The reason holds no more.
    pub(crate) fn clear(&self, reason: SegmentReason) {
        self.degraded.fetch_and(!bit(reason), Ordering::Relaxed);
    }

    pub(crate) fn is_degraded(&self, reason: SegmentReason) -> bool {
        self.degraded.load(Ordering::Relaxed) & bit(reason) != 0
    }

    /// A notice that was not handed out before.
    pub(crate) fn take(&self) -> Option<&SegmentNotice> {
        for (reason, link) in SegmentReason::ALL.into_iter().zip(&self.notices) {
            if let Some(notice) = link.get()
                && self.taken.fetch_or(bit(reason), Ordering::Relaxed) & bit(reason) == 0
            {
                return Some(notice);
            }
        }
        None
    }
}

const fn bit(reason: SegmentReason) -> u64 {
    1 << reason as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remedy_names_the_setting_to_change() {
        for reason in SegmentReason::ALL {
            let remedy = reason.remedy();
            assert!(remedy.contains("SPANPIN_SEGMENT") && remedy.contains("option "), "{}: {remedy}", reason.as_str());
        }
    }
}
