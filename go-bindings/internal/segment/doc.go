// Package segment records observations directly in the memory of the core.
//
// The core allocates every word; this package only adds to them, by the layout
// in layout_gen.go, so that an observation needs no cgo call. All accesses are
// atomic and 64 bits wide, except the budget word of a gate, which has 32.
// A cgo call is left for what is rare: an exemplar that passed the gate.
//
// The race detector does not see memory outside the Go heap. The tests of this
// package therefore run the same code on Go memory as well.
package segment
