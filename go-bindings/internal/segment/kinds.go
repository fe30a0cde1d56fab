package segment

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// Histogram is a Series with the bounds of its family.
type Histogram struct {
	Series
	Search Search
	// silent never has an observation that is worth a closer look.
	silent bool
	// usual is the word of the state while observations go by a Way, quiet the one
	// while they do and none is offered; otherwise one that the state never is.
	usual, quiet uint64
	// turns masks those bits of a count that are zero when its observation looks at
	// the clock; lookedMs and looked are when that was last, and how often in one
	// tick of the clock. They are accessed atomically.
	turns, lookedMs uint64
	looked          uint32
}

// never is a word that no state is.
const never = math.MaxUint64

// NewHistogram makes a Histogram of the words of a series.
func NewHistogram(series Series, search Search) Histogram {
	h := Histogram{Series: series, Search: search, usual: never, quiet: never, turns: TurnMask}
	h.short = never
	if search.single {
		h.short = h.Plain
	}
	h.silent = series.OfferFrom != series.OfferFrom && math.IsInf(series.SlowFrom, 1)
	switch {
	case h.silent:
		h.quiet = h.short
	case series.Policy == PolicySlowest:
		h.usual = h.short
	}
	return h
}

// Count counts v and adds it to the sum. It returns the bucket and the count of
// the bucket before. NaN is only counted as such, and ok is false.
//
// The usual case calls nothing, so that it needs no stack frame, and finds all
// addresses before the first locked instruction, which loads have to wait for.
func (h *Histogram) Count(v float64) (bucket uint, old uint64, ok bool) {
	if v != v || !h.isPlain() {
		return h.countSpecial(v)
	}
	bucket = h.Search.One(v)
	sum, count := word(h.Cells, HistogramSum), h.bucket(bucket)
	old = atomic.AddUint64(count, 1) - 1
	if !tryFloat(sum, v) {
		h.SumAgain(v)
	}
	return bucket, old, true
}

// CountOffer is Count, and tells besides whether the observation is worth a closer
// look.
func (h *Histogram) CountOffer(v float64) (bucket uint, old uint64, worth bool) {
	if !h.IsUsual(v) {
		bucket, old, ok := h.Count(v)
		return bucket, old, ok && h.Worth(bucket, v, old)
	}
	bucket = h.Search.One(v)
	way := h.WayOf(bucket)
	slow, turns := v > h.SlowFrom, h.Turns()
	old = way.Count()
	worth = way.Passes(v, old, turns) || slow
	if !way.Sum(v) {
		h.SumAgain(v)
	}
	return bucket, old, worth
}

// IsSilent tells whether no observation is worth a closer look.
func (h *Histogram) IsSilent() bool { return h.silent }

// IsUsual tells whether v can be counted by a Way. NaN cannot: no comparison with it
// holds.
func (h *Histogram) IsUsual(v float64) bool {
	return atomic.LoadUint64(stateOf(h.Cells)) == h.usual && v >= h.OfferFrom
}

// IsQuiet tells whether v can be counted by a Way, and no observation is worth a closer
// look.
func (h *Histogram) IsQuiet(v float64) bool {
	return atomic.LoadUint64(stateOf(h.Cells)) == h.quiet && v == v
}

// Way is the short way of a usual observation through its words: Count, then Passes,
// then Sum. The gate is read after the bucket was counted and before the sum, so that
// its loads wait together with that of the sum. The parts are small enough for the compiler to put them into their callers.
type Way struct{ sum, count, epoch, head *uint64 }

// WayOf is the way through a bucket. It finds all addresses, because loads have to
// wait for the locked instructions.
func (h *Histogram) WayOf(bucket uint) Way {
	return Way{word(h.Cells, HistogramSum), h.bucket(bucket), word(h.Header, HeaderEpoch), h.head(bucket)}
}

// Turns masks those bits of a count that are zero when its observation looks at the
// clock. A Way has no room for it: the compiler keeps four words in registers.
func (h *Histogram) Turns() uint64 { return atomic.LoadUint64(&h.turns) }

// Count counts the observation and is the count before.
func (w Way) Count() uint64 { return atomic.AddUint64(w.count, 1) - 1 }

// Passes tells whether the observation is worth a closer look, as Worth does. What is
// infinite as a float32 may pass here, and is caught at the second look.
func (w Way) Passes(v float64, old, turns uint64) bool {
	return beats(w.epoch, w.head, prioOrInf(v)) || old&turns == 0
}

// What the rate of looks leads to, as in the core: where a tick of the clock sees
// this many they become half as many, down to one in 128; where it sees few, or
// none at all, they are one in 16 again.
const (
	looksMany = 128
	looksFew  = 8
	turnsMost = 127
)

// NoteLook notes that the observation with this count before it may have looked at
// the clock for no other reason than that it was its turn.
func (h *Histogram) NoteLook(old uint64) {
	turns := atomic.LoadUint64(&h.turns)
	if old&turns != 0 || h.Clock.IsManual() {
		return
	}
	now := h.Clock.Since(0)
	before, wanted := atomic.SwapUint64(&h.lookedMs, now), turns
	switch {
	case now != before:
		if few := atomic.SwapUint32(&h.looked, 1) < looksFew; few || now-before > 3*uint64(tick.Milliseconds()) {
			wanted = TurnMask
		}
	case atomic.AddUint32(&h.looked, 1)%looksMany == 0:
		wanted = min(turns<<1|1, turnsMost)
	}
	if wanted != turns {
		atomic.StoreUint64(&h.turns, wanted)
	}
}

// Sum adds v to the sum. It is false if another update came in between; then
// SumAgain adds it.
func (w Way) Sum(v float64) bool { return tryFloat(w.sum, v) }

// SumAgain adds v to the sum of the series, and notes that it met another update.
//
//go:noinline
func (h *Histogram) SumAgain(v float64) { h.sumAgain(h.Cells, v) }

func (h *Histogram) sumAgain(cells unsafe.Pointer, v float64) {
	addFloat(word(cells, HistogramSum), v)
	var total uint64
	for i := range uintptr(h.Search.Buckets()) {
		total += atomic.LoadUint64(word(cells, HistogramBuckets+i*8))
	}
	h.meeting(total)
}

// countSpecial counts NaN, and anything in a stripe, in an overflow series, after the
// life of the handle, or in a histogram with several bounds to an exponent.
//
//go:noinline
func (h *Histogram) countSpecial(v float64) (bucket uint, old uint64, ok bool) {
	if v != v {
		h.Tally(TallyNaN)
		return 0, 0, false
	}
	striped, ok := h.apart()
	if !ok {
		h.after(v)
		return 0, 0, false
	}
	bucket = h.Search.Index(v)
	cells, mark := h.own(striped)
	sum, count := word(cells, HistogramSum), word(cells, HistogramBuckets+uintptr(bucket)*8)
	old = atomic.AddUint64(count, 1) - 1
	if !tryFloat(sum, v) {
		h.sumAgain(cells, v)
	}
	return bucket, old | mark, true
}

func (h *Histogram) bucket(bucket uint) *uint64 {
	return word(h.Cells, HistogramBuckets+uintptr(bucket)*8)
}

// BucketCount is the count of a bucket.
func (h *Histogram) BucketCount(bucket uint) uint64 {
	return h.count(HistogramBuckets + uintptr(bucket)*8)
}

// Counter is a Series of one bucket.
type Counter struct{ Series }

// NewCounter makes a Counter of the words of a series.
func NewCounter(series Series) Counter {
	series.short = series.Plain
	return Counter{series}
}

// wholeLimit is the least whole number that a float64 cannot tell from its successor.
const wholeLimit = 1 << 53

// Inc adds 1 and returns the whole part before.
func (c *Counter) Inc() (old uint64) {
	if !c.isPlain() {
		old, _ = c.addApart(1, 1)
		return old
	}
	whole := word(c.Cells, CounterWhole)
	old = atomic.AddUint64(whole, 1) - 1
	if old*spread>>(64-probeBits) == 0 {
		c.probe(whole, old+1)
	}
	return old
}

// Addable tells whether a counter takes v.
func Addable(v float64) bool { return v >= 0 && v <= math.MaxFloat64 }

// Add adds v and returns a number that differs from call to call. A negative
// value, NaN and infinity are only counted as invalid, and ok is false.
func (c *Counter) Add(v float64) (old uint64, ok bool) {
	if !Addable(v) {
		c.Tally(TallyInvalid)
		return 0, false
	}
	if !c.isPlain() {
		return c.addApart(v, wholeOf(v))
	}
	if whole := wholeOf(v); float64(whole) == v {
		cell := word(c.Cells, CounterWhole)
		old = atomic.AddUint64(cell, whole) - whole
		if old*spread>>(64-probeBits) == 0 {
			c.probe(cell, old+whole)
		}
		return old, true
	}
	return c.addFraction(c.Cells, v), true
}

// wholeOf is v if it is whole and may be added to the whole part, and otherwise
// another number.
func wholeOf(v float64) uint64 {
	if v < wholeLimit {
		return uint64(v)
	}
	return 0
}

// addApart adds v in a stripe, in the overflow series, or after the life of the
// handle; then ok is false.
//
//go:noinline
func (c *Counter) addApart(v float64, whole uint64) (old uint64, ok bool) {
	striped, ok := c.apart()
	if !ok {
		c.after(v)
		return 0, false
	}
	cells, mark := c.own(striped)
	if float64(whole) != v {
		return c.addFraction(cells, v) | mark, true
	}
	cell := word(cells, CounterWhole)
	old = atomic.AddUint64(cell, whole) - whole
	if old*spread>>(64-probeBits) == 0 {
		c.probe(cell, old+whole)
	}
	return old | mark, true
}

func (c *Counter) addFraction(cells unsafe.Pointer, v float64) (old uint64) {
	fraction, fractions := word(cells, CounterFraction), word(cells, CounterFractions)
	if !tryFloat(fraction, v) {
		addFloat(fraction, v)
		c.meeting(atomic.LoadUint64(fractions))
	}
	return atomic.AddUint64(fractions, 1) - 1
}

// probe finds out whether a whole cell, which held after a moment ago, is wanted by
// others, which adding to it never tells.
//
//go:noinline
func (c *Counter) probe(cell *uint64, after uint64) {
	c.probed(!atomic.CompareAndSwapUint64(cell, after, after))
}

// Value is the sum of all additions.
func (c *Counter) Value() float64 {
	return float64(c.count(CounterWhole)) + c.float(CounterFraction)
}
