//! The open files that a process has for itself, to hold locks. A child of fork inherits the open files of its parent with
//! their locks, which would last as long as the child; so it closes them and opens its own, at once, while it still has the
//! rights of its parent.

use core::mem::ManuallyDrop;

use super::os::{File, FileId, SystemPath, call_in_children};
use crate::process::fork_generation;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Segments in files that a process may have open and be a worker of.
const MOST: usize = 64;

const FREE: u32 = 0;
/// Somebody fills or empties it.
const TAKEN: u32 = 1;
const IN_USE: u32 = 2;
/// No descriptor.
const NONE: u32 = u32::MAX;

static OPEN: [Entry; MOST] = [const { Entry::new() }; MOST];

/// One segment: the descriptor that children share, and that of this process alone.
struct Entry {
    state: AtomicU32,
    shared_fd: AtomicU32,
    own_fd: AtomicU32,
    /// The fork generation of the process that opened `own_fd`.
    owner: AtomicU64,
    device: AtomicU64,
    inode: AtomicU64,
}

impl Entry {
    const fn new() -> Self {
        Entry {
            state: AtomicU32::new(FREE),
            shared_fd: AtomicU32::new(NONE),
            own_fd: AtomicU32::new(NONE),
            owner: AtomicU64::new(0),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
        }
    }

    fn id(&self) -> FileId {
        FileId { device: self.device.load(Ordering::Relaxed), inode: self.inode.load(Ordering::Relaxed) }
    }

    /// Closes the open file of its own, unless the descriptor has become another's.
    fn close(&self) {
        if let Ok(fd) = i32::try_from(self.own_fd.swap(NONE, Ordering::Relaxed)) {
            drop(File::of_parts(fd, self.id()));
        }
    }

    fn keep(&self, own: File) {
        let (fd, _) = own.into_parts();
        self.own_fd.store(fd.unsigned_abs(), Ordering::Relaxed);
        self.owner.store(fork_generation(), Ordering::Relaxed);
    }

    /// The open file of this process alone, if it has one.
    fn own(&self) -> Option<ManuallyDrop<File>> {
        let fd = i32::try_from(self.own_fd.load(Ordering::Relaxed)).ok()?;
        let own = ManuallyDrop::new(File::of_parts(fd, self.id()));
        (self.owner.load(Ordering::Relaxed) == fork_generation() && own.status().is_some()).then_some(own)
    }
}

/// What a segment has of the list.
pub(super) struct Own(&'static Entry);

impl Own {
    /// A place in the list for an open file. Nothing if all are taken.
    pub(super) fn of(shared: &File) -> Option<Own> {
        static HANDLER: AtomicU32 = AtomicU32::new(0);

        if HANDLER.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            call_in_children(in_child);
        }
        let take =
            |entry: &&Entry| entry.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let entry = OPEN.iter().find(take)?;
        let FileId { device, inode } = shared.id();
        entry.device.store(device, Ordering::Relaxed);
        entry.inode.store(inode, Ordering::Relaxed);
        entry.shared_fd.store(shared.number().unsigned_abs(), Ordering::Relaxed);
        entry.owner.store(0, Ordering::Relaxed);
        entry.state.store(IN_USE, Ordering::Release);
        Some(Own(entry))
    }

    /// Whether this process has one, which it may have lost: a daemon closes what it did not open.
    pub(super) fn is_open(&self) -> bool {
        self.0.own().is_some()
    }

    /// The open file that this process has alone, opened on need: by what the process has open, or by its name. One
    /// thread at a time.
    pub(super) fn file(&self, shared: &File, path: &SystemPath) -> Option<ManuallyDrop<File>> {
        if let Some(own) = self.0.own() {
            return Some(own);
        }
        self.0.close();
        let by_name = |_| File::open(path).ok().filter(|file| file.id() == shared.id()).ok_or(());
        self.0.keep(shared.open_own().or_else(by_name).ok()?);
        self.0.own()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.0.state.store(TAKEN, Ordering::Relaxed);
        self.0.close();
        self.0.shared_fd.store(NONE, Ordering::Relaxed);
        self.0.state.store(FREE, Ordering::Release);
    }
}

/// Runs in a child of fork before anything else of it. It waits for nothing and asks for no memory. What fails here is tried
/// again when the child needs it.
extern "C" fn in_child() {
    for entry in &OPEN {
        if entry.state.load(Ordering::Relaxed) != IN_USE {
            continue;
        }
        entry.close();
        if let Ok(fd) = i32::try_from(entry.shared_fd.load(Ordering::Relaxed)) {
            let shared = ManuallyDrop::new(File::of_parts(fd, entry.id()));
            if let (Some(_), Ok(own)) = (shared.status(), shared.open_own()) {
                entry.keep(own);
            }
        }
    }
}
