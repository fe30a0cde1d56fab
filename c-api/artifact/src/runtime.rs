//! What std would bring: memory from the C library, and an end for panics that cannot happen.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::ptr;

/// Allocates with the C library, so the program's allocator (jemalloc, AddressSanitizer, Valgrind) sees all of it.
struct CAllocator;

#[global_allocator]
static ALLOCATOR: CAllocator = CAllocator;

/// The alignment `malloc` promises on every supported platform.
const MALLOC_ALIGN: usize = 2 * size_of::<usize>();

// SAFETY: malloc, calloc and posix_memalign return either NULL or memory of at least the asked size and
// alignment (alignments above MALLOC_ALIGN go to posix_memalign), free takes memory of all three, none unwinds.
unsafe impl GlobalAlloc for CAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            // SAFETY: malloc has no precondition; the caller promises a size above zero.
            return unsafe { libc::malloc(layout.size()) }.cast();
        }
        let mut out: *mut c_void = ptr::null_mut();
        // SAFETY: `out` is writable, and an alignment above MALLOC_ALIGN is a power of two and a multiple of a pointer's size.
        let failed = unsafe { libc::posix_memalign(&raw mut out, layout.align(), layout.size()) };
        if failed == 0 { out.cast() } else { ptr::null_mut() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            // SAFETY: calloc has no precondition; its pages come from the kernel already zero when the block is large.
            return unsafe { libc::calloc(1, layout.size()) }.cast();
        }
        // SAFETY: the caller's promises for alloc_zeroed are those of alloc.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block is ours and has layout.size() bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller promises that `block` came from this allocator, that is, from malloc's family.
        unsafe { libc::free(block.cast()) };
    }
}

/// Never reached: `cargo xtask prove` builds with `spanpin_prove_no_panic` and fails when the symbol below survives
/// the linker. Should it be reached after all, the process stops.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(spanpin_prove_no_panic)]
    {
        // SAFETY: the symbol exists nowhere; a program that needed it would not link.
        unsafe extern "C" {
            safe fn spanpin_error_a_panic_is_reachable() -> !;
        }
        spanpin_error_a_panic_is_reachable()
    }
    #[cfg(not(spanpin_prove_no_panic))]
    // SAFETY: abort takes nothing and never returns.
    unsafe {
        libc::abort()
    }
}

/// Named by the precompiled `core`, which was built to unwind; nothing here unwinds, so nothing calls it.
/// The reduced archive keeps it local, so another Rust library's own stays the only one in a program.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
