//go:build cgo

package capi

/*
#cgo noescape spanpin_go_histogram_trace
#cgo nocallback spanpin_go_histogram_trace
#cgo noescape spanpin_go_histogram_exemplar
#cgo nocallback spanpin_go_histogram_exemplar
#cgo noescape spanpin_go_counter_trace
#cgo nocallback spanpin_go_counter_trace
#cgo noescape spanpin_go_counter_exemplar
#cgo nocallback spanpin_go_counter_exemplar
#include "record.h"
*/
import "C"

import "unsafe"

// Span is a trace context as numbers: the halves of the trace id and the span
// id, each read as big-endian.
type Span struct {
	TraceHi, TraceLo, Span uint64
	Flags                  uint8
}

// Labels are label names and values in one text, with the lengths of its parts:
// name, value, name, value. C may not follow Go pointers that lie in Go memory,
// and so would have to be given copies of the strings in any case.
type Labels struct {
	Text    []byte
	Lengths []uint32
}

func (l Labels) c() (text *C.char, lengths *C.uint32_t, n C.size_t) {
	if len(l.Lengths) == 0 {
		return nil, nil, 0
	}
	text = (*C.char)(unsafe.Pointer(unsafe.SliceData(l.Text)))
	lengths = (*C.uint32_t)(unsafe.Pointer(&l.Lengths[0]))
	return text, lengths, C.size_t(len(l.Lengths) / 2)
}

func (h Histogram) number() C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(h.p))) }

func (c Counter) number() C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(c.p))) }

// Offer offers an exemplar of an observation that was counted before.
func (h Histogram) Offer(bucket uint, v float64, seed uint64, s Span) {
	C.spanpin_go_histogram_offer(h.number(), C.uint32_t(bucket), C.double(v), C.uint64_t(seed),
		C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo), C.uint64_t(s.Span), C.uint32_t(s.Flags))
}

// Turn closes the open window if it is due by time.
func (h Histogram) Turn() { C.spanpin_histogram_turn(h.p) }

// ObserveTrace counts v and offers the span with labels.
func (h Histogram) ObserveTrace(v float64, s Span, l Labels) {
	text, lengths, n := l.c()
	C.spanpin_go_histogram_trace(h.p, C.double(v), C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo),
		C.uint64_t(s.Span), C.uint32_t(s.Flags), text, lengths, n)
}

// ObserveExemplarIDs is ObserveExemplar of a valid span without labels.
func (h Histogram) ObserveExemplarIDs(v float64, s Span) {
	C.spanpin_go_histogram_ids(h.number(), C.double(v), C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo),
		C.uint64_t(s.Span), C.uint32_t(s.Flags))
}

// ObserveExemplar counts v and records an explicit exemplar.
func (h Histogram) ObserveExemplar(v float64, s Span, l Labels) {
	text, lengths, n := l.c()
	C.spanpin_go_histogram_exemplar(h.p, C.double(v), C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo),
		C.uint64_t(s.Span), C.uint32_t(s.Flags), text, lengths, n)
}

// Offer offers an exemplar of an addition that was made before.
func (c Counter) Offer(v float64, seed uint64, s Span) {
	C.spanpin_go_counter_offer(c.number(), C.double(v), C.uint64_t(seed),
		C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo), C.uint64_t(s.Span), C.uint32_t(s.Flags))
}

// Turn closes the open window if it is due by time.
func (c Counter) Turn() { C.spanpin_counter_turn(c.p) }

// AddTrace adds v and offers the span with labels.
func (c Counter) AddTrace(v float64, s Span, l Labels) {
	text, lengths, n := l.c()
	C.spanpin_go_counter_trace(c.p, C.double(v), C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo),
		C.uint64_t(s.Span), C.uint32_t(s.Flags), text, lengths, n)
}

// AddExemplarIDs is AddExemplar of a valid span without labels.
func (c Counter) AddExemplarIDs(v float64, s Span) {
	C.spanpin_go_counter_ids(c.number(), C.double(v), C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo),
		C.uint64_t(s.Span), C.uint32_t(s.Flags))
}

// AddExemplar adds v and records an explicit exemplar.
func (c Counter) AddExemplar(v float64, s Span, l Labels) {
	text, lengths, n := l.c()
	C.spanpin_go_counter_exemplar(c.p, C.double(v), C.uint64_t(s.TraceHi), C.uint64_t(s.TraceLo),
		C.uint64_t(s.Span), C.uint32_t(s.Flags), text, lengths, n)
}
