//! From the strings of a `labels()` call to the Python object of their series.
//!
//! The table is open-addressed, insert-only and at most half full. Readers take
//! no lock: a table and its entries are published by one atomic store and stay
//! where they are while a reader could be inside. A reader may so keep using a table
//! that another one has replaced. It then misses newer entries and takes the slow
//! way once.
//!
//! A table that gets full is replaced by one without the series that were removed. Under
//! the interpreter lock no other thread is inside then, because a reader holds it from
//! beginning to end: what was replaced is freed. Where the interpreter runs without its
//! lock it is kept until the family goes.

use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use spanpin::Life;

const FIRST_SIZE: usize = 16;

/// The series a family has handed out.
pub(crate) struct LabelCache {
    table: AtomicPtr<Table>,
    owned: Mutex<Owned>,
}

struct Table {
    /// A power of two of slots; NULL is empty.
    slots: Box<[AtomicPtr<Entry>]>,
}

struct Entry {
    hash: u64,
    /// Exact `str` objects, in the order of the label names.
    key: Box<[Py<PyString>]>,
    series: Py<PyAny>,
    /// Ends when the series is removed; the entry then finds nothing any more.
    life: Life,
}

/// What the cache frees when it goes. Held by raw pointer, because readers share it.
#[derive(Default)]
struct Owned {
    /// The present table and its entries.
    tables: Vec<NonNull<Table>>,
    entries: Vec<NonNull<Entry>>,
    replaced: Replaced,
}

/// What a new table has left behind.
#[derive(Default)]
struct Replaced {
    tables: Vec<NonNull<Table>>,
    entries: Vec<NonNull<Entry>>,
}

// SAFETY: the pointers are to tables and entries that own what they hold, and every access
// to the lists goes through the mutex.
unsafe impl Send for Owned {}

impl LabelCache {
    pub(crate) fn new() -> Self {
        Self { table: AtomicPtr::new(ptr::null_mut()), owned: Mutex::new(Owned::default()) }
    }

    /// The series of these values, or `None` also if one of them is not a plain `str`.
    ///
    /// # Safety
    /// The thread must be attached to the interpreter and the objects alive.
    #[inline]
    pub(crate) unsafe fn find(&self, values: &[*mut ffi::PyObject]) -> Option<&Py<PyAny>> {
        // SAFETY: a published table lives as long as the cache.
        let table = unsafe { self.table.load(Ordering::Acquire).as_ref() }?;
        // SAFETY: the caller's promise.
        let hash = unsafe { hash_of(values) }?;
        for entry in table.chain(hash) {
            // SAFETY: the caller's promise; keys live as long as their entry.
            if entry.hash == hash && entry.life.goes_on() && unsafe { entry.has_key(values) } {
                return Some(&entry.series);
            }
        }
        None
    }

    /// Keeps a series for these values, and returns it, or the one that another
    /// thread has kept in the meantime.
    pub(crate) fn insert(&self, py: Python<'_>, key: Box<[Py<PyString>]>, series: Py<PyAny>, life: Life) -> Py<PyAny> {
        let pointers: Vec<*mut ffi::PyObject> = key.iter().map(Py::as_ptr).collect();
        // Waiting here could deadlock a child that was forked while another thread held the
        // lock. Not keeping an entry costs that call's successor some time, no more.
        let Ok(mut owned) = self.owned.try_lock() else { return series };
        // SAFETY: the thread is attached, and `key` keeps the objects alive.
        if let Some(kept) = unsafe { self.find(&pointers) } {
            return kept.clone_ref(py);
        }
        // SAFETY: as above.
        let Some(hash) = (unsafe { hash_of(&pointers) }) else { return series };
        let result = series.clone_ref(py);
        let entry = owned.keep_entry(Entry { hash, key, series, life });
        if let Some(table) = self.with_room(&mut owned) {
            table.publish(hash, entry);
        }
        if !owned.replaced.tables.is_empty() && is_locked(py) {
            let replaced = std::mem::take(&mut owned.replaced);
            // What it holds may run code of the user's when it goes.
            drop(owned);
            // SAFETY: nothing leads to it any more, and the lock that this thread holds keeps others out of readers.
            unsafe { replaced.free() };
        }
        result
    }

    /// The present table, or one of what was not removed if it is half full.
    fn with_room(&self, owned: &mut Owned) -> Option<&Table> {
        // SAFETY: a published table stays where it is while readers may be inside.
        let present = unsafe { self.table.load(Ordering::Relaxed).as_ref() };
        let size = present.map_or(0, |table| table.slots.len());
        // The new entry is already among `entries`.
        if owned.entries.len() <= size / 2 {
            return present;
        }
        // The last entry is the new one, which the caller publishes.
        let newest = owned.entries.pop()?;
        // SAFETY: entries of the present table are not freed.
        let (alive, gone) = owned.entries.drain(..).partition(|entry| unsafe { entry.as_ref() }.life.goes_on());
        owned.entries = alive;
        owned.replaced.entries.append(&mut { gone });
        let table = Table::new(owned.entries.len().checked_mul(4)?.next_power_of_two().max(FIRST_SIZE));
        for entry in &owned.entries {
            // SAFETY: as above.
            let hash = unsafe { entry.as_ref() }.hash;
            table.publish(hash, *entry);
        }
        owned.entries.push(newest);
        owned.replaced.tables.append(&mut owned.tables);
        let table = owned.keep_table(table);
        self.table.store(table.as_ptr(), Ordering::Release);
        // SAFETY: it was just made.
        Some(unsafe { table.as_ref() })
    }
}

/// Whether the interpreter lets one thread run at a time.
fn is_locked(py: Python<'_>) -> bool {
    // Only interpreters that can do without their lock have the question.
    let ask = py.import("sys").and_then(|sys| sys.getattr("_is_gil_enabled"));
    ask.map_or(true, |ask| ask.call0().and_then(|answer| answer.extract()).unwrap_or(false))
}

impl Owned {
    fn keep_entry(&mut self, entry: Entry) -> NonNull<Entry> {
        let entry = NonNull::from(Box::leak(Box::new(entry)));
        self.entries.push(entry);
        entry
    }

    fn keep_table(&mut self, table: Table) -> NonNull<Table> {
        let table = NonNull::from(Box::leak(Box::new(table)));
        self.tables.push(table);
        table
    }
}

impl Replaced {
    /// # Safety
    /// No reader may be inside, or come to be.
    unsafe fn free(self) {
        for table in self.tables {
            // SAFETY: it came from a leaked box; the caller's promise.
            drop(unsafe { Box::from_raw(table.as_ptr()) });
        }
        for entry in self.entries {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(entry.as_ptr()) });
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut all = std::mem::take(&mut self.replaced);
        all.tables.append(&mut self.tables);
        all.entries.append(&mut self.entries);
        // SAFETY: the cache goes, so no reader can be left.
        unsafe { all.free() };
    }
}

impl Table {
    fn new(size: usize) -> Self {
        Self { slots: (0..size).map(|_| AtomicPtr::new(ptr::null_mut())).collect() }
    }

    /// The slots in the order in which a hash looks at them.
    #[inline]
    fn probe(&self, hash: u64) -> impl Iterator<Item = &AtomicPtr<Entry>> {
        // The high bits are the better mixed ones. The mask keeps the start below the length.
        let start = (hash >> 32) as usize & self.slots.len().wrapping_sub(1);
        let (before, from) = self.slots.split_at_checked(start).unwrap_or((&[], &self.slots));
        from.iter().chain(before)
    }

    /// The entries that may have this hash.
    #[inline]
    fn chain(&self, hash: u64) -> impl Iterator<Item = &Entry> {
        self.probe(hash).map_while(|slot| {
            // SAFETY: a published entry lives as long as the cache, which outlives `self`.
            unsafe { slot.load(Ordering::Acquire).as_ref() }
        })
    }

    /// Makes an entry visible. Only the holder of the mutex calls this, and there
    /// is always an empty slot.
    fn publish(&self, hash: u64, entry: NonNull<Entry>) {
        let empty = self.probe(hash).find(|slot| slot.load(Ordering::Relaxed).is_null());
        if let Some(slot) = empty {
            slot.store(entry.as_ptr(), Ordering::Release);
        }
    }
}

impl Entry {
    /// # Safety
    /// The thread must be attached and the values be `str` objects that are alive.
    #[inline]
    unsafe fn has_key(&self, values: &[*mut ffi::PyObject]) -> bool {
        self.key.len() == values.len()
            && self.key.iter().zip(values).all(|(key, value)| {
                // SAFETY: both are `str` objects, which compare without error.
                key.as_ptr() == *value || unsafe { ffi::PyUnicode_Compare(key.as_ptr(), *value) } == 0
            })
    }
}

/// A hash over the hashes of the values, which the strings themselves keep, or
/// `None` if a value is not exactly a `str`.
///
/// # Safety
/// The thread must be attached and the values alive.
#[inline]
unsafe fn hash_of(values: &[*mut ffi::PyObject]) -> Option<u64> {
    let mut all: u64 = 0;
    for value in values {
        // SAFETY: the caller's promise.
        if unsafe { ffi::PyUnicode_CheckExact(*value) } == 0 {
            return None;
        }
        // SAFETY: as above; a `str` always has a hash.
        let hash = unsafe { ffi::PyObject_Hash(*value) };
        all = (all.rotate_left(5) ^ hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Some(all)
}
