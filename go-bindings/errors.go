package spanpin

import (
	"fmt"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
)

// ErrorCode says what went wrong, as a number that never changes its meaning.
// Later versions may add numbers.
type ErrorCode int32

// The error codes; they are the statuses of the C interface.
const (
	// CodeNullPointer: a handle was nil.
	CodeNullPointer ErrorCode = capi.StatusNullPointer
	// CodeInvalidUTF8: text that must be UTF-8 was not.
	CodeInvalidUTF8 ErrorCode = capi.StatusInvalidUTF8
	// CodeInvalidName: a metric name is not [a-zA-Z_:][a-zA-Z0-9_:]*.
	CodeInvalidName ErrorCode = capi.StatusInvalidName
	// CodeDuplicateName: the registry already has a family of this name.
	CodeDuplicateName ErrorCode = capi.StatusDuplicateName
	// CodeReservedLabel: a label name starts with __, or is le on a histogram.
	CodeReservedLabel ErrorCode = capi.StatusReservedLabel
	// CodeInvalidLabelName: a label name is not [a-zA-Z_][a-zA-Z0-9_]*.
	CodeInvalidLabelName ErrorCode = capi.StatusInvalidLabelName
	// CodeDuplicateLabel: a label name was given twice.
	CodeDuplicateLabel ErrorCode = capi.StatusDuplicateLabel
	// CodeLabelCount: the number of label values differs from that of the label names.
	CodeLabelCount ErrorCode = capi.StatusLabelCount
	// CodeInvalidBounds: bucket bounds are not finite and strictly increasing.
	CodeInvalidBounds ErrorCode = capi.StatusInvalidBounds
	// CodeInvalidUnit: a unit is malformed or not the suffix of the name.
	CodeInvalidUnit ErrorCode = capi.StatusInvalidUnit
	// CodeNameClash: a sample name of the family belongs to another family.
	CodeNameClash ErrorCode = capi.StatusNameClash
	// CodeShapeMismatch: the family exists with another shape.
	CodeShapeMismatch ErrorCode = capi.StatusShapeMismatch
	// CodeInvalidTraceparent: a traceparent does not follow W3C Trace Context.
	CodeInvalidTraceparent ErrorCode = capi.StatusInvalidTraceparent
	// CodeInvalidTraceID: a trace id is not 32 hexadecimal digits, or is all zero.
	CodeInvalidTraceID ErrorCode = capi.StatusInvalidTraceID
	// CodeInvalidSpanID: a span id is not 16 hexadecimal digits, or is all zero.
	CodeInvalidSpanID ErrorCode = capi.StatusInvalidSpanID
	// CodeInvalidOption: an option has a value that is not allowed.
	CodeInvalidOption ErrorCode = capi.StatusInvalidOption
	// CodeOutOfMemory: memory could not be allocated.
	CodeOutOfMemory ErrorCode = capi.StatusOutOfMemory
	// CodeSegmentFull: the registry's memory has no room left.
	CodeSegmentFull ErrorCode = capi.StatusSegmentFull
	// CodeDeadline: a scrape took longer than its deadline.
	CodeDeadline ErrorCode = capi.StatusDeadline
	// CodeWrongKind: a handle of another kind was given.
	CodeWrongKind ErrorCode = capi.StatusWrongKind
	// CodeInvalidArgument: an argument is outside its allowed range.
	CodeInvalidArgument ErrorCode = capi.StatusInvalidArgument
	// CodeUnsupported: not available on this platform or in this build.
	CodeUnsupported ErrorCode = capi.StatusUnsupported
	// CodeSegmentUnusable: Options.Strict was set, and the segment file cannot be used.
	CodeSegmentUnusable ErrorCode = capi.StatusSegmentUnusable

	// CodeClosed: the registry was closed.
	CodeClosed ErrorCode = -1
)

var codeNames = map[ErrorCode]string{
	CodeNullPointer:        "null_pointer",
	CodeInvalidUTF8:        "invalid_utf8",
	CodeInvalidName:        "invalid_name",
	CodeDuplicateName:      "duplicate_name",
	CodeReservedLabel:      "reserved_label",
	CodeInvalidLabelName:   "invalid_label_name",
	CodeDuplicateLabel:     "duplicate_label",
	CodeLabelCount:         "label_count",
	CodeInvalidBounds:      "invalid_bounds",
	CodeInvalidUnit:        "invalid_unit",
	CodeNameClash:          "name_clash",
	CodeShapeMismatch:      "shape_mismatch",
	CodeInvalidTraceparent: "invalid_traceparent",
	CodeInvalidTraceID:     "invalid_trace_id",
	CodeInvalidSpanID:      "invalid_span_id",
	CodeInvalidOption:      "invalid_option",
	CodeOutOfMemory:        "out_of_memory",
	CodeSegmentFull:        "segment_full",
	CodeDeadline:           "deadline",
	CodeWrongKind:          "wrong_kind",
	CodeInvalidArgument:    "invalid_argument",
	CodeUnsupported:        "unsupported",
	CodeSegmentUnusable:    "segment_unusable",
	CodeClosed:             "closed",
}

// String is the stable name of the code, such as "duplicate_name".
func (c ErrorCode) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("code_%d", int32(c))
}

// Error is the error of every function of this package. Its message names the
// offending value and what is allowed.
type Error struct {
	Code    ErrorCode
	Message string
}

// Error is the message, after the name of the package.
func (e *Error) Error() string { return "spanpin: " + e.Message }

// Is reports whether target is an *Error of the same code, so that errors.Is
// can ask for a code: errors.Is(err, &spanpin.Error{Code: spanpin.CodeDuplicateName}).
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code && (other.Message == "" || other.Message == e.Message)
}

// of turns the failure of a call into an error. It must be called with failures
// only: a nil *Error in an error variable is not a nil error.
func of(f *capi.Failure) error {
	return &Error{Code: ErrorCode(f.Code), Message: f.Message}
}
