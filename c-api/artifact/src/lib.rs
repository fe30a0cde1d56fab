//! The static library `libspanpin.a`: the C ABI, built alone and without std.
//!
//! Built with `panic = "abort"` (profiles `capi` and `capi-dev`) this crate is `no_std` and brings its own
//! allocator and panic handler. In every other build, such as `cargo test --workspace`, it is an ordinary
//! crate with std, because cargo unifies features there and two panic handlers would collide.
#![cfg_attr(panic = "abort", no_std)]

// Keeps the `#[unsafe(no_mangle)]` functions of the rlib, also under fat LTO.
extern crate spanpin_capi;

#[cfg(panic = "abort")]
mod runtime;
