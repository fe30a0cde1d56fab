package spanpin

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// observed is a registry with self-metrics whose clock stands.
func observed(t testing.TB) *Registry {
	t.Helper()
	r, err := New(Options{ReserveBytes: 1 << 22})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	r.SetClock(1_700_000_000_000, 1_000_000)
	return r
}

// self is the value of a self-metric.
func self(t testing.TB, r *Registry, sample string) int {
	t.Helper()
	for _, line := range strings.Split(page(t, r, "", ""), "\n") {
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	t.Fatalf("no %s on the page", sample)
	return 0
}

func admitted(t testing.TB, r *Registry) int { return self(t, r, "spanpin_exemplars_admitted_total") }

func dropped(t testing.TB, r *Registry, reason string) int {
	return self(t, r, `spanpin_exemplars_dropped_total{reason="`+reason+`"}`)
}

func TestMinimumValue(t *testing.T) {
	ctx, span := sampledSpan(1)
	r := observed(t)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", MinimumValue: 0.5, Buckets: []float64{1}})
	c := MustNewCounter(CounterOpts{Registry: r, Name: "c", MinimumValue: 2})
	h.ObserveCtx(ctx, 0.49)
	h.ObserveTrace(0.49, span, Label{"a", "b"})
	h.ObserveTraceparent(0.49, span.String())
	c.AddTrace(1, span)
	if n := admitted(t, r); n != 0 {
		t.Errorf("%d exemplars below the minimum", n)
	}
	h.ObserveCtx(ctx, 0.5)
	c.AddTrace(2, span)
	if n := admitted(t, r); n != 2 {
		t.Errorf("%d exemplars at the minimum, want 2", n)
	}
	h.ObserveExemplar(0.1, Exemplar{Trace: span})
	if n := admitted(t, r); n != 3 {
		t.Error("the minimum stopped an explicit exemplar")
	}
	wantLine(t, page(t, r, "", ""), "h_count 5")
	negative := MustNewHistogram(HistogramOpts{Registry: r, Name: "n", MinimumValue: math.Inf(-1)})
	negative.ObserveTrace(-7, span)
	if n := admitted(t, r); n != 4 {
		t.Error("without a minimum a negative value must be offered")
	}
}

// Ever greater values beat their window, so that only the lot decides.
func rising(h *Histogram, from, to float64, n int, span TraceContext) {
	for i := range n {
		h.ObserveTrace(from+(to-from)*float64(i+1)/float64(n), span)
	}
}

func TestProbability(t *testing.T) {
	_, span := sampledSpan(1)
	r := observed(t)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Probability: 0.25, Buckets: []float64{10}})
	rising(h, 0, 1, 4000, span)
	if n := admitted(t, r); n < 900 || n > 1100 {
		t.Errorf("%d of 4000 offers were kept, want about 1000", n)
	}
	if n := admitted(t, r) + dropped(t, r, "filter"); n != 4000 {
		t.Errorf("%d offers were counted, want 4000", n)
	}
	c := MustNewCounter(CounterOpts{Registry: r, Name: "c", Policy: First, Probability: 1e-9})
	before := admitted(t, r)
	for range 100 {
		c.IncTrace(span)
	}
	if n := admitted(t, r) - before; n != 0 {
		t.Errorf("%d offers of a counter won a lot of one in a thousand million", n)
	}
}

func TestAdaptive(t *testing.T) {
	_, span := sampledSpan(1)
	r := observed(t)
	v := MustNewHistogramVec(HistogramOpts{
		Registry: r, Name: "h", Buckets: []float64{1000}, Adaptive: &Adaptive{Lower: 0.5, P99: 10},
	}, nil)
	h := v.WithLabelValues()
	kept := func(from, to float64) int {
		before := admitted(t, r)
		rising(h, from, to, 4000, span)
		return admitted(t, r) - before
	}
	if n := kept(0, 5); n < 120 || n > 160 {
		t.Errorf("%d of 4000 were kept below the band, want the first 100 and about 40 of the others", n)
	}
	if n := kept(5, 10); n < 330 || n > 470 {
		t.Errorf("%d of 4000 were kept in the band, want about 400", n)
	}
	if n := kept(10, 20); n != 4000 {
		t.Errorf("%d of 4000 were kept above the p99, want all", n)
	}
	v.SetP99(500)
	r.SetClock(1_700_000_001_000, 1_001_000)
	if n := kept(20, 100); n < 20 || n > 60 {
		t.Errorf("%d of 4000 were kept below the band of the new p99, want about 40", n)
	}
	h.SetP99(math.NaN())
	r.SetClock(1_700_000_002_000, 1_002_000)
	// All values lie in one bucket, so that its p99 is interpolated to 990.
	if n := kept(100, 400); n < 20 || n > 60 {
		t.Errorf("%d of 4000 were kept below the band of the buckets' p99, want about 40", n)
	}
}

func TestAdaptiveOffersEverythingAtFirst(t *testing.T) {
	_, span := sampledSpan(1)
	r := observed(t)
	h := MustNewHistogram(HistogramOpts{
		Registry: r, Name: "h", Buckets: []float64{1, 2, 4}, Adaptive: &Adaptive{LowerP95: true, Window: time.Minute},
	})
	kept := func(from, to float64, n int) int {
		before := admitted(t, r)
		rising(h, from, to, n, span)
		return admitted(t, r) - before
	}
	if n := kept(0, 1, 80); n != 80 {
		t.Errorf("%d of the first 80 were kept", n)
	}
	// Offers that do not beat their window bring the bands up to date as well, for
	// which there are too few observations still.
	r.SetClock(1_700_000_001_000, 1_001_000)
	for range 16 {
		h.ObserveTrace(0.01, span)
	}
	for range 900 {
		h.Observe(3)
	}
	r.SetClock(1_700_000_001_500, 1_001_500)
	// With enough of them the bands are there at once, and not a second later.
	if n := kept(1, 2, 1000); n > 30 {
		t.Errorf("%d of 1000 below the p95 were kept half a second later, want about 10", n)
	}
	r.SetClock(1_700_000_002_000, 1_002_000)
	if n := kept(2, 2.5, 1000); n > 30 {
		t.Errorf("%d of 1000 below the p95 were kept, want about 10", n)
	}
}

func TestSlots(t *testing.T) {
	_, span := sampledSpan(1)
	for given, want := range map[int]int{0: 11, 4: 4, 19: 19} {
		r := manual(t)
		h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Slots: given, Buckets: []float64{1}})
		c := MustNewCounter(CounterOpts{Registry: r, Name: "c", Slots: given})
		for i := range uint64(30) {
			h.ObserveTrace(0.5, span)
			c.IncTrace(span)
			r.SetClock(1_700_000_000_000+1000*i, 1_000_000+1000*i)
			page(t, r, openMetrics, "a")
		}
		if n := len(h.Exemplars()); n != want {
			t.Errorf("Slots %d: a bucket holds %d exemplars, want %d", given, n, want)
		}
		if n := len(c.Exemplars()); n != want {
			t.Errorf("Slots %d: a counter holds %d exemplars, want %d", given, n, want)
		}
	}
}

func TestMaxAge(t *testing.T) {
	_, span := sampledSpan(1)
	for _, c := range []struct {
		age   time.Duration
		after uint64
		shown bool
	}{{0, 89_000, true}, {0, 91_000, false}, {5 * time.Second, 4_000, true}, {5 * time.Second, 6_000, false}, {time.Hour, 3_000_000, true}} {
		r := manual(t)
		h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", MaxAge: c.age, Buckets: []float64{1}})
		h.ObserveTrace(0.5, span)
		r.SetClock(1_700_000_000_000+c.after, 1_000_000+c.after)
		if shown := len(exemplars(page(t, r, openMetrics, "a"))) == 1; shown != c.shown {
			t.Errorf("MaxAge %v: shown after %d ms: %v", c.age, c.after, shown)
		}
	}
}

func TestBadRulesAreRefused(t *testing.T) {
	r := manual(t)
	for want, o := range map[string]HistogramOpts{
		"slots is 3: it must be from 4 to 19":                                                                   {Slots: 3},
		"Slots is -1: it must be from 4 to 19, or 0, which stands for 11":                                       {Slots: -1},
		"MaxAge is 1.5s: it must be whole seconds, from 1s to 24h, or 0, which stands for 90s":                  {MaxAge: 1500 * time.Millisecond},
		"max_age is 86401: it must be from 1 to 86400 seconds":                                                  {MaxAge: 86401 * time.Second},
		"probability is 1.5: it must be from 0 to 1":                                                            {Probability: 1.5},
		"minimum_value is NaN: it must be a number, in the unit of the metric":                                  {MinimumValue: math.NaN()},
		"adaptive window is 59: it must be from 60 to 300 seconds":                                              {Adaptive: &Adaptive{Window: 59 * time.Second}},
		"Adaptive.Window is -1s: it must be whole seconds, from 1m to 5m, or 0, which stands for 2m":            {Adaptive: &Adaptive{Window: -time.Second}},
		"adaptive lower edge is 2.0: it must be above 0 and at most 1, a part of the p99":                       {Adaptive: &Adaptive{Lower: 2}},
		"Adaptive has both Lower 0.5 and LowerP95: leave one of them out":                                       {Adaptive: &Adaptive{Lower: 0.5, LowerP95: true}},
		"adaptive p99 is +Inf: it must be finite":                                                               {Adaptive: &Adaptive{P99: math.Inf(1)}},
		"baggage key \"user-id\" cannot be a label of an exemplar: it must match [a-zA-Z_][a-zA-Z0-9_]*":        {BaggageKeys: []string{"user_id", "user-id"}},
		"baggage key \"\" cannot be a label of an exemplar: it must match [a-zA-Z_][a-zA-Z0-9_]*":               {BaggageKeys: []string{""}},
		"MarkSpans is 3: it must be Inherit, On or Off":                                                         {MarkSpans: 3},
		"SlowRequestThreshold is NaN: it must be a number, in the unit of the metric":                           {SlowRequestThreshold: math.NaN()},
		"OnSlowRequest is given without a SlowRequestThreshold: give the value above which a request is slow":   {OnSlowRequest: func(SlowRequest) {}},
		"TraceURL \"http://t/{id}\" has a place that is neither {trace_id} nor {span_id}":                       {TraceURL: "http://t/{id}"},
		"TraceURL \"http://t/{\" has a place that is neither {trace_id} nor {span_id}":                          {TraceURL: "http://t/{"},
		"TraceURL \"http://t/{span_id}\" names no trace: put {trace_id} where its 32 hexadecimal digits belong": {TraceURL: "http://t/{span_id}"},
	} {
		o.Registry, o.Name = r, "h"
		_, err := NewHistogram(o)
		if !errors.Is(err, &Error{Code: CodeInvalidOption}) || err.Error() != "spanpin: "+want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if _, err := NewHistogram(HistogramOpts{Registry: r, Name: "h"}); err != nil {
		t.Errorf("after refused registrations: %v", err)
	}
	want := `spanpin: metric "c" cannot sample adaptively: only a histogram has buckets to take a p99 from; use probability`
	if _, err := NewCounter(CounterOpts{Registry: r, Name: "c_total", Adaptive: &Adaptive{}}); err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	for want, o := range map[string]Options{
		"MarkSpans is 9: it must be Inherit, On or Off":                                       {MarkSpans: 9},
		`trace_url "x" names no trace: put {trace_id} where its 32 hexadecimal digits belong`: {TraceURL: "x"},
		"scraper_identity is 4: it must be 0 to 3 (SPANPIN_SCRAPER_IDENTITY_...)":             {ScraperIdentity: 4},
	} {
		if _, err := New(o); err == nil || err.Error() != "spanpin: "+want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// Scrapers that come from a pool of addresses keep their beat with GivenIdentity only.
func TestScraperIdentities(t *testing.T) {
	_, slow := sampledSpan(1)
	_, fast := sampledSpan(2)
	for identity, want := range map[ScraperIdentity]TraceContext{ByAddress: fast, GivenIdentity: slow} {
		r, err := New(Options{ReserveBytes: 1 << 20, ScraperIdentity: identity, NoSelfMetrics: true})
		if err != nil {
			t.Fatal(err)
		}
		h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}})
		now := uint64(0)
		pooled := func() string {
			now += 15_000
			r.SetClock(1_700_000_000_000+now, 1_000_000+now)
			e, err := r.Scrape(ScrapeOptions{Accept: openMetrics, UserAgent: "pool", Path: "/metrics", Peer: fmt.Sprintf("10.0.0.%d", now/15_000)})
			if err != nil {
				t.Fatal(err)
			}
			return string(e.Body)
		}
		for range 8 {
			pooled()
		}
		h.ObserveTrace(0.9, slow)
		r.SetClock(1_700_000_001_000+now, 1_001_000+now)
		page(t, r, openMetrics, "another")
		h.ObserveTrace(0.2, fast)
		if got := exemplars(pooled())[`h_bucket{le="1.0"}`]; !strings.Contains(got, want.TraceID().String()) {
			t.Errorf("identity %d: exemplar is %q, want one of trace %s", identity, got, want.TraceID())
		}
	}
}
