//go:build cgo

package capi

// #include "record.h"
import "C"

import "unsafe"

// Record is one exemplar of a ring. An id that it does not have is zero.
type Record struct {
	Value       float64
	TimestampMs uint64
	Span        Span
	// Labels are names and values, in turn.
	Labels []string
}

// Exemplars are all that the rings of the series hold, newest first.
func (s Series) Exemplars() ([]Record, *Failure) {
	list := new(C.spanpin_exemplar_list)
	var e C.spanpin_error
	if f := failure(C.spanpin_go_exemplars(s.number, s.counter, list, &e), &e); f != nil {
		return nil, f
	}
	defer C.spanpin_exemplar_list_free(list)
	// An empty array of the core has an address that no Go variable may hold.
	if list.exemplars_len == 0 {
		return nil, nil
	}
	found := unsafe.Slice(list.exemplars, int(list.exemplars_len))
	records := make([]Record, 0, len(found))
	for i := range found {
		r := &found[i]
		record := Record{
			Value:       float64(r.value),
			TimestampMs: uint64(r.timestamp_ms),
			Span: Span{
				TraceHi: number(r.trace.trace_id[:8]),
				TraceLo: number(r.trace.trace_id[8:]),
				Span:    number(r.trace.span_id[:]),
			},
		}
		if r.labels_len > 0 {
			for _, l := range unsafe.Slice(r.labels, int(r.labels_len)) {
				record.Labels = append(record.Labels, goString(l.name), goString(l.value))
			}
		}
		records = append(records, record)
	}
	return records, nil
}
