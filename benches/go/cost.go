package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/spanpin/spanpin/go-bindings"
	"go.opentelemetry.io/otel/trace"
)

// costRow is what an observation that may keep an exemplar costs over one that may
// not: the difference of the medians of all rounds, and the quartiles of the
// differences within a round. The variants take turns in every round.
type costRow struct {
	Variant string  `json:"variant"`
	CPUNs   float64 `json:"cpu_ns_per_op"`
	OverNs  float64 `json:"over_observe_ns"`
	LowNs   float64 `json:"quartile_low_ns"`
	HighNs  float64 `json:"quartile_high_ns"`
	Rounds  int     `json:"rounds"`
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
		{"observe", func(n int) {
			for i := range uint(n) {
				plain.Observe(values[i%valueCount])
			}
		}},
		{"always_off", observing(contexts[0], off)},
		{"no_tracing", observing(context.Background(), usual)},
		{"unsampled", observing(unsampled, usual)},
		{"sampled", observing(contexts[0], usual)},
		{"sampled, all options", observing(contexts[0], ruled)},
		{"sampled, ObserveTrace", func(n int) {
			for i := range uint(n) {
				traced.ObserveTrace(values[i%valueCount], span)
			}
		}},
		{"sampled, ObserveTraceparent", func(n int) {
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
	took := make([][]float64, len(variants))
	for range rounds {
		runtime.GC()
		for i, v := range variants {
			start := cpuTime()
			v.run(n)
			took[i] = append(took[i], float64((cpuTime()-start).Nanoseconds())/float64(n))
		}
	}
	encoder := json.NewEncoder(out)
	for i, v := range variants {
		over := make([]float64, rounds)
		for round := range over {
			over[round] = took[i][round] - took[0][round]
		}
		row := costRow{
			Variant: v.name, CPUNs: quantile(took[i], 0.5), OverNs: quantile(took[i], 0.5) - quantile(took[0], 0.5),
			LowNs: quantile(over, 0.25), HighNs: quantile(over, 0.75), Rounds: rounds,
		}
		if err := encoder.Encode(row); err != nil {
			return fmt.Errorf("cost of %s: %w", v.name, err)
		}
	}
	return nil
}

func quantile(of []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}
