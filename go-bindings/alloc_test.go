package spanpin

import (
	"context"
	"math"
	"strconv"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

func newRegistry(t testing.TB) *Registry {
	t.Helper()
	r, err := New(Options{ReserveBytes: 1 << 20, NoSelfMetrics: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func sampledSpan(n uint64) (context.Context, TraceContext) {
	return spanWith(n, trace.FlagsSampled)
}

func spanWith(n uint64, flags trace.TraceFlags) (context.Context, TraceContext) {
	var config trace.SpanContextConfig
	for i := range 8 {
		config.TraceID[15-i] = byte(n >> (8 * i))
		config.SpanID[7-i] = byte(n >> (8 * i))
	}
	config.TraceFlags = flags
	sc := trace.NewSpanContext(config)
	return trace.ContextWithSpanContext(context.Background(), sc), FromSpanContext(sc)
}

// noAllocs counts the allocations of a call whose values lie on the caller's stack.
func noAllocs(t *testing.T, what string, call func(i int)) {
	t.Helper()
	i := 0
	if n := testing.AllocsPerRun(500, func() { i++; call(i) }); n != 0 {
		t.Errorf("%s: %v allocations per call, want none", what, n)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	r := newRegistry(t)
	v := MustNewHistogramVec(HistogramOpts{Registry: r, Name: "h"}, []string{"route", "code"})
	h := v.WithLabelValues("/", "200")
	c := MustNewCounterVec(CounterOpts{Registry: r, Name: "c"}, []string{"route"}).WithLabelValues("/")
	g := MustNewGauge(GaugeOpts{Registry: r, Name: "g"})
	ctx, span := sampledSpan(42)
	unsampled, _ := spanWith(43, 0)
	none := context.Background()
	traceparent := span.String()
	labels := []Label{{"user", "u-17"}, {"request", "r-4711"}}
	// Ever slower observations are kept, every other one is not.
	slower := 1.0
	noAllocs(t, "Observe", func(int) { h.Observe(0.3) })
	noAllocs(t, "ObserveCtx, kept", func(i int) { slower = math.Nextafter(slower, 2) + 1e-4; h.ObserveCtx(ctx, slower) })
	noAllocs(t, "ObserveCtx, not kept", func(int) { h.ObserveCtx(ctx, 0.3) })
	noAllocs(t, "ObserveCtx, unsampled", func(int) { h.ObserveCtx(unsampled, 5) })
	noAllocs(t, "ObserveCtx, no span", func(int) { h.ObserveCtx(none, 5) })
	noAllocs(t, "ObserveTrace, kept", func(i int) { slower += 1e-4; h.ObserveTrace(slower, span) })
	noAllocs(t, "ObserveTrace, labels", func(i int) { slower += 1e-4; h.ObserveTrace(slower, span, labels...) })
	noAllocs(t, "ObserveTrace, labels made in place", func(i int) {
		slower += 1e-4
		h.ObserveTrace(slower, span, Label{"user", traceparent[:i%8]})
	})
	noAllocs(t, "ObserveTraceparent", func(i int) { slower += 1e-4; h.ObserveTraceparent(slower, traceparent) })
	noAllocs(t, "ObserveTraceparent, malformed", func(int) { h.ObserveTraceparent(7, "no traceparent") })
	noAllocs(t, "ObserveExemplar", func(int) { h.ObserveExemplar(0.2, Exemplar{Trace: span}) })
	noAllocs(t, "ObserveExemplar, labels", func(int) { h.ObserveExemplar(0.2, Exemplar{Trace: span, Labels: labels}) })
	noAllocs(t, "ObserveExemplar, labels made in place", func(i int) {
		h.ObserveExemplar(0.2, Exemplar{Labels: []Label{{"user", traceparent[:i%8]}}})
	})
	codes := make([]string, 501)
	for i := range codes {
		codes[i] = strconv.Itoa(i%7 + 200)
		v.WithLabelValues("/", codes[i])
	}
	noAllocs(t, "WithLabelValues", func(i int) { v.WithLabelValues("/", codes[i%len(codes)]).Observe(1) })
	noAllocs(t, "Inc", func(int) { c.Inc() })
	noAllocs(t, "Add", func(int) { c.Add(0.5) })
	noAllocs(t, "IncCtx", func(int) { c.IncCtx(ctx) })
	noAllocs(t, "AddTrace", func(int) { c.AddTrace(2, span) })
	noAllocs(t, "AddTrace, labels", func(int) { c.AddTrace(2, span, labels...) })
	noAllocs(t, "IncTraceparent", func(int) { c.IncTraceparent(traceparent) })
	noAllocs(t, "IncExemplar", func(int) { c.IncExemplar(Exemplar{Trace: span}) })
	noAllocs(t, "IncExemplar, labels", func(int) { c.IncExemplar(Exemplar{Trace: span, Labels: labels}) })
	rules := HistogramOpts{
		Registry: r, Name: "ruled", MinimumValue: 0.1, Probability: 0.5, Adaptive: &Adaptive{P99: 1}, SlowRequestThreshold: 1e6,
		ExemplarFilter: func(v float64, _ TraceContext) bool { return v > 0 },
	}
	ruled := MustNewHistogram(rules)
	noAllocs(t, "ObserveCtx by rules, kept", func(int) { slower += 1e-4; ruled.ObserveCtx(ctx, slower) })
	noAllocs(t, "ObserveTrace by rules, labels", func(int) { slower += 1e-4; ruled.ObserveTrace(slower, span, labels...) })
	noAllocs(t, "ObserveCtx by rules, not kept", func(int) { ruled.ObserveCtx(ctx, 0.3) })
	logged(t)
	rules = HistogramOpts{Registry: r, Name: "slow", SlowRequestThreshold: 0.5, OnSlowRequest: func(SlowRequest) {}}
	slow := MustNewHistogram(rules)
	slow.ObserveCtx(ctx, 1)
	noAllocs(t, "ObserveCtx, slow, told of before", func(int) { slow.ObserveCtx(unsampled, 1) })
	noAllocs(t, "Gauge", func(int) { g.Set(1); g.Inc(); g.Sub(2) })
}
