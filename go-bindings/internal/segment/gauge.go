package segment

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// Adder does by a call of the core what a Gauge cannot do itself: it decides how a
// gauge is used, and knows which processes live.
type Adder interface {
	// Set sets the gauge, or the overflow series after the life of the handle.
	Set(v float64)
	// Add adds to the gauge, and counts that if it is an overflow series, which it goes
	// to after the life of the handle.
	Add(v float64)
	Value() float64
	// Cell is where this process adds, and the generation that the first word of
	// the cell holds while it is its own; nil if there is none.
	Cell() (cell unsafe.Pointer, generation uint64)
}

// Gauge is a Series without exemplars. What is set is its value from then on; until
// it is set, processes that share the segment add in cells of their own, so that
// what one of them added goes when it ends.
type Gauge struct {
	Series
	// Adder is nil for a gauge in memory of its own.
	Adder Adder
	// cell and generation are accessed atomically. A cell of another one does not
	// hold the generation, whichever of them is read first.
	cell       unsafe.Pointer
	generation uint64
}

// NewGauge makes a Gauge of the words of a series.
func NewGauge(series Series, adder Adder) Gauge {
	series.short = series.Plain
	return Gauge{Series: series, Adder: adder}
}

// Set stores v.
func (g *Gauge) Set(v float64) {
	ok, flags := g.look()
	if !ok {
		if g.Adder != nil {
			g.Adder.Set(v)
		}
		return
	}
	atomic.StoreUint64(word(g.Cells, GaugeValue), math.Float64bits(v))
	if mode := word(g.Cells, GaugeMode); atomic.LoadUint64(mode) != GaugeShared {
		atomic.StoreUint64(mode, GaugeShared)
	}
	if flags&StateOverflow != 0 {
		g.Tally(TallyOverflow)
	}
}

// Add adds v.
func (g *Gauge) Add(v float64) {
	ok, flags := g.look()
	if !ok {
		if g.Adder != nil {
			g.Adder.Add(v)
		}
		return
	}
	to := word(g.Cells, GaugeValue)
	if g.Adder != nil && atomic.LoadUint64(word(g.Cells, GaugeMode)) != GaugeShared {
		cell := atomic.LoadPointer(&g.cell)
		if cell == nil || atomic.LoadUint64(word(cell, 0)) != atomic.LoadUint64(&g.generation) {
			g.addByCall(v)
			return
		}
		to = word(cell, 8)
	}
	addFloat(to, v)
	if flags&StateOverflow != 0 {
		g.Tally(TallyOverflow)
	}
}

// addByCall adds v while this handle knows no cell, and finds one for the next time.
//
//go:noinline
func (g *Gauge) addByCall(v float64) {
	g.Adder.Add(v)
	if cell, generation := g.Adder.Cell(); cell != nil {
		atomic.StoreUint64(&g.generation, generation)
		atomic.StorePointer(&g.cell, cell)
	}
}

// Value is the value of the gauge, 0 after the life of the handle.
func (g *Gauge) Value() float64 {
	if g.Adder != nil && atomic.LoadUint64(word(g.Cells, GaugeMode)) != GaugeShared {
		return g.Adder.Value()
	}
	v := math.Float64frombits(atomic.LoadUint64(word(g.Cells, GaugeValue)))
	if ok, _ := g.look(); !ok {
		return 0
	}
	return v
}
