package spanpin

import (
	"hash/maphash"
	"slices"
	"sync/atomic"

	"github.com/spanpin/spanpin/go-bindings/internal/segment"
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

// table finds the metric of label values. Readers take no lock: a slot that was filled
// stays so, with a metric of the same label values, and a table that gets full is
// replaced by a copy of what was not removed.
type table[T any] struct {
	slots []atomic.Pointer[entry[T]]
	used  int // read and written by the inserter only
}

type entry[T any] struct {
	hash   uint64
	values []string
	metric *T
	life   segment.Life
}

// leastSlots is the size of the first table, a power of two.
const leastSlots = 16

func newTable[T any](slots int) *table[T] {
	return &table[T]{slots: make([]atomic.Pointer[entry[T]], slots)}
}

// find is the metric of these values, nil if there is none, or it was removed.
func (t *table[T]) find(hash uint64, values []string) *T {
	if slot := t.slot(hash, values); slot != nil {
		if e := slot.Load(); e.life.GoesOn() {
			return e.metric
		}
	}
	return nil
}

// slot is the filled slot of these values, nil if there is none.
func (t *table[T]) slot(hash uint64, values []string) *atomic.Pointer[entry[T]] {
	mask := uint64(len(t.slots) - 1)
	for i := hash; ; i++ {
		slot := &t.slots[i&mask]
		e := slot.Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && slices.Equal(e.values, values) {
			return slot
		}
	}
}

// with is the table with one more entry. At most half of the slots are used, so every
// search ends at an empty one.
func (t *table[T]) with(e *entry[T]) *table[T] {
	if slot := t.slot(e.hash, e.values); slot != nil {
		slot.Store(e)
		return t
	}
	if 2*(t.used+1) > len(t.slots) {
		t = t.grown()
	}
	t.put(e)
	return t
}

// grown is a table of what was not removed, a quarter of whose slots are used at most.
func (t *table[T]) grown() *table[T] {
	var alive []*entry[T]
	for i := range t.slots {
		if old := t.slots[i].Load(); old != nil && old.life.GoesOn() {
			alive = append(alive, old)
		}
	}
	slots := leastSlots
	for slots < 4*len(alive) {
		slots *= 2
	}
	other := newTable[T](slots)
	for _, old := range alive {
		other.put(old)
	}
	return other
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
