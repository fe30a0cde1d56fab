package spanpin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

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

func TestHandler(t *testing.T) {
	r := manual(t)
	_, span := sampledSpan(3)
	MustNewHistogram(HistogramOpts{Registry: r, Name: "h"}).ObserveTrace(1, span)
	r.SetClock(1_700_000_001_000, 1_001_000)
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	get := func(method, accept, encoding string) *http.Response {
		request, err := http.NewRequest(method, server.URL+"/metrics?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		request.Header.Set("Accept-Encoding", encoding)
		request.Header.Set(timeoutHeader, "10")
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	read := func(response *http.Response) string {
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	response := get(http.MethodGet, openMetrics, "identity")
	body := read(response)
	if !strings.Contains(body, span.TraceID().String()) || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("no exemplar or end in\n%s", body)
	}
	for header, want := range map[string]string{
		"Content-Type":   "application/openmetrics-text; version=1.0.0; charset=utf-8",
		"Vary":           "Accept, Accept-Encoding",
		"Content-Length": strconv.Itoa(len(body)),
	} {
		if got := response.Header.Get(header); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	response = get(http.MethodGet, "text/plain", "gzip")
	if read(response)[:2] != "\x1f\x8b" || response.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the answer is not compressed")
	}
	response = get(http.MethodHead, "", "")
	if read(response) != "" || response.ContentLength <= 0 {
		t.Error("HEAD has a body, or no length")
	}
	response = get(http.MethodPost, "", "")
	if read(response); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") == "" {
		t.Errorf("POST: %s", response.Status)
	}
	_ = r.Close()
	response = get(http.MethodGet, "", "")
	if read(response); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("after Close: %s", response.Status)
	}
}

func TestScraperIdentityLeavesOutThePort(t *testing.T) {
	for address, want := range map[string]string{"10.0.0.1:5555": "10.0.0.1", "[::1]:80": "::1", "@": "@", "": ""} {
		if got := host(address); got != want {
			t.Errorf("host(%q) is %q, want %q", address, got, want)
		}
	}
}

func TestTraceContext(t *testing.T) {
	text := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c, err := ParseTraceparent(text)
	if err != nil || c.String() != text || !c.IsSampled() || !c.IsValid() {
		t.Errorf("%v, %v", c, err)
	}
	traceID, err := ParseTraceID("0AF7651916CD43DD8448EB211C80319C")
	if err != nil || traceID != c.TraceID() {
		t.Errorf("%v, %v", traceID, err)
	}
	spanID, err := ParseSpanID("b7ad6b7169203331")
	if err != nil || Sampled(traceID, spanID) != c {
		t.Errorf("%v, %v", spanID, err)
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(traceID), SpanID: trace.SpanID(spanID), TraceFlags: 1})
	if FromSpanContext(sc) != c {
		t.Error("the OpenTelemetry context differs")
	}
	if (TraceContext{}).IsValid() || NewTraceContext(traceID, SpanID{}, 1).IsValid() {
		t.Error("a context without ids is valid")
	}
}

// traceparentSeeds lead the fuzzer to the rules of the header.
var traceparentSeeds = []string{
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
	"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what",
	"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
	"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
	"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"00-00000000000000000000000000000000-b7ad6b7169203331-01",
	"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
	"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"",
}

func sameAsCore(t *testing.T, text string) {
	got, err := ParseTraceparent(text)
	want, failure := capi.ParseTraceparent(text)
	if (err == nil) != (failure == nil) || got.span != want {
		t.Errorf("%q: %v, %v here, and %v, %v in the core", text, got, err, want, failure)
	}
}

func TestTraceparentAsInTheCore(t *testing.T) {
	for _, text := range traceparentSeeds {
		sameAsCore(t, text)
		for i := range len(text) {
			for _, b := range []string{"0", "g", "A", "-", "\x80", ""} {
				sameAsCore(t, text[:i]+b+text[i+1:])
			}
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	for _, text := range traceparentSeeds {
		f.Add(text)
	}
	f.Fuzz(sameAsCore)
}
