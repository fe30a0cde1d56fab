// The writer in Go: writer SEGMENT NUMBER COUNT. test_together.py says what it does.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"time"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// spanOf is the span of observation i of a writer, from which the value follows as well.
func spanOf(writer, i uint64) spanpin.TraceContext {
	var trace spanpin.TraceID
	var span spanpin.SpanID
	binary.BigEndian.PutUint64(trace[:8], writer)
	binary.BigEndian.PutUint64(trace[8:], i+1)
	binary.BigEndian.PutUint64(span[:], i+1)
	return spanpin.Sampled(trace, span)
}

func main() {
	segment, writer, count := os.Args[1], number(os.Args[2]), number(os.Args[3])
	registry, err := spanpin.New(spanpin.Options{Segment: segment, Strict: true})
	if err != nil {
		panic(err)
	}
	seconds := spanpin.MustNewHistogramVec(spanpin.HistogramOpts{
		Registry: registry, Name: "shared_seconds", Help: "Values of all.", Unit: "seconds", Buckets: []float64{0.25, 0.5, 0.75},
	}, []string{"who"})
	jobs := spanpin.MustNewCounterVec(spanpin.CounterOpts{Registry: registry, Name: "shared_jobs_total", Help: "Jobs of all."}, []string{"who"})

	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	in.Scan()
	own, all := "go", "all"
	for i := range count {
		if i%(count/100) == 0 {
			// So that all three are at work at one time, however fast one of them is.
			time.Sleep(10 * time.Millisecond)
		}
		value, span := float64(i%64)/64+1.0/128, spanOf(writer, i)
		seconds.WithLabelValues(all).ObserveTrace(value, span)
		seconds.WithLabelValues(own).ObserveTrace(value, span)
		jobs.WithLabelValues(all).IncTrace(span)
		jobs.WithLabelValues(own).AddTrace(0.5, span)
		if i%100 == 0 {
			// Series that all three create at about the same time.
			jobs.WithLabelValues("n" + strconv.FormatUint(i/100%200, 10)).Inc()
		}
	}
	fmt.Println("done")
	in.Scan()
	page, err := registry.Scrape(spanpin.ScrapeOptions{Accept: "application/openmetrics-text", Scraper: "go"})
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(page.Body)
}
