package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/spanpin/spanpin/go-bindings"
	"go.opentelemetry.io/otel/trace"
)

// costRow is one measurement; benches/cost.py makes the table.
type costRow struct {
	Language string  `json:"language"`
	Variant  string  `json:"variant"`
	Round    int     `json:"round"`
	CPUNs    float64 `json:"cpu_ns_per_op"`
}

type variant struct {
	name string
	run  func(n int)
}

// costVariants do the same observations; the first one is the plain one.
func costVariants() []variant {
	unsampled := trace.ContextWithSpanContext(context.Background(),
		trace.SpanContextFromContext(contexts[0]).WithTraceFlags(0))
	observing := func(ctx context.Context, o spanpin.HistogramOpts) func(n int) {
		o.Registry, o.Name = newRegistry(), metric
		h := spanpin.MustNewHistogram(o)
		return func(n int) {
			for i := range uint(n) {
				h.ObserveCtx(ctx, values[i%valueCount])
			}
		}
	}
	_, plain := pinnedHistogram()
	_, traced := pinnedHistogram()
	_, headed := pinnedHistogram()
	span := spanpin.FromSpanContext(trace.SpanContextFromContext(contexts[0]))
	header := span.String()
	off := spanpin.HistogramOpts{Filter: spanpin.AlwaysOff}
	usual := spanpin.HistogramOpts{}
	ruled := spanpin.HistogramOpts{
		SlowRequestThreshold: 1e9, MarkSpans: spanpin.On, BaggageKeys: []string{"user_id"},
		ExemplarFilter: func(float64, spanpin.TraceContext) bool { return true },
	}
	return []variant{
		{"none", func(n int) {
			for i := range uint(n) {
				plain.Observe(values[i%valueCount])
			}
		}},
		{"always_off", observing(contexts[0], off)},
		{"no_tracing", observing(context.Background(), usual)},
		{"unsampled", observing(unsampled, usual)},
		{"offered", observing(contexts[0], usual)},
		{"offered, with options", observing(contexts[0], ruled)},
		{"offered, ObserveTrace", func(n int) {
			for i := range uint(n) {
				traced.ObserveTrace(values[i%valueCount], span)
			}
		}},
		{"offered, ObserveTraceparent", func(n int) {
			for i := range uint(n) {
				headed.ObserveTraceparent(values[i%valueCount], header)
			}
		}},
	}
}

// cost measures the variants in so many rounds, each for so long.
func cost(out io.Writer, rounds int, least time.Duration) error {
	runtime.GOMAXPROCS(1)
	variants := costVariants()
	n := 100_000
	for {
		start := cpuTime()
		variants[0].run(n)
		if took := cpuTime() - start; took >= least {
			break
		}
		n *= 2
	}
	// The first look at a context comes before the budget of the window is used up.
	for _, v := range variants {
		v.run(n)
	}
	encoder := json.NewEncoder(out)
	for round := range rounds {
		runtime.GC()
		for step := range variants {
			v := variants[step]
			if round%2 == 1 {
				v = variants[len(variants)-1-step]
			}
			start := cpuTime()
			v.run(n)
			each := float64((cpuTime() - start).Nanoseconds()) / float64(n)
			if err := encoder.Encode(costRow{"go", v.name, round + 1, each}); err != nil {
				return fmt.Errorf("cost of %s: %w", v.name, err)
			}
		}
	}
	return nil
}
