package segment

import (
	"math"
	"math/bits"
)

// mostSteps is the number of bounds that may share a binary exponent before
// comparing them one by one costs more than a binary search over all.
const mostSteps = 8

// Search finds the bucket of a value: the number of bounds below it.
//
// A table leads from the sign and exponent of the value to the first bound that
// can be right. The usual bounds hold one per power of two, so that one
// comparison, with a number that stands in the table, finishes the search. No
// branch depends on the value, and only the table is read, because a load here
// has to wait for the locked instructions of the observation before.
//
// A Search may be copied; copies share what they point to.
type Search struct {
	// table[e-lowest] is for the values of sign and exponent e. Its first and last
	// entries are also for everything below and above. It is empty if a binary
	// search is better.
	table  []start
	lowest int64
	// steps is how many bounds at most share an exponent; single says that it is one.
	steps  uint
	single bool
	// keys are the bounds in the order of unsigned numbers, whose comparison is
	// a subtraction. The last one is above every value, so that a search never
	// runs off the end.
	keys []uint64
}

// start is the first bound that is not below a power of two, and its key.
type start struct{ key, bound uint64 }

// NewSearch prepares the search over strictly increasing finite bounds.
func NewSearch(bounds []float64) Search {
	s := Search{keys: make([]uint64, len(bounds)+1), steps: 1}
	for i, b := range bounds {
		s.keys[i] = key(b)
	}
	s.keys[len(bounds)] = math.MaxUint64

	first := 0
	for first < len(bounds) && bounds[first] <= 0 {
		first++
	}
	// The first entry is for negative values, and for zero with what shares its
	// exponent, too: it may be too low, never too high.
	s.lowest, s.table = 0, []start{{s.keys[0], 0}}
	next := first
	if first < len(bounds) {
		s.lowest = max(0, exponent(bounds[first])-1)
		for next < len(bounds) && exponent(bounds[next]) <= s.lowest {
			next++
		}
	}
	most := next
	for e := s.lowest + 1; first < len(bounds) && e <= exponent(bounds[len(bounds)-1])+1; e++ {
		from := next
		for next < len(bounds) && exponent(bounds[next]) <= e {
			next++
		}
		s.table = append(s.table, start{s.keys[from], uint64(from)})
		most = max(most, next-from)
	}
	s.steps = uint(max(1, most))
	s.single = s.steps == 1
	if s.steps > mostSteps {
		s.table = nil
	}
	return s
}

// key is a number that orders as v does: negative values have all bits turned,
// others the sign. Adding zero makes one of the two zeros.
func key(v float64) uint64 {
	b := math.Float64bits(v + 0)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// exponent is the biased binary exponent of v with its sign in front, so that
// every negative value is below every positive one.
func exponent(v float64) int64 {
	return int64(math.Float64bits(v)) >> 52
}

// Buckets is the number of buckets, the one that ends at +Inf included.
func (s *Search) Buckets() int { return len(s.keys) }

// Index is the bucket of v. NaN has no bucket; the result for it is in range.
func (s *Search) Index(v float64) uint {
	if s.single {
		return s.One(v)
	}
	return s.several(v)
}

// One is Index if no two bounds share an exponent, small enough to be inlined.
func (s *Search) One(v float64) uint {
	e := max(0, min(exponent(v)-s.lowest, int64(len(s.table)-1)))
	at := &s.table[e]
	_, below := bits.Sub64(at.key, key(v), 0)
	return uint(at.bound + below)
}

func (s *Search) several(v float64) uint {
	if len(s.table) == 0 {
		return s.binary(v)
	}
	e := max(0, min(exponent(v)-s.lowest, int64(len(s.table)-1)))
	i, k := s.table[e].bound, key(v)
	for range s.steps {
		_, below := bits.Sub64(s.keys[i], k, 0)
		i += below
	}
	return uint(i)
}

func (s *Search) binary(v float64) uint {
	low, count, k := uint(0), uint(len(s.keys)-1), key(v)
	for count > 0 {
		half := count / 2
		if s.keys[low+half] < k {
			low += half + 1
			count -= half + 1
		} else {
			count = half
		}
	}
	return low
}
