package spanpin

import (
	"context"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// offers is the part of a histogram or counter that keeps exemplars. Everything
// here is off the hot path: gates let few offers pass.
type offers struct {
	core  capi.Series
	rules *rules
	// labels are those of the series, if slow requests are told of.
	labels []Label
	// told is the window in which a slow request was told of last.
	told atomic.Uint64
	// refreshed is when the bands of adaptive sampling were brought up to date last.
	refreshed atomic.Uint64
}

// of sets the offers of a series up.
func (o *offers) of(r *rules, core capi.Series, values []string, overflow bool) {
	o.core, o.rules, o.labels = core, r, r.seriesLabels(values, overflow)
}

// observation is one that passed its gate, or that is slow. It was counted.
type observation struct {
	bucket uint
	v      float64
	// old is the count of the bucket before.
	old uint64
}

// source is where the span of an observation comes from: a context, a header, or
// the caller who has it.
type source struct {
	ctx         context.Context
	traceparent string
	trace       TraceContext
	kind        sourceKind
	// looked says that ctx or traceparent was read already, for a slow request.
	looked bool
}

type sourceKind uint8

const (
	fromCaller sourceKind = iota
	fromContext
	fromHeader
)

// span is the span of the observation; it is not valid if there is none.
func (s *source) span() TraceContext {
	if !s.looked {
		s.looked = true
		switch s.kind {
		case fromContext:
			s.trace = FromSpanContext(trace.SpanContextFromContext(s.ctx))
		case fromHeader:
			s.trace, _ = parseTraceparent(s.traceparent)
		}
	}
	return s.trace
}

// context is that of the call, or one that holds nothing.
func (s *source) context() context.Context {
	if s.ctx == nil {
		return context.Background()
	}
	return s.ctx
}

// refreshMs is how often the core brings the bands of adaptive sampling up to date.
const refreshMs = 1000

// again is the second look at an observation, after a window that is due was closed.
// Most that come here only because it is their turn end at it.
func (o *offers) again(s *segment.Series, bucket uint, v float64, old uint64) bool {
	o.turn(s)
	return v > s.SlowFrom || v >= s.OfferFrom && s.Beats(bucket, v, old)
}

// take tells of a slow request, and offers the span with the labels of the call.
// These are no part of the source, whose context leads to functions of the
// program's, so that they may stay on the caller's stack.
func (o *offers) take(s *segment.Series, n observation, from source, extra []Label) {
	if n.v > s.SlowFrom {
		o.tellSlow(s, s.Epoch(), n.v, &from)
	}
	if !(n.v >= s.OfferFrom) || !s.Beats(n.bucket, n.v, n.old) || !s.Finite(n.v) {
		return
	}
	if s.Draws && !o.core.Draw(n.bucket, n.v, n.old) || !s.Spend(n.bucket) {
		return
	}
	span := from.span()
	switch {
	case !span.IsValid() && from.kind == fromContext:
		drop(s, segment.TallyDropNoSpan)
	case !span.IsValid():
		s.Tally(segment.TallyDropInvalidID)
	case s.Filter == segment.FilterTraceBased && !span.IsSampled():
		drop(s, segment.TallyDropUnsampled)
	case o.rules.accept != nil && !o.accepts(s, n, span):
	case o.write(s, n, span, &from, extra) && o.rules.markSpans && from.kind == fromContext:
		guard(s, func() { mark(from.ctx) })
	}
}

// turn closes a window that is due by time, and once a second has the bands of
// adaptive sampling brought up to date.
func (o *offers) turn(s *segment.Series) {
	due := s.Due()
	if s.Draws {
		if now := s.Clock.Since(0); now-o.refreshed.Load() >= refreshMs {
			o.refreshed.Store(now)
			due = true
		}
	}
	if due {
		o.core.Turn()
	}
}

// accepts asks the family's own filter about an offer that would be admitted.
func (o *offers) accepts(s *segment.Series, n observation, span TraceContext) bool {
	if !s.Beats(n.bucket, n.v, n.old) {
		s.Tally(segment.TallyOffered)
		return false
	}
	kept := false
	guard(s, func() { kept = o.rules.accept(n.v, span) })
	if !kept {
		drop(s, segment.TallyDropFilter)
	}
	return kept
}

// write hands the exemplar to the core with the labels of the call, of the
// family's function and of the baggage, in this order. It tells whether the
// exemplar was written.
func (o *offers) write(s *segment.Series, n observation, span TraceContext, from *source, extra []Label) bool {
	if o.rules.labels == nil && (len(o.rules.baggageKeys) == 0 || from.kind != fromContext) {
		if len(extra) == 0 {
			return o.core.Offer(n.bucket, n.v, n.old, span.span)
		}
		return o.writeLabels(n, span, extra)
	}
	labels := append([]Label(nil), extra...)
	if o.rules.labels != nil {
		guard(s, func() { labels = append(labels, o.rules.labels(from.context())...) })
	}
	if from.kind == fromContext && from.ctx != nil {
		guard(s, func() { labels = appendBaggage(labels, from.ctx, o.rules.baggageKeys) })
	}
	return o.writeLabels(n, span, labels)
}

func (o *offers) writeLabels(n observation, span TraceContext, labels []Label) bool {
	var text [packedText]byte
	var lengths [2 * packedLabels]uint32
	return o.core.OfferLabels(n.bucket, n.v, n.old, span.span, pack(labels, text[:0], lengths[:0]))
}

func appendBaggage(labels []Label, ctx context.Context, keys []string) []Label {
	all := baggage.FromContext(ctx)
	for _, key := range keys {
		if value := all.Member(key).Value(); value != "" {
			labels = append(labels, Label{key, value})
		}
	}
	return labels
}

// mark sets the attribute that client_java sets, so that one rule of a tail
// sampler serves both.
func mark(ctx context.Context) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("exemplar", "true"))
	}
}

// tellSlow logs a slow request and tells the family's function of it, unless one
// of this series was told of in the same window.
func (o *offers) tellSlow(s *segment.Series, epoch uint64, v float64, from *source) {
	told := o.told.Load()
	if told == epoch || !o.told.CompareAndSwap(told, epoch) {
		return
	}
	s.Tally(segment.TallySlowRequests)
	request := SlowRequest{
		Metric: o.rules.metric, Labels: slices.Clone(o.labels),
		Value: v, Threshold: s.SlowFrom, Trace: from.span(),
	}
	if !request.Trace.IsValid() {
		request.Trace = TraceContext{}
	} else if o.rules.traceURL != "" {
		request.TraceURL = expandTraceURL(o.rules.traceURL, request.Trace)
	}
	guard(s, func() { request.log(from.context()) })
	if o.rules.onSlow != nil {
		guard(s, func() { o.rules.onSlow(request) })
	}
}

// guard calls a function of the program's. A panic costs nothing but what the
// function would have done, and is counted.
func guard(s *segment.Series, call func()) {
	defer func() {
		if recover() != nil {
			s.Tally(segment.TallyCallbackErrors)
		}
	}()
	call()
}

// drop counts an offer that was looked at and its end. Offers that get further
// are counted by the core.
func drop(s *segment.Series, reason uintptr) {
	s.Tally(segment.TallyOffered)
	s.Tally(reason)
}
