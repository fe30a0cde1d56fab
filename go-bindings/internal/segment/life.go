package segment

import (
	"sync/atomic"
	"unsafe"
)

// Life is one life of a series in the memory of the core: a series that was removed
// is used again for other label values, and that is another one.
type Life struct {
	state *uint64
	// plain is the state while the life goes on, without flags.
	plain uint64
}

// LifeOf is the life of a series whose cells lie there. Plain is what the core says
// of it.
func LifeOf(cells unsafe.Pointer, plain uint64) Life {
	return Life{stateOf(cells), plain}
}

// GoesOn tells whether the series was not removed since, by whichever process.
func (l Life) GoesOn() bool { return atomic.LoadUint64(l.state)&^StateFlags == l.plain }

func stateOf(cells unsafe.Pointer) *uint64 {
	return (*uint64)(unsafe.Add(cells, -StateBefore))
}

// isPlain tells whether observations go to the cells of the series, which is in the
// life of this handle and takes only what is its own. It says no for good in a series
// whose short way is not for it.
func (s *Series) isPlain() bool { return atomic.LoadUint64(stateOf(s.Cells)) == s.short }

// look tells whether the life of the handle goes on, and what flags its state has.
func (s *Series) look() (ok bool, flags uint64) {
	state := atomic.LoadUint64(stateOf(s.Cells))
	return state&^StateFlags == s.Plain, state & StateFlags
}

// apart is what an observation needs to know that goes another way. It is not ok when
// the life of the handle has ended.
func (s *Series) apart() (striped, ok bool) {
	ok, flags := s.look()
	if ok && flags&StateOverflow != 0 {
		s.Tally(TallyOverflow)
	}
	return ok && flags&StateStriped != 0, ok
}

// setStriped notes that the series has stripes, if the core has not.
func (s *Series) setStriped() {
	if state := stateOf(s.Cells); atomic.LoadUint64(state)&StateStriped == 0 {
		atomic.OrUint64(state, StateStriped)
	}
}
