// One Go program, two Rust static libraries: each does its work between calls of
// the other. The other library comes by CGO_LDFLAGS.
package main

// int other_run(void);
import "C"

import (
	"fmt"
	"os"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func main() {
	latency := spanpin.MustNewHistogram(spanpin.HistogramOpts{Name: "seconds"})
	for round := range 3 {
		if failed := C.other_run(); failed != 0 {
			fmt.Fprintln(os.Stderr, "the other library failed in step", failed)
			os.Exit(1)
		}
		latency.ObserveTraceparent(0.1*float64(round), trace)
		// An error is made and dropped on the way.
		if _, err := spanpin.NewHistogram(spanpin.HistogramOpts{Name: "seconds"}); err == nil {
			fmt.Fprintln(os.Stderr, "a name was registered twice")
			os.Exit(1)
		}
	}
	page, err := spanpin.Default().Scrape(spanpin.ScrapeOptions{Accept: "application/openmetrics-text"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(page.Body)
}
