// The Go service of the end-to-end test: OpenTelemetry SDK, the span taken from
// the request's context.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

var (
	duration = spanpin.MustNewHistogramVec(spanpin.HistogramOpts{
		Name: "e2e_request_duration_seconds",
		Help: "Duration of a request.",
		Unit: "seconds",
	}, []string{"route"})
	requests = spanpin.MustNewCounterVec(spanpin.CounterOpts{
		Name: "e2e_requests",
		Help: "Requests answered.",
	}, []string{"route"})

	exporter   = tracetest.NewInMemoryExporter()
	provider   = sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracer     = provider.Tracer("e2e")
	propagator = propagation.TraceContext{}
)

func record(ctx context.Context, route string, seconds float64) {
	duration.WithLabelValues(route).ObserveCtx(ctx, seconds)
	requests.WithLabelValues(route).IncCtx(ctx)
}

func work(w http.ResponseWriter, r *http.Request) {
	route := r.FormValue("route")
	seconds, err := strconv.ParseFloat(r.FormValue("seconds"), 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	if r.Header.Get("traceparent") != "" {
		var span trace.Span
		ctx, span = tracer.Start(propagator.Extract(ctx, propagation.HeaderCarrier(r.Header)), "work",
			trace.WithAttributes(attribute.String("route", route), attribute.Float64("seconds", seconds)))
		defer span.End()
	}
	record(ctx, route, seconds)
	fmt.Fprintln(w, "ok")
}

func spans(w http.ResponseWriter, _ *http.Request) {
	out := json.NewEncoder(w)
	for _, span := range exporter.GetSpans() {
		line := map[string]any{
			"trace_id": span.SpanContext.TraceID().String(),
			"span_id":  span.SpanContext.SpanID().String(),
		}
		for _, attribute := range span.Attributes {
			line[string(attribute.Key)] = attribute.Value.AsInterface()
		}
		if err := out.Encode(line); err != nil {
			log.Print(err)
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /work", work)
	http.HandleFunc("GET /spans", spans)
	http.Handle("GET /metrics", spanpin.Handler())
	go func() {
		// The test holds the other end of the pipe for as long as it runs.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("PORT %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
