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
	// Hash is the series' part of the uniform policy's random key.
	Hash   uint64
	Filter Filter
	Policy Policy
	// Overflow marks the series that takes what finds no place of its own. What it
	// counts is tallied.
	Overflow bool
	Clock    *Clock
}

// Gate tells whether an offer is worth a closer look: it beats the best one of
// the open window, or it is the observation in 16 that looks whether the window
// is due to close. It writes nothing and reads no clock. Old is the count of the
// bucket before the observation.
func (s *Series) Gate(bucket uint, v float64, old uint64) bool {
	return old&TurnMask == 0 || s.Beats(bucket, v, old)
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
	candidate := atomic.LoadUint64(word(s.Header, HeaderEpoch))<<32 | prio<<PrioShift
	return candidate > atomic.LoadUint64(s.head(bucket))|LowBits
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
	e := atomic.LoadUint64(word(s.Header, HeaderEpoch))
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
	b := math.Float32bits(float32(v))
	if int32(b) < 0 {
		b = ^b
	} else {
		b |= 1 << 31
	}
	return uint64(min(b>>PrioShift, PrioShut-1))
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
