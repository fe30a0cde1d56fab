//! Statuses: the numbers of the core's errors, and their texts.

use core::ffi::{CStr, c_char};

use spanpin::ErrorCode;

/// The result of a call: `SPANPIN_STATUS_OK` (0) or one of the positive `SPANPIN_STATUS_...` numbers. A number never
/// changes its meaning. Later versions may add numbers, so treat an unknown one as a failure.
pub type spanpin_status = i32;

macro_rules! statuses {
    ($($name:ident = $number:literal, $code:ident, $text:literal;)*) => {
        $(const _: () = assert!(ErrorCode::$code.as_u32() == $number && $name == $number);)*

        /// The number C gets for an error code of the core.
        pub(crate) const fn of(code: ErrorCode) -> spanpin_status {
            code.as_u32() as spanpin_status
        }

        const fn text(status: spanpin_status) -> &'static CStr {
            match status {
                0 => c"ok",
                $($number => $text,)*
                _ => c"unknown status",
            }
        }
    };
}

/// The call did what it says.
pub const SPANPIN_STATUS_OK: spanpin_status = 0;
/// A pointer that must not be NULL is NULL: a handle, an out-parameter, or an array of a length above 0.
pub const SPANPIN_STATUS_NULL_POINTER: spanpin_status = 1;
/// Text that must be UTF-8 is not.
pub const SPANPIN_STATUS_INVALID_UTF8: spanpin_status = 2;
/// A metric name does not match [a-zA-Z_:][a-zA-Z0-9_:]*.
pub const SPANPIN_STATUS_INVALID_NAME: spanpin_status = 3;
/// The registry already has a family of this name.
pub const SPANPIN_STATUS_DUPLICATE_NAME: spanpin_status = 4;
/// A label name starts with __, or is le on a histogram.
pub const SPANPIN_STATUS_RESERVED_LABEL: spanpin_status = 5;
/// A label name does not match [a-zA-Z_][a-zA-Z0-9_]*.
pub const SPANPIN_STATUS_INVALID_LABEL_NAME: spanpin_status = 6;
/// A label name is given twice.
pub const SPANPIN_STATUS_DUPLICATE_LABEL: spanpin_status = 7;
/// The number of label values differs from the number of label names.
pub const SPANPIN_STATUS_LABEL_COUNT: spanpin_status = 8;
/// Bucket bounds are not strictly increasing, or one is NaN.
pub const SPANPIN_STATUS_INVALID_BOUNDS: spanpin_status = 9;
/// A unit is malformed, or is not the suffix of the family name.
pub const SPANPIN_STATUS_INVALID_UNIT: spanpin_status = 10;
/// A sample name the family would write belongs to another family.
pub const SPANPIN_STATUS_NAME_CLASH: spanpin_status = 11;
/// The family exists with another shape.
pub const SPANPIN_STATUS_SHAPE_MISMATCH: spanpin_status = 12;
/// A traceparent does not follow W3C Trace Context.
pub const SPANPIN_STATUS_INVALID_TRACEPARENT: spanpin_status = 13;
/// A trace id is all zero.
pub const SPANPIN_STATUS_INVALID_TRACE_ID: spanpin_status = 14;
/// A span id is all zero.
pub const SPANPIN_STATUS_INVALID_SPAN_ID: spanpin_status = 15;
/// An option has a value that is not allowed.
pub const SPANPIN_STATUS_INVALID_OPTION: spanpin_status = 16;
/// Memory could not be allocated.
pub const SPANPIN_STATUS_OUT_OF_MEMORY: spanpin_status = 17;
/// The registry's segment has no room left.
pub const SPANPIN_STATUS_SEGMENT_FULL: spanpin_status = 18;
/// A scrape took longer than its deadline.
pub const SPANPIN_STATUS_DEADLINE: spanpin_status = 19;
/// A handle is of another kind: a counter's family where a histogram's is wanted.
pub const SPANPIN_STATUS_WRONG_KIND: spanpin_status = 20;
/// An argument is outside its allowed range.
pub const SPANPIN_STATUS_INVALID_ARGUMENT: spanpin_status = 21;
/// Not available on this platform or in this build.
pub const SPANPIN_STATUS_UNSUPPORTED: spanpin_status = 22;
/// A registry was asked to be strict, and its segment file cannot be used.
pub const SPANPIN_STATUS_SEGMENT_UNUSABLE: spanpin_status = 23;

statuses! {
    SPANPIN_STATUS_NULL_POINTER = 1, NullPointer, c"a required pointer is NULL";
    SPANPIN_STATUS_INVALID_UTF8 = 2, InvalidUtf8, c"text is not valid UTF-8";
    SPANPIN_STATUS_INVALID_NAME = 3, InvalidName, c"a metric name must match [a-zA-Z_:][a-zA-Z0-9_:]*";
    SPANPIN_STATUS_DUPLICATE_NAME = 4, DuplicateName, c"the registry already has a family of this name";
    SPANPIN_STATUS_RESERVED_LABEL = 5, ReservedLabel, c"a label name must not start with __, nor be le on a histogram";
    SPANPIN_STATUS_INVALID_LABEL_NAME = 6, InvalidLabelName, c"a label name must match [a-zA-Z_][a-zA-Z0-9_]*";
    SPANPIN_STATUS_DUPLICATE_LABEL = 7, DuplicateLabel, c"a label name is given twice";
    SPANPIN_STATUS_LABEL_COUNT = 8, LabelCount, c"there must be one label value for each label name";
    SPANPIN_STATUS_INVALID_BOUNDS = 9, InvalidBounds, c"bucket bounds must be numbers and strictly increasing";
    SPANPIN_STATUS_INVALID_UNIT = 10, InvalidUnit, c"the family name must end in _ and the unit";
    SPANPIN_STATUS_NAME_CLASH = 11, NameClash, c"a sample name belongs to another family";
    SPANPIN_STATUS_SHAPE_MISMATCH = 12, ShapeMismatch, c"the family exists with another shape";
    SPANPIN_STATUS_INVALID_TRACEPARENT = 13, InvalidTraceparent, c"the traceparent does not follow W3C Trace Context";
    SPANPIN_STATUS_INVALID_TRACE_ID = 14, InvalidTraceId, c"a trace id must be 32 hexadecimal digits that are not all zero";
    SPANPIN_STATUS_INVALID_SPAN_ID = 15, InvalidSpanId, c"a span id must be 16 hexadecimal digits that are not all zero";
    SPANPIN_STATUS_INVALID_OPTION = 16, InvalidOption, c"an option has a value that is not allowed";
    SPANPIN_STATUS_OUT_OF_MEMORY = 17, OutOfMemory, c"out of memory";
    SPANPIN_STATUS_SEGMENT_FULL = 18, SegmentFull, c"the segment has no room left";
    SPANPIN_STATUS_DEADLINE = 19, Deadline, c"the scrape took longer than its deadline";
    SPANPIN_STATUS_WRONG_KIND = 20, WrongKind, c"the handle is of another kind";
    SPANPIN_STATUS_INVALID_ARGUMENT = 21, InvalidArgument, c"an argument is outside its allowed range";
    SPANPIN_STATUS_UNSUPPORTED = 22, Unsupported, c"not available on this platform or in this build";
    SPANPIN_STATUS_SEGMENT_UNUSABLE = 23, SegmentUnusable, c"the segment file cannot be used, and the registry is strict";
}

/// One sentence for a status, the same for every error of that number; `spanpin_error.message` says more.
/// An unknown number gives "unknown status". Threads: any. Allocates: never. Ownership: the text is constant, do not
/// free it. Returns: never NULL. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_status_message(status: spanpin_status) -> *const c_char {
    text(status).as_ptr()
}

/// `SPANPIN_STATUS_OK`, which the compiler does not see through: else it would call what answers this and put the answer
/// behind, where a caller on the hot path can end with a jump and needs no frame.
#[inline(always)]
pub(crate) fn ok() -> spanpin_status {
    core::hint::black_box(SPANPIN_STATUS_OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_a_text() {
        for code in ErrorCode::ALL {
            assert_ne!(text(of(code)), c"unknown status", "{code:?}");
        }
        assert_eq!(text(0), c"ok");
        assert_eq!(text(-1), c"unknown status");
    }
}
