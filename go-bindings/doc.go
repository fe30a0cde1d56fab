// Package spanpin records metrics whose exemplars point to the traces that
// matter: each histogram bucket shows, to each scraper, the slowest sampled
// request since that scraper's last visit.
//
//	var latency = spanpin.MustNewHistogramVec(spanpin.HistogramOpts{
//		Name: "http_request_duration_seconds",
//		Help: "How long requests take.",
//		Unit: "seconds",
//	}, []string{"route"})
//
//	func handle(w http.ResponseWriter, r *http.Request) {
//		start := time.Now()
//		// ...
//		latency.WithLabelValues("/users").ObserveCtx(r.Context(), time.Since(start).Seconds())
//	}
//
//	http.Handle("/metrics", spanpin.Handler())
//
// # Exemplars
//
// ObserveCtx offers the active OpenTelemetry span, ObserveTrace and
// ObserveTraceparent offer one that the caller has. An offer is looked at only if
// it beats what the bucket holds since the last scrape, so that most of them cost
// nothing but a comparison. ObserveExemplar skips that rule. The options of a family
// say which offers it takes: by a filter, a policy, a least value, sampling, or a
// function of the program's. They can add labels from a function and from
// OpenTelemetry baggage, mark the spans of exemplars, and report slow requests.
// Exemplars and ExemplarsJSON show all that is kept. Prometheus stores exemplars when
// it runs with --enable-feature=exemplar-storage, and sees them in the OpenMetrics
// format, which it asks for by itself.
//
// # Environment
//
// A registry takes defaults from OTEL_METRICS_EXEMPLAR_FILTER,
// SPANPIN_EXEMPLAR_POLICY, SPANPIN_EXEMPLAR_MINIMUM_VALUE,
// SPANPIN_EXEMPLAR_PROBABILITY, SPANPIN_EXEMPLAR_ADAPTIVE, SPANPIN_EXEMPLAR_SLOTS,
// SPANPIN_EXEMPLAR_MAX_AGE, SPANPIN_EXEMPLAR_BYTES, SPANPIN_EXEMPLAR_KEEP_NAMES,
// SPANPIN_TRACE_ID_LABEL, SPANPIN_SPAN_ID_LABEL, SPANPIN_TRACE_URL,
// SPANPIN_MARK_SPANS, SPANPIN_SCRAPER_IDENTITY, SPANPIN_SEGMENT,
// SPANPIN_SEGMENT_MODE and SPANPIN_SEGMENT_BYTES, when it is made. Options come
// before them. A value that is not allowed is logged once by slog and passed over.
//
// # Failures
//
// Registering fails with an *Error for bad names, bounds and options. Recording
// never fails: an observation counts, whatever becomes of its exemplar, and
// self-metrics named spanpin_* count what was dropped and why.
//
// # Concurrency and memory
//
// Everything may be used from any goroutine. Recording takes no lock and does not
// allocate. A registry gives its memory back when nothing refers to it, or to a
// metric of it, any more. One goroutine per registry keeps the time, from the
// first offer of a span until Registry.Close.
//
// # Building
//
// The core is a static library that comes with the module, so cgo and a C
// compiler are needed, and Rust is not. With musl libc build with -tags musl.
package spanpin
