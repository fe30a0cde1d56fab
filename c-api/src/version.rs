//! Versions: of the library, and of the ABI.

use core::ffi::{CStr, c_char};

/// The version of the C ABI, the number in `libspanpin.so.0`. It changes when a program must be compiled anew.
pub const SPANPIN_ABI_VERSION: u32 = 0;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => c"",
};

/// The version of the library in use, such as "0.1.0"; compare it with `SPANPIN_VERSION`, the version of the header.
/// Threads: any. Allocates: never. Ownership: the text is constant, do not free it. Returns: never NULL. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The ABI version of the library in use; must equal `SPANPIN_ABI_VERSION` of the header.
/// Threads: any. Allocates: never. Returns: the number. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_abi_version() -> u32 {
    SPANPIN_ABI_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_crate() {
        assert_eq!(VERSION.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }
}
