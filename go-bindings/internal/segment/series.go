package segment

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// Filter decides which trace contexts may become exemplars.
type Filter uint32

// The filters, by the numbers of the C interface; 0 stands there for the default,
// which the core has replaced in what it reports.
const (
	FilterTraceBased Filter = iota + 1
	FilterAlwaysOn
	FilterAlwaysOff
)

// Policy decides which offer wins the window of a bucket.
type Policy uint32

// The policies, by the numbers of the C interface; 0 stands there for the
// default of the kind.
const (
	PolicySlowest Policy = iota + 1
	PolicyUniform
	PolicyFirst
)

// Series is one series in the memory of the core. It does not keep that memory
// alive: its owner must, until every call has returned.
type Series struct {
	Cells, Gates, Header unsafe.Pointer
	// OfferFrom is the least value that is offered; NaN, which no value reaches,
	// when none is.
	OfferFrom float64
	// SlowFrom is the value above which a request counts as slow; +Inf, which no
	// value is above, when nobody wants to know.
	SlowFrom float64
	// Hash is the series' part of the uniform policy's random key.
	Hash   uint64
	Policy Policy
	Filter Filter
	// Plain is the word of the state in the life of this handle, without flags.
	Plain uint64
	// short is the same where the short way is for observations, and otherwise a word
	// that the state never is.
	short uint64
	// Draws says that an offer that beats its window must still win a lot, which
	// the core draws.
	Draws bool
	Clock *Clock
	// Source gives the striped cells, and takes what comes after the life of this
	// handle; nil for a series that has neither.
	Source  Source
	stripes stripes
}

// Epoch is the number of the open window.
func (s *Series) Epoch() uint64 {
	return atomic.LoadUint64(word(s.Header, HeaderEpoch))
}

// Worth tells whether an observation is worth a closer look: it is slow; or it may
// be offered, and beats the best one of the open window or is the one in 16 that
// looks whether the window is due to close. It writes nothing and reads no clock.
// Old is the count of the bucket before the observation. NaN, with which no
// comparison holds, never is.
func (s *Series) Worth(bucket uint, v float64, old uint64) bool {
	if v >= s.OfferFrom && (old&TurnMask == 0 || s.Beats(bucket, v, old)) {
		return true
	}
	return v > s.SlowFrom
}

// Worth is Worth of a Series, but for the one addition in 16 that looks at the
// clock: old is the total, which may rise in any steps, so that a lot decides.
func (c *Counter) Worth(bucket uint, v float64, old uint64) bool {
	tick := prioOfKey(c.Hash, bucket, old)&TurnMask == 0
	return v >= c.OfferFrom && (tick || c.Beats(bucket, v, old)) || v > c.SlowFrom
}

// Beats tells whether an offer beats the best one of the open window.
func (s *Series) Beats(bucket uint, v float64, old uint64) bool {
	prio := uint64(1)
	switch s.Policy {
	case PolicySlowest:
		prio = prioOfValue(v)
	case PolicyUniform:
		prio = prioOfKey(s.Hash, bucket, old)
	}
	return beats(word(s.Header, HeaderEpoch), s.head(bucket), prio)
}

// beats is the gate itself: two loads and a comparison. The lowest bit of a head
// does not count.
func beats(epoch, head *uint64, prio uint64) bool {
	return atomic.LoadUint64(epoch)<<(32-PrioShift)|prio > atomic.LoadUint64(head)>>PrioShift
}

// Due tells whether the open window has been open for so long that time closes it.
func (s *Series) Due() bool {
	return s.Clock.Since(atomic.LoadUint64(word(s.Header, HeaderOpenedMs))) >= TurnMs
}

// Finite tells whether v may have an exemplar; otherwise the drop is counted.
func (s *Series) Finite(v float64) bool {
	if v-v != 0 {
		s.Tally(TallyOffered)
		s.Tally(TallyDropNonfinite)
		return false
	}
	return true
}

// Spend takes one look-up of a trace context from the bucket's budget of the
// open window. When none is left it closes the gate for the rest of the window
// and counts the drop, so that unsampled traffic pays for at most BudgetLimit
// look-ups.
func (s *Series) Spend(bucket uint) bool {
	e := s.Epoch()
	budget := (*uint32)(unsafe.Add(s.Gates, uintptr(bucket)*GateSize+GateBudget))
	epoch16 := uint32(e) & 0xFFFF
	for {
		old := atomic.LoadUint32(budget)
		next := old + 1
		if old>>16 != epoch16 {
			next = epoch16<<16 | 1
		} else if old&0xFFFF >= BudgetLimit {
			s.shut(bucket, e)
			s.Tally(TallyOffered)
			s.Tally(TallyDropBudget)
			return false
		}
		if atomic.CompareAndSwapUint32(budget, old, next) {
			return true
		}
	}
}

// Tally counts one event in the header's word of this number.
func (s *Series) Tally(number uintptr) {
	atomic.AddUint64(word(s.Header, HeaderTallies+number*8), 1)
}

func (s *Series) shut(bucket uint, e uint64) {
	head, shut := s.head(bucket), e<<32|PrioShut<<PrioShift
	for {
		old := atomic.LoadUint64(head)
		if old >= shut || atomic.CompareAndSwapUint64(head, old, shut) {
			return
		}
	}
}

func (s *Series) head(bucket uint) *uint64 {
	return word(s.Gates, uintptr(bucket)*GateSize+GateHead)
}

// prioOfValue orders values as 31 bits: the upper bits of the float32, with the
// sign turned so that greater values have greater bits.
func prioOfValue(v float64) uint64 {
	return min(prioOrInf(v), PrioShut-1)
}

// prioOrInf is prioOfValue, except that what is infinite as a float32 has the
// priority of a gate that is shut.
func prioOrInf(v float64) uint64 {
	b := math.Float32bits(float32(v))
	return uint64((b ^ (uint32(int32(b)>>31) | 1<<31)) >> PrioShift)
}

// prioOfKey is a random key that no two observations of a bucket share, so that
// the greatest one of a window marks a uniform sample of it.
func prioOfKey(hash uint64, bucket uint, seed uint64) uint64 {
	const factor = 0xD6E8FEB86659FD93
	x := hash ^ uint64(bucket)<<56 ^ seed*0x9E3779B97F4A7C15
	x ^= x >> 32
	x *= factor
	x ^= x >> 32
	x *= factor
	x ^= x >> 32
	return x >> 37
}
