package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
)

// exemplarOf is what the documentation of client_golang and of Grafana shows.
func exemplarOf(span trace.SpanContext) prometheus.Labels {
	return prometheus.Labels{"trace_id": span.TraceID().String(), "span_id": span.SpanID().String()}
}

func clientGolang() engine {
	// It keeps the exemplar of every observation, so that both workloads are the
	// same to it.
	withExemplar := func() work {
		r, h := golangHistogram()
		observer := h.(prometheus.ExemplarObserver)
		return work{func(thread, n int) {
			values := valuesFrom(thread)
			for i := range uint(n) {
				span := trace.SpanContextFromContext(contexts[i%spanCount])
				if span.IsSampled() {
					observer.ObserveWithExemplar(values[i%valueCount], exemplarOf(span))
				} else {
					h.Observe(values[i%valueCount])
				}
			}
		}, func(total int) error {
			e := scrape(golangHandler(r))
			if e.exemplars == 0 {
				return errors.New("no exemplar was kept")
			}
			return e.expect(metric+"_count", total)
		}}
	}
	return engine{"client_golang", map[string]func() work{
		"observe": func() work {
			r, h := golangHistogram()
			return work{func(thread, n int) {
				values := valuesFrom(thread)
				for i := range uint(n) {
					h.Observe(values[i%valueCount])
				}
			}, golangCountCheck(r)}
		},
		"labels_observe": func() work {
			v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metric}, []string{"method", "route", "code"})
			r := registered(v)
			return work{func(thread, n int) {
				values := valuesFrom(thread)
				for i := range uint(n) {
					l := &labels[i%uint(len(labels))]
					v.WithLabelValues(l[0], l[1], l[2]).Observe(values[i%valueCount])
				}
			}, golangCountCheck(r)}
		},
		"observe_exemplar_offered": withExemplar,
		"observe_exemplar_kept":    withExemplar,
		"counter_inc": func() work {
			c := prometheus.NewCounter(prometheus.CounterOpts{Name: "bench_requests_total"})
			r := registered(c)
			return work{func(_, n int) {
				for range n {
					c.Inc()
				}
			}, func(total int) error { return scrape(golangHandler(r)).expect("bench_requests_total", total) }}
		},
		"scrape_1000": golangScrape,
	}}
}

func registered(c prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	return r
}

func golangHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func golangHistogram() (*prometheus.Registry, prometheus.Histogram) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: metric})
	return registered(h), h
}

func golangCountCheck(r *prometheus.Registry) func(int) error {
	return func(total int) error { return scrape(golangHandler(r)).expect(metric+"_count", total) }
}

func golangScrape() work {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metric}, []string{"method", "route"})
	handler := golangHandler(registered(v))
	for i := range series {
		h := v.WithLabelValues("GET", fmt.Sprintf("/orders/%d", i)).(prometheus.ExemplarObserver)
		for bucket, value := range onePerBucket {
			h.ObserveWithExemplar(value, exemplarOf(trace.SpanContextFromContext(contexts[(i+bucket)%spanCount])))
		}
	}
	request := scrapeRequest()
	return work{func(_, n int) {
		for range n {
			handler.ServeHTTP(&discard{header: http.Header{}}, request)
		}
	}, func(int) error { return scrapeCheck(handler) }}
}
