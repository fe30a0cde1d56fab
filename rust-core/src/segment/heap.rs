//! The backing of a segment in the process' own memory.

use core::ptr::NonNull;

use super::layout::LINE;

/// Smaller than this a segment has no room for a registry.
pub(crate) const LEAST_BYTES: usize = 256 * 1024;

/// An address range that reads as zero until it is written.
pub(crate) struct Heap {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the range belongs to this value alone; what lies in it is reached through atomics.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    /// Reserves `wanted` bytes, or as much of it as the system gives: where memory may not be promised in excess it
    /// gives less. Nothing is used before it is touched.
    pub(crate) fn reserve(wanted: usize) -> Option<Heap> {
        let mut bytes = wanted.max(LEAST_BYTES).checked_next_multiple_of(64 * 1024)?;
        loop {
            if let Some(base) = map(bytes) {
                return Some(Heap { base, bytes });
            }
            if bytes / 2 < LEAST_BYTES {
                return None;
            }
            bytes = (bytes / 2).next_multiple_of(LINE);
        }
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(all(unix, not(miri)))]
fn map(bytes: usize) -> Option<NonNull<u8>> {
    #[cfg(target_os = "linux")]
    const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    #[cfg(not(target_os = "linux"))]
    const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a fresh anonymous mapping replaces nothing.
    let base = unsafe { libc::mmap(core::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, FLAGS, -1, 0) };
    if base == libc::MAP_FAILED { None } else { NonNull::new(base.cast()) }
}

#[cfg(all(unix, not(miri)))]
impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` with this length, and nobody holds the segment any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(any(not(unix), miri))]
fn map(bytes: usize) -> Option<NonNull<u8>> {
    let layout = core::alloc::Layout::from_size_align(bytes, 4096).ok()?;
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc::alloc::alloc_zeroed(layout) })
}

#[cfg(any(not(unix), miri))]
impl Drop for Heap {
    fn drop(&mut self) {
        if let Ok(layout) = core::alloc::Layout::from_size_align(self.bytes, 4096) {
            // SAFETY: `map` allocated the range with this layout.
            unsafe { alloc::alloc::dealloc(self.base.as_ptr(), layout) };
        }
    }
}
