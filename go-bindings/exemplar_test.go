package spanpin

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
)

// Every way to name a span must lead to the same exemplar.
func TestEveryOfferKeepsTheSlowest(t *testing.T) {
	ctxFast, fast := sampledSpan(1)
	ctxSlow, slow := sampledSpan(2)
	for name, observe := range map[string]func(h *Histogram, v float64, ctx context.Context, c TraceContext){
		"ObserveCtx":   func(h *Histogram, v float64, ctx context.Context, c TraceContext) { h.ObserveCtx(ctx, v) },
		"ObserveTrace": func(h *Histogram, v float64, ctx context.Context, c TraceContext) { h.ObserveTrace(v, c) },
		"ObserveTraceparent": func(h *Histogram, v float64, ctx context.Context, c TraceContext) {
			h.ObserveTraceparent(v, c.String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := manual(t)
			h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}})
			observe(h, 0.2, ctxFast, fast)
			observe(h, 0.7, ctxSlow, slow)
			observe(h, 0.3, ctxFast, fast)
			want := fmt.Sprintf(`{trace_id="%s",span_id="%s"} 0.7 1700000000.0`, slow.TraceID(), slow.SpanID())
			if got := exemplars(later(t, r))[`h_bucket{le="1.0"}`]; !strings.HasPrefix(got, want) {
				t.Errorf("exemplar is %q, want %q", got, want)
			}
		})
	}
}

// The short ways must count, sum and tell of slow requests as the long ones do.
func TestEveryWayToObserveCounts(t *testing.T) {
	logged(t)
	ctx, span := sampledSpan(1)
	for name, observe := range map[string]func(h *Histogram, v float64){
		"Observe":            func(h *Histogram, v float64) { h.Observe(v) },
		"ObserveCtx":         func(h *Histogram, v float64) { h.ObserveCtx(ctx, v) },
		"ObserveTrace":       func(h *Histogram, v float64) { h.ObserveTrace(v, span) },
		"ObserveTraceparent": func(h *Histogram, v float64) { h.ObserveTraceparent(v, span.String()) },
		"ObserveExemplar":    func(h *Histogram, v float64) { h.ObserveExemplar(v, Exemplar{Trace: span}) },
	} {
		for family, o := range map[string]HistogramOpts{
			"usual": {}, "silent": {Filter: AlwaysOff}, "uniform": {Policy: Uniform}, "minimum": {MinimumValue: 1},
			"close bounds": {Buckets: []float64{1, 1.5, 2, 5}},
		} {
			for _, threshold := range []float64{0, 4} {
				r := observed(t)
				o.Registry, o.Name, o.SlowRequestThreshold = r, "h", threshold
				h := MustNewHistogram(o)
				// An explicit exemplar outranks the slow one of its bucket, which so does not
				// pass the gate.
				h.ObserveExemplar(3.5, Exemplar{Trace: span})
				for _, v := range []float64{0.25, 0.5, 4.5, math.NaN(), 1.75} {
					observe(h, v)
				}
				text := page(t, r, "", "")
				wantLine(t, text, "h_count 5")
				wantLine(t, text, "h_sum 10.5")
				wantLine(t, text, "spanpin_nan_observations_total 1")
				slow := 0
				if threshold > 0 && name != "Observe" {
					slow = 1
				}
				wantLine(t, text, fmt.Sprintf("spanpin_slow_requests_total %d", slow))
				if t.Failed() {
					t.Fatalf("%s, %s, threshold %v", name, family, threshold)
				}
			}
		}
	}
}

func TestCounterExemplars(t *testing.T) {
	ctx, span := sampledSpan(7)
	for name, add := range map[string]func(c *Counter){
		"IncCtx":         func(c *Counter) { c.IncCtx(ctx) },
		"AddCtx":         func(c *Counter) { c.AddCtx(ctx, 1) },
		"AddTrace":       func(c *Counter) { c.AddTrace(1, span) },
		"IncTraceparent": func(c *Counter) { c.IncTraceparent(span.String()) },
		"IncExemplar":    func(c *Counter) { c.IncExemplar(Exemplar{Trace: span}) },
		"IncTrace":       func(c *Counter) { c.IncTrace(span, Label{"user", "u"}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := manual(t)
			c := MustNewCounter(CounterOpts{Registry: r, Name: "c"})
			add(c)
			if got := exemplars(later(t, r))["c_total"]; !strings.Contains(got, span.TraceID().String()) {
				t.Errorf("exemplar is %q, want one of trace %s", got, span.TraceID())
			}
			if c.Value() != 1 {
				t.Errorf("value is %v, want 1", c.Value())
			}
		})
	}
}

func TestFilters(t *testing.T) {
	unsampledCtx, unsampled := spanWith(3, 0)
	for _, c := range []struct {
		filter   Filter
		offered  bool
		explicit bool
	}{{DefaultFilter, false, true}, {TraceBased, false, true}, {AlwaysOn, true, true}, {AlwaysOff, false, false}} {
		r := manual(t)
		h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Filter: c.filter})
		h.ObserveCtx(unsampledCtx, 0.3)
		h.ObserveTrace(0.3, unsampled)
		h.ObserveTrace(0.3, unsampled, Label{"a", "b"})
		h.ObserveTraceparent(0.3, unsampled.String())
		if got := len(exemplars(later(t, r))) > 0; got != c.offered {
			t.Errorf("filter %d: an unsampled span is kept: %v", c.filter, got)
		}
		h.ObserveExemplar(4, Exemplar{Trace: unsampled})
		r.SetClock(1_700_000_002_000, 1_002_000)
		if got := exemplars(page(t, r, openMetrics, "a"))[`h_bucket{le="5.0"}`] != ""; got != c.explicit {
			t.Errorf("filter %d: an explicit exemplar is kept: %v", c.filter, got)
		}
		wantLine(t, page(t, r, "", "b"), "h_count 5")
	}
}

func TestLabelsOfExemplars(t *testing.T) {
	_, span := sampledSpan(9)
	r := manual(t)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1, 2, 3, 4}})
	h.ObserveTrace(0.5, span, Label{"user", "ü\"\\\n"}, Label{"trace_id", "mine"}, Label{"user", "again"}, Label{"bad name", "x"})
	h.ObserveExemplar(1.5, Exemplar{Labels: []Label{{"trace_id", "0AF7651916CD43DD8448EB211C80319C"}, {"request", "r1"}}})
	var many []Label
	for i := range 40 {
		many = append(many, Label{fmt.Sprintf("l%02d", i), "v"})
	}
	h.ObserveExemplar(2.5, Exemplar{Trace: span, Labels: many})
	h.ObserveExemplar(3.5, Exemplar{Labels: []Label{{"long", strings.Repeat("ä", 2000)}}})
	found := exemplars(later(t, r))
	ids := fmt.Sprintf(`trace_id="%s",span_id="%s"`, span.TraceID(), span.SpanID())
	for bucket, want := range map[string]string{
		"1.0": "{" + ids + `,user="ü'/ "} 0.5`,
		"2.0": `{trace_id="0af7651916cd43dd8448eb211c80319c",request="r1"} 1.5`,
		"3.0": "{" + ids + `,l00="v"`,
		"4.0": "",
	} {
		got := found[`h_bucket{le="`+bucket+`"}`]
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("le=%s: exemplar is %q, want %q", bucket, got, want)
		}
	}
}

func TestBadExemplarsCostNoObservation(t *testing.T) {
	r, err := New(Options{ReserveBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r.SetClock(1_700_000_000_000, 1_000_000)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h"})
	c := MustNewCounter(CounterOpts{Registry: r, Name: "c"})
	_, unsampled := spanWith(5, 0)
	h.ObserveTraceparent(1, "00-malformed")
	h.ObserveTrace(1, TraceContext{})
	h.ObserveTrace(1, NewTraceContext(TraceID{}, SpanID{1}, 1))
	h.ObserveCtx(context.Background(), 1)
	h.ObserveCtx(nil, 1) //nolint:staticcheck // A nil context must not stop a program.
	h.ObserveTrace(1, unsampled)
	h.ObserveTrace(math.Inf(1), Sampled(TraceID{1}, SpanID{1}))
	h.ObserveExemplar(1, Exemplar{})
	h.Observe(math.NaN())
	c.Add(math.NaN())
	text := page(t, r, "", "")
	wantLine(t, text, "h_count 8")
	for reason, n := range map[string]int{"invalid_id": 3, "no_span": 2, "unsampled": 1, "nonfinite": 1} {
		wantLine(t, text, fmt.Sprintf(`spanpin_exemplars_dropped_total{reason="%s"} %d`, reason, n))
	}
	wantLine(t, text, "spanpin_exemplars_offered_total 4")
	wantLine(t, text, "spanpin_nan_observations_total 1")
	wantLine(t, text, "spanpin_invalid_increments_total 1")
}

func TestWindowsTurnByTime(t *testing.T) {
	r := manual(t)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}})
	_, first := sampledSpan(1)
	_, second := sampledSpan(2)
	h.ObserveTrace(0.9, first)
	r.SetClock(1_700_000_020_000, 1_020_000)
	for range 16 {
		h.ObserveTrace(0.2, second)
	}
	r.SetClock(1_700_000_105_000, 1_105_000)
	// The first one is 105 s old and so no longer shown; the second one was
	// admitted only because the window of the first one was closed.
	got := exemplars(page(t, r, openMetrics, "a"))[`h_bucket{le="1.0"}`]
	if !strings.Contains(got, second.TraceID().String()) {
		t.Errorf("exemplar is %q, want one of trace %s", got, second.TraceID())
	}
}

func TestTheBudgetBoundsLookUps(t *testing.T) {
	r := manual(t)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}})
	looked := 0
	ctx := countingContext{context.Background(), &looked}
	for range 20_000 {
		h.ObserveCtx(ctx, 0.5)
	}
	if looked < 16_384 || looked > 17_000 {
		t.Errorf("the context was looked at %d times, want about 16384", looked)
	}
}

type countingContext struct {
	context.Context
	looked *int
}

func (c countingContext) Value(key any) any {
	*c.looked++
	return c.Context.Value(key)
}
