package segment

import (
	"slices"
	"sync/atomic"
	"testing"
)

// What comes after the life of a handle goes to the core and into no cell.
func TestNothingIsCountedAfterTheLife(t *testing.T) {
	memory, h := newHistogram(manualClock(0))
	cells := newHeap(1)
	c := NewCounter(cells.series(manualClock(0)))
	source, counted := newFakeSource(16), newFakeSource(16)
	h.Source, c.Source = source, counted
	h.Count(0.3)
	c.Inc()
	before := [][]uint64{slices.Clone(memory.cells), slices.Clone(cells.cells)}
	for _, s := range []*Series{&h.Series, &c.Series} {
		atomic.StoreUint64(stateOf(s.Cells), 2<<32)
		if LifeOf(s.Cells, s.Plain).GoesOn() {
			t.Error("the life goes on")
		}
	}
	if h.IsUsual(1) {
		t.Error("a removed histogram goes the short way")
	}
	if _, _, worth := h.CountOffer(0.5); worth {
		t.Error("an exemplar is offered after the life")
	}
	h.Count(0.25)
	c.Inc()
	if _, ok := c.Add(2.5); ok {
		t.Error("an exemplar may follow an addition after the life")
	}
	if !slices.Equal(memory.cells, before[0]) || !slices.Equal(cells.cells, before[1]) {
		t.Error("something was counted in the cells")
	}
	if !slices.Equal(source.recorded, []float64{0.5, 0.25}) || !slices.Equal(counted.recorded, []float64{1, 2.5}) {
		t.Errorf("the core got %v and %v", source.recorded, counted.recorded)
	}
}

// Stripes that another process has made are learnt of by the state.
func TestStripesOfOthersAreLearntOf(t *testing.T) {
	memory, h := newHistogram(manualClock(0))
	source := newFakeSource(16)
	source.Stripes(wishAny)
	h.Source = source
	h.Count(0.3)
	h.setStriped()
	h.Count(0.3)
	if !h.isStriped() || source.written() != 1 || h.BucketCount(h.Search.One(0.3)) != 2 {
		t.Errorf("striped %v, %d stripes written", h.isStriped(), source.written())
	}
	if memory.tally(TallyOverflow) != 0 {
		t.Error("counted as overflow")
	}
	atomic.OrUint64(stateOf(h.Cells), StateOverflow)
	h.Count(0.3)
	if memory.tally(TallyOverflow) != 1 {
		t.Error("not counted as overflow")
	}
}
