package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spanpin/spanpin/go-bindings"
	"go.opentelemetry.io/otel/trace"
)

// window is longer than the time in which two scrapes share a window.
const window = 30 * time.Millisecond

func pinned() engine {
	return engine{"spanpin", map[string]func() work{
		"observe": func() work {
			r, h := pinnedHistogram()
			return work{func(thread, n int) {
				values := valuesFrom(thread)
				for i := range uint(n) {
					h.Observe(values[i%valueCount])
				}
			}, countCheck(r)}
		},
		"labels_observe": func() work {
			r := newRegistry()
			v := spanpin.MustNewHistogramVec(spanpin.HistogramOpts{Registry: r, Name: metric}, []string{"method", "route", "code"})
			return work{func(thread, n int) {
				values := valuesFrom(thread)
				for i := range uint(n) {
					l := &labels[i%uint(len(labels))]
					v.WithLabelValues(l[0], l[1], l[2]).Observe(values[i%valueCount])
				}
			}, countCheck(r)}
		},
		"observe_exemplar_offered": func() work {
			r, h := pinnedHistogram()
			return work{func(thread, n int) {
				values := valuesFrom(thread)
				for i := range uint(n) {
					h.ObserveCtx(contexts[i%spanCount], values[i%valueCount])
				}
			}, countCheck(r)}
		},
		"observe_exemplar_kept": func() work {
			r, h := pinnedHistogram()
			return work{func(thread, n int) {
				values := valuesFrom(thread)
				for i := range uint(n) {
					span := trace.SpanContextFromContext(contexts[i%spanCount])
					h.ObserveExemplar(values[i%valueCount], spanpin.Exemplar{Trace: spanpin.FromSpanContext(span)})
				}
			}, keptCheck(r)}
		},
		"counter_inc": func() work {
			r := newRegistry()
			c := spanpin.MustNewCounter(spanpin.CounterOpts{Registry: r, Name: "bench_requests"})
			return work{func(_, n int) {
				for range n {
					c.Inc()
				}
			}, func(total int) error { return scrape(r.Handler()).expect("bench_requests_total", total) }}
		},
		"scrape_1000": pinnedScrape,
	}}
}

func newRegistry() *spanpin.Registry {
	r, err := spanpin.New(spanpin.Options{})
	if err != nil {
		panic(err)
	}
	return r
}

func pinnedHistogram() (*spanpin.Registry, *spanpin.Histogram) {
	r := newRegistry()
	return r, spanpin.MustNewHistogram(spanpin.HistogramOpts{Registry: r, Name: metric})
}

func countCheck(r *spanpin.Registry) func(int) error {
	return func(total int) error { return scrape(r.Handler()).expect(metric+"_count", total) }
}

// keptCheck asks the registry itself how many exemplars were written. When two
// threads meet in a bucket one may overtake the other, whose exemplar is then no
// longer the latest.
func keptCheck(r *spanpin.Registry) func(int) error {
	return func(total int) error {
		e := scrape(r.Handler())
		if err := e.expect(metric+"_count", total); err != nil {
			return err
		}
		kept := e.sums["spanpin_exemplars_admitted_total"]
		if kept > float64(total) || kept < 0.5*float64(total) {
			return fmt.Errorf("%v exemplars were kept of %d", kept, total)
		}
		return nil
	}
}

func pinnedScrape() work {
	r, err := spanpin.New(spanpin.Options{NoSelfMetrics: true})
	if err != nil {
		panic(err)
	}
	v := spanpin.MustNewHistogramVec(spanpin.HistogramOpts{Registry: r, Name: metric}, []string{"method", "route"})
	for i := range series {
		h := v.WithLabelValues("GET", fmt.Sprintf("/orders/%d", i))
		for bucket, value := range onePerBucket {
			h.ObserveCtx(contexts[(i+bucket)%spanCount], value)
		}
	}
	handler := r.Handler()
	request := scrapeRequest()
	return work{func(_, n int) {
		for range n {
			handler.ServeHTTP(&discard{header: http.Header{}}, request)
		}
	}, func(int) error { return scrapeCheck(handler) }}
}

func scrapeCheck(handler http.Handler) error {
	time.Sleep(window)
	e := scrape(handler)
	if err := e.expect(metric+"_count", series*len(onePerBucket)); err != nil {
		return err
	}
	return e.expectExemplars(series * len(onePerBucket))
}
