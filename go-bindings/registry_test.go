package spanpin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
)

const openMetrics = "application/openmetrics-text; version=1.0.0"

// page is the exposition as a scraper of this name sees it.
func page(t testing.TB, r *Registry, accept, scraper string) string {
	t.Helper()
	e, err := r.Scrape(ScrapeOptions{Accept: accept, Scraper: scraper})
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Body)
}

// exemplars are the exemplars of a page, by the sample before the value.
func exemplars(page string) map[string]string {
	found := map[string]string{}
	for _, line := range strings.Split(page, "\n") {
		if sample, exemplar, ok := strings.Cut(line, " # "); ok {
			found[sample[:strings.LastIndex(sample, " ")]] = exemplar
		}
	}
	return found
}

func wantLine(t *testing.T, page, line string) {
	t.Helper()
	for _, l := range strings.Split(page, "\n") {
		if l == line {
			return
		}
	}
	t.Errorf("no line %q in:\n%s", line, page)
}

// manual is a registry whose clock stands.
func manual(t testing.TB) *Registry {
	r := newRegistry(t)
	r.SetClock(1_700_000_000_000, 1_000_000)
	return r
}

// later is the page a second after the time of manual; windows are at least
// 20 ms long.
func later(t testing.TB, r *Registry) string {
	t.Helper()
	r.SetClock(1_700_000_001_000, 1_001_000)
	return page(t, r, openMetrics, "a")
}

func TestValuesReachThePage(t *testing.T) {
	r := manual(t)
	h := MustNewHistogramVec(HistogramOpts{Registry: r, Name: "h_seconds", Unit: "seconds", Help: "H.", Buckets: []float64{1, 2.5, math.Inf(1)}}, []string{"route"})
	c := MustNewCounter(CounterOpts{Registry: r, Name: "c_total"})
	g := MustNewGauge(GaugeOpts{Registry: r, Name: "g"})
	for _, v := range []float64{0.5, 1, 2, 3, math.NaN()} {
		h.WithLabelValues("/a").Observe(v)
	}
	c.Inc()
	c.Add(0.5)
	c.Add(-1)
	g.Set(3)
	g.Dec()
	g.Add(0.5)
	want := `# TYPE h_seconds histogram
# UNIT h_seconds seconds
# HELP h_seconds H.
h_seconds_bucket{route="/a",le="1.0"} 2
h_seconds_bucket{route="/a",le="2.5"} 3
h_seconds_bucket{route="/a",le="+Inf"} 4
h_seconds_count{route="/a"} 4
h_seconds_sum{route="/a"} 6.5
# TYPE c counter
c_total 1.5
# TYPE g gauge
g 2.5
# EOF
`
	if got := page(t, r, openMetrics, ""); got != want {
		t.Errorf("page is\n%s\nwant\n%s", got, want)
	}
	if c.Value() != 1.5 || g.Value() != 2.5 {
		t.Errorf("Value says %v and %v", c.Value(), g.Value())
	}
}

func TestOverflow(t *testing.T) {
	r, err := New(Options{ReserveBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := MustNewCounterVec(CounterOpts{Registry: r, Name: "c", MaxSeries: 2}, []string{"user"})
	for i := range 10 {
		c.WithLabelValues(strconv.Itoa(i)).Inc()
	}
	c.WithLabelValues("1").Inc()
	h := MustNewHistogramVec(HistogramOpts{Registry: r, Name: "h", MaxSeries: 1}, []string{"user"})
	for i := range 5 {
		h.WithLabelValues(strconv.Itoa(i)).Observe(1)
	}
	text := page(t, r, "", "")
	wantLine(t, text, `c_total{user="0"} 1`)
	wantLine(t, text, `c_total{user="1"} 2`)
	wantLine(t, text, `c_total{user="spanpin_overflow"} 8`)
	wantLine(t, text, `h_count{user="spanpin_overflow"} 4`)
	wantLine(t, text, "spanpin_overflow_observations_total 12")
	if c.WithLabelValues("7") != c.WithLabelValues("8") {
		t.Error("two label values over the limit lead to different counters")
	}
	if n := c.family.table.Load().used; n != 2 {
		t.Errorf("the table holds %d entries, want 2: label values over the limit must not fill it", n)
	}
}

// Where memory ran out, metrics are in no registry, and must still do no harm.
func TestDetachedMetrics(t *testing.T) {
	r := newRegistry(t)
	h := MustNewHistogramVec(HistogramOpts{Registry: r, Name: "h"}, []string{"a"}).family.detached()
	c := MustNewCounterVec(CounterOpts{Registry: r, Name: "c"}, []string{"a"}).family.detached()
	g := MustNewGaugeVec(GaugeOpts{Registry: r, Name: "g"}, []string{"a"}).family.detached()
	ctx, span := sampledSpan(1)
	for i := range 100 {
		h.ObserveCtx(ctx, float64(i))
		h.ObserveTrace(1, span, Label{"a", "b"})
		h.ObserveExemplar(2, Exemplar{Trace: span})
		h.Observe(math.NaN())
		c.IncCtx(ctx)
		c.AddTrace(0.5, span, Label{"a", "b"})
		c.AddExemplar(2, Exemplar{Labels: []Label{{"a", "b"}}})
		c.Add(-1)
		g.Inc()
	}
	if c.Value() != 150 || g.Value() != 100 {
		t.Errorf("values are %v and %v, want 150 and 100", c.Value(), g.Value())
	}
}

func TestErrors(t *testing.T) {
	r := newRegistry(t)
	MustNewGauge(GaugeOpts{Registry: r, Name: "taken"})
	for _, c := range []struct {
		code ErrorCode
		call func() error
	}{
		{CodeInvalidName, func() error { _, err := NewGauge(GaugeOpts{Registry: r, Name: "1x"}); return err }},
		{CodeInvalidName, func() error { _, err := NewGauge(GaugeOpts{Registry: r}); return err }},
		{CodeDuplicateName, func() error { _, err := NewGauge(GaugeOpts{Registry: r, Name: "taken"}); return err }},
		{CodeShapeMismatch, func() error { _, err := NewCounter(CounterOpts{Registry: r, Name: "taken"}); return err }},
		{CodeReservedLabel, func() error {
			_, err := NewHistogramVec(HistogramOpts{Registry: r, Name: "h"}, []string{"le"})
			return err
		}},
		{CodeInvalidLabelName, func() error { _, err := NewGaugeVec(GaugeOpts{Registry: r, Name: "a"}, []string{"x-y"}); return err }},
		{CodeDuplicateLabel, func() error {
			_, err := NewGaugeVec(GaugeOpts{Registry: r, Name: "a"}, []string{"x", "x"})
			return err
		}},
		{CodeInvalidBounds, func() error {
			_, err := NewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1, 0.5}})
			return err
		}},
		{CodeInvalidBounds, func() error {
			_, err := NewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1, math.NaN()}})
			return err
		}},
		{CodeInvalidUnit, func() error {
			_, err := NewHistogram(HistogramOpts{Registry: r, Name: "h", Unit: "seconds"})
			return err
		}},
		{CodeInvalidOption, func() error { _, err := NewGauge(GaugeOpts{Registry: r, Name: "a", MaxSeries: -1}); return err }},
		{CodeInvalidOption, func() error { _, err := NewCounter(CounterOpts{Registry: r, Name: "a", Filter: 9}); return err }},
		{CodeInvalidOption, func() error { _, err := New(Options{ReserveBytes: -1}); return err }},
		{CodeLabelCount, func() error {
			v := MustNewGaugeVec(GaugeOpts{Registry: r, Name: "v"}, []string{"x", "y"})
			_, err := v.GetMetricWithLabelValues("one")
			return err
		}},
		{CodeInvalidTraceparent, func() error { _, err := ParseTraceparent("00-zz"); return err }},
		{CodeInvalidTraceID, func() error { _, err := ParseTraceID(strings.Repeat("0", 32)); return err }},
		{CodeInvalidSpanID, func() error { _, err := ParseSpanID("12"); return err }},
		{CodeInvalidBounds, func() error { _, err := LinearBuckets(0, 0, 3); return err }},
		{CodeInvalidBounds, func() error { _, err := ExponentialBuckets(1, 1e200, 3); return err }},
	} {
		err := c.call()
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || e.Message == "" {
			t.Errorf("error is %v, want one of code %s", err, c.code)
		}
		if !errors.Is(err, &Error{Code: c.code}) {
			t.Errorf("errors.Is does not know %v as %s", err, c.code)
		}
	}
}

func TestWrongLabelCountPanics(t *testing.T) {
	v := MustNewCounterVec(CounterOpts{Registry: newRegistry(t), Name: "c"}, []string{"a", "b"})
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, &Error{Code: CodeLabelCount}) {
			t.Errorf("recovered %v, want an error of code label_count", err)
		}
	}()
	v.WithLabelValues("1")
}

func TestBuckets(t *testing.T) {
	linear, err := LinearBuckets(1, 2, 3)
	if err != nil || fmt.Sprint(linear) != "[1 3 5]" {
		t.Errorf("linear bounds are %v, %v", linear, err)
	}
	exponential, err := ExponentialBuckets(0.5, 2, 4)
	if err != nil || fmt.Sprint(exponential) != "[0.5 1 2 4]" {
		t.Errorf("exponential bounds are %v, %v", exponential, err)
	}
}

func TestCloseStopsTheGoroutine(t *testing.T) {
	r := newRegistry(t)
	h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h"})
	h.Observe(1)
	if r.clock.Running() {
		t.Error("the clock runs though no span was offered")
	}
	h.ObserveCtx(context.Background(), 1)
	if !r.clock.Running() {
		t.Error("the clock does not run after a span was offered")
	}
	for range 2 {
		if err := r.Close(); err != nil || r.clock.Running() {
			t.Errorf("Close: %v, clock running %v", err, r.clock.Running())
		}
	}
	h.ObserveCtx(context.Background(), 1)
	if _, err := r.Scrape(ScrapeOptions{}); !errors.Is(err, &Error{Code: CodeClosed}) {
		t.Errorf("Scrape after Close: %v", err)
	}
	if _, err := NewGauge(GaugeOpts{Registry: r, Name: "g"}); !errors.Is(err, &Error{Code: CodeClosed}) {
		t.Errorf("NewGauge after Close: %v", err)
	}
	if err := Default().Close(); err != nil || Default().closed.Load() {
		t.Error("Close closed the default registry")
	}
}

// Metrics must keep the memory of their registry, and nothing else may: the
// collector runs while observations use registries that only they refer to.
func TestMetricsKeepTheirRegistry(t *testing.T) {
	ctx, _ := sampledSpan(1)
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 100 {
				h := MustNewHistogramVec(HistogramOpts{Registry: newUnclosed(t), Name: "h"}, []string{"a"}).WithLabelValues("b")
				runtime.GC()
				for i := range 20 {
					h.ObserveCtx(ctx, float64(i))
				}
				h.ObserveExemplar(1, Exemplar{Labels: []Label{{"a", "b"}}})
			}
		}()
	}
	group.Wait()
}

func newUnclosed(t *testing.T) *Registry {
	r, err := New(Options{ReserveBytes: 1 << 20})
	if err != nil {
		t.Error(err)
	}
	return r
}

func TestConcurrentUse(t *testing.T) {
	r := newRegistry(t)
	h := MustNewHistogramVec(HistogramOpts{Registry: r, Name: "h"}, []string{"n"})
	c := MustNewCounter(CounterOpts{Registry: r, Name: "c"})
	const workers, each = 8, 1000
	var group sync.WaitGroup
	for w := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			ctx, span := sampledSpan(uint64(w + 1))
			for i := range each {
				s := h.WithLabelValues(strconv.Itoa(i % 100))
				switch i % 4 {
				case 0:
					s.ObserveCtx(ctx, float64(i%7))
				case 1:
					s.ObserveTrace(float64(i%5), span, Label{"w", strconv.Itoa(w)})
				case 2:
					s.ObserveExemplar(1, Exemplar{Trace: span})
				default:
					s.Observe(2)
				}
				c.IncCtx(ctx)
				if i%100 == 0 {
					if _, err := r.Scrape(ScrapeOptions{Accept: openMetrics}); err != nil {
						t.Error(err)
					}
				}
			}
		}()
	}
	group.Wait()
	var count int
	for _, m := range regexp.MustCompile(`(?m)^h_count\{.*\} (\d+)$`).FindAllStringSubmatch(page(t, r, "", ""), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		count += n
	}
	if count != workers*each || c.Value() != workers*each {
		t.Errorf("%d observations and %v increments counted, want %d", count, c.Value(), workers*each)
	}
}

func TestVersionIsThatOfTheCore(t *testing.T) {
	if core := capi.Version(); core != Version {
		t.Errorf("the module is version %s, the linked core %s", Version, core)
	}
}
