// Command conformance replays the cases of CASES_DIR into OUTPUT_DIR.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

type operation map[string]any

// text is a string of a case, or {"bytes": hex} for what need not be UTF-8.
func text(v any) string {
	if raw, ok := v.(map[string]any); ok {
		var s string
		fmt.Sscanf(text(raw["bytes"]), "%x", &s)
		return s
	}
	s, _ := v.(string)
	return s
}

func list[T any](v any, convert func(any) T) (all []T) {
	given, _ := v.([]any)
	for _, one := range given {
		all = append(all, convert(one))
	}
	return all
}

// number is a number of a case, or "NaN", "+Inf" or "-Inf"; 1 if it is absent.
func number(v any) float64 {
	n := 1.0
	fmt.Sscan(fmt.Sprint(v), &n)
	return n
}

func context(ids map[string]any) spanpin.TraceContext {
	traceID, _ := spanpin.ParseTraceID(text(ids["trace_id"]))
	spanID, _ := spanpin.ParseSpanID(text(ids["span_id"]))
	if ids["flags"] == nil {
		return spanpin.Sampled(traceID, spanID)
	}
	return spanpin.NewTraceContext(traceID, spanID, byte(number(ids["flags"])))
}

// record is one observation or addition, by whatever source the operation names.
func record(op operation, plain func(float64), trace func(float64, spanpin.TraceContext, ...spanpin.Label),
	traceparent func(float64, string), explicit func(float64, spanpin.Exemplar)) {
	value, label := number(op["value"]), func(v any) spanpin.Label {
		return spanpin.Label{Name: list(v, text)[0], Value: list(v, text)[1]}
	}
	if ids, ok := op["trace"].(map[string]any); ok {
		trace(value, context(ids), list(op["extra"], label)...)
	} else if header, ok := op["traceparent"]; ok {
		traceparent(value, text(header))
	} else if labels, ok := op["exemplar"]; ok {
		explicit(value, spanpin.Exemplar{Labels: list(labels, label)})
	} else {
		plain(value)
	}
}

// vector is what the families of all kinds can do.
type vector interface {
	Remove(values ...string) (bool, error)
	Clear() error
}

// family makes of a registered family a function that does one operation.
func family[M any](v vector, metric func(...string) (*M, error), use func(*M, operation)) func(operation) error {
	return func(op operation) error {
		switch op["op"] {
		case "remove":
			_, err := v.Remove(list(op["labels"], text)...)
			return err
		case "clear":
			return v.Clear()
		}
		m, err := metric(list(op["labels"], text)...)
		for i := 0; i < max(1, int(number(op["repeat"]))) && err == nil; i++ {
			use(m, op)
		}
		return err
	}
}

func seconds(v any) time.Duration {
	n, _ := v.(float64)
	return time.Duration(n * float64(time.Second))
}

// option is a number that an operation may leave out; 0 stands for the default.
func option(v any) float64 {
	if v == nil {
		return 0
	}
	return number(v)
}

func adaptive(v any) *spanpin.Adaptive {
	given, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	a := &spanpin.Adaptive{Window: seconds(given["window"]), P99: option(given["p99"]), LowerP95: given["lower"] == "p95"}
	if !a.LowerP95 {
		a.Lower = option(given["lower"])
	}
	return a
}

var keepNames = map[bool]spanpin.Toggle{false: spanpin.Off, true: spanpin.On}

var identities = map[string]spanpin.ScraperIdentity{"address": spanpin.ByAddress, "given": spanpin.GivenIdentity, "none": spanpin.NoIdentity}

// registry makes the registry of a case, as an operation may ask for it.
func registry(op operation) (*spanpin.Registry, error) {
	segment := ""
	if op["segment"] == true {
		folder, err := os.MkdirTemp("", "conformance-")
		if err != nil {
			return nil, err
		}
		// The file may lose its name at once: nobody else comes.
		defer os.RemoveAll(folder)
		segment = filepath.Join(folder, "segment")
	}
	r, err := spanpin.New(spanpin.Options{Segment: segment, Strict: true,
		NoSelfMetrics: op["self_metrics"] != true, KeepNames: keepNames[op["keep_names"] == true], ScraperIdentity: identities[text(op["scraper_identity"])]})
	if err == nil {
		r.SetClock(1_700_000_000_000, 1_000_000)
	}
	return r, err
}

func scrape(r *spanpin.Registry, op operation) (spanpin.Exposition, error) {
	accepts := map[string]string{"openmetrics": "application/openmetrics-text", "text": "text/plain"}
	options := spanpin.ScrapeOptions{Accept: accepts[text(op["accept"])], Scraper: text(op["scraper"])}
	if request, ok := op["request"].(map[string]any); ok {
		options.UserAgent, options.ScrapeTimeout = text(request["user_agent"]), text(request["scrape_timeout"])
		options.Path, options.Peer = text(request["path"]), text(request["peer"])
	}
	return r.Scrape(options)
}

// histogram makes of a histogram's family a function that does one operation.
func histogram(v *spanpin.HistogramVec) func(operation) error {
	observe := family(v, v.GetMetricWithLabelValues, func(h *spanpin.Histogram, op operation) {
		record(op, h.Observe, h.ObserveTrace, h.ObserveTraceparent, h.ObserveExemplar)
	})
	return func(op operation) error {
		if op["op"] == "set_p99" {
			v.SetP99(number(op["value"]))
			return nil
		}
		return observe(op)
	}
}

var filters = map[string]spanpin.Filter{"trace_based": spanpin.TraceBased, "always_on": spanpin.AlwaysOn, "always_off": spanpin.AlwaysOff}
var policies = map[string]spanpin.Policy{"slowest": spanpin.Slowest, "uniform": spanpin.Uniform, "first": spanpin.First}

func register(r *spanpin.Registry, op operation) (func(operation) error, error) {
	name, help, unit, names := text(op["name"]), text(op["help"]), text(op["unit"]), list(op["labels"], text)
	filter, policy := filters[text(op["filter"])], policies[text(op["policy"])]
	most, _ := op["max_series"].(float64)
	least, part, bands := option(op["minimum_value"]), option(op["probability"]), adaptive(op["adaptive"])
	slots, age := int(option(op["slots"])), seconds(op["max_age"])
	switch op["kind"] {
	case "counter":
		v, err := spanpin.NewCounterVec(spanpin.CounterOpts{Registry: r, Name: name, Help: help, Unit: unit, Filter: filter, Policy: policy, MaxSeries: int(most),
			MinimumValue: least, Probability: part, Adaptive: bands, Slots: slots, MaxAge: age}, names)
		return family(v, v.GetMetricWithLabelValues, func(c *spanpin.Counter, op operation) {
			record(op, c.Add, c.AddTrace, c.AddTraceparent, c.AddExemplar)
		}), err
	case "gauge":
		v, err := spanpin.NewGaugeVec(spanpin.GaugeOpts{Registry: r, Name: name, Help: help, Unit: unit, MaxSeries: int(most)}, names)
		return family(v, v.GetMetricWithLabelValues, func(g *spanpin.Gauge, op operation) {
			map[bool]func(float64){true: g.Set, false: g.Add}[op["op"] == "set"](number(op["value"]))
		}), err
	}
	v, err := spanpin.NewHistogramVec(spanpin.HistogramOpts{Registry: r, Name: name, Help: help, Unit: unit, Buckets: list(op["bounds"], number), Filter: filter, Policy: policy, MaxSeries: int(most),
		MinimumValue: least, Probability: part, Adaptive: bands, Slots: slots, MaxAge: age}, names)
	return histogram(v), err
}

func replay(file, output string) error {
	var theCase struct{ Ops []operation }
	data, err := os.ReadFile(file)
	r, failed := registry(nil)
	if err = errors.Join(err, failed, json.Unmarshal(data, &theCase)); err != nil {
		return err
	}
	last := []operation{{"op": "scrape", "accept": "openmetrics", "scraper": "final"}, {"op": "scrape", "accept": "text"}}
	families, streams, ends := map[string]func(operation) error{}, map[string]string{}, map[string]string{"text": "# ---\n"}
	for _, op := range append(theCase.Ops, last...) {
		name, format, failure := text(op["name"]), text(op["accept"]), error(nil)
		switch op["op"] {
		case "register":
			var one func(operation) error
			if one, failure = register(r, op); failure == nil {
				families[name] = one
			}
		case "registry":
			r, failure = registry(op)
		case "history":
			body, err := r.ExemplarsJSON()
			streams["history"], failure = streams["history"]+string(body), err
		case "clock":
			r.SetClock(uint64(number(op["wall_ms"])), uint64(number(op["mono_ms"])))
		case "scrape":
			answer, err := scrape(r, op)
			streams[format], failure = streams[format]+string(answer.Body)+ends[format], err
		default:
			failure = families[name](op)
		}
		code, coded := "", (*spanpin.Error)(nil)
		if errors.As(failure, &coded) {
			code = coded.Code.String()
		}
		if code != text(op["error"]) {
			return fmt.Errorf("%v ends in %q: %w", op, code, failure)
		}
	}
	return errors.Join(os.WriteFile(output+".om.txt", []byte(streams["openmetrics"]), 0o644),
		os.WriteFile(output+".prom.txt", []byte(streams["text"]), 0o644),
		os.WriteFile(output+".history.txt", []byte(streams["history"]), 0o644))
}

func main() {
	files, _ := filepath.Glob(filepath.Join(os.Args[1], "*", "ops.json"))
	for _, file := range files {
		if err := replay(file, filepath.Join(os.Args[2], filepath.Base(filepath.Dir(file)))); err != nil {
			fmt.Fprintln(os.Stderr, file+":", err)
		}
	}
}
