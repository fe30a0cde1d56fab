package segment

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is the definition of the bucket index.
func naive(bounds []float64, v float64) uint {
	var i uint
	for _, b := range bounds {
		if b < v {
			i++
		}
	}
	return i
}

var defaultBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

func boundSets(r *rand.Rand) [][]float64 {
	sets := [][]float64{
		nil,
		defaultBounds,
		{0},
		{-1},
		{-10, -1, 0, 1, 10},
		{math.SmallestNonzeroFloat64},
		{-math.MaxFloat64, math.MaxFloat64},
		{math.Copysign(0, -1), math.SmallestNonzeroFloat64, 1e-310, 2.5e-308, 1, math.MaxFloat64},
	}
	var linear, exponential []float64
	for i := range 300 {
		linear = append(linear, -20+float64(i))
		exponential = append(exponential, math.Pow(1.1, float64(i-150)))
	}
	sets = append(sets, linear, exponential)
	for range 200 {
		n := 1 + r.IntN(40)
		set := make([]float64, n)
		for i := range set {
			set[i] = anyFinite(r)
		}
		slices.Sort(set)
		sets = append(sets, slices.Compact(set))
	}
	return sets
}

func anyFinite(r *rand.Rand) float64 {
	for {
		v := math.Float64frombits(r.Uint64())
		if r.IntN(2) == 0 {
			v = r.NormFloat64() * math.Pow(10, float64(r.IntN(6)-3))
		}
		if v-v == 0 {
			return v
		}
	}
}

func TestIndexEqualsNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, bounds := range boundSets(r) {
		s := NewSearch(bounds)
		values := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64}
		for _, b := range bounds {
			values = append(values, b, math.Nextafter(b, math.Inf(1)), math.Nextafter(b, math.Inf(-1)), -b)
		}
		for range 200 {
			values = append(values, anyFinite(r))
		}
		for _, v := range values {
			if got, want := s.Index(v), naive(bounds, v); got != want {
				t.Fatalf("bounds %v: Index(%v) = %d, want %d", bounds, v, got, want)
			}
			if got, want := s.binary(v), naive(bounds, v); got != want {
				t.Fatalf("bounds %v: binary(%v) = %d, want %d", bounds, v, got, want)
			}
		}
	}
}

func TestIndexOfNaNStaysInRange(t *testing.T) {
	for _, bounds := range boundSets(rand.New(rand.NewPCG(3, 4))) {
		if s := NewSearch(bounds); s.Index(math.NaN()) >= uint(s.Buckets()) {
			t.Fatalf("bounds %v: NaN is outside the buckets", bounds)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(0.5, 0.1, 1.0, 10.0)
	f.Add(-1.0, -5.0, -1.0, 0.0)
	f.Fuzz(func(t *testing.T, v, a, b, c float64) {
		bounds := []float64{a, b, c}
		if v != v || !(a < b && b < c) || math.IsInf(a, 0) || math.IsInf(c, 0) {
			t.Skip()
		}
		s := NewSearch(bounds)
		if got, want := s.Index(v), naive(bounds, v); got != want {
			t.Fatalf("bounds %v: Index(%v) = %d, want %d", bounds, v, got, want)
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	s := NewSearch(defaultBounds)
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 4096)
	for i := range values {
		values[i] = 0.082 * math.Exp(r.NormFloat64())
	}
	var sum uint
	for i := 0; b.Loop(); i++ {
		sum += s.Index(values[i&4095])
	}
	_ = sum
}
