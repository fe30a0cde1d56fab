//! Registries.

use alloc::boxed::Box;
use core::ptr;

use spanpin::{Registry, ScraperIdentity};

use crate::boundary::{Out, default_registry, done, free_registry, handle, place, spanpin_error, spanpin_registry};
use crate::options::{from_environment, spanpin_registry_options};
use crate::status::spanpin_status;

/// Scrapers are told apart by what they ask for and where they come from. The default.
pub const SPANPIN_SCRAPER_IDENTITY_ADDRESS: u32 = 1;
/// Scrapers are not told apart.
pub const SPANPIN_SCRAPER_IDENTITY_NONE: u32 = 2;
/// Scrapers are told apart by what they ask for, and not by where they come from: for a pool of addresses.
pub const SPANPIN_SCRAPER_IDENTITY_GIVEN: u32 = 3;

const _: () = assert!(ScraperIdentity::Address as u32 == SPANPIN_SCRAPER_IDENTITY_ADDRESS);
const _: () = assert!(ScraperIdentity::None as u32 == SPANPIN_SCRAPER_IDENTITY_NONE);
const _: () = assert!(ScraperIdentity::Given as u32 == SPANPIN_SCRAPER_IDENTITY_GIVEN);

/// Whether the environment variables that registries take defaults from have values that are allowed:
/// OTEL_METRICS_EXEMPLAR_FILTER and the SPANPIN_... ones of docs/c-abi.md. A value that is not allowed is passed over when
/// a registry is made, so that a program always starts; log what this call says. Do not change the environment while it
/// runs. Threads: any. Allocates: for the message. Returns: SPANPIN_STATUS_OK, INVALID_OPTION naming each variable that
/// is wrong, also one that is not UTF-8. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_environment_check(error: Out<'_, spanpin_error>) -> spanpin_status {
    done(from_environment().1.map_or(Ok(()), Err), error)
}

/// Whether the environment asks for spans to be marked, for bindings that mark them. Threads: any. Allocates: never.
/// Returns: 1 or 0; 0 for NULL. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_marks_spans(registry: Option<&spanpin_registry>) -> i32 {
    registry.map_or(0, |registry| registry.registry.marks_spans().into())
}

/// Makes a registry. `options` may be NULL for the defaults; see spanpin_environment_check for those of the process.
/// Threads: any. Allocates: address space for `reserve_bytes`, of which pages become memory as they are used. Ownership:
/// free `*out` with spanpin_registry_free.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER (`out`), INVALID_OPTION, OUT_OF_MEMORY; with `strict` also
/// SEGMENT_UNUSABLE for a segment file that cannot be used. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_new(
    options: Option<&spanpin_registry_options>,
    out: Out<'_, *mut spanpin_registry>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let make = || {
        let out = place(out, "out")?;
        let registry = match options {
            Some(options) => Registry::with_options(&options.core()?)?,
            None => Registry::with_options(&from_environment().0)?,
        };
        out.write(Box::into_raw(spanpin_registry::boxed(registry)?));
        Ok(())
    };
    done(make(), error)
}

/// The process's own registry, made with the defaults of the process on the first call. Threads: any. Allocates: on the first
/// call. Ownership: never freed; spanpin_registry_free leaves it alone. Returns: NULL when out of memory. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_default() -> *mut spanpin_registry {
    default_registry(|| spanpin_registry::boxed(Registry::with_options(&from_environment().0)?))
        .unwrap_or(ptr::null_mut())
}

/// Frees a registry with its families, histograms, counters and gauges; NULL and the default registry are left alone.
/// Pages it wrote stay valid. Threads: only when no other thread uses the registry or anything of it.
/// Ownership: takes `registry`. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_free(registry: Option<Box<spanpin_registry>>) {
    if let Some(registry) = registry {
        free_registry(registry);
    }
}

/// Replaces the registry's clocks, for tests: from now on the time is what this says, in Unix milliseconds and in
/// monotonic milliseconds, until the next call. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_set_clock(
    registry: Option<&spanpin_registry>,
    wall_ms: u64,
    mono_ms: u64,
) -> spanpin_status {
    let set = || {
        handle(registry, "registry")?.registry.set_clock(wall_ms, mono_ms);
        Ok(())
    };
    done(set(), None)
}
