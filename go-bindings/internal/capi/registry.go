//go:build cgo

package capi

// #include "spanpin.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// ABIVersion is the version of the C interface that this module was written for.
const ABIVersion = C.SPANPIN_ABI_VERSION

// LinkedABIVersion is the version of the archive that was linked.
func LinkedABIVersion() uint32 { return uint32(C.spanpin_abi_version()) }

// Version is the version of the linked core.
func Version() string { return C.GoString(C.spanpin_version()) }

// Failure is a status other than OK with its message.
type Failure struct {
	Code    int32
	Message string
}

func failure(status C.spanpin_status, e *C.spanpin_error) *Failure {
	if status == 0 {
		return nil
	}
	message := C.GoString(&e.message[0])
	if message == "" {
		message = StatusMessage(int32(status))
	}
	return &Failure{Code: int32(status), Message: message}
}

// StatusMessage is the sentence that describes a status.
func StatusMessage(status int32) string {
	return C.GoString(C.spanpin_status_message(C.spanpin_status(status)))
}

// Switches that the environment has a default for.
const (
	SwitchOn  = C.SPANPIN_SWITCH_ON
	SwitchOff = C.SPANPIN_SWITCH_OFF
)

// How scrapers are told apart.
const (
	ScraperIdentityAddress = C.SPANPIN_SCRAPER_IDENTITY_ADDRESS
	ScraperIdentityNone    = C.SPANPIN_SCRAPER_IDENTITY_NONE
	ScraperIdentityGiven   = C.SPANPIN_SCRAPER_IDENTITY_GIVEN
)

// Registry is a handle; the zero Registry is none.
type Registry struct{ p *C.spanpin_registry }

// RegistryOptions are those of the C interface; zero values stand for defaults.
type RegistryOptions struct {
	ReserveBytes    uint
	ExemplarBytes   uint
	SelfMetricsOff  bool
	ScraperIdentity uint8
	TraceIDLabel    string
	SpanIDLabel     string
	KeepNames       uint8
	TraceURL        string
	Segment         string
	SegmentMode     uint32
	Strict          bool
	SegmentOff      bool
}

// NewRegistry makes a registry, to be freed with Free.
func NewRegistry(o RegistryOptions) (Registry, *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	options := C.spanpin_registry_options{
		reserve_bytes:    C.size_t(o.ReserveBytes),
		exemplar_bytes:   C.size_t(o.ExemplarBytes),
		scraper_identity: C.uint8_t(o.ScraperIdentity),
		trace_id_label:   str(&pin, o.TraceIDLabel),
		span_id_label:    str(&pin, o.SpanIDLabel),
		trace_url:        str(&pin, o.TraceURL),
		segment:          str(&pin, o.Segment),
		segment_mode:     C.uint32_t(o.SegmentMode),
		keep_names:       C.uint8_t(o.KeepNames),
	}
	if o.Strict {
		options.strict = 1
	}
	if o.SegmentOff {
		options.segment_off = 1
	}
	if o.SelfMetricsOff {
		options.self_metrics_off = 1
	}
	var r Registry
	var e C.spanpin_error
	status := C.spanpin_registry_new(&options, &r.p, &e)
	return r, failure(status, &e)
}

// CheckEnvironment is the first of the variables that registries take defaults
// from with a value that is not allowed, nil if there is none.
func CheckEnvironment() *Failure {
	var e C.spanpin_error
	return failure(C.spanpin_environment_check(&e), &e)
}

// MarksSpans tells whether the environment asks for spans to be marked.
func (r Registry) MarksSpans() bool { return C.spanpin_registry_marks_spans(r.p) != 0 }

// TakeSegmentNotice is a line to log about the registry's segment that was not
// taken before; empty if there is none.
func (r Registry) TakeSegmentNotice() (message, reason string) {
	var notice C.spanpin_segment_notice
	if C.spanpin_registry_take_segment_notice(r.p, &notice) != 0 {
		return "", ""
	}
	return text(notice.message), text(notice.reason)
}

// SegmentPath is the file in which the registry counts; empty for its own memory.
func (r Registry) SegmentPath() string {
	var path C.spanpin_str
	C.spanpin_registry_segment_path(r.p, &path)
	return text(path)
}

// DefaultRegistry is the registry of the process, which other languages in the
// same program share. It is never freed; it is the zero Registry when memory ran
// out.
func DefaultRegistry() Registry { return Registry{C.spanpin_registry_default()} }

// Free frees the registry. Nobody may use it or anything made from it any more.
func (r Registry) Free() { C.spanpin_registry_free(r.p) }

// SetClock switches the registry to a manual clock.
func (r Registry) SetClock(wallMs, monoMs uint64) {
	C.spanpin_registry_set_clock(r.p, C.uint64_t(wallMs), C.uint64_t(monoMs))
}

// str passes a string without a copy; it must stay pinned during the call.
func str(pin *runtime.Pinner, s string) C.spanpin_str {
	if s == "" {
		return C.spanpin_str{}
	}
	data := unsafe.StringData(s)
	pin.Pin(data)
	return C.spanpin_str{ptr: (*C.char)(unsafe.Pointer(data)), len: C.size_t(len(s))}
}

// text copies a string of the core's.
func text(s C.spanpin_str) string { return C.GoStringN(s.ptr, C.int(s.len)) }

// strs passes strings without copies of their text.
func strs(pin *runtime.Pinner, list []string) (*C.spanpin_str, C.size_t) {
	if len(list) == 0 {
		return nil, 0
	}
	array := make([]C.spanpin_str, len(list))
	for i, s := range list {
		array[i] = str(pin, s)
	}
	pin.Pin(&array[0])
	return &array[0], C.size_t(len(array))
}
