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
	err := v.family.register(familyOpts{o.Registry, o.MaxSeries, capi.FamilyOptions{
		Kind: capi.KindHistogram, Name: o.Name, Help: o.Help, Unit: o.Unit,
		LabelNames: labelNames, Bounds: bounds, Filter: uint32(o.Filter), Policy: uint32(o.Policy),
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
		h.series = segment.NewHistogram(f.registry.series(view), search)
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

// Observe counts v, without an exemplar.
func (h *Histogram) Observe(v float64) {
	h.series.Count(v)
	runtime.KeepAlive(h)
}

// ObserveCtx counts v and offers the active OpenTelemetry span of ctx as its
// exemplar. The context is looked at only if the offer beats what the bucket
// holds. Without a span, or with one that the filter refuses, v just counts.
func (h *Histogram) ObserveCtx(ctx context.Context, v float64) {
	bucket, old, ok := h.series.Count(v)
	if ok && h.series.Filter != segment.FilterAlwaysOff && h.series.Gate(bucket, v, old) {
		h.offerCtx(ctx, bucket, v, old)
	}
	runtime.KeepAlive(h)
}

// ObserveTrace counts v and offers a span as its exemplar, with extra labels
// besides. An invalid trace context just counts v. Of the extra labels those
// named trace_id and span_id are left out; see Exemplar for the rest.
func (h *Histogram) ObserveTrace(v float64, trace TraceContext, extra ...Label) {
	if len(extra) > 0 {
		h.observeTraceLabels(v, trace, extra)
		return
	}
	bucket, old, ok := h.series.Count(v)
	if ok && h.series.Filter != segment.FilterAlwaysOff && h.series.Gate(bucket, v, old) {
		h.offerTrace(trace, bucket, v, old)
	}
	runtime.KeepAlive(h)
}

// ObserveTraceparent counts v and offers the span of a W3C traceparent header as
// its exemplar. The header is parsed only if the offer beats what the bucket
// holds; a malformed one is counted in spanpin_exemplars_dropped_total.
func (h *Histogram) ObserveTraceparent(v float64, traceparent string) {
	bucket, old, ok := h.series.Count(v)
	if ok && h.series.Filter != segment.FilterAlwaysOff && h.series.Gate(bucket, v, old) {
		h.offerTraceparent(traceparent, bucket, v, old)
	}
	runtime.KeepAlive(h)
}

// ObserveExemplar counts v and makes e the exemplar of its bucket for the time
// until the next scrape, whatever else is offered; the latest one wins. The
// filter AlwaysOff stops it, unsampled traces do not.
func (h *Histogram) ObserveExemplar(v float64, e Exemplar) {
	if len(e.Labels) > 0 || !e.Trace.IsValid() {
		h.observeExemplarLabels(v, e)
		return
	}
	h.handle.ObserveExemplarIDs(v, e.Trace.span)
	runtime.KeepAlive(h)
}

// beats is the second look at the gate, after a window that is due was closed.
func (h *Histogram) beats(bucket uint, v float64, old uint64) bool {
	if h.series.Due() {
		h.handle.Turn()
	}
	return h.series.Beats(bucket, v, old) && h.series.Finite(v)
}

//go:noinline
func (h *Histogram) offerCtx(ctx context.Context, bucket uint, v float64, old uint64) {
	if !h.beats(bucket, v, old) || !h.series.Spend(bucket) {
		return
	}
	if span, ok := activeSpan(ctx, &h.series.Series); ok {
		h.handle.Offer(bucket, v, old, span)
	}
}

//go:noinline
func (h *Histogram) offerTrace(trace TraceContext, bucket uint, v float64, old uint64) {
	if h.beats(bucket, v, old) && passes(trace, &h.series.Series, bucket) {
		h.handle.Offer(bucket, v, old, trace.span)
	}
}

//go:noinline
func (h *Histogram) offerTraceparent(traceparent string, bucket uint, v float64, old uint64) {
	if !h.beats(bucket, v, old) {
		return
	}
	if trace, ok := spanOf(traceparent, &h.series.Series, bucket); ok {
		h.handle.Offer(bucket, v, old, trace.span)
	}
}

// observeTraceLabels looks at the gate first and counts afterwards, because the
// call that takes labels also counts.
func (h *Histogram) observeTraceLabels(v float64, trace TraceContext, extra []Label) {
	if v == v && h.series.Filter != segment.FilterAlwaysOff {
		bucket := h.series.Search.Index(v)
		if h.series.Gate(bucket, v, h.series.BucketCount(bucket)) {
			var text [packedText]byte
			var lengths [2 * packedLabels]uint32
			h.handle.ObserveTrace(v, trace.span, pack(extra, text[:0], lengths[:0]))
			runtime.KeepAlive(h)
			return
		}
	}
	h.Observe(v)
}

func (h *Histogram) observeExemplarLabels(v float64, e Exemplar) {
	var text [packedText]byte
	var lengths [2 * packedLabels]uint32
	h.handle.ObserveExemplar(v, e.Trace.span, pack(e.Labels, text[:0], lengths[:0]))
	runtime.KeepAlive(h)
}
