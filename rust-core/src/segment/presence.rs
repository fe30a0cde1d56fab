//! How a process becomes a worker of a segment in a file, and how it is known that a worker lives: by locks of the kernel's.

use super::descriptors::Own;
use super::os::{File, LockKind, SystemPath, has_no_process, is_locked, own_pid};
#[cfg(feature = "std")]
use super::workers::LOCK_BYTES;
use super::workers::{IN_USE_BYTE, Table, Worker, alive_byte, claim_byte};
use super::{gauge_cells::WORKERS, workers::SLOT_WORDS};
use crate::clock;
use crate::process::{Lock, fork_generation};
use crate::sync::atomic::{AtomicU64, Ordering};

/// When no slot was to be had, it is tried again after so long.
const RETRY_MS: u64 = 1000;

/// This process as a worker of one segment.
pub(super) struct Presence {
    /// Held while the process becomes a worker.
    lock: Lock,
    /// The fork generation of the process that the next two are of: in a child of fork they are its parent's.
    owner: AtomicU64,
    slot: AtomicU64,
    generation: AtomicU64,
    /// Not tried before this time.
    retry_ms: AtomicU64,
    own: Option<Own>,
    /// The pid namespace of this process. Children of fork may have another one, for which they ask.
    namespace: AtomicU64,
    namespace_of: AtomicU64,
}

impl Presence {
    /// From here on it is known of this open file that somebody has it: this process and its children of fork.
    pub(super) fn begin(shared: &File) -> Presence {
        // Where the system has no such locks nobody becomes a worker.
        let _ = shared.lock(IN_USE_BYTE, LockKind::Together);
        Presence {
            lock: Lock::new(),
            owner: AtomicU64::new(0),
            slot: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            retry_ms: AtomicU64::new(0),
            own: Own::of(shared),
            namespace: AtomicU64::new(0),
            namespace_of: AtomicU64::new(0),
        }
    }

    /// This process as a worker, if it is one.
    #[inline]
    pub(super) fn worker(&self) -> Option<Worker> {
        // SYNC(worker-own): Acquire.
        (self.owner.load(Ordering::Acquire) == fork_generation()).then(|| Worker {
            slot: self.slot.load(Ordering::Relaxed) as usize,
            generation: self.generation.load(Ordering::Relaxed),
        })
    }

    /// Whether this process is a worker, and its lock has not been lost.
    pub(super) fn is_worker(&self) -> bool {
        self.worker().is_some() && self.own.as_ref().is_some_and(Own::is_open)
    }

    /// This process as a worker, which it becomes on need.
    pub(super) fn become_worker<'a>(
        &self,
        shared: &File,
        path: &SystemPath,
        wall_ms: u64,
        table: impl FnOnce() -> Option<Table<'a>>,
    ) -> Option<Worker> {
        let own = self.own.as_ref()?;
        // With the open file the lock is lost, and maybe the slot.
        let known = |table: Table<'_>| {
            self.worker().filter(|worker| own.is_open() && table.generation(worker.slot) == worker.generation)
        };
        let now_ms = clock::mono_ns() / 1_000_000;
        let retry = |worker: Option<Worker>| {
            let after = if worker.is_none() { now_ms.saturating_add(RETRY_MS) } else { 0 };
            self.retry_ms.store(after, Ordering::Relaxed);
            worker
        };
        if now_ms < self.retry_ms.load(Ordering::Relaxed) {
            return None;
        }
        let _held = self.lock.hold();
        let Some(table) = table() else { return retry(None) };
        if let Some(worker) = known(table) {
            return Some(worker);
        }
        let Some(file) = own.file(shared, path) else { return retry(None) };
        let claimed = (0..WORKERS).find_map(|slot| claim(&file, table, slot, wall_ms));
        if let Some(worker) = claimed {
            self.slot.store(worker.slot as u64, Ordering::Relaxed);
            self.generation.store(worker.generation, Ordering::Relaxed);
            // SYNC(worker-own): Release. A thread that meets two different claims here has the generation of neither slot.
            self.owner.store(fork_generation(), Ordering::Release);
        }
        retry(claimed)
    }

    /// Lets one thread of this process at a time do something.
    pub(super) fn alone(&self, what: impl FnOnce()) {
        let _held = self.lock.hold();
        what();
    }

    /// Whether a process holds the lock of a slot. True where it cannot be told.
    pub(super) fn has_locked(&self, shared: &File, path: &SystemPath, slot: usize) -> bool {
        // A lock is no obstacle for the open file that has it, which may have come to the number of the shared one.
        if self.worker().is_some_and(|own| own.slot == slot) && self.is_worker() {
            return true;
        }
        let asked = |file: &File| is_locked(file.number(), alive_byte(slot), 1);
        let again = || File::open(path).ok().filter(|file| file.id() == shared.id()).and_then(|file| asked(&file));
        shared.status().and_then(|_| asked(shared)).or_else(again).unwrap_or(true)
    }

    /// Whether the process in a slot has ended although its lock is held: by a child of its own that was not made by `fork`.
    /// Only a process of the same namespace can tell.
    pub(super) fn is_gone(&self, table: Table<'_>, slot: usize) -> bool {
        let Some([_, pid, namespace, _]) = table.slot(slot) else { return false };
        let (pid, namespace) = (pid.load(Ordering::Relaxed), namespace.load(Ordering::Relaxed));
        namespace != 0 && namespace == self.own_namespace() && has_no_process(pid)
    }

    fn own_namespace(&self) -> u64 {
        let generation = fork_generation();
        if self.namespace_of.load(Ordering::Relaxed) != generation {
            self.namespace.store(own_pid().1, Ordering::Relaxed);
            self.namespace_of.store(generation, Ordering::Relaxed);
        }
        self.namespace.load(Ordering::Relaxed)
    }
}

/// Takes a slot, if nobody has it.
fn claim(own: &File, table: Table<'_>, slot: usize, wall_ms: u64) -> Option<Worker> {
    let words: &[AtomicU64; SLOT_WORDS] = table.slot(slot)?;
    let is_free = || is_locked(own.number(), alive_byte(slot), 1) == Some(false);
    // Asked before, so that who looks does not stand in the way of others.
    if !is_free() || own.lock(claim_byte(slot), LockKind::Alone) != Ok(true) {
        return None;
    }
    let worker = is_free().then(|| {
        let [generation, pid, namespace, since] = words;
        let (own_pid, own_namespace) = own_pid();
        pid.store(own_pid, Ordering::Relaxed);
        namespace.store(own_namespace, Ordering::Relaxed);
        since.store(wall_ms, Ordering::Relaxed);
        let fresh = table.fresh_generation();
        #[cfg(spanpin_stops)]
        crate::stops::at("worker-slot: in part");
        // SYNC(worker-slot): Release. From here on the cells of the worker before are nobody's; only then is the slot alive.
        generation.store(fresh, Ordering::Release);
        #[cfg(spanpin_stops)]
        crate::stops::at("worker-slot: raised");
        Worker { slot, generation: fresh }
    });
    let locked = worker.filter(|_| own.lock(alive_byte(slot), LockKind::Alone) == Ok(true));
    #[cfg(spanpin_stops)]
    crate::stops::at("worker-slot: locked");
    own.unlock(claim_byte(slot));
    locked
}

/// Whether the worker in a slot has ended, for a reader that has only this descriptor and what the slot says. A reader that
/// cannot tell takes it for alive.
#[cfg(feature = "std")]
pub(super) fn has_ended(fd: i32, slot: usize, pid: u64, namespace: u64) -> bool {
    let unlocked = is_locked(fd, alive_byte(slot), 1) == Some(false);
    unlocked || (namespace != 0 && namespace == own_pid().1 && has_no_process(pid))
}

/// Whether any process has this file open as a segment. Nothing where that cannot be told.
#[cfg(feature = "std")]
pub(super) fn is_in_use(fd: i32) -> Option<bool> {
    is_locked(fd, IN_USE_BYTE, LOCK_BYTES)
}
