package segment

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// word is the 64-bit word at an offset from base. Every offset is a constant of
// layout_gen.go or was computed from the bucket count that the core reported.
func word(base unsafe.Pointer, offset uintptr) *uint64 {
	return (*uint64)(unsafe.Add(base, offset))
}

// addFloat adds v to the float64 bits in w.
func addFloat(w *uint64, v float64) {
	for !tryFloat(w, v) {
	}
}

// tryFloat adds v to the float64 bits in w, unless another update comes in between.
func tryFloat(w *uint64, v float64) bool {
	old := atomic.LoadUint64(w)
	return atomic.CompareAndSwapUint64(w, old, math.Float64bits(math.Float64frombits(old)+v))
}
