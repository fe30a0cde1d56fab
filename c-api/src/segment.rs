//! What a registry has to say about its segment file.

use spanpin::SegmentNotice;

use crate::boundary::{Out, done, handle, place, spanpin_registry, spanpin_str};
use crate::status::spanpin_status;

/// Something to log: the registry counts elsewhere than in the file it was told to use, or a family anew beside one of
/// another shape. The texts belong to the registry and stay valid as long as it.
#[repr(C)]
pub struct spanpin_segment_notice {
    /// One line for a log: path, cause, what was done, remedy. Empty: there is no notice.
    message: spanpin_str,
    /// The value of the label `reason` of `spanpin_segment_degraded`: layout, damaged, unwritable, no_space, shape,
    /// refused, file_system, memory, unsupported, per_worker. Later versions may add some.
    reason: spanpin_str,
    /// The path that was asked for; empty if none was.
    path: spanpin_str,
    /// What was found there.
    cause: spanpin_str,
    /// What to do about it.
    remedy: spanpin_str,
}

impl spanpin_segment_notice {
    fn of(notice: Option<&SegmentNotice>) -> Self {
        let Some(notice) = notice else {
            let none = || spanpin_str::of("");
            return Self { message: none(), reason: none(), path: none(), cause: none(), remedy: none() };
        };
        Self {
            message: spanpin_str::of(&notice.message),
            reason: spanpin_str::of(notice.reason.as_str()),
            path: spanpin_str::of(&notice.path),
            cause: spanpin_str::of(&notice.cause),
            remedy: spanpin_str::of(notice.reason.remedy()),
        }
    }
}

/// Takes a notice that was not taken before; one for each reason at most. Ask after the registry is made, after
/// registrations and after scrapes, until `out->message.len` is 0. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_take_segment_notice(
    registry: Option<&spanpin_registry>,
    out: Out<'_, spanpin_segment_notice>,
) -> spanpin_status {
    let take = || {
        let registry = &handle(registry, "registry")?.registry;
        let out = place(out, "out")?;
        out.write(spanpin_segment_notice::of(registry.take_segment_notice()));
        Ok(())
    };
    done(take(), None)
}

/// The path of the file in which a registry counts, which may be one beside the file asked for; empty for one that counts
/// in the process' own memory. The text is valid as long as the registry. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_registry_segment_path(
    registry: Option<&spanpin_registry>,
    out: Out<'_, spanpin_str>,
) -> spanpin_status {
    let path = || {
        let registry = &handle(registry, "registry")?.registry;
        place(out, "out")?.write(spanpin_str::of(registry.segment_path().unwrap_or_default()));
        Ok(())
    };
    done(path(), None)
}
