//! The backing of a segment in a file that several processes map: by inheritance over `fork`, or by its path.
//!
//! A file is built under another name and then linked to its own, so that nobody ever opens a half-made one. The
//! greatest size is mapped at once, far beyond the end of the file; the file grows by real allocation, so that a full
//! file system is an error of that call and not a signal at the next store.

use core::mem::offset_of;
use core::ptr::NonNull;

use super::heap::LEAST_BYTES;
use super::layout::{BYTE_ORDER, Header, LAYOUT_VERSION, LINE, MAGIC};
use super::os::{Errno, File, Mapping, SystemPath, boot_id, effective_user, link, random, unlink};
use super::presence::Presence;
use super::problem::{Fault, SegmentReason};
use super::workers::{Table, Worker};
use super::{FileOptions, header_check};
use crate::buffer::Buffer;
use crate::clock;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A file grows by so many bytes.
pub(crate) const STEP_BYTES: u64 = 256 * 1024;
/// So many are kept free for the exemplars of observations, which never let the file grow.
pub(crate) const FREE_BYTES: u64 = 128 * 1024;
/// Offsets in lines have 32 bits.
const MOST_BYTES: u64 = 1 << 38;
/// After an allocation failed the next one waits so long.
const RETRY_MS: u64 = 1000;
/// Opening and making alternate so often at most while others make and remove the file.
const TRIES: u32 = 8;
/// The words of the header that are looked at before anything is mapped.
pub(super) const START_WORDS: usize = 16;

/// File systems that cannot hold a segment, by their number in the system's headers: memory shared over a network is
/// not one memory, and where writing takes new space a full disk ends the process.
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
];
const COPYING: &[(u32, &str)] = &[(0x9123_683E, "btrfs"), (0x2FC1_2FC1, "ZFS"), (0xCA45_1A4E, "bcachefs")];

/// A file that is mapped.
pub(crate) struct SharedFile {
    mapping: Mapping,
    /// This process among those that use the file. Dropped before `file`.
    presence: Presence,
    file: File,
    path: SystemPath,
    /// Bytes that this process has seen to be in the file. Only grows.
    present: AtomicU64,
    /// The error of the last allocation, zero after one that succeeded.
    shortage: AtomicU64,
    /// No allocation before this time.
    retry_ms: AtomicU64,
}

impl SharedFile {
    /// Attaches to the file, or makes it if there is none.
    pub(crate) fn open(options: &FileOptions<'_>) -> Result<SharedFile, Fault> {
        let path = path_of(&[options.path])?;
        for _ in 0..TRIES {
            match File::open(&path) {
                Ok(file) => return attach(file, path, options),
                Err(Errno::MISSING) => {}
                Err(error) => return Err(failed("it cannot be opened: ", error)),
            }
            if let Some(made) = make(&path, options)? {
                return Ok(made);
            }
        }
        Err(Fault::new(SegmentReason::Unwritable, "it is made and removed again and again by others"))
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.mapping.base()
    }

    /// The greatest size.
    pub(crate) fn bytes(&self) -> usize {
        self.mapping.bytes()
    }

    pub(crate) fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Whether the bytes up to `end` are in the file. Asks the system only if they were not when it was asked last.
    #[inline]
    pub(crate) fn reaches(&self, end: u64) -> bool {
        end <= self.present.load(Ordering::Relaxed) || self.has_grown_to(end)
    }

    #[cold]
    fn has_grown_to(&self, end: u64) -> bool {
        let most = self.bytes() as u64;
        if end > most {
            return false;
        }
        let Some(bytes) = self.file.status().or_else(|| self.open_again()?.status()).map(|status| status.bytes) else {
            return false;
        };
        self.present.fetch_max(bytes.min(most), Ordering::Relaxed);
        end <= bytes
    }

    /// The file once more by its name, for a process that has lost its descriptor.
    fn open_again(&self) -> Option<File> {
        File::open(&self.path).ok().filter(|file| file.id() == self.file.id())
    }

    /// Makes the file long enough for `bytes` more than the header says are handed out, and for what observations may
    /// take before the next call.
    pub(crate) fn make_room(&self, header: &Header, bytes: u64) {
        let most = self.bytes() as u64;
        let tail = header.tail.load(Ordering::Relaxed);
        let wanted = tail.saturating_add(bytes).saturating_add(FREE_BYTES).min(most);
        let there = header.allocated.load(Ordering::Relaxed);
        if wanted > there {
            self.grow(header, there, wanted.next_multiple_of(STEP_BYTES).min(most));
        }
    }

    #[cold]
    fn grow(&self, header: &Header, from: u64, to: u64) {
        let now_ms = clock::mono_ns() / 1_000_000;
        if now_ms < self.retry_ms.load(Ordering::Relaxed) {
            return;
        }
        #[cfg(spanpin_stops)]
        crate::stops::at("growth: before");
        // Another process may do the same at the same time: allocating what is there already changes nothing.
        let allocated = match self.file.status() {
            Some(_) => self.file.allocate(from, to),
            None => self.open_again().ok_or(Errno::MISSING).and_then(|file| file.allocate(from, to)),
        };
        match allocated {
            Ok(()) => {
                #[cfg(spanpin_stops)]
                crate::stops::at("growth: allocated");
                self.present.fetch_max(to, Ordering::Relaxed);
                header.allocated.fetch_max(to, Ordering::Relaxed);
                #[cfg(spanpin_stops)]
                crate::stops::at("growth: told");
                header.want_growth.store(0, Ordering::Relaxed);
                self.shortage.store(0, Ordering::Relaxed);
            }
            Err(error) => {
                self.shortage.store(u64::from(error.0.unsigned_abs()), Ordering::Relaxed);
                self.retry_ms.store(now_ms.saturating_add(RETRY_MS), Ordering::Relaxed);
            }
        }
    }

    /// This process as a worker, if it is one.
    #[inline]
    pub(crate) fn worker(&self) -> Option<Worker> {
        self.presence.worker()
    }

    /// Whether this process is a worker, and its lock has not been lost.
    pub(crate) fn is_worker(&self) -> bool {
        self.presence.is_worker()
    }

    /// This process as a worker, which it becomes on need.
    pub(crate) fn become_worker<'a>(&self, wall_ms: u64, table: impl FnOnce() -> Option<Table<'a>>) -> Option<Worker> {
        self.presence.become_worker(&self.file, &self.path, wall_ms, table)
    }

    /// Lets one thread of this process at a time do something.
    pub(crate) fn alone_as_worker(&self, what: impl FnOnce()) {
        self.presence.alone(what);
    }

    /// Whether a process holds the lock of a worker's slot.
    pub(crate) fn has_locked(&self, slot: usize) -> bool {
        self.presence.has_locked(&self.file, &self.path, slot)
    }

    /// Whether the process in a slot has ended all the same.
    pub(crate) fn is_gone(&self, table: Table<'_>, slot: usize) -> bool {
        self.presence.is_gone(table, slot)
    }

    /// Why the file could not grow, if it could not.
    pub(crate) fn shortage(&self) -> Option<Fault> {
        match self.shortage.load(Ordering::Relaxed) {
            0 => None,
            number => {
                let fault = failed("it cannot grow: ", Errno(i32::try_from(number).unwrap_or(i32::MAX)));
                Some(Fault { reason: SegmentReason::NoSpace, ..fault })
            }
        }
    }
}

fn path_of(parts: &[&str]) -> Result<SystemPath, Fault> {
    SystemPath::new(parts).ok_or_else(|| Fault::new(SegmentReason::Unwritable, "the path has a NUL inside"))
}

/// The fault behind a failed call.
fn failed(what: &str, error: Errno) -> Fault {
    let reason = match error.0 {
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => SegmentReason::NoSpace,
        libc::EOPNOTSUPP => SegmentReason::FileSystem,
        libc::ENOMEM => SegmentReason::Memory,
        libc::ELOOP | libc::ENXIO | libc::EISDIR => SegmentReason::Refused,
        _ => SegmentReason::Unwritable,
    };
    let mut cause = Buffer::new();
    cause.put_str(what);
    error.put(&mut cause);
    Fault { reason, cause }
}

fn check_file_system(file: &File) -> Result<(), Fault> {
    let kind = file.file_system().map_err(|error| failed("its file system cannot be told: ", error))?;
    let name_in = |list: &[(u32, &'static str)]| list.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name);
    let (name, why) = if let Some(name) = name_in(NETWORK) {
        (name, ", where the memory of two machines is not one memory: counts would be lost")
    } else if let Some(name) = name_in(COPYING) {
        (name, ", which takes new space for each write: a full disk would end the process")
    } else {
        return Ok(());
    };
    let mut cause = Buffer::new();
    cause.put_str("it lies on ");
    cause.put_str(name);
    cause.put_str(why);
    Err(Fault { reason: SegmentReason::FileSystem, cause })
}

/// A name that goes when this value does.
struct Temporary<'a>(&'a SystemPath);

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        unlink(self.0);
    }
}

/// Makes the file. Nothing if another process was faster.
fn make(path: &SystemPath, options: &FileOptions<'_>) -> Result<Option<SharedFile>, Fault> {
    let mut unique = Buffer::new();
    unique.put_u64(random());
    let unique = core::str::from_utf8(unique.as_slice()).unwrap_or_default();
    let temporary = path_of(&[options.path, ".", unique, ".new"])?;
    let file = File::create(&temporary).map_err(|error| failed("it cannot be made: ", error))?;
    let named = Temporary(&temporary);
    #[cfg(spanpin_stops)]
    crate::stops::at("making: created");
    check_file_system(&file)?;
    let bytes = (options.bytes as u64).max(LEAST_BYTES as u64).next_multiple_of(LINE as u64).min(MOST_BYTES);
    let present = STEP_BYTES.min(bytes);
    #[cfg(spanpin_stops)]
    crate::stops::at("making: checked");
    file.allocate(0, present).map_err(|error| failed("no space can be allocated for it: ", error))?;
    let mapping = file.map(bytes as usize).map_err(|error| failed("it cannot be mapped: ", error))?;
    let made = SharedFile::new(mapping, file, path_of(&[options.path])?, present);
    let segment = super::Segment::of_file(made);
    let boot = boot_id();
    if let Some(header) = segment.header() {
        header.generation.store(random(), Ordering::Relaxed);
        for (word, value) in header.boot_id.iter().zip(boot) {
            word.store(value, Ordering::Relaxed);
        }
    }
    #[cfg(spanpin_stops)]
    crate::stops::at("making: allocated");
    segment.begin(bytes, present, options.birth);
    let super::Backing::File(made) = segment.backing else { return Ok(None) };
    made.file.set_mode(options.mode).map_err(|error| failed("its permissions cannot be set: ", error))?;
    #[cfg(spanpin_stops)]
    crate::stops::at("making: begun");
    let linked = link(&temporary, path);
    #[cfg(spanpin_stops)]
    crate::stops::at("making: linked");
    drop(named);
    match linked {
        Ok(()) => Ok(Some(made)),
        Err(Errno::EXISTS) => Ok(None),
        Err(error) => Err(failed("it cannot be given its name: ", error)),
    }
}

fn attach(file: File, path: SystemPath, options: &FileOptions<'_>) -> Result<SharedFile, Fault> {
    check_access(&file, options.mode)?;
    check_file_system(&file)?;
    let bytes = check_start(&file)?;
    #[cfg(spanpin_stops)]
    crate::stops::at("attaching: checked");
    // After the header was read, because the file only grows.
    let status = file.status().ok_or_else(|| Fault::new(SegmentReason::Unwritable, "its descriptor was closed"))?;
    if status.allocated < status.bytes {
        file.allocate(0, status.bytes).map_err(|error| failed("it has holes that cannot be filled: ", error))?;
    }
    let mapping = file.map(bytes as usize).map_err(|error| failed("it cannot be mapped: ", error))?;
    Ok(SharedFile::new(mapping, file, path, status.bytes.min(bytes)))
}

fn check_access(file: &File, mode: u32) -> Result<(), Fault> {
    let refused = |cause| Err(Fault::new(SegmentReason::Refused, cause));
    let Some(status) = file.status() else { return refused("its descriptor was closed") };
    if !status.is_regular {
        return refused("it is no regular file");
    }
    if status.owner != effective_user() {
        return refused("it belongs to another user");
    }
    if status.mode & !mode & 0o777 != 0 {
        let mut cause = Buffer::new();
        cause.put_str("its permissions are ");
        put_octal(&mut cause, status.mode);
        cause.put_str(", more than the mode ");
        put_octal(&mut cause, mode);
        cause.put_str(" asked for");
        return Err(Fault { reason: SegmentReason::Refused, cause });
    }
    Ok(())
}

fn put_octal(out: &mut Buffer, mode: u32) {
    for shift in [9, 6, 3, 0] {
        out.put_u64(u64::from(mode >> shift & 7));
    }
}

/// Looks at a copy of the header's first words. Returns the greatest size of the segment.
fn check_start(file: &File) -> Result<u64, Fault> {
    let mut bytes = [0_u8; START_WORDS * 8];
    let got = file.read_start(&mut bytes).map_err(|error| failed("it cannot be read: ", error))?;
    let damaged = |cause| Err(Fault::new(SegmentReason::Damaged, cause));
    if got < bytes.len() {
        return damaged("it is too short for a segment");
    }
    // After the header was read, because the file only grows.
    let file_bytes = file.status().map_or(0, |status| status.bytes);
    check_header(&bytes, file_bytes)
}

/// Looks at the first words of a file of `file_bytes` bytes. Returns the greatest size of the segment.
pub(super) fn check_header(bytes: &[u8; START_WORDS * 8], file_bytes: u64) -> Result<u64, Fault> {
    let damaged = |cause| Err(Fault::new(SegmentReason::Damaged, cause));
    let mut words = [0_u64; START_WORDS];
    let (chunks, _) = bytes.as_chunks::<8>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_ne_bytes(*chunk);
    }
    let word = |at: usize| words.get(at / 8).copied().unwrap_or(0);
    let magic = word(offset_of!(Header, magic));
    if magic != MAGIC && magic != MAGIC.swap_bytes() {
        return damaged("it is no segment: it does not begin with SPANPIN");
    }
    if word(offset_of!(Header, byte_order)) != BYTE_ORDER {
        return Err(Fault::new(SegmentReason::Layout, "it was made on a machine of the other byte order"));
    }
    let (version, header_bytes) = halves(bytes, offset_of!(Header, layout_version));
    if version != LAYOUT_VERSION {
        let mut cause = Buffer::new();
        cause.put_str("it has layout version ");
        cause.put_u64(u64::from(version));
        cause.put_str(", this program knows ");
        cause.put_u64(u64::from(LAYOUT_VERSION));
        return Err(Fault { reason: SegmentReason::Layout, cause });
    }
    let immutable = [
        magic,
        u64::from(version) << 32 | u64::from(header_bytes),
        BYTE_ORDER,
        word(offset_of!(Header, generation)),
        word(offset_of!(Header, reserved_bytes)),
        word(offset_of!(Header, created_ms)),
    ];
    if header_check(&immutable) != word(offset_of!(Header, check)) || header_bytes as usize != size_of::<Header>() {
        return damaged("the check of its header does not fit");
    }
    let reserved = word(offset_of!(Header, reserved_bytes));
    let (tail, allocated) = (word(offset_of!(Header, tail)), word(offset_of!(Header, allocated)));
    let line = LINE as u64;
    let sizes_fit = (LEAST_BYTES as u64..=MOST_BYTES).contains(&reserved)
        && (u64::from(header_bytes)..=file_bytes).contains(&tail)
        && (tail..=file_bytes).contains(&allocated)
        && file_bytes <= reserved
        && [reserved, tail].iter().all(|n| n.is_multiple_of(line));
    if !sizes_fit {
        return damaged("it is shorter than its header says, or its sizes contradict each other");
    }
    Ok(reserved)
}

/// Two 32-bit fields of the header that lie side by side.
fn halves(bytes: &[u8], at: usize) -> (u32, u32) {
    let field =
        |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |b| u32::from_ne_bytes(*b));
    (field(at), field(at.wrapping_add(4)))
}

impl SharedFile {
    fn new(mapping: Mapping, file: File, path: SystemPath, present: u64) -> SharedFile {
        SharedFile {
            mapping,
            presence: Presence::begin(&file),
            file,
            path,
            present: AtomicU64::new(present),
            shortage: AtomicU64::new(0),
            retry_ms: AtomicU64::new(0),
        }
    }
}
