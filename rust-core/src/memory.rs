//! Fallible memory: the few containers of the core that own heap memory. None of them panics or aborts when memory is
//! short; `alloc`'s own containers would.

use alloc::alloc::alloc;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::error::{Error, ErrorCode};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// The error for memory that the allocator refused.
pub(crate) fn out_of_memory() -> Error {
    Error::fixed(ErrorCode::OutOfMemory, "the process is out of memory: the allocator refused a request")
}

/// A value in memory of its own.
pub(crate) fn boxed<T>(value: T) -> Result<Box<T>, Error> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        // SAFETY: a box of a type without a size holds a dangling pointer that is well aligned.
        return Ok(unsafe { Box::from_raw(NonNull::<T>::dangling().as_ptr()) });
    }
    // SAFETY: the size is not zero.
    let raw = unsafe { alloc(layout) }.cast::<T>();
    if raw.is_null() {
        return Err(out_of_memory());
    }
    // SAFETY: `raw` is aligned, large enough and nobody else's.
    unsafe { raw.write(value) };
    // SAFETY: `raw` comes from the global allocator with the layout of `T` and holds a value.
    Ok(unsafe { Box::from_raw(raw) })
}

/// A copy of a slice in memory of its own.
pub(crate) fn copy_slice<T: Copy>(items: &[T]) -> Result<Box<[T]>, Error> {
    let layout = Layout::array::<T>(items.len()).map_err(|_| out_of_memory())?;
    let first = if layout.size() == 0 {
        NonNull::dangling()
    } else {
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc(layout) }.cast::<T>()).ok_or_else(out_of_memory)?
    };
    // SAFETY: the new memory has room for `items.len()` values, is aligned, and does not overlap the slice.
    unsafe { core::ptr::copy_nonoverlapping(items.as_ptr(), first.as_ptr(), items.len()) };
    // SAFETY: that many values were just written to an allocation of exactly their layout, or none of no size.
    Ok(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(first.as_ptr(), items.len())) })
}

/// A list that is only ever added to, by one thread at a time, and read by any.
pub(crate) struct Pushed<T> {
    items: Vec<T>,
}

impl<T> Pushed<T> {
    pub(crate) const fn new() -> Self {
        Pushed { items: Vec::new() }
    }

    pub(crate) fn push(&mut self, item: T) -> Result<(), Error> {
        if self.items.len() == self.items.capacity() && self.items.try_reserve(self.items.len().max(8)).is_err() {
            return Err(out_of_memory());
        }
        let end = self.items.len();
        // SAFETY: `end` is within the capacity, which was just made greater than the length.
        let place = unsafe { self.items.as_mut_ptr().add(end) };
        // SAFETY: `place` is inside the allocation and holds no value yet.
        unsafe { place.write(item) };
        // SAFETY: the value at `end` was just written.
        unsafe { self.items.set_len(end.wrapping_add(1)) };
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        self.items
    }
}

impl<T> Deref for Pushed<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.items
    }
}

/// A reference to something that the registry's core owns and never moves or frees before the core itself.
///
/// It is the core's promise (INV-3) that keeps this valid: every holder is either inside the core, or holds a
/// `Shared<Core>` beside it.
pub struct Pinned<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Pinned<T> {
    /// # Safety
    /// `target` must stay where it is, and alive, as long as the copy of this reference that lives longest.
    pub(crate) unsafe fn new(target: &T) -> Self {
        Pinned(NonNull::from_ref(target))
    }

    /// The same as a reference that a caller outside may keep.
    ///
    /// # Safety
    /// The target must stay where it is, and alive, for `'a`.
    pub(crate) unsafe fn as_ref<'a>(self) -> &'a T {
        // SAFETY: the caller's promise.
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized> Clone for Pinned<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Pinned<T> {}

impl<T: ?Sized> Deref for Pinned<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `new` was told that the target outlives this reference.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: a shared reference may be sent exactly when its target may be shared.
unsafe impl<T: ?Sized + Sync> Send for Pinned<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for Pinned<T> {}

/// A reference-counted value. `alloc`'s own aborts when memory is short.
pub(crate) struct Shared<T>(NonNull<SharedInner<T>>);

struct SharedInner<T> {
    /// Holders of the value. Range 1..2^63.
    count: AtomicU64,
    value: T,
}

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Result<Self, Error> {
        let inner = boxed(SharedInner { count: AtomicU64::new(1), value })?;
        Ok(Shared(NonNull::from(Box::leak(inner))))
    }

    fn inner(&self) -> &SharedInner<T> {
        // SAFETY: this holder's own count keeps the value alive.
        unsafe { self.0.as_ref() }
    }

    /// A reference for what lives inside the value itself.
    pub(crate) fn pin(&self) -> Pinned<T> {
        // SAFETY: the value does not move, and what holds the copy is part of it (INV-3).
        unsafe { Pinned::new(&self.inner().value) }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        self.inner().count.fetch_add(1, Ordering::Relaxed);
        Shared(self.0)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SYNC(shared-drop): Release hands this holder's work to the one that frees; pairs with the fence below.
        if self.inner().count.fetch_sub(1, Ordering::Release) == 1 {
            // SYNC(shared-drop): Acquire.
            fence(Ordering::Acquire);
            // SAFETY: the last holder is gone, and the pointer came from a box.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.inner().value
    }
}

// SAFETY: as for `Arc`: the value is shared by its holders and dropped by the last of them, on any thread.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

/// A link of an insert-only list of owned nodes: set once, never changed before the owner is dropped.
pub(crate) struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    pub(crate) const fn empty() -> Self {
        Link(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// The node, once there is one.
    pub(crate) fn get(&self) -> Option<&T> {
        // SYNC(index-insert): pairs with `set`; the node's fields become visible.
        let node = self.0.load(Ordering::Acquire);
        // SAFETY: a node that was set is owned by this link and lives until the link is dropped.
        unsafe { node.as_ref() }
    }

    /// Gives the link its node. The caller holds the lock of the list, and the link is empty.
    pub(crate) fn set(&self, node: Box<T>) -> &T {
        let node = Box::leak(node);
        // SYNC(index-insert): Release publishes the node's fields.
        self.0.store(node, Ordering::Release);
        node
    }

    fn take(&mut self) -> *mut T {
        core::mem::replace(self.0.get_mut(), core::ptr::null_mut())
    }
}

impl<T> Drop for Link<T> {
    fn drop(&mut self) {
        let node = self.take();
        if !node.is_null() {
            // SAFETY: the node came from a box and nobody else frees it.
            drop(unsafe { Box::from_raw(node) });
        }
    }
}

/// A node of a [`Chain`].
pub(crate) trait Node: Sized {
    /// The link to the node after this one.
    fn next(&self) -> &Link<Self>;
    /// The same, for taking the chain apart.
    fn next_mut(&mut self) -> &mut Link<Self>;
}

/// An owned list in the order of insertion: added to under a lock, read by anyone at any time.
pub(crate) struct Chain<T: Node> {
    first: Link<T>,
    last: AtomicPtr<T>,
}

impl<T: Node> Chain<T> {
    pub(crate) const fn new() -> Self {
        Chain { first: Link::empty(), last: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// Adds a node at the end. The caller holds the lock of the list.
    pub(crate) fn push(&self, node: Box<T>) -> Pinned<T> {
        let last = self.last.load(Ordering::Relaxed);
        // SAFETY: the last node is owned by this list and never removed before the list is dropped.
        let link = unsafe { last.as_ref() }.map_or(&self.first, Node::next);
        let node = link.set(node);
        self.last.store(core::ptr::from_ref(node).cast_mut(), Ordering::Relaxed);
        // SAFETY: the list lives inside the core and keeps its nodes until it is dropped (INV-3).
        unsafe { Pinned::new(node) }
    }

    /// `push` broken off after its first or second step.
    #[cfg(test)]
    pub(crate) fn push_in_part(&self, node: Box<T>, steps: u32) {
        let end = self.last.load(Ordering::Relaxed);
        let node = self.push(node);
        if steps == 1 {
            self.last.store(end, Ordering::Relaxed);
        }
        let _ = node;
    }

    /// Finds the end again after a `push` that was broken off. The caller holds the lock of the list.
    pub(crate) fn mend(&self) {
        if let Some(last) = core::iter::successors(self.first.get(), |node| node.next().get()).last() {
            self.last.store(core::ptr::from_ref(last).cast_mut(), Ordering::Relaxed);
        }
    }

    /// The nodes in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Pinned<T>> {
        let nodes = core::iter::successors(self.first.get(), |node| node.next().get());
        // SAFETY: as in `push`.
        nodes.map(|node| unsafe { Pinned::new(node) })
    }
}

impl<T: Node> Drop for Chain<T> {
    fn drop(&mut self) {
        // Dropping the first node would drop the others by recursion.
        let mut node = self.first.take();
        while !node.is_null() {
            // SAFETY: the node came from a box, and its link was taken, so that nobody else frees it.
            let mut owned = unsafe { Box::from_raw(node) };
            node = owned.next_mut().take();
        }
    }
}

// SAFETY: the list owns its nodes and gives out shared references.
unsafe impl<T: Node + Send + Sync> Send for Chain<T> {}
// SAFETY: as above; adding is made exclusive by the lock of the list.
unsafe impl<T: Node + Send + Sync> Sync for Chain<T> {}

/// An open-addressing table of references by hash, valid at every instant for readers without a lock. It is grown by
/// publishing a new table; the old ones are kept, each half the next one's size, for the readers inside them.
pub(crate) struct Table<T> {
    slots: Box<[AtomicPtr<T>]>,
    used: AtomicU32,
    /// The table before this one, which readers may still be inside; freed with this one.
    older: *mut Table<T>,
}

impl<T> Table<T> {
    /// A table for at least `wanted` entries.
    pub(crate) fn with_room(wanted: usize) -> Result<Box<Self>, Error> {
        let len = wanted.saturating_add(wanted / 2).max(8).checked_next_power_of_two().ok_or_else(out_of_memory)?;
        let layout = Layout::array::<AtomicPtr<T>>(len).map_err(|_| out_of_memory())?;
        // SAFETY: at least eight pointers, so the size is not zero.
        let raw = unsafe { alloc::alloc::alloc_zeroed(layout) }.cast::<AtomicPtr<T>>();
        if raw.is_null() {
            return Err(out_of_memory());
        }
        // SAFETY: zeroed memory is `len` null pointers, and the allocation has exactly their layout.
        let slots = unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(raw, len)) };
        boxed(Table { slots, used: AtomicU32::new(0), older: core::ptr::null_mut() })
    }

    /// The entries from the place of `hash` on, up to the first empty one.
    #[inline]
    pub(crate) fn probe(&self, hash: u64) -> impl Iterator<Item = Pinned<T>> {
        let mask = self.slots.len().wrapping_sub(1);
        (0..self.slots.len()).map_while(move |step| {
            let slot = self.slots.get((hash as usize).wrapping_add(step) & mask)?;
            // SYNC(index-insert): pairs with `insert`.
            NonNull::new(slot.load(Ordering::Acquire)).map(Pinned)
        })
    }

    /// True while an insert keeps a quarter of the table empty.
    pub(crate) fn has_room(&self) -> bool {
        let used = self.used.load(Ordering::Relaxed) as usize;
        used < self.slots.len().wrapping_sub(self.slots.len() / 4)
    }

    /// Adds an entry. The caller holds the lock of the index and has seen `has_room`.
    pub(crate) fn insert(&self, hash: u64, entry: Pinned<T>) {
        let mask = self.slots.len().wrapping_sub(1);
        for step in 0..self.slots.len() {
            if let Some(slot) = self.slots.get((hash as usize).wrapping_add(step) & mask)
                && slot.load(Ordering::Relaxed).is_null()
            {
                // SYNC(index-insert): Release publishes the entry's fields.
                slot.store(entry.0.as_ptr(), Ordering::Release);
                self.used.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Takes an entry out. The caller holds the lock of the index. Entries behind it move up; a reader that misses one of
    /// them meanwhile looks again under the lock.
    pub(crate) fn remove(&self, entry: Pinned<T>, hash_of: impl Fn(&T) -> u64) {
        let mask = self.slots.len().wrapping_sub(1);
        let slot = |at: usize| self.slots.get(at & mask);
        let start = hash_of(&entry) as usize;
        let found = (0..self.slots.len()).map(|step| start.wrapping_add(step) & mask).find(|at| {
            let there = slot(*at).map_or(core::ptr::null_mut(), |slot| slot.load(Ordering::Relaxed));
            there.is_null() || there == entry.0.as_ptr()
        });
        let Some(mut gap) = found else { return };
        if slot(gap).is_none_or(|slot| slot.load(Ordering::Relaxed).is_null()) {
            return;
        }
        let mut at = gap;
        for _ in 1..self.slots.len() {
            at = at.wrapping_add(1) & mask;
            let Some(next) = slot(at).and_then(|slot| NonNull::new(slot.load(Ordering::Relaxed))).map(Pinned) else {
                break;
            };
            // How far it lies behind the place of its hash, and how far behind the gap: it may move up if that is less.
            let behind = at.wrapping_sub(hash_of(&next) as usize) & mask;
            if behind >= at.wrapping_sub(gap) & mask {
                if let Some(slot) = slot(gap) {
                    // SYNC(index-insert): Release, as in `insert`.
                    slot.store(next.0.as_ptr(), Ordering::Release);
                }
                gap = at;
            }
        }
        if let Some(slot) = slot(gap) {
            slot.store(core::ptr::null_mut(), Ordering::Relaxed);
        }
        self.used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Every entry, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Pinned<T>> {
        self.slots.iter().filter_map(|slot| NonNull::new(slot.load(Ordering::Relaxed)).map(Pinned))
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        if !self.older.is_null() {
            // SAFETY: `grow` took the older table from a box and made this one its only owner.
            drop(unsafe { Box::from_raw(self.older) });
        }
    }
}

// SAFETY: a table gives out shared references to its entries, and nothing else.
unsafe impl<T: Sync> Send for Table<T> {}
// SAFETY: as above; inserting is made exclusive by the lock of the index.
unsafe impl<T: Sync> Sync for Table<T> {}

/// The table in use.
pub(crate) struct CurrentTable<T>(AtomicPtr<Table<T>>);

impl<T> CurrentTable<T> {
    pub(crate) fn new(table: Box<Table<T>>) -> Self {
        CurrentTable(AtomicPtr::new(Box::into_raw(table)))
    }

    #[inline]
    pub(crate) fn get(&self) -> &Table<T> {
        // SYNC(index-table): pairs with `grow`.
        let table = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer came from a box that this value owns, and older tables are kept inside the newer ones.
        unsafe { &*table }
    }

    /// Publishes a table of twice the room. The caller holds the lock of the index. When memory is short the old
    /// table stays in use.
    pub(crate) fn grow(&self, hash_of: impl Fn(&T) -> u64) -> Result<(), Error> {
        let old = self.get();
        // Room for as many entries as the old one has slots takes twice the slots.
        let bigger = Table::with_room(old.slots.len())?;
        for entry in old.entries() {
            bigger.insert(hash_of(&entry), entry);
        }
        self.publish(bigger);
        Ok(())
    }

    /// Publishes a table of these entries in place of one that may be half changed. The caller holds the lock of the index.
    pub(crate) fn rebuild(
        &self,
        entries: impl Iterator<Item = Pinned<T>> + Clone,
        hash_of: impl Fn(&T) -> u64,
    ) -> Result<(), Error> {
        let fresh = Table::with_room(entries.clone().count())?;
        for entry in entries {
            fresh.insert(hash_of(&entry), entry);
        }
        self.publish(fresh);
        Ok(())
    }

    fn publish(&self, mut table: Box<Table<T>>) {
        table.older = self.0.load(Ordering::Relaxed);
        // SYNC(index-table): Release publishes the copied entries.
        self.0.store(Box::into_raw(table), Ordering::Release);
    }
}

impl<T> Drop for CurrentTable<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box that only this value owns.
        drop(unsafe { Box::from_raw(*self.0.get_mut()) });
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Pinned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries come and go in any order, and those that are there are found, once each.
    #[test]
    fn entries_of_a_table_come_and_go() {
        let items: Vec<(u64, u32)> = (0..200_u32).map(|n| (u64::from(n % 23) << (n % 2 * 3), n)).collect();
        let pin = |n: usize| {
            // SAFETY: `items` outlives the table.
            unsafe { Pinned::new(&items[n]) }
        };
        let table = Table::<(u64, u32)>::with_room(items.len()).unwrap();
        let mut there = alloc::collections::BTreeSet::new();
        let mut random = 7_u64;
        for turn in 0..20_000 {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let n = (random >> 33) as usize % items.len();
            if there.insert(n) {
                table.insert(items[n].0, pin(n));
            } else {
                there.remove(&n);
                table.remove(pin(n), |item| item.0);
                table.remove(pin(n), |item| item.0);
            }
            assert_eq!(table.used.load(Ordering::Relaxed) as usize, there.len());
            if turn % 100 == 0 {
                for (n, item) in items.iter().enumerate() {
                    let found = table.probe(item.0).filter(|entry| entry.1 == item.1).count();
                    assert_eq!(found, usize::from(there.contains(&n)), "{n} in turn {turn}");
                }
            }
        }
    }
}
