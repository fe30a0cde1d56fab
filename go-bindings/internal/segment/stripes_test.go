package segment

import (
	"math"
	"sync"
	"testing"
	"unsafe"
)

// fakeSource gives stripes in Go memory, for the race detector to see.
type fakeSource struct {
	mu    sync.Mutex
	words []uint64
	step  int
	given int
	// recorded is what came after the life of a handle.
	recorded []float64
}

func newFakeSource(step int) *fakeSource { return &fakeSource{step: step} }

func (f *fakeSource) Stripes(wish uint32) (unsafe.Pointer, uintptr, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.words == nil {
		if wish == wishKnown {
			return nil, 0, 0
		}
		f.words = make([]uint64, StripesCount*f.step)
	}
	f.given++
	return unsafe.Pointer(unsafe.SliceData(f.words)), uintptr(f.step) * 8, uint64(f.given)
}

func (f *fakeSource) Record(v float64) { f.recorded = append(f.recorded, v) }

func (f *fakeSource) written() (stripes int) {
	for i := range StripesCount {
		for _, w := range f.words[i*f.step : (i+1)*f.step] {
			if w != 0 {
				stripes++
				break
			}
		}
	}
	return stripes
}

// Updates before, while and after the stripes are made: each is counted once.
func TestNothingIsLostWheneverStripesAreMade(t *testing.T) {
	memory, h := newHistogram(manualClock(0))
	source, counted := newFakeSource(16), newFakeSource(16)
	h.Source = source
	cells := newHeap(1)
	counter := NewCounter(cells.series(manualClock(0)))
	c := &counter
	c.Source = counted
	const workers, each = 8, 3000
	var group sync.WaitGroup
	for w := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range each {
				h.CountOffer(float64(i%12) / 2)
				c.Inc()
				c.Add(0.5)
				if w == 0 && i == each/2 {
					// What the meetings of a busy machine lead to sooner or later. Those of the
					// other goroutines may have led there already.
					for _, s := range []*Series{&h.Series, &c.Series} {
						if !s.isStriped() {
							s.spread()
						}
					}
					h.SumAgain(0)
				}
			}
		}()
	}
	group.Wait()
	if !h.isStriped() || !c.isStriped() || source.written() == 0 || counted.written() == 0 {
		t.Fatalf("striped %v and %v, written %d and %d", h.isStriped(), c.isStriped(), source.written(), counted.written())
	}
	var count uint64
	for i := range h.Search.Buckets() {
		count += h.BucketCount(uint(i))
	}
	if count != workers*each || memory.cells[HistogramBuckets/8] == 0 {
		t.Errorf("counted %d observations, want %d, some of them in the base cells", count, workers*each)
	}
	want := 0.0
	for i := range each {
		want += workers * float64(i%12) / 2
	}
	if got := h.float(HistogramSum); got != want {
		t.Errorf("sum is %v, want %v", got, want)
	}
	if got := c.Value(); got != workers*each*1.5 {
		t.Errorf("the counter is %v, want %v", got, workers*each*1.5)
	}
}

func TestSeriesIsStripedOnlyWhenUpdatesKeepMeeting(t *testing.T) {
	striped := func(meet func(s *Series, n uint64)) bool {
		s := newHeap(1).series(nil)
		s.Source = newFakeSource(16)
		for n := range uint64(1000) {
			meet(&s, n)
		}
		return s.isStriped()
	}
	for _, c := range []struct {
		what string
		meet func(s *Series, n uint64)
		want bool
	}{
		{"meetings far apart", func(s *Series, n uint64) { s.meeting(n * (meetings*observationsEach + 1)) }, false},
		{"meetings close together", func(s *Series, n uint64) { s.meeting(n * observationsEach) }, true},
		{"every fifth probe", func(s *Series, n uint64) { s.probed(n%(metWeight+1) == 0) }, false},
		{"every second probe", func(s *Series, n uint64) { s.probed(n%2 == 0) }, true},
	} {
		if striped(c.meet) != c.want {
			t.Errorf("%s: striped is %v, want %v", c.what, !c.want, c.want)
		}
	}
}

func TestStripedSeriesGoOn(t *testing.T) {
	_, h := newHistogram(manualClock(0))
	h.Source = newFakeSource(16)
	for n := range uint64(meetings) {
		h.meeting(n)
	}
	h.SumAgain(0)
	if h.IsUsual(1) {
		t.Error("a striped histogram goes the short way")
	}
	bucket, old, ok := h.Count(0.3)
	if !ok || old>>seedShift == 0 || old<<8 != 0 {
		t.Errorf("the first observation in a stripe has the seed %#x", old)
	}
	if again, _, worth := h.CountOffer(0.3); again != bucket || !worth {
		t.Errorf("bucket %d, worth a look %v", again, worth)
	}
	if _, _, ok := h.Count(math.NaN()); ok {
		t.Error("NaN was counted")
	}
	moves := 0
	for range 3 * movesMost {
		before := h.stripes.salt
		h.spread()
		if h.stripes.salt != before {
			moves++
		}
	}
	if moves != movesMost {
		t.Errorf("moved %d times, want %d", moves, movesMost)
	}
}
