//! The error type of the crate: a stable code and a message for people.

use core::fmt;

use crate::buffer::{Buffer, OutOfMemory};

/// What went wrong, as a number that never changes its meaning.
///
/// The numbers are also the positive statuses of the C interface. A retired
/// number stays reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum ErrorCode {
    /// A pointer that must not be NULL was NULL.
    NullPointer = 1,
    /// Text that must be UTF-8 was not.
    InvalidUtf8 = 2,
    /// A metric name is not `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    InvalidName = 3,
    /// The registry already has a family of this name.
    DuplicateName = 4,
    /// A label name is reserved: it starts with `__`, or is `le` on a histogram.
    ReservedLabel = 5,
    /// A label name is not `[a-zA-Z_][a-zA-Z0-9_]*`.
    InvalidLabelName = 6,
    /// A label name was given twice.
    DuplicateLabel = 7,
    /// The number of label values differs from the number of label names.
    LabelCount = 8,
    /// Bucket bounds are not finite and strictly increasing.
    InvalidBounds = 9,
    /// A unit is malformed or is not the suffix of the family name.
    InvalidUnit = 10,
    /// A generated sample name belongs to another family.
    NameClash = 11,
    /// An existing segment holds the family in another shape.
    ShapeMismatch = 12,
    /// A `traceparent` does not follow W3C Trace Context.
    InvalidTraceparent = 13,
    /// A trace id is not 32 hexadecimal digits, or is all zero.
    InvalidTraceId = 14,
    /// A span id is not 16 hexadecimal digits, or is all zero.
    InvalidSpanId = 15,
    /// An option has a value that is not allowed.
    InvalidOption = 16,
    /// Memory could not be allocated.
    OutOfMemory = 17,
    /// The segment has no room left.
    SegmentFull = 18,
    /// A scrape took longer than its deadline.
    Deadline = 19,
    /// A handle of another kind was given, such as a counter for a histogram.
    WrongKind = 20,
    /// An argument is outside its allowed range.
    InvalidArgument = 21,
    /// The feature is not available on this platform or in this build.
    Unsupported = 22,
    /// A registry was asked to be `strict`, and its segment file cannot be used. The message has path, cause and remedy.
    SegmentUnusable = 23,
}

impl ErrorCode {
    /// Every code, in the order of the numbers.
    pub const ALL: [ErrorCode; 23] = [
        ErrorCode::NullPointer,
        ErrorCode::InvalidUtf8,
        ErrorCode::InvalidName,
        ErrorCode::DuplicateName,
        ErrorCode::ReservedLabel,
        ErrorCode::InvalidLabelName,
        ErrorCode::DuplicateLabel,
        ErrorCode::LabelCount,
        ErrorCode::InvalidBounds,
        ErrorCode::InvalidUnit,
        ErrorCode::NameClash,
        ErrorCode::ShapeMismatch,
        ErrorCode::InvalidTraceparent,
        ErrorCode::InvalidTraceId,
        ErrorCode::InvalidSpanId,
        ErrorCode::InvalidOption,
        ErrorCode::OutOfMemory,
        ErrorCode::SegmentFull,
        ErrorCode::Deadline,
        ErrorCode::WrongKind,
        ErrorCode::InvalidArgument,
        ErrorCode::Unsupported,
        ErrorCode::SegmentUnusable,
    ];

    /// The number of the code.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self as u32
    }

    /// The code of a number, or `None` for a number that is not in use.
    #[must_use]
    pub fn from_u32(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_u32() == number)
    }

    /// The stable name of the code, such as `duplicate_name`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::NullPointer => "null_pointer",
            ErrorCode::InvalidUtf8 => "invalid_utf8",
            ErrorCode::InvalidName => "invalid_name",
            ErrorCode::DuplicateName => "duplicate_name",
            ErrorCode::ReservedLabel => "reserved_label",
            ErrorCode::InvalidLabelName => "invalid_label_name",
            ErrorCode::DuplicateLabel => "duplicate_label",
            ErrorCode::LabelCount => "label_count",
            ErrorCode::InvalidBounds => "invalid_bounds",
            ErrorCode::InvalidUnit => "invalid_unit",
            ErrorCode::NameClash => "name_clash",
            ErrorCode::ShapeMismatch => "shape_mismatch",
            ErrorCode::InvalidTraceparent => "invalid_traceparent",
            ErrorCode::InvalidTraceId => "invalid_trace_id",
            ErrorCode::InvalidSpanId => "invalid_span_id",
            ErrorCode::InvalidOption => "invalid_option",
            ErrorCode::OutOfMemory => "out_of_memory",
            ErrorCode::SegmentFull => "segment_full",
            ErrorCode::Deadline => "deadline",
            ErrorCode::WrongKind => "wrong_kind",
            ErrorCode::InvalidArgument => "invalid_argument",
            ErrorCode::Unsupported => "unsupported",
            ErrorCode::SegmentUnusable => "segment_unusable",
        }
    }

    /// One sentence that holds for every error of this code.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            ErrorCode::NullPointer => "a required pointer is NULL",
            ErrorCode::InvalidUtf8 => "text is not valid UTF-8",
            ErrorCode::InvalidName => "a metric name must match [a-zA-Z_:][a-zA-Z0-9_:]*",
            ErrorCode::DuplicateName => "the registry already has a family of this name",
            ErrorCode::ReservedLabel => "a label name must not start with __, nor be le on a histogram",
            ErrorCode::InvalidLabelName => "a label name must match [a-zA-Z_][a-zA-Z0-9_]*",
            ErrorCode::DuplicateLabel => "a label name is given twice",
            ErrorCode::LabelCount => "there must be one label value for each label name",
            ErrorCode::InvalidBounds => "bucket bounds must be finite and strictly increasing",
            ErrorCode::InvalidUnit => "the family name must end in _ and the unit",
            ErrorCode::NameClash => "a sample name belongs to another family",
            ErrorCode::ShapeMismatch => "the family exists with another shape",
            ErrorCode::InvalidTraceparent => "the traceparent does not follow W3C Trace Context",
            ErrorCode::InvalidTraceId => "a trace id must be 32 hexadecimal digits that are not all zero",
            ErrorCode::InvalidSpanId => "a span id must be 16 hexadecimal digits that are not all zero",
            ErrorCode::InvalidOption => "an option has a value that is not allowed",
            ErrorCode::OutOfMemory => "out of memory",
            ErrorCode::SegmentFull => "the segment has no room left",
            ErrorCode::Deadline => "the scrape took longer than its deadline",
            ErrorCode::WrongKind => "the handle is of another kind",
            ErrorCode::InvalidArgument => "an argument is outside its allowed range",
            ErrorCode::Unsupported => "not available on this platform or in this build",
            ErrorCode::SegmentUnusable => "the segment file cannot be used, and the registry is strict",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed call: an [`ErrorCode`] for programs and a message for people.
///
/// The message names the offending value, what is allowed and, where it is not
/// plain, the remedy.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    code: ErrorCode,
    message: Message,
}

#[derive(Debug, PartialEq, Eq)]
enum Message {
    Fixed(&'static str),
    Built(Buffer),
}

/// `Result` with the crate's [`Error`].
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An error with a message that was put together.
    ///
    /// A message that is not valid UTF-8 or is empty, as after a failed
    /// allocation, is replaced by the description of the code.
    #[must_use]
    pub const fn new(code: ErrorCode, message: Buffer) -> Self {
        Self { code, message: Message::Built(message) }
    }

    /// An error with a constant message.
    #[must_use]
    pub const fn fixed(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message: Message::Fixed(message) }
    }

    /// An error whose message is the description of the code.
    #[must_use]
    pub const fn plain(code: ErrorCode) -> Self {
        Self::fixed(code, code.description())
    }

    /// An error whose message is `before`, the offending value quoted and
    /// shortened, and `after`.
    #[must_use]
    pub fn quoting(code: ErrorCode, before: &str, value: &str, after: &str) -> Self {
        let mut message = Buffer::new();
        message.put_str(before);
        message.put_quoted(value);
        message.put_str(after);
        Self::new(code, message)
    }

    /// The code of the error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The message of the error.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.message {
            Message::Fixed(text) => text,
            Message::Built(buffer) => match core::str::from_utf8(buffer.as_slice()) {
                Ok(text) if !text.is_empty() => text,
                _ => self.code.description(),
            },
        }
    }
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Self::plain(ErrorCode::OutOfMemory)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stable() {
        for (place, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(code.as_u32() as usize, place + 1);
            assert_eq!(ErrorCode::from_u32(code.as_u32()), Some(*code));
        }
        assert_eq!(ErrorCode::from_u32(0), None);
        assert_eq!(ErrorCode::from_u32(24), None);
        assert_eq!(ErrorCode::DuplicateName.as_u32(), 4);
        assert_eq!(ErrorCode::OutOfMemory.as_u32(), 17);
    }

    #[test]
    fn an_unusable_message_falls_back_to_the_description() {
        let error = Error::new(ErrorCode::InvalidUnit, Buffer::new());
        assert_eq!(error.message(), ErrorCode::InvalidUnit.description());
        let mut bytes = Buffer::new();
        bytes.put(&[0xff]);
        let error = Error::new(ErrorCode::InvalidUnit, bytes);
        assert_eq!(error.message(), ErrorCode::InvalidUnit.description());
    }

    #[test]
    fn the_offending_value_is_quoted() {
        let error = Error::quoting(ErrorCode::InvalidName, "metric name ", "a\nb", " is bad");
        assert_eq!(error.message(), "metric name \"a?b\" is bad");
        assert!(core::mem::size_of::<Error>() <= 40);
    }
}
