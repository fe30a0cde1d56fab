package spanpin

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
)

var tableSeed = maphash.MakeSeed()

// hashOf is the hash of label values, in their order.
func hashOf(values []string) uint64 {
	var h uint64
	for _, v := range values {
		h = (h ^ maphash.String(tableSeed, v)) * 0x9E3779B97F4A7C15
		h ^= h >> 32
	}
	return h
}

// table finds the metric of label values. Readers take no lock: slots are filled
// once, and a table that gets full is replaced by a copy.
type table[T any] struct {
	slots []atomic.Pointer[entry[T]]
	used  int // read and written by the inserter only
}

type entry[T any] struct {
	hash   uint64
	values []string
	metric *T
}

// leastSlots is the size of the first table, a power of two.
const leastSlots = 16

func newTable[T any](slots int) *table[T] {
	return &table[T]{slots: make([]atomic.Pointer[entry[T]], slots)}
}

// find is the metric of these values, nil if there is none.
func (t *table[T]) find(hash uint64, values []string) *T {
	mask := uint64(len(t.slots) - 1)
	for i := hash; ; i++ {
		e := t.slots[i&mask].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && slices.Equal(e.values, values) {
			return e.metric
		}
	}
}

// with is the table with one more entry, which the caller made sure is new. At
// most half of the slots are used, so every search ends at an empty one.
func (t *table[T]) with(e *entry[T]) *table[T] {
	if 2*(t.used+1) > len(t.slots) {
		larger := newTable[T](2 * len(t.slots))
		for i := range t.slots {
			if old := t.slots[i].Load(); old != nil {
				larger.put(old)
			}
		}
		t = larger
	}
	t.put(e)
	return t
}

func (t *table[T]) put(e *entry[T]) {
	mask := uint64(len(t.slots) - 1)
	i := e.hash & mask
	for t.slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	t.slots[i].Store(e)
	t.used++
}
