package spanpin

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// logged makes a buffer the default logger's output for the time of the test.
func logged(t testing.TB) *bytes.Buffer {
	t.Helper()
	out := &bytes.Buffer{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return out
}

func taken(out *bytes.Buffer) string {
	text := out.String()
	out.Reset()
	return text
}

func TestSlowRequestsAreToldOnceInEachWindowAndSeries(t *testing.T) {
	out := logged(t)
	r := observed(t)
	var heard []SlowRequest
	v := MustNewHistogramVec(HistogramOpts{
		Registry: r, Name: "h_seconds", Buckets: []float64{10}, SlowRequestThreshold: 0.5,
		OnSlowRequest: func(s SlowRequest) { heard = append(heard, s) },
		TraceURL:      "http://t/{trace_id}?span={span_id}",
	}, []string{"route", "code"})
	orders, users := v.WithLabelValues("/orders", "200"), v.WithLabelValues("/users", "500")
	ctx, unsampled := spanWith(0xab, 0)
	orders.ObserveCtx(ctx, 0.5)
	orders.ObserveCtx(ctx, math.NaN())
	orders.Observe(7)
	if got := taken(out); got != "" || len(heard) != 0 {
		t.Errorf("told of %q and %v before anything was slow", got, heard)
	}
	orders.ObserveCtx(ctx, 0.6)
	ids := fmt.Sprintf("trace_id=%s span_id=%s", unsampled.TraceID(), unsampled.SpanID())
	url := fmt.Sprintf("http://t/%s?span=%s", unsampled.TraceID(), unsampled.SpanID())
	want := `level=WARN msg="slow request" metric=h_seconds labels.route=/orders labels.code=200 value=0.6 threshold=0.5 ` + ids + ` sampled=false trace_url="` + url + "\"\n"
	if got := taken(out); got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	if len(heard) != 1 {
		t.Fatalf("heard of %v", heard)
	}
	one := heard[0]
	if one.Metric != "h_seconds" || one.Value != 0.6 || one.Threshold != 0.5 || one.Trace != unsampled || one.TraceURL != url ||
		!slices.Equal(one.Labels, []Label{{"route", "/orders"}, {"code", "200"}}) {
		t.Errorf("heard of %+v", one)
	}
	orders.ObserveTrace(0.9, unsampled)
	if len(heard) != 1 {
		t.Error("told twice in a window")
	}
	users.ObserveCtx(context.Background(), 2)
	want = "level=WARN msg=\"slow request\" metric=h_seconds labels.route=/users labels.code=500 value=2 threshold=0.5 sampled=false\n"
	taken(out)
	if len(heard) != 2 || heard[1].Trace.IsValid() || heard[1].TraceURL != "" {
		t.Errorf("heard of %+v", heard)
	}
	// A scrape ends the window.
	r.SetClock(1_700_000_001_000, 1_001_000)
	page(t, r, openMetrics, "a")
	users.ObserveCtx(nil, 3) //nolint:staticcheck // A nil context must not stop a program.
	if got := taken(out); got != strings.Replace(want, "value=2", "value=3", 1) {
		t.Errorf("logged %q", got)
	}
	orders.ObserveTraceparent(0.7, unsampled.String())
	if len(heard) != 4 || heard[3].Trace != unsampled {
		t.Errorf("heard of %+v", heard)
	}
	// So does time, when nobody scrapes.
	r.SetClock(1_700_000_012_000, 1_012_000)
	orders.ObserveTraceparent(0.8, "malformed")
	if len(heard) != 5 || heard[4].Trace.IsValid() {
		t.Errorf("heard of %+v", heard)
	}
	if n := self(t, r, "spanpin_slow_requests_total"); n != 5 {
		t.Errorf("%d slow requests counted, want 5", n)
	}
}

func TestSlowRequestsNeedNoExemplar(t *testing.T) {
	logged(t)
	_, sampled := sampledSpan(1)
	for name, observe := range map[string]func(h *Histogram){
		"behind a slower one": func(h *Histogram) { h.ObserveTrace(0.92, sampled) },
		"explicit":            func(h *Histogram) { h.ObserveExemplar(0.92, Exemplar{Trace: sampled}) },
		"explicit labels":     func(h *Histogram) { h.ObserveExemplar(0.92, Exemplar{Labels: []Label{{"job", "x"}}}) },
		"with labels":         func(h *Histogram) { h.ObserveTrace(0.92, sampled, Label{"job", "x"}) },
	} {
		for _, filter := range []Filter{TraceBased, AlwaysOff} {
			r := observed(t)
			heard := 0
			h := MustNewHistogram(HistogramOpts{
				Registry: r, Name: "h", Filter: filter, MinimumValue: 100,
				SlowRequestThreshold: 0.5, OnSlowRequest: func(SlowRequest) { heard++ },
			})
			h.ObserveExemplar(0.4, Exemplar{Labels: []Label{{"job", "outranks"}}})
			observe(h)
			observe(h)
			explicit := 1
			if strings.HasPrefix(name, "explicit") {
				explicit += 2
			}
			if filter == AlwaysOff {
				explicit = 0
			}
			if n := admitted(t, r); n != explicit {
				t.Errorf("%s, filter %d: %d exemplars, want %d", name, filter, n, explicit)
			}
			if heard != 1 {
				t.Errorf("%s, filter %d: told %d times, want once", name, filter, heard)
			}
		}
	}
}

func TestSlowAdditions(t *testing.T) {
	out := logged(t)
	ctx, span := sampledSpan(1)
	r, err := New(Options{ReserveBytes: 1 << 20, TraceURL: "http://r/{trace_id}"})
	if err != nil {
		t.Fatal(err)
	}
	c := MustNewCounter(CounterOpts{Registry: r, Name: "bytes_total", SlowRequestThreshold: 1000})
	c.AddExemplar(math.Inf(1), Exemplar{Trace: span})
	c.AddCtx(ctx, math.Inf(1))
	c.AddCtx(ctx, 1000)
	if got := taken(out); got != "" {
		t.Errorf("logged %q", got)
	}
	c.AddCtx(ctx, 1001)
	want := fmt.Sprintf("level=WARN msg=\"slow request\" metric=bytes value=1001 threshold=1000 trace_id=%s span_id=%s sampled=true trace_url=http://r/%[1]s\n", span.TraceID(), span.SpanID())
	if got := taken(out); got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	// One that does not pass the gate is told of as well.
	first := MustNewCounter(CounterOpts{Registry: r, Name: "first", Policy: First, SlowRequestThreshold: 1000})
	first.AddCtx(ctx, 1)
	first.AddTrace(1002, span)
	if got := taken(out); !strings.Contains(got, "metric=first value=1002") {
		t.Errorf("logged %q", got)
	}
}

// An explicit exemplar is told of in the window that it may be about to close.
func TestAnExplicitExemplarIsToldOfInTheWindowItOpens(t *testing.T) {
	logged(t)
	_, span := sampledSpan(1)
	r := observed(t)
	heard := 0
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", SlowRequestThreshold: 0.5, OnSlowRequest: func(SlowRequest) { heard++ }})
	h.ObserveTrace(0.1, span)
	r.SetClock(1_700_000_011_000, 1_011_000)
	h.ObserveExemplar(0.6, Exemplar{Trace: span})
	h.ObserveTrace(0.6, span)
	if heard != 1 {
		t.Errorf("told %d times in the one window that began with the explicit one", heard)
	}
}

func TestTheOverflowSeriesIsNamedInSlowRequests(t *testing.T) {
	logged(t)
	ctx, _ := sampledSpan(1)
	var heard []SlowRequest
	v := MustNewHistogramVec(HistogramOpts{
		Registry: observed(t), Name: "h", MaxSeries: 1,
		SlowRequestThreshold: 0.5, OnSlowRequest: func(s SlowRequest) { heard = append(heard, s) },
	}, []string{"user"})
	for i := range 3 {
		v.WithLabelValues(fmt.Sprint(i)).ObserveCtx(ctx, 1)
	}
	if len(heard) != 2 || heard[0].Labels[0].Value != "0" || heard[1].Labels[0].Value != "spanpin_overflow" {
		t.Errorf("heard of %+v", heard)
	}
}

type brokenHandler struct{ slog.Handler }

func (brokenHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (brokenHandler) Handle(context.Context, slog.Record) error { panic("the log is full") }

func TestPanicsOfSlowRequestsAreCounted(t *testing.T) {
	logged(t)
	slog.SetDefault(slog.New(brokenHandler{}))
	ctx, span := sampledSpan(1)
	r := observed(t)
	h := MustNewHistogram(HistogramOpts{
		Registry: r, Name: "h", Buckets: []float64{1}, SlowRequestThreshold: 0.1, OnSlowRequest: func(SlowRequest) { panic("mine") },
	})
	h.ObserveCtx(ctx, 0.5)
	if n := self(t, r, "spanpin_callback_errors_total"); n != 2 {
		t.Errorf("%d callback errors, want 2", n)
	}
	if n := self(t, r, "spanpin_slow_requests_total"); n != 1 {
		t.Errorf("%d slow requests, want 1", n)
	}
	if got := exemplars(later(t, r))[`h_bucket{le="1.0"}`]; !strings.Contains(got, span.TraceID().String()) {
		t.Errorf("exemplar is %q", got)
	}
}

func TestConcurrentSlowRequestsAreToldOnce(t *testing.T) {
	logged(t)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx, _ := spanWith(1, 0)
	r := observed(t)
	var mu sync.Mutex
	heard := 0
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", SlowRequestThreshold: 0.5, OnSlowRequest: func(SlowRequest) {
		mu.Lock()
		defer mu.Unlock()
		heard++
	}})
	for window := range 5 {
		var group sync.WaitGroup
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 200 {
					h.ObserveCtx(ctx, 1)
				}
			}()
		}
		group.Wait()
		mu.Lock()
		if heard != window+1 {
			t.Errorf("told %d times in %d windows", heard, window+1)
		}
		mu.Unlock()
		r.SetClock(1_700_000_000_000+1000*uint64(window+1), 1_000_000+1000*uint64(window+1))
		page(t, r, openMetrics, "a")
	}
}
