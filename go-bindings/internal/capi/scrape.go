//go:build cgo

package capi

/*
#include <time.h>
#include "spanpin.h"

static inline uint64_t spanpin_go_monotonic_ms(void) {
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// MonotonicMs is the time in milliseconds on the clock by which the core opens
// and closes its windows.
func MonotonicMs() uint64 { return uint64(C.spanpin_go_monotonic_ms()) }

// ScrapeOptions are those of the C interface.
type ScrapeOptions struct {
	Accept, AcceptEncoding               string
	DeadlineMs                           uint32
	Scraper                              string
	UserAgent, ScrapeTimeout, Path, Peer string
}

// Result is an answer in the memory of the core, to be freed with Free.
type Result struct{ r C.spanpin_scrape_result }

// Scrape writes the exposition.
func (r Registry) Scrape(o ScrapeOptions) (*Result, *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	options := C.spanpin_scrape_options{
		accept:          str(&pin, o.Accept),
		accept_encoding: str(&pin, o.AcceptEncoding),
		deadline_ms:     C.uint32_t(o.DeadlineMs),
		scraper:         str(&pin, o.Scraper),
		user_agent:      str(&pin, o.UserAgent),
		scrape_timeout:  str(&pin, o.ScrapeTimeout),
		path:            str(&pin, o.Path),
		peer:            str(&pin, o.Peer),
	}
	result := new(Result)
	var e C.spanpin_error
	if f := failure(C.spanpin_scrape(r.p, &options, &result.r, &e), &e); f != nil {
		return nil, f
	}
	return result, nil
}

// ExemplarsJSON writes all that the rings hold.
func (r Registry) ExemplarsJSON() (*Result, *Failure) {
	result := new(Result)
	var e C.spanpin_error
	if f := failure(C.spanpin_exemplars_json(r.p, &result.r, &e), &e); f != nil {
		return nil, f
	}
	return result, nil
}

// Body is the text of the answer. It is gone after Free.
func (r *Result) Body() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(r.r.body)), int(r.r.body_len))
}

// ContentType is the media type of the answer.
func (r *Result) ContentType() string { return goString(r.r.content_type) }

// ContentEncoding is "gzip" or empty.
func (r *Result) ContentEncoding() string { return goString(r.r.content_encoding) }

// Free frees the answer.
func (r *Result) Free() { C.spanpin_scrape_result_free(&r.r) }

func goString(s C.spanpin_str) string {
	return C.GoStringN(s.ptr, C.int(s.len))
}

// ParseTraceparent is the parser of the core; the tests hold the one in Go to it.
func ParseTraceparent(text string) (Span, *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var t C.spanpin_trace_context
	var e C.spanpin_error
	s := str(&pin, text)
	if f := failure(C.spanpin_trace_context_parse(s.ptr, s.len, &t, &e), &e); f != nil {
		return Span{}, f
	}
	return Span{
		TraceHi: number(t.trace_id[:8]),
		TraceLo: number(t.trace_id[8:]),
		Span:    number(t.span_id[:]),
		Flags:   uint8(t.flags),
	}, nil
}

func number(bytes []C.uint8_t) (n uint64) {
	for _, b := range bytes {
		n = n<<8 | uint64(b)
	}
	return n
}
