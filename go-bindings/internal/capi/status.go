//go:build cgo

package capi

// #include "spanpin.h"
import "C"

// The statuses of the C interface.
const (
	StatusNullPointer        = C.SPANPIN_STATUS_NULL_POINTER
	StatusInvalidUTF8        = C.SPANPIN_STATUS_INVALID_UTF8
	StatusInvalidName        = C.SPANPIN_STATUS_INVALID_NAME
	StatusDuplicateName      = C.SPANPIN_STATUS_DUPLICATE_NAME
	StatusReservedLabel      = C.SPANPIN_STATUS_RESERVED_LABEL
	StatusInvalidLabelName   = C.SPANPIN_STATUS_INVALID_LABEL_NAME
	StatusDuplicateLabel     = C.SPANPIN_STATUS_DUPLICATE_LABEL
	StatusLabelCount         = C.SPANPIN_STATUS_LABEL_COUNT
	StatusInvalidBounds      = C.SPANPIN_STATUS_INVALID_BOUNDS
	StatusInvalidUnit        = C.SPANPIN_STATUS_INVALID_UNIT
	StatusNameClash          = C.SPANPIN_STATUS_NAME_CLASH
	StatusShapeMismatch      = C.SPANPIN_STATUS_SHAPE_MISMATCH
	StatusInvalidTraceparent = C.SPANPIN_STATUS_INVALID_TRACEPARENT
	StatusInvalidTraceID     = C.SPANPIN_STATUS_INVALID_TRACE_ID
	StatusInvalidSpanID      = C.SPANPIN_STATUS_INVALID_SPAN_ID
	StatusInvalidOption      = C.SPANPIN_STATUS_INVALID_OPTION
	StatusOutOfMemory        = C.SPANPIN_STATUS_OUT_OF_MEMORY
	StatusSegmentFull        = C.SPANPIN_STATUS_SEGMENT_FULL
	StatusDeadline           = C.SPANPIN_STATUS_DEADLINE
	StatusWrongKind          = C.SPANPIN_STATUS_WRONG_KIND
	StatusInvalidArgument    = C.SPANPIN_STATUS_INVALID_ARGUMENT
	StatusUnsupported        = C.SPANPIN_STATUS_UNSUPPORTED
	StatusSegmentUnusable    = C.SPANPIN_STATUS_SEGMENT_UNUSABLE
)
