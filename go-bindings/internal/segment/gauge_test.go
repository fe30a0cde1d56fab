package segment

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// slots stand for the core: gauges of one process add in the cell of its slot, which
// may change.
type slots struct {
	cells [2][2]uint64
	own   atomic.Uint32
	// added is what came by calls, which is kept elsewhere.
	added atomic.Uint64
}

func (s *slots) Add(v float64) { s.added.Add(uint64(v)) }

func (s *slots) Value() float64 {
	sum := float64(s.added.Load())
	for i := range s.cells {
		sum += math.Float64frombits(atomic.LoadUint64(&s.cells[i][1]))
	}
	return sum
}

func (s *slots) Set(v float64) { panic("a live gauge is set by a call") }

func (s *slots) Cell() (unsafe.Pointer, uint64) {
	cell := &s.cells[s.own.Load()]
	return unsafe.Pointer(cell), atomic.LoadUint64(&cell[0])
}

func TestGaugeAddsInItsOwnCellUntilItIsSet(t *testing.T) {
	heap, core := newHeap(1), &slots{}
	core.cells[0][0], core.cells[1][0] = 7, 8
	gauge := NewGauge(heap.series(nil), core)
	g := &gauge
	for range 3 {
		g.Add(2)
	}
	if got := math.Float64frombits(core.cells[0][1]); got != 4 || core.added.Load() != 2 || g.Value() != 6 {
		t.Errorf("%v in the cell, %v by calls, value %v", got, core.added.Load(), g.Value())
	}
	// Another process has the slot from here on.
	core.cells[0] = [2]uint64{9, 0}
	core.own.Store(1)
	g.Add(2)
	g.Add(2)
	if got := math.Float64frombits(core.cells[1][1]); got != 2 || core.cells[0][1] != 0 {
		t.Errorf("%v in the cell, %v in that of another process", got, core.cells[0][1])
	}
	g.Set(5)
	g.Add(-1)
	if g.Value() != 4 || heap.cells[GaugeMode/8] != GaugeShared {
		t.Errorf("value is %v after it was set to 5 and lowered by 1", g.Value())
	}
}

func TestGaugeThatChangesItsCellLosesNothing(t *testing.T) {
	heap, core := newHeap(1), &slots{}
	core.cells[0][0], core.cells[1][0] = 1, 2
	gauge := NewGauge(heap.series(nil), core)
	g := &gauge
	const each = 2000
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range each {
				g.Add(1)
			}
		}()
	}
	group.Add(1)
	go func() {
		defer group.Done()
		for turn := range uint32(200) {
			lost := &core.cells[core.own.Load()]
			core.own.Store(turn % 2)
			atomic.StoreUint64(&lost[0], uint64(turn)+3)
		}
	}()
	group.Wait()
	if g.Value() != 4*each {
		t.Errorf("value is %v, want %v", g.Value(), 4*each)
	}
}
