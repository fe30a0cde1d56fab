package spanpin

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// family is the part that the vectors of all kinds share. T is the metric.
type family[T any] struct {
	registry   *Registry
	name       string
	labelNames []string
	handle     capi.Family
	rules      *rules
	// open makes the metric of a series, and tells where its words lie.
	open func(f *family[T], values []string) (*T, capi.View, error)
	// detached makes a metric that is in no registry.
	detached func() *T

	table atomic.Pointer[table[T]]

	mu sync.Mutex
	// known are the metrics by their lives, which no two of them share. It holds the
	// overflow series as well, which the table must not: label values without limit
	// lead there, and when memory was short they may later lead elsewhere.
	known map[segment.Life]*T
	lost  *T
}

// familyOpts are the options of any kind.
type familyOpts struct {
	registry  *Registry
	maxSeries int
	exemplars exemplarOpts
	capi      capi.FamilyOptions
}

// register makes the family in the core.
func (f *family[T]) register(o familyOpts) error {
	if o.registry == nil {
		if err := checkABI(); err != nil {
			return err
		}
		o.registry = Default()
	}
	if err := o.registry.errIfClosed(); err != nil {
		return err
	}
	if o.maxSeries < 0 || uint64(o.maxSeries) > math.MaxUint32 {
		return &Error{CodeInvalidOption, fmt.Sprintf("MaxSeries must be from 0, which stands for 2000, to %d, got %d", uint32(math.MaxUint32), o.maxSeries)}
	}
	o.capi.MaxSeries = uint32(o.maxSeries)
	metric := o.capi.Name
	if o.capi.Kind == capi.KindCounter {
		metric = strings.TrimSuffix(metric, "_total")
	}
	rules, err := o.exemplars.rules(o.registry, metric, o.capi.LabelNames)
	if err != nil {
		return err
	}
	if o.capi.Rules, err = o.exemplars.core(); err != nil {
		return err
	}
	handle, failure := o.registry.handle.Register(o.capi)
	runtime.KeepAlive(o.registry)
	o.registry.tellOfSegment()
	if failure != nil {
		return of(failure)
	}
	f.registry, f.handle = o.registry, handle
	f.rules, rules.family = rules, handle
	f.name, f.labelNames = strings.Clone(o.capi.Name), slices.Clone(o.capi.LabelNames)
	f.known = map[segment.Life]*T{}
	f.table.Store(newTable[T](leastSlots))
	return nil
}

// metric finds or makes the metric of these label values.
func (f *family[T]) metric(values []string) (*T, error) {
	hash := hashOf(values)
	if m := f.table.Load().find(hash, values); m != nil {
		return m, nil
	}
	return f.add(hash, values)
}

// add copies the values before it hands them on, so that the slice and the
// strings of a caller stay on its stack.
//
//go:noinline
func (f *family[T]) add(hash uint64, values []string) (*T, error) {
	own := make([]string, len(values))
	for i, v := range values {
		own[i] = strings.Clone(v)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.table.Load().find(hash, own); m != nil {
		return m, nil
	}
	m, view, err := f.open(f, own)
	runtime.KeepAlive(f)
	if err != nil {
		return nil, err
	}
	life := segment.LifeOf(view.Cells, view.Plain)
	if other := f.known[life]; other != nil {
		m = other
	} else {
		f.known[life] = m
	}
	if !view.Overflow {
		present := f.table.Load()
		table := present.with(&entry[T]{hash, own, m, life})
		f.table.Store(table)
		if table != present {
			// What was removed is forgotten together with its places in the table.
			maps.DeleteFunc(f.known, func(life segment.Life, _ *T) bool { return !life.GoesOn() })
		}
	}
	return m, nil
}

// remove removes the series of these label values.
func (f *family[T]) remove(values []string) (bool, error) {
	removed, failure := f.handle.Remove(values)
	runtime.KeepAlive(f.registry)
	if failure != nil {
		return false, of(failure)
	}
	return removed, nil
}

// clear removes all series.
func (f *family[T]) clear() error {
	failure := f.handle.Clear()
	runtime.KeepAlive(f.registry)
	if failure != nil {
		return of(failure)
	}
	return nil
}

// mustMetric is the metric of these label values; it panics if their number is
// wrong. Any other failure comes from a lack of memory, and must not stop the
// program that measures: the observations then go nowhere.
func (f *family[T]) mustMetric(values []string) *T {
	m, err := f.metric(values)
	if err == nil {
		return m
	}
	if len(values) != len(f.labelNames) {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == nil {
		f.lost = f.detached()
	}
	return f.lost
}

// series are the words of a view.
func (f *family[T]) series(v capi.View) segment.Series {
	return segment.Series{
		Cells: v.Cells, Gates: v.Gates, Header: v.Header,
		OfferFrom: v.OfferFrom,
		SlowFrom:  f.rules.slowFrom,
		Hash:      v.Hash,
		Filter:    segment.Filter(v.Filter),
		Policy:    segment.Policy(v.Policy),
		Plain:     v.Plain,
		Draws:     v.Draws,
		Clock:     f.registry.clock,
	}
}

// detachedSeries are words that are in no registry.
func (r *Registry) detachedSeries(buckets int) segment.Series {
	s := segment.NewDetached(buckets)
	s.Clock = r.clock
	return s
}
