package spanpin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	spanpin "github.com/spanpin/spanpin/go-bindings"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
)

// registry is one for an example; a service uses the default registry.
func registry() *spanpin.Registry {
	r, err := spanpin.New(spanpin.Options{NoSelfMetrics: true})
	if err != nil {
		panic(err)
	}
	// A fixed time makes the output of the examples fixed.
	r.SetClock(1_700_000_000_000, 1_000_000)
	return r
}

func show(r *spanpin.Registry, prefix string) {
	r.SetClock(1_700_000_001_000, 1_001_000)
	e, err := r.Scrape(spanpin.ScrapeOptions{Accept: "application/openmetrics-text"})
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(e.Body), "\n") {
		if strings.HasPrefix(line, prefix) {
			fmt.Println(line)
		}
	}
}

func Example() {
	latency := spanpin.MustNewHistogramVec(spanpin.HistogramOpts{
		Name: "http_request_duration_seconds",
		Help: "How long requests take.",
	}, []string{"route"})

	http.HandleFunc("/users", func(w http.ResponseWriter, r *http.Request) {
		latency.WithLabelValues("/users").ObserveCtx(r.Context(), 0.25)
	})
	http.Handle("/metrics", spanpin.Handler())
}

func ExampleHistogram_Observe() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: "seconds", Buckets: []float64{0.1, 1}})
	h.Observe(0.25)
	show(r, "seconds_bucket")
	// Output:
	// seconds_bucket{le="0.1"} 0
	// seconds_bucket{le="1.0"} 1
	// seconds_bucket{le="+Inf"} 1
}

func ExampleHistogram_ObserveCtx() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: "seconds", Buckets: []float64{0.1, 1}})
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x0a, 0xf7}, SpanID: trace.SpanID{0xb7}, TraceFlags: trace.FlagsSampled,
	})
	h.ObserveCtx(trace.ContextWithSpanContext(context.Background(), span), 0.25)
	show(r, `seconds_bucket{le="1.0"}`)
	// Output:
	// seconds_bucket{le="1.0"} 1 # {trace_id="0af70000000000000000000000000000",span_id="b700000000000000"} 0.25 1700000000.000
}

func ExampleHistogram_ObserveTraceparent() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: "seconds", Buckets: []float64{0.1, 1}})
	h.ObserveTraceparent(0.25, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	show(r, `seconds_bucket{le="1.0"}`)
	// Output:
	// seconds_bucket{le="1.0"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"} 0.25 1700000000.000
}

func ExampleHistogram_ObserveTrace() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: "seconds", Buckets: []float64{0.1, 1}})
	span := spanpin.Sampled(spanpin.TraceID{0x0a, 0xf7}, spanpin.SpanID{0xb7})
	h.ObserveTrace(0.25, span, spanpin.Label{Name: "request", Value: "r-17"})
	show(r, `seconds_bucket{le="1.0"}`)
	// Output:
	// seconds_bucket{le="1.0"} 1 # {trace_id="0af70000000000000000000000000000",span_id="b700000000000000",request="r-17"} 0.25 1700000000.000
}

func ExampleHistogram_ObserveExemplar() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: "seconds", Buckets: []float64{0.1, 1}})
	h.ObserveExemplar(0.25, spanpin.Exemplar{Labels: []spanpin.Label{{Name: "request", Value: "r-17"}}})
	show(r, `seconds_bucket{le="1.0"}`)
	// Output:
	// seconds_bucket{le="1.0"} 1 # {request="r-17"} 0.25 1700000000.000
}

func ExampleCounter_IncTraceparent() {
	r := registry()
	c := spanpin.MustNewCounter(spanpin.CounterOpts{Registry: r, Name: "failures"})
	c.IncTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	show(r, "failures_total")
	// Output:
	// failures_total 1 # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"} 1.0 1700000000.000
}

func ExampleHistogram_Exemplars() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: "seconds", Buckets: []float64{0.1, 1}})
	h.ObserveTraceparent(0.25, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	for _, e := range h.Exemplars() {
		fmt.Println(e.Value, e.Time.UTC().Format(time.RFC3339), e.TraceID)
	}
	// Output: 0.25 2023-11-14T22:13:20Z 0af7651916cd43dd8448eb211c80319c
}

// Only what takes half a second or longer becomes an exemplar, which shows whom it
// affected. Whoever can scrape can read that.
func ExampleHistogramOpts_exemplars() {
	r := registry()
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{
		Registry: r, Name: "seconds", Buckets: []float64{0.1, 1},
		MinimumValue: 0.5,
		BaggageKeys:  []string{"tenant"},
		MarkSpans:    spanpin.On,
		ExemplarFilter: func(v float64, t spanpin.TraceContext) bool {
			return t.IsSampled()
		},
	})
	tenant, err := baggage.NewMember("tenant", "acme")
	if err != nil {
		panic(err)
	}
	bag, err := baggage.New(tenant)
	if err != nil {
		panic(err)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x0a, 0xf7}, SpanID: trace.SpanID{0xb7}, TraceFlags: trace.FlagsSampled,
	})
	ctx := baggage.ContextWithBaggage(trace.ContextWithSpanContext(context.Background(), span), bag)
	h.ObserveCtx(ctx, 0.75)
	show(r, `seconds_bucket{le="1.0"}`)
	// Output:
	// seconds_bucket{le="1.0"} 1 # {trace_id="0af70000000000000000000000000000",span_id="b700000000000000",tenant="acme"} 0.75 1700000000.000
}

func ExampleSlowRequest() {
	r := registry()
	v := spanpin.MustNewHistogramVec(spanpin.HistogramOpts{
		Registry: r, Name: "seconds",
		SlowRequestThreshold: 2,
		TraceURL:             "https://traces.example/trace/{trace_id}",
		OnSlowRequest: func(s spanpin.SlowRequest) {
			fmt.Println(s.Metric, s.Labels, s.Value, s.TraceURL)
		},
	}, []string{"route"})
	v.WithLabelValues("/users").ObserveTraceparent(3, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	// Output: seconds [{route /users}] 3 https://traces.example/trace/0af7651916cd43dd8448eb211c80319c
}

func ExampleLinearBuckets() {
	bounds, err := spanpin.LinearBuckets(1, 2, 3)
	fmt.Println(bounds, err)
	// Output: [1 3 5] <nil>
}
