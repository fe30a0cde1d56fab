package spanpin

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// Histogram counts observations in buckets, sums them, and keeps exemplars: one
// per bucket and time between two scrapes, by default the slowest.
//
// All methods may be called from any goroutine, none fails and none allocates.
// NaN is counted in the self-metric spanpin_nan_observations_total and nowhere
// else. Infinities are counted in the outer buckets and the sum, but keep no
// exemplar. Negative values are allowed. An observation whose exemplar is
// refused, for whatever reason, still counts.
type Histogram struct {
	series   segment.Histogram
	offers   offers
	handle   capi.Histogram
	registry *Registry
}

// HistogramVec is a family of histograms, told apart by label values.
type HistogramVec struct{ family family[Histogram] }

// NewHistogram registers a histogram without labels. The error is an *Error.
func NewHistogram(o HistogramOpts) (*Histogram, error) {
	v, err := NewHistogramVec(o, nil)
	if err != nil {
		return nil, err
	}
	return v.GetMetricWithLabelValues()
}

// MustNewHistogram is NewHistogram that panics if the registration fails.
func MustNewHistogram(o HistogramOpts) *Histogram { return must(NewHistogram(o)) }

// NewHistogramVec registers a family of histograms with these label names. The
// error, an *Error, tells of an invalid, reserved or duplicate name, of bounds
// that are not increasing, or of a unit that is not the suffix of the name.
func NewHistogramVec(o HistogramOpts, labelNames []string) (*HistogramVec, error) {
	bounds := o.Buckets
	if len(bounds) == 0 {
		bounds = DefBuckets
	}
	v := &HistogramVec{}
	err := v.family.register(familyOpts{o.Registry, o.MaxSeries, o.exemplars(), capi.FamilyOptions{
		Kind: capi.KindHistogram, Name: o.Name, Help: o.Help, Unit: o.Unit,
		LabelNames: labelNames, Bounds: bounds,
	}})
	if err != nil {
		return nil, err
	}
	if last := len(bounds) - 1; math.IsInf(bounds[last], 1) {
		bounds = bounds[:last]
	}
	search := segment.NewSearch(bounds)
	v.family.detached = func() *Histogram {
		series := v.family.registry.detachedSeries(search.Buckets())
		return &Histogram{series: segment.NewHistogram(series, search), registry: v.family.registry}
	}
	v.family.open = func(f *family[Histogram], values []string) (*Histogram, capi.View, error) {
		handle, failure := f.handle.Histogram(values)
		if failure != nil {
			return nil, capi.View{}, of(failure)
		}
		view, failure := handle.View()
		if failure != nil {
			return nil, capi.View{}, of(failure)
		}
		if int(view.Buckets) != search.Buckets() {
			return nil, capi.View{}, &Error{CodeShapeMismatch, fmt.Sprintf("%s has %d buckets in the core, and %d here", f.name, view.Buckets, search.Buckets())}
		}
		h := &Histogram{handle: handle, registry: f.registry}
		h.series = segment.NewHistogram(f.series(view), search)
		h.series.Source = handle.Series()
		h.offers.of(f.rules, handle.Series(), values, view.Overflow)
		return h, view, nil
	}
	return v, nil
}

// MustNewHistogramVec is NewHistogramVec that panics if the registration fails.
func MustNewHistogramVec(o HistogramOpts, labelNames []string) *HistogramVec {
	return must(NewHistogramVec(o, labelNames))
}

// WithLabelValues is the histogram of these label values, in the order of the
// label names. It panics if their number is wrong, and fails in no other way: over
// MaxSeries it is the overflow series. Invalid UTF-8 becomes U+FFFD; an empty
// value leaves the label out of the output.
func (v *HistogramVec) WithLabelValues(values ...string) *Histogram {
	return v.family.mustMetric(values)
}

// GetMetricWithLabelValues is WithLabelValues that returns an error instead of a
// panic.
func (v *HistogramVec) GetMetricWithLabelValues(values ...string) (*Histogram, error) {
	return v.family.metric(values)
}

// Remove removes the histogram of these label values from the page, with all that it has
// counted and its exemplars, and tells whether there was one, as CounterVec.Remove does.
func (v *HistogramVec) Remove(values ...string) (bool, error) { return v.family.remove(values) }

// Clear removes all histograms of the family, as Remove does.
func (v *HistogramVec) Clear() error { return v.family.clear() }

// SetP99 sets the p99 of adaptive sampling in place of that of the buckets, which
// comes back with NaN or an infinity. A family that does not sample adaptively is
// left as it is.
func (v *HistogramVec) SetP99(p99 float64) {
	v.family.handle.SetP99(p99)
	runtime.KeepAlive(v.family.registry)
}

// SetP99 is that of the family, and so holds for all its series.
func (h *Histogram) SetP99(p99 float64) {
	if h.offers.rules != nil {
		h.offers.rules.family.SetP99(p99)
	}
	runtime.KeepAlive(h)
}

// Exemplars are all that the rings of the histogram hold, newest first: up to Slots
// winners for each bucket, whatever their age. It takes nothing from any scraper.
func (h *Histogram) Exemplars() []ExemplarRecord {
	records := h.offers.history()
	runtime.KeepAlive(h)
	return records
}

// Observe counts v, without an exemplar.
func (h *Histogram) Observe(v float64) {
	h.series.Count(v)
	runtime.KeepAlive(h)
}

// ObserveCtx counts v and offers the active OpenTelemetry span of ctx as its
// exemplar. The context is looked at only if the offer beats what the bucket
// holds. Without a span, or with one that the filter refuses, v just counts.
func (h *Histogram) ObserveCtx(ctx context.Context, v float64) {
	// This is CountOffer. To call it would cost a third of what an exemplar costs.
	if h.series.IsUsual(v) {
		bucket := h.series.Search.One(v)
		way := h.series.WayOf(bucket)
		slow, turns := v > h.series.SlowFrom, h.series.Turns()
		old := way.Count()
		worth := way.Passes(v, old, turns) || slow
		if !way.Sum(v) {
			h.series.SumAgain(v)
		}
		if worth {
			h.takeCtx(ctx, bucket, v, old)
		}
	} else if h.series.IsQuiet(v) {
		way := h.series.WayOf(h.series.Search.One(v))
		way.Count()
		if !way.Sum(v) {
			h.series.SumAgain(v)
		}
	} else if bucket, old, worth := h.series.CountOffer(v); worth {
		h.takeCtx(ctx, bucket, v, old)
	}
	runtime.KeepAlive(h)
}

// ObserveTrace counts v and offers a span as its exemplar, with extra labels
// besides. An invalid trace context just counts v. Of the extra labels those
// named trace_id and span_id are left out; see Exemplar for the rest.
func (h *Histogram) ObserveTrace(v float64, trace TraceContext, extra ...Label) {
	// As in ObserveCtx.
	if h.series.IsUsual(v) {
		bucket := h.series.Search.One(v)
		way := h.series.WayOf(bucket)
		slow, turns := v > h.series.SlowFrom, h.series.Turns()
		old := way.Count()
		worth := way.Passes(v, old, turns) || slow
		if !way.Sum(v) {
			h.series.SumAgain(v)
		}
		if worth {
			h.takeTrace(trace, extra, bucket, v, old)
		}
	} else if h.series.IsSilent() {
		h.series.Count(v)
	} else if bucket, old, worth := h.series.CountOffer(v); worth {
		h.takeTrace(trace, extra, bucket, v, old)
	}
	runtime.KeepAlive(h)
}

// ObserveTraceparent counts v and offers the span of a W3C traceparent header as
// its exemplar. The header is parsed only if the offer beats what the bucket
// holds; a malformed one is counted in spanpin_exemplars_dropped_total.
func (h *Histogram) ObserveTraceparent(v float64, traceparent string) {
	// As in ObserveCtx.
	if h.series.IsUsual(v) {
		bucket := h.series.Search.One(v)
		way := h.series.WayOf(bucket)
		slow, turns := v > h.series.SlowFrom, h.series.Turns()
		old := way.Count()
		worth := way.Passes(v, old, turns) || slow
		if !way.Sum(v) {
			h.series.SumAgain(v)
		}
		if worth {
			h.takeTraceparent(traceparent, bucket, v, old)
		}
	} else if h.series.IsSilent() {
		h.series.Count(v)
	} else if bucket, old, worth := h.series.CountOffer(v); worth {
		h.takeTraceparent(traceparent, bucket, v, old)
	}
	runtime.KeepAlive(h)
}

// ObserveExemplar counts v and makes e the exemplar of its bucket for the time
// until the next scrape, whatever else is offered; the latest one wins. The
// filter AlwaysOff stops it, unsampled traces do not.
func (h *Histogram) ObserveExemplar(v float64, e Exemplar) {
	if v > h.series.SlowFrom {
		h.offers.turn(&h.series.Series)
	}
	epoch := h.series.Epoch()
	if len(e.Labels) > 0 || !e.Trace.IsValid() {
		h.observeExemplarLabels(v, e)
	} else {
		h.handle.ObserveExemplarIDs(v, e.Trace.span)
	}
	if v > h.series.SlowFrom {
		h.offers.tellSlow(&h.series.Series, epoch, v, &source{trace: e.Trace})
	}
	runtime.KeepAlive(h)
}

//go:noinline
func (h *Histogram) takeCtx(ctx context.Context, bucket uint, v float64, old uint64) {
	h.series.NoteLook(old)
	if h.offers.again(&h.series.Series, bucket, v, old) {
		h.offers.take(&h.series.Series, observation{bucket, v, old}, source{kind: fromContext, ctx: ctx}, nil)
	}
}

//go:noinline
func (h *Histogram) takeTrace(trace TraceContext, extra []Label, bucket uint, v float64, old uint64) {
	h.series.NoteLook(old)
	if h.offers.again(&h.series.Series, bucket, v, old) {
		h.offers.take(&h.series.Series, observation{bucket, v, old}, source{trace: trace}, extra)
	}
}

//go:noinline
func (h *Histogram) takeTraceparent(traceparent string, bucket uint, v float64, old uint64) {
	h.series.NoteLook(old)
	if h.offers.again(&h.series.Series, bucket, v, old) {
		h.offers.take(&h.series.Series, observation{bucket, v, old}, source{kind: fromHeader, traceparent: traceparent}, nil)
	}
}

func (h *Histogram) observeExemplarLabels(v float64, e Exemplar) {
	var text [packedText]byte
	var lengths [2 * packedLabels]uint32
	h.handle.ObserveExemplar(v, e.Trace.span, pack(e.Labels, text[:0], lengths[:0]))
}
