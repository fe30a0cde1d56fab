package segment

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// heap is the memory of one series as Go words, for the race detector to see.
type heap struct{ header, cells, gates []uint64 }

func newHeap(buckets int) *heap {
	h := &heap{
		header: make([]uint64, 1024),
		cells:  make([]uint64, StateBefore/8+max(buckets+3, 8))[StateBefore/8:],
		gates:  make([]uint64, 2*buckets),
	}
	h.header[HeaderEpoch/8] = 1
	return h
}

func (h *heap) series(clock *Clock) Series {
	return Series{
		Header: unsafe.Pointer(&h.header[0]),
		Cells:  unsafe.Pointer(&h.cells[0]),
		Gates:  unsafe.Pointer(&h.gates[0]),
		Hash:   0x1234567890ABCDEF,
		Policy: PolicySlowest,
		Clock:  clock,

		OfferFrom: math.Inf(-1),
		SlowFrom:  math.Inf(1),
	}
}

func (h *heap) tally(number uintptr) uint64 { return h.header[HeaderTallies/8+number] }

func manualClock(ms uint64) *Clock {
	c := NewClock(func() uint64 { panic("a manual clock was read") })
	c.Set(ms)
	return c
}

func newHistogram(clock *Clock) (*heap, *Histogram) {
	s := NewSearch(defaultBounds)
	h := newHeap(s.Buckets())
	histogram := NewHistogram(h.series(clock), s)
	return h, &histogram
}

func TestHistogramCountsEveryObservation(t *testing.T) {
	heap, h := newHistogram(manualClock(0))
	const workers, each = 8, 2000
	var group sync.WaitGroup
	for w := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range each {
				v := float64((w*each+i)%12) / 2
				bucket, old, worth := h.CountOffer(v)
				if worth && h.Beats(bucket, v, old) {
					h.Spend(bucket)
				}
			}
		}()
	}
	group.Wait()
	var count uint64
	for i := range h.Search.Buckets() {
		count += h.BucketCount(uint(i))
	}
	if count != workers*each {
		t.Errorf("counted %d observations, want %d", count, workers*each)
	}
	want := 0.0
	for n := range workers * each {
		want += float64(n%12) / 2
	}
	if got := math.Float64frombits(heap.cells[HistogramSum/8]); got != want {
		t.Errorf("sum is %v, want %v", got, want)
	}
}

func TestNaNIsCountedApart(t *testing.T) {
	heap, h := newHistogram(manualClock(0))
	if _, _, ok := h.Count(math.NaN()); ok {
		t.Error("NaN was counted in a bucket")
	}
	if heap.tally(TallyNaN) != 1 || heap.cells[0] != 0 {
		t.Errorf("NaN counter is %d and the sum %#x, want 1 and 0", heap.tally(TallyNaN), heap.cells[0])
	}
	for _, v := range []float64{math.Inf(1), math.Inf(-1)} {
		if _, _, ok := h.Count(v); !ok {
			t.Errorf("%v was not counted", v)
		}
	}
	if h.BucketCount(0) != 1 || h.BucketCount(11) != 1 {
		t.Error("the infinities are not in the outer buckets")
	}
}

func TestGateComparesWithTheWinner(t *testing.T) {
	heap, h := newHistogram(manualClock(0))
	const bucket = 5
	set := func(epoch uint64, v float64) { heap.gates[2*bucket] = epoch<<32 | prioOfValue(v)<<PrioShift }
	if !h.Worth(bucket, 0.2, 1) {
		t.Error("the first offer did not pass")
	}
	set(1, 0.2)
	if h.Worth(bucket, 0.2, 1) || h.Worth(bucket, 0.11, 1) {
		t.Error("an offer passed that does not beat the winner")
	}
	if !h.Worth(bucket, 0.21, 1) {
		t.Error("a slower offer did not pass")
	}
	if !h.Worth(bucket, 0.11, 32) || h.Beats(bucket, 0.11, 32) {
		t.Error("the observation in 16 must pass the gate and still not beat the winner")
	}
	heap.header[HeaderEpoch/8] = 2
	if !h.Worth(bucket, 0.11, 1) {
		t.Error("the first offer of the next window did not pass")
	}
}

// CountOffer is a short cut of Count and Worth, and must not differ.
func TestCountOfferIsCountAndWorth(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, policy := range []Policy{PolicySlowest, PolicyUniform, PolicyFirst} {
		for _, rule := range []struct{ from, slow float64 }{
			{math.Inf(-1), math.Inf(1)}, {0.2, 4}, {math.NaN(), 0.3}, {3, 1}, {math.NaN(), math.Inf(1)},
		} {
			made := func() (*heap, Histogram) {
				memory := newHeap(12)
				series := memory.series(manualClock(0))
				series.Policy, series.OfferFrom, series.SlowFrom = policy, rule.from, rule.slow
				return memory, NewHistogram(series, NewSearch(defaultBounds))
			}
			heap, h := made()
			twins, twin := made()
			worths := 0
			for i := range 3000 {
				v := math.Exp(r.NormFloat64())
				switch i % 100 {
				case 7:
					v = math.NaN()
				case 8:
					v = math.Inf(1)
				case 9:
					v = -v
				case 10:
					at := 2 * r.IntN(12)
					head := 1<<32 | r.Uint64()&0xFFFF_FFFF
					heap.gates[at], twins.gates[at] = head, head
				}
				bucket, old, worth := h.CountOffer(v)
				wantBucket, wantOld, ok := twin.Count(v)
				want := ok && twin.Worth(wantBucket, v, wantOld)
				if bucket != wantBucket || old != wantOld || worth != want {
					t.Fatalf("policy %d, rule %v: CountOffer(%v) is %d, %d, %v, want %d, %d, %v", policy, rule, v, bucket, old, worth, wantBucket, wantOld, want)
				}
				if worth {
					worths++
				}
			}
			if quiet := rule.from != rule.from && math.IsInf(rule.slow, 1); (worths == 0) != quiet {
				t.Errorf("policy %d, rule %v: %d of 3000 are worth a look", policy, rule, worths)
			}
			if !slices.Equal(heap.cells, twins.cells) || heap.tally(TallyNaN) != 30 {
				t.Errorf("policy %d, rule %v: the cells differ", policy, rule)
			}
		}
	}
}

func TestPriorityKeepsTheOrderOfValues(t *testing.T) {
	values := []float64{-math.MaxFloat64, -1e10, -1, -0.001, 0, 0.001, 0.5, 1, 1e10, 1e38, math.MaxFloat64}
	for i := 1; i < len(values); i++ {
		if prioOfValue(values[i-1]) >= prioOfValue(values[i]) {
			t.Errorf("%v does not come before %v", values[i-1], values[i])
		}
	}
	if p := prioOfValue(math.MaxFloat64); p >= PrioShut {
		t.Errorf("the greatest value has priority %#x, which shuts the gate", p)
	}
}

func TestUniformPriorityIsSpreadOut(t *testing.T) {
	seen := map[uint64]bool{}
	var sum float64
	const n = 4096
	for seed := range uint64(n) {
		p := prioOfKey(42, 3, seed)
		if p >= 1<<27 {
			t.Fatalf("priority %#x has more than 27 bits", p)
		}
		seen[p] = true
		sum += float64(p) / (1 << 27)
	}
	if len(seen) < n-4 || math.Abs(sum/n-0.5) > 0.02 {
		t.Errorf("%d of %d keys differ, with mean %v", len(seen), n, sum/n)
	}
}

func TestBudgetShutsTheGate(t *testing.T) {
	heap, h := newHistogram(manualClock(0))
	const bucket = 2
	for i := range BudgetLimit {
		if !h.Spend(bucket) {
			t.Fatalf("look-up %d was refused", i+1)
		}
	}
	if !h.Beats(bucket, 1, 1) {
		t.Error("the gate shut before the budget was used up")
	}
	if h.Spend(bucket) {
		t.Error("a look-up over the budget was granted")
	}
	if h.Beats(bucket, math.MaxFloat64, 1) {
		t.Error("the gate is open though the budget is used up")
	}
	if got := heap.tally(TallyDropBudget); got != 1 {
		t.Errorf("%d drops counted, want 1", got)
	}
	if !h.Spend(bucket + 1) {
		t.Error("another bucket has no budget")
	}
	heap.header[HeaderEpoch/8]++
	if !h.Beats(bucket, 0.001, 1) || !h.Spend(bucket) {
		t.Error("the next window has no budget")
	}
}

func TestDueAfterTenSeconds(t *testing.T) {
	clock := manualClock(1_000_000)
	heap, h := newHistogram(clock)
	heap.header[HeaderOpenedMs/8] = 1_000_000
	for _, c := range []struct {
		ms  uint64
		due bool
	}{{1_000_000, false}, {1_009_999, false}, {1_010_000, true}, {999_000, false}} {
		clock.Set(c.ms)
		if h.Due() != c.due {
			t.Errorf("at %d ms due is %v", c.ms, !c.due)
		}
	}
}

func TestCounterKeepsWholeAndFractionApart(t *testing.T) {
	heap := newHeap(1)
	counter := NewCounter(heap.series(manualClock(0)))
	c := &counter
	c.Inc()
	for _, v := range []float64{2, 0.5, 0, 1 << 53, 0.25} {
		if _, ok := c.Add(v); !ok {
			t.Errorf("Add(%v) was refused", v)
		}
	}
	for _, v := range []float64{-1, -0.5, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, ok := c.Add(v); ok {
			t.Errorf("Add(%v) was accepted", v)
		}
	}
	if heap.cells[0] != 3 || heap.cells[2] != 3 {
		t.Errorf("whole part %d and %d fractional additions, want 3 and 3", heap.cells[0], heap.cells[2])
	}
	if got, want := c.Value(), 3+float64(1<<53)+0.75; got != want {
		t.Errorf("value is %v, want %v", got, want)
	}
	if got := heap.tally(TallyInvalid); got != 5 {
		t.Errorf("%d invalid additions counted, want 5", got)
	}
}

func TestGauge(t *testing.T) {
	heap := newHeap(1)
	gauge := NewGauge(heap.series(nil), nil)
	g := &gauge
	g.Set(5)
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 1000 {
				g.Add(1)
			}
		}()
	}
	group.Wait()
	if g.Value() != 4005 {
		t.Errorf("value is %v, want 4005", g.Value())
	}
}

func TestClockStartsAtTheFirstReading(t *testing.T) {
	var ms uint64 = 100
	c := NewClock(func() uint64 { return ms })
	if c.Running() {
		t.Error("runs before the first reading")
	}
	if got := c.Since(40); got != 60 || !c.Running() {
		t.Errorf("since 40 it is %d ms, running %v", got, c.Running())
	}
	c.Close()
	c.Close()
	if c.Running() {
		t.Error("runs after Close")
	}
	c.Since(0)
	if c.Running() {
		t.Error("started again after Close")
	}
}

func TestClockTicks(t *testing.T) {
	c := NewClock(func() uint64 { return uint64(time.Now().UnixMilli()) })
	defer c.Close()
	first := c.Since(0)
	for range 600 {
		if c.Since(0) > first {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the clock stood still for 6 s")
}

func TestManualClockIsNotOverwritten(t *testing.T) {
	c := NewClock(func() uint64 { return 5 })
	c.Since(0)
	c.Set(7)
	if c.Running() || c.Since(0) != 7 {
		t.Errorf("shows %d ms, running %v", c.Since(0), c.Running())
	}
	c.Set(3)
	if c.Since(0) != 3 {
		t.Error("a manual clock must be able to step back")
	}
	c.Close()
}

// Where observations are many they look at the clock less often, and as often as
// before once they are few.
func TestLooksAtTheClockFollowTheRate(t *testing.T) {
	var now atomic.Uint64
	clock := NewClock(now.Load)
	defer clock.Close()
	_, h := newHistogram(clock)
	tick := func(ms uint64) { now.Store(ms); clock.ms.Store(ms) }
	looks := func(times int) uint64 {
		for range times {
			h.NoteLook(0)
		}
		return h.Turns()
	}
	clock.Since(0)
	tick(1000)
	for _, step := range []struct {
		ms    uint64
		times int
		want  uint64
	}{
		{1000, looksMany - 1, TurnMask},
		{1000, 1, 31},
		{1000, 5 * looksMany, turnsMost},
		{1500, looksFew, turnsMost},
		{2000, 1, turnsMost},
		{2500, 1, TurnMask},
		{2500, looksMany, 31},
		{9000, 1, TurnMask},
	} {
		tick(step.ms)
		if got := looks(step.times); got != step.want {
			t.Fatalf("at %d ms, after %d looks, the mask is %d, want %d", step.ms, step.times, got, step.want)
		}
	}
	clock.Set(9000)
	if got := looks(5 * looksMany); got != TurnMask {
		t.Errorf("by a clock that stands still the mask is %d", got)
	}
}
