package spanpin

import (
	"context"
	"runtime"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// Counter is a sum that only grows. It keeps one exemplar per time between two
// scrapes, by default of an addition that is picked uniformly.
//
// All methods may be called from any goroutine, none fails and none allocates.
// Adding a negative value, NaN or an infinity does nothing but count it in the
// self-metric spanpin_invalid_increments_total. An addition whose exemplar is
// refused, for whatever reason, still counts.
type Counter struct {
	series   segment.Counter
	offers   offers
	handle   capi.Counter
	registry *Registry
}

// CounterVec is a family of counters, told apart by label values.
type CounterVec struct{ family family[Counter] }

// NewCounter registers a counter without labels. The error is an *Error.
func NewCounter(o CounterOpts) (*Counter, error) {
	v, err := NewCounterVec(o, nil)
	if err != nil {
		return nil, err
	}
	return v.GetMetricWithLabelValues()
}

// MustNewCounter is NewCounter that panics if the registration fails.
func MustNewCounter(o CounterOpts) *Counter { return must(NewCounter(o)) }

// NewCounterVec registers a family of counters with these label names. The error,
// an *Error, tells of an invalid, reserved or duplicate name, or of a unit that
// is not the suffix of the name.
func NewCounterVec(o CounterOpts, labelNames []string) (*CounterVec, error) {
	v := &CounterVec{}
	err := v.family.register(familyOpts{o.Registry, o.MaxSeries, o.exemplars(), capi.FamilyOptions{
		Kind: capi.KindCounter, Name: o.Name, Help: o.Help, Unit: o.Unit, LabelNames: labelNames,
	}})
	if err != nil {
		return nil, err
	}
	v.family.detached = func() *Counter {
		return &Counter{series: segment.NewCounter(v.family.registry.detachedSeries(1)), registry: v.family.registry}
	}
	v.family.open = func(f *family[Counter], values []string) (*Counter, capi.View, error) {
		handle, failure := f.handle.Counter(values)
		if failure != nil {
			return nil, capi.View{}, of(failure)
		}
		view, failure := handle.View()
		if failure != nil {
			return nil, capi.View{}, of(failure)
		}
		c := &Counter{handle: handle, registry: f.registry}
		c.series = segment.NewCounter(f.series(view))
		c.series.Source = handle.Series()
		c.offers.of(f.rules, handle.Series(), values, view.Overflow)
		return c, view, nil
	}
	return v, nil
}

// MustNewCounterVec is NewCounterVec that panics if the registration fails.
func MustNewCounterVec(o CounterOpts, labelNames []string) *CounterVec {
	return must(NewCounterVec(o, labelNames))
}

// WithLabelValues is the counter of these label values, in the order of the label
// names. It panics if their number is wrong, and fails in no other way: over
// MaxSeries it is the overflow series.
func (v *CounterVec) WithLabelValues(values ...string) *Counter {
	return v.family.mustMetric(values)
}

// GetMetricWithLabelValues is WithLabelValues that returns an error instead of a
// panic.
func (v *CounterVec) GetMetricWithLabelValues(values ...string) (*Counter, error) {
	return v.family.metric(values)
}

// Remove removes the counter of these label values from the page, with all that it
// has counted and its exemplar, and tells whether there was one. The overflow series
// stays, and so does that of a family without labels. What is added through the removed
// counter from here on goes to the overflow series, without an exemplar; the same label
// values begin anew, with another Counter. The memory is used again for others of the
// family, ten seconds later, or sooner when the registry has no other space. The
// error, an *Error, tells of a wrong number of values.
func (v *CounterVec) Remove(values ...string) (bool, error) { return v.family.remove(values) }

// Clear removes all counters of the family, as Remove does.
func (v *CounterVec) Clear() error { return v.family.clear() }

// Inc adds 1, without an exemplar.
func (c *Counter) Inc() {
	c.series.Inc()
	runtime.KeepAlive(c)
}

// Add adds v, without an exemplar.
func (c *Counter) Add(v float64) {
	c.series.Add(v)
	runtime.KeepAlive(c)
}

// IncCtx is AddCtx of 1.
func (c *Counter) IncCtx(ctx context.Context) { c.AddCtx(ctx, 1) }

// AddCtx adds v and offers the active OpenTelemetry span of ctx as its exemplar.
// The context is looked at only if the offer beats what the counter holds.
// Without a span, or with one that the filter refuses, v is just added.
func (c *Counter) AddCtx(ctx context.Context, v float64) {
	if old, ok := c.series.Add(v); ok && c.series.Worth(onlyBucket, v, old) {
		c.takeCtx(ctx, v, old)
	}
	runtime.KeepAlive(c)
}

// IncTrace is AddTrace of 1.
func (c *Counter) IncTrace(trace TraceContext, extra ...Label) { c.AddTrace(1, trace, extra...) }

// AddTrace adds v and offers a span as its exemplar, with extra labels besides.
// An invalid trace context just adds v. Of the extra labels those named trace_id
// and span_id are left out; see Exemplar for the rest.
func (c *Counter) AddTrace(v float64, trace TraceContext, extra ...Label) {
	if old, ok := c.series.Add(v); ok && c.series.Worth(onlyBucket, v, old) {
		c.takeTrace(trace, extra, v, old)
	}
	runtime.KeepAlive(c)
}

// IncTraceparent is AddTraceparent of 1.
func (c *Counter) IncTraceparent(traceparent string) { c.AddTraceparent(1, traceparent) }

// AddTraceparent adds v and offers the span of a W3C traceparent header as its
// exemplar. The header is parsed only if the offer beats what the counter holds;
// a malformed one is counted in spanpin_exemplars_dropped_total.
func (c *Counter) AddTraceparent(v float64, traceparent string) {
	if old, ok := c.series.Add(v); ok && c.series.Worth(onlyBucket, v, old) {
		c.takeTraceparent(traceparent, v, old)
	}
	runtime.KeepAlive(c)
}

// IncExemplar is AddExemplar of 1.
func (c *Counter) IncExemplar(e Exemplar) { c.AddExemplar(1, e) }

// AddExemplar adds v and makes e the exemplar of the counter for the time until
// the next scrape, whatever else is offered; the latest one wins. The filter
// AlwaysOff stops it, unsampled traces do not.
func (c *Counter) AddExemplar(v float64, e Exemplar) {
	if v > c.series.SlowFrom {
		c.offers.turn(&c.series.Series)
	}
	epoch := c.series.Epoch()
	if len(e.Labels) > 0 || !e.Trace.IsValid() {
		c.addExemplarLabels(v, e)
	} else {
		c.handle.AddExemplarIDs(v, e.Trace.span)
	}
	if v > c.series.SlowFrom && segment.Addable(v) {
		c.offers.tellSlow(&c.series.Series, epoch, v, &source{trace: e.Trace})
	}
	runtime.KeepAlive(c)
}

// Value is the sum of all additions.
func (c *Counter) Value() float64 {
	v := c.series.Value()
	runtime.KeepAlive(c)
	return v
}

// Exemplars are all that the ring of the counter holds, newest first: up to Slots
// winners, whatever their age. It takes nothing from any scraper.
func (c *Counter) Exemplars() []ExemplarRecord {
	records := c.offers.history()
	runtime.KeepAlive(c)
	return records
}

// A counter has one gate.
const onlyBucket = 0

//go:noinline
func (c *Counter) takeCtx(ctx context.Context, v float64, old uint64) {
	if c.offers.again(&c.series.Series, onlyBucket, v, old) {
		c.offers.take(&c.series.Series, observation{onlyBucket, v, old}, source{kind: fromContext, ctx: ctx}, nil)
	}
}

//go:noinline
func (c *Counter) takeTrace(trace TraceContext, extra []Label, v float64, old uint64) {
	if c.offers.again(&c.series.Series, onlyBucket, v, old) {
		c.offers.take(&c.series.Series, observation{onlyBucket, v, old}, source{trace: trace}, extra)
	}
}

//go:noinline
func (c *Counter) takeTraceparent(traceparent string, v float64, old uint64) {
	if c.offers.again(&c.series.Series, onlyBucket, v, old) {
		c.offers.take(&c.series.Series, observation{onlyBucket, v, old}, source{kind: fromHeader, traceparent: traceparent}, nil)
	}
}

func (c *Counter) addExemplarLabels(v float64, e Exemplar) {
	var text [packedText]byte
	var lengths [2 * packedLabels]uint32
	c.handle.AddExemplar(v, e.Trace.span, pack(e.Labels, text[:0], lengths[:0]))
}
