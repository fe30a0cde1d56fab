//go:build cgo

package capi

// #include "spanpin.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// The kinds of a family.
const (
	KindCounter   = C.SPANPIN_KIND_COUNTER
	KindGauge     = C.SPANPIN_KIND_GAUGE
	KindHistogram = C.SPANPIN_KIND_HISTOGRAM
)

// Family is a handle; it lives as long as its registry.
type Family struct{ p *C.spanpin_family }

// FamilyOptions are those of the C interface; zero values stand for defaults.
type FamilyOptions struct {
	Kind             uint32
	Name, Help, Unit string
	LabelNames       []string
	Bounds           []float64
	Rules            Rules
	MaxSeries        uint32
}

// Rules are those of the C interface; zero values stand for defaults.
type Rules struct {
	Filter, Policy             uint32
	Slots, MaxAgeSeconds       uint32
	MinimumValue               float64
	Probability                float64
	Adaptive                   uint32
	AdaptiveWindowSeconds      uint32
	AdaptiveLower, AdaptiveP99 float64
}

// Where the middle band of adaptive sampling begins.
const (
	AdaptiveOfP99 = C.SPANPIN_ADAPTIVE_OF_P99
	AdaptiveP95   = C.SPANPIN_ADAPTIVE_P95
	AdaptiveOff   = C.SPANPIN_ADAPTIVE_OFF
)

func (r Rules) c() C.spanpin_exemplar_rules {
	return C.spanpin_exemplar_rules{
		filter:            C.uint32_t(r.Filter),
		policy:            C.uint32_t(r.Policy),
		slots:             C.uint32_t(r.Slots),
		max_age_s:         C.uint32_t(r.MaxAgeSeconds),
		minimum_value:     C.double(r.MinimumValue),
		probability:       C.double(r.Probability),
		adaptive:          C.uint32_t(r.Adaptive),
		adaptive_window_s: C.uint32_t(r.AdaptiveWindowSeconds),
		adaptive_lower:    C.double(r.AdaptiveLower),
		adaptive_p99:      C.double(r.AdaptiveP99),
	}
}

// Register makes a family.
func (r Registry) Register(o FamilyOptions) (Family, *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	options := C.spanpin_family_options{
		kind:       C.uint32_t(o.Kind),
		name:       str(&pin, o.Name),
		help:       str(&pin, o.Help),
		unit:       str(&pin, o.Unit),
		max_series: C.uint32_t(o.MaxSeries),
		rules:      o.Rules.c(),
	}
	options.label_names, options.label_names_len = strs(&pin, o.LabelNames)
	if len(o.Bounds) > 0 {
		pin.Pin(&o.Bounds[0])
		options.bounds = (*C.double)(unsafe.Pointer(&o.Bounds[0]))
		options.bounds_len = C.size_t(len(o.Bounds))
	}
	var f Family
	var e C.spanpin_error
	status := C.spanpin_family_register(r.p, &options, &f.p, &e)
	return f, failure(status, &e)
}

// Remove removes the series of these label values, and tells whether there was one.
func (f Family) Remove(values []string) (bool, *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var e C.spanpin_error
	var removed C.int32_t
	array, n := strs(&pin, values)
	status := C.spanpin_family_remove(f.p, array, n, &removed, &e)
	return removed != 0, failure(status, &e)
}

// Clear removes all series.
func (f Family) Clear() *Failure {
	var e C.spanpin_error
	status := C.spanpin_family_clear(f.p, &e)
	return failure(status, &e)
}

// SetP99 sets the p99 of adaptive sampling.
func (f Family) SetP99(p99 float64) { C.spanpin_family_set_p99(f.p, C.double(p99)) }

// The handles of series; they are valid as long as the registry. Two lookups that
// lead to one life of a series give equal handles. They are words and no addresses.
type (
	Histogram struct{ p *C.spanpin_histogram }
	Counter   struct{ p *C.spanpin_counter }
	Gauge     struct{ p *C.spanpin_gauge }
)

// Histogram is the series of these label values.
func (f Family) Histogram(values []string) (h Histogram, _ *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var e C.spanpin_error
	array, n := strs(&pin, values)
	status := C.spanpin_histogram_with(f.p, array, n, &h.p, &e)
	return h, failure(status, &e)
}

// Counter is the series of these label values.
func (f Family) Counter(values []string) (c Counter, _ *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var e C.spanpin_error
	array, n := strs(&pin, values)
	status := C.spanpin_counter_with(f.p, array, n, &c.p, &e)
	return c, failure(status, &e)
}

// Gauge is the series of these label values.
func (f Family) Gauge(values []string) (g Gauge, _ *Failure) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var e C.spanpin_error
	array, n := strs(&pin, values)
	status := C.spanpin_gauge_with(f.p, array, n, &g.p, &e)
	return g, failure(status, &e)
}

// View is where the words of a series lie, and its settings.
type View struct {
	Cells, Gates, Header unsafe.Pointer
	// Plain is the word of the state in the life of the handle, without flags.
	Plain          uint64
	Hash           uint64
	Buckets        uint32
	Filter, Policy uint32
	// OfferFrom is the least value that is offered, NaN when none is.
	OfferFrom float64
	// Draws says that offers must win a lot.
	Draws bool
	// Overflow says that the series takes what finds no place of its own.
	Overflow bool
}

func view(status C.spanpin_status, v *C.spanpin_series_view) (View, *Failure) {
	if status != 0 {
		return View{}, &Failure{Code: int32(status), Message: StatusMessage(int32(status))}
	}
	return View{
		Cells: v.cells, Gates: v.gates, Header: v.segment, Plain: uint64(v.plain),
		Hash: uint64(v.hash), Buckets: uint32(v.buckets),
		Filter: uint32(v.filter), Policy: uint32(v.policy),
		OfferFrom: float64(v.offer_from),
		Draws:     v.draws != 0,
		Overflow:  v.overflow != 0,
	}, nil
}

// View reports the words of the series.
func (h Histogram) View() (View, *Failure) {
	var v C.spanpin_series_view
	status := C.spanpin_histogram_view(h.p, &v)
	return view(status, &v)
}

// View reports the words of the series.
func (c Counter) View() (View, *Failure) {
	var v C.spanpin_series_view
	status := C.spanpin_counter_view(c.p, &v)
	return view(status, &v)
}

// View reports the words of the series.
func (g Gauge) View() (View, *Failure) {
	var v C.spanpin_series_view
	status := C.spanpin_gauge_view(g.p, &v)
	return view(status, &v)
}
