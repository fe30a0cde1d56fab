package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

const (
	metric = "bench_duration_seconds"
	// values and spans repeat after so many.
	valueCount = 4096
	spanCount  = 64
	// series of scrape_1000.
	series = 1000
	accept = "application/openmetrics-text;version=1.0.0"
)

// splitMix is the generator of the other languages' benches.
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (s *splitMix) unit() float64 { return float64(s.next()>>11+1) / (1 << 53) }

// values are log-normal durations in seconds with a median of 82 ms.
var values = func() *[valueCount]float64 {
	random := splitMix(1)
	var all [valueCount]float64
	for i := range all {
		a, b := random.unit(), random.unit()
		all[i] = 0.082 * math.Exp(1.5*math.Sqrt(-2*math.Log(a))*math.Cos(2*math.Pi*b))
	}
	return &all
}()

// contexts are contexts with a sampled span each.
var contexts = func() *[spanCount]context.Context {
	random := splitMix(2)
	var all [spanCount]context.Context
	for i := range all {
		config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
		binary.BigEndian.PutUint64(config.TraceID[:8], random.next())
		binary.BigEndian.PutUint64(config.TraceID[8:], random.next()|1)
		binary.BigEndian.PutUint64(config.SpanID[:], random.next()|1)
		all[i] = trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(config))
	}
	return &all
}()

var labels = [4][3]string{
	{"GET", "/users", "200"}, {"GET", "/orders", "200"}, {"POST", "/orders", "201"}, {"GET", "/orders", "500"},
}

// onePerBucket has a value in each bucket of the default bounds.
var onePerBucket = [12]float64{0.00321, 0.00712, 0.0181, 0.0333, 0.0777, 0.18, 0.3141, 0.672, 1.61, 3.375, 7.77, 12.5}

// valuesFrom are the values in an order of each thread's own, so that two threads
// do not go through the buckets in step.
func valuesFrom(thread int) *[valueCount]float64 {
	var turned [valueCount]float64
	for i := range turned {
		turned[i] = values[(i+thread*1000)%valueCount]
	}
	return &turned
}

// discard takes the answer to a scrape and remembers its length, or keeps it.
type discard struct {
	header http.Header
	kept   *bytes.Buffer
	length int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(b []byte) (int, error) {
	d.length += len(b)
	if d.kept != nil {
		d.kept.Write(b)
	}
	return len(b), nil
}

func scrapeRequest() *http.Request {
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil)
	if err != nil {
		panic(err)
	}
	request.RemoteAddr = "127.0.0.1:40000"
	request.Header.Set("Accept", accept)
	return request
}

// exposed is the sum of the samples by name, and the number of lines with an
// exemplar that has a trace id and a span id.
type exposed struct {
	sums      map[string]float64
	exemplars int
}

func scrape(handler http.Handler) exposed {
	d := &discard{header: http.Header{}, kept: &bytes.Buffer{}}
	handler.ServeHTTP(d, scrapeRequest())
	e := exposed{sums: map[string]float64{}}
	lines := bufio.NewScanner(d.kept)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		sample, exemplar, _ := strings.Cut(line, " # ")
		if strings.Contains(exemplar, `trace_id="`) && strings.Contains(exemplar, `span_id="`) {
			e.exemplars++
		}
		space := strings.LastIndexByte(sample, ' ')
		value, err := strconv.ParseFloat(sample[space+1:], 64)
		if err != nil {
			value = math.NaN()
		}
		name, _, _ := strings.Cut(sample[:space], "{")
		e.sums[name] += value
	}
	return e
}

func (e exposed) expect(name string, wanted int) error {
	if found := e.sums[name]; found != float64(wanted) {
		return fmt.Errorf("%s is %v, not %d", name, found, wanted)
	}
	return nil
}

func (e exposed) expectExemplars(wanted int) error {
	if e.exemplars != wanted {
		return fmt.Errorf("%d lines have an exemplar, not %d", e.exemplars, wanted)
	}
	return nil
}
