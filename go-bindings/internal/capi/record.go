//go:build cgo

package capi

/*
#cgo noescape spanpin_go_offer_labels
#cgo nocallback spanpin_go_offer_labels
#cgo noescape spanpin_go_histogram_exemplar
#cgo nocallback spanpin_go_histogram_exemplar
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

// Series is a histogram or a counter, for what is the same for both. A counter
// has one bucket, of number 0. The zero Series is none.
type Series struct {
	number  C.uintptr_t
	counter C.uint32_t
}

// Series is the histogram as a series.
func (h Histogram) Series() Series { return Series{h.number(), 0} }

// Series is the counter as a series.
func (c Counter) Series() Series { return Series{c.number(), 1} }

// Offer offers the span of an observation that was counted before, and tells
// whether the exemplar was written.
func (s Series) Offer(bucket uint, v float64, seed uint64, span Span) bool {
	return C.spanpin_go_offer(s.number, s.counter, C.uint32_t(bucket), C.double(v), C.uint64_t(seed),
		C.uint64_t(span.TraceHi), C.uint64_t(span.TraceLo), C.uint64_t(span.Span), C.uint32_t(span.Flags)) != 0
}

// OfferLabels is Offer with labels besides.
func (s Series) OfferLabels(bucket uint, v float64, seed uint64, span Span, l Labels) bool {
	text, lengths, n := l.c()
	return C.spanpin_go_offer_labels(s.number, s.counter, C.uint32_t(bucket), C.double(v), C.uint64_t(seed),
		C.uint64_t(span.TraceHi), C.uint64_t(span.TraceLo), C.uint64_t(span.Span), C.uint32_t(span.Flags),
		text, lengths, n) != 0
}

// Draw draws the lot of an offer; false, and counted, if it is not to be kept.
func (s Series) Draw(bucket uint, v float64, seed uint64) bool {
	return C.spanpin_go_draw(s.number, s.counter, C.uint32_t(bucket), C.double(v), C.uint64_t(seed)) != 0
}

// Stripes are the striped cells of the series, after a wish by the number that the
// C interface gives it; nil while there are none.
func (s Series) Stripes(wish uint32) (cells unsafe.Pointer, bytes uintptr, salt uint64) {
	found := C.spanpin_go_stripes(s.number, s.counter, C.uint32_t(wish))
	return found.cells, uintptr(found.stripe_bytes), uint64(found.salt)
}

// GaugeSeries is a gauge by its number, for what its process does with it by a
// call.
type GaugeSeries struct{ number C.uintptr_t }

// Series is the gauge as a series.
func (g Gauge) Series() GaugeSeries {
	return GaugeSeries{C.uintptr_t(uintptr(unsafe.Pointer(g.p)))}
}

// Set makes v the value.
func (g GaugeSeries) Set(v float64) { C.spanpin_go_gauge_set(g.number, C.double(v)) }

// Add adds v.
func (g GaugeSeries) Add(v float64) { C.spanpin_go_gauge_add(g.number, C.double(v)) }

// Value is the value.
func (g GaugeSeries) Value() float64 { return float64(C.spanpin_go_gauge_value(g.number)) }

// Cell is where this process adds, and the generation that its first word holds;
// nil if it has no cell of its own.
func (g GaugeSeries) Cell() (cell unsafe.Pointer, generation uint64) {
	found := C.spanpin_go_gauge_cell(g.number)
	return found.cell, uint64(found.generation)
}

// Record counts an observation, or adds to a counter, without an exemplar.
func (s Series) Record(v float64) { C.spanpin_go_record(s.number, s.counter, C.double(v)) }

// Turn closes the open window if it is due by time, and brings the bands of
// adaptive sampling up to date.
func (s Series) Turn() { C.spanpin_go_turn(s.number, s.counter) }

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
