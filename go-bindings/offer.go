package spanpin

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// activeSpan is the active OpenTelemetry span of ctx, if the filter lets it
// through; otherwise the drop is counted. The look-up was taken from the budget.
func activeSpan(ctx context.Context, s *segment.Series) (span capi.Span, ok bool) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		drop(s, segment.TallyDropNoSpan)
		return capi.Span{}, false
	}
	c := FromSpanContext(sc)
	return c.span, sampledEnough(c, s)
}

// spanOf is the span of a traceparent, if budget and filter let it through;
// otherwise the drop is counted.
func spanOf(traceparent string, s *segment.Series, bucket uint) (c TraceContext, ok bool) {
	c, reason := parseTraceparent(traceparent)
	if reason != "" {
		s.Tally(segment.TallyDropInvalidID)
		return c, false
	}
	return c, passes(c, s, bucket)
}

// passes tells whether budget and filter let a span through; otherwise the drop
// is counted.
func passes(c TraceContext, s *segment.Series, bucket uint) bool {
	if !c.IsValid() {
		s.Tally(segment.TallyDropInvalidID)
		return false
	}
	return s.Spend(bucket) && sampledEnough(c, s)
}

func sampledEnough(c TraceContext, s *segment.Series) bool {
	if s.Filter == segment.FilterTraceBased && !c.IsSampled() {
		drop(s, segment.TallyDropUnsampled)
		return false
	}
	return true
}

// drop counts an offer that was looked at and its end. Offers that get further
// are counted by the core.
func drop(s *segment.Series, reason uintptr) {
	s.Tally(segment.TallyOffered)
	s.Tally(reason)
}
