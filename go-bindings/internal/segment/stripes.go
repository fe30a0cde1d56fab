package segment

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// Source gives the striped cells of a series by a call of the core, and records. The result is
// nil while there are none.
type Source interface {
	Stripes(wish uint32) (cells unsafe.Pointer, bytes uintptr, salt uint64)
	// Record counts an observation or adds to a counter after the life of the handle.
	Record(v float64)
}

// What a Source is asked for, by the numbers of the C interface.
const (
	wishKnown = iota
	wishAny
	wishOther
)

// These are the numbers of stripes.rs in the core, where the reasons stand.
const (
	meetings         = 16
	observationsEach = 64
	probeBits        = 8
	metWeight        = 4
	movesMost        = 16
	spread           = 0x9E3779B97F4A7C15
	seedShift        = 56
	stripesBits      = 4
)

// The bits of a stripe's number must name every stripe.
var _ [StripesCount - 1<<stripesBits]struct{}
var _ [1<<stripesBits - StripesCount]struct{}

// stripes is what a series remembers of its striped cells. Everything in it is
// accessed atomically.
type stripes struct {
	// first is the first cell of the first stripe; nil while this handle counts in
	// the cells of the series.
	first unsafe.Pointer
	// bytes leads from one stripe to the next; salt tells processes apart.
	bytes, salt uint64
	// met is what meeting and probed remember.
	met   uint64
	moves uint32
}

// own are the cells that the calling goroutine counts in, and the mark of its
// stripe for the seeds of observations.
func (s *Series) own(striped bool) (cells unsafe.Pointer, mark uint64) {
	if striped && !s.isStriped() {
		s.learn(wishKnown)
	}
	first := atomic.LoadPointer(&s.stripes.first)
	if first == nil {
		return s.Cells, 0
	}
	// A goroutine is told by where its stack lies.
	var here byte
	index := (uint64(uintptr(unsafe.Pointer(&here)))>>11 + atomic.LoadUint64(&s.stripes.salt)) * spread >> (64 - stripesBits)
	return unsafe.Add(first, index*atomic.LoadUint64(&s.stripes.bytes)), (index + 1) << seedShift
}

// isStriped tells whether this handle counts in stripes.
func (s *Series) isStriped() bool { return atomic.LoadPointer(&s.stripes.first) != nil }

// meeting notes that an update met another one. The total grows by one with each
// observation.
func (s *Series) meeting(total uint64) {
	seen := atomic.LoadUint64(&s.stripes.met)
	start, number := seen>>8, seen&0xFF
	if since := (total - start) << 8 >> 8; number == 0 || since > meetings*observationsEach {
		start, number = total, 0
	}
	if number++; number < meetings {
		atomic.StoreUint64(&s.stripes.met, start<<8|number)
		return
	}
	atomic.StoreUint64(&s.stripes.met, 0)
	s.spread()
}

// probed notes whether the probe of a counter met another update.
func (s *Series) probed(met bool) {
	seen := atomic.LoadUint64(&s.stripes.met)
	switch {
	case !met:
		if seen != 0 {
			atomic.StoreUint64(&s.stripes.met, seen-1)
		}
	case seen < meetings*metWeight:
		atomic.StoreUint64(&s.stripes.met, seen+metWeight)
	default:
		atomic.StoreUint64(&s.stripes.met, 0)
		s.spread()
	}
}

// spread counts in stripes from here on, or in other ones. Without space for them
// everything stays as it is.
func (s *Series) spread() {
	if s.Source == nil {
		return
	}
	wish := uint32(wishAny)
	if s.isStriped() {
		if atomic.AddUint32(&s.stripes.moves, 1) > movesMost {
			atomic.StoreUint32(&s.stripes.moves, movesMost)
			return
		}
		wish = wishOther
	}
	s.learn(wish)
}

// learn asks for the stripes, and counts in them from here on.
func (s *Series) learn(wish uint32) {
	if s.Source == nil {
		return
	}
	if first, bytes, salt := s.Source.Stripes(wish); first != nil {
		atomic.StoreUint64(&s.stripes.bytes, uint64(bytes))
		atomic.StoreUint64(&s.stripes.salt, salt)
		atomic.StorePointer(&s.stripes.first, first)
		s.setStriped()
	}
}

// after records what comes after the life of the handle.
func (s *Series) after(v float64) {
	if s.Source != nil {
		s.Source.Record(v)
	}
}

// sets calls each for the cells of the series and then for every stripe in order,
// whoever made them.
func (s *Series) sets(each func(cells unsafe.Pointer)) {
	each(s.Cells)
	if s.Source == nil {
		return
	}
	if first, bytes, _ := s.Source.Stripes(wishKnown); first != nil {
		for i := range uintptr(StripesCount) {
			each(unsafe.Add(first, i*bytes))
		}
	}
}

// count is the sum of a whole cell over all sets.
func (s *Series) count(offset uintptr) (sum uint64) {
	s.sets(func(cells unsafe.Pointer) { sum += atomic.LoadUint64(word(cells, offset)) })
	return sum
}

// float is the sum of a float64 cell over all sets.
func (s *Series) float(offset uintptr) (sum float64) {
	s.sets(func(cells unsafe.Pointer) { sum += math.Float64frombits(atomic.LoadUint64(word(cells, offset))) })
	return sum
}
