// Feeds the operations of the quality benchmark to the real client_golang, and writes which requests it shows, in the form
// of the models' answers.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The wall clock at the start of the operations.
const startMs = 1_755_780_000_000

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: %s FOLDER OUTPUT", os.Args[0]))
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func run(folder, output string) error {
	operations, err := os.Open(filepath.Join(folder, "operations.txt"))
	if err != nil {
		return err
	}
	defer operations.Close()
	now := time.UnixMilli(startMs)
	opts := prometheus.HistogramOpts{
		Name:                        "d",
		Buckets:                     []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		NativeHistogramBucketFactor: 1.1,
	}
	setClock(&opts, func() time.Time { return now })
	histogram := prometheus.NewHistogram(opts)
	observer := histogram.(prometheus.ExemplarObserver)
	var classic, native strings.Builder
	lines := bufio.NewScanner(operations)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "s" {
			var written dto.Metric
			if err := histogram.Write(&written); err != nil {
				return err
			}
			buckets(&classic, written.Histogram)
			set(&native, written.Histogram)
			continue
		}
		atUs, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return err
		}
		value, err := strconv.ParseFloat(words[3], 64)
		if err != nil {
			return err
		}
		now = time.UnixMilli(startMs).Add(time.Duration(atUs) * time.Microsecond)
		observer.ObserveWithExemplar(value, prometheus.Labels{"trace_id": words[2]})
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(output, "classic.client_golang"), []byte(classic.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(output, "native.client_golang"), []byte(native.String()), 0o644)
}

// setClock sets the clock that client_golang has for its own tests.
func setClock(opts *prometheus.HistogramOpts, now func() time.Time) {
	field := reflect.ValueOf(opts).Elem().FieldByName("now")
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(now))
}

func number(exemplar *dto.Exemplar) string {
	if exemplar == nil {
		return "-"
	}
	return exemplar.Label[0].GetValue()
}

func buckets(to *strings.Builder, histogram *dto.Histogram) {
	numbers := make([]string, 12)
	for i := range numbers {
		numbers[i] = "-"
		// The bucket of +Inf is there only if it has an exemplar.
		if i < len(histogram.Bucket) {
			numbers[i] = number(histogram.Bucket[i].Exemplar)
		}
	}
	fmt.Fprintln(to, strings.Join(numbers, " "))
}

func set(to *strings.Builder, histogram *dto.Histogram) {
	numbers := make([]string, len(histogram.Exemplars))
	for i, exemplar := range histogram.Exemplars {
		numbers[i] = number(exemplar)
	}
	fmt.Fprintln(to, strings.Join(numbers, " "))
}
