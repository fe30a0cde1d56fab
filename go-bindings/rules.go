package spanpin

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
)

// Toggle is an option that may be left to the registry or the environment.
type Toggle uint8

const (
	// Inherit takes what the registry has; in a registry, what the environment says.
	Inherit Toggle = iota
	// On switches the option on.
	On
	// Off switches the option off.
	Off
)

// check fails for what is none of the three.
func (t Toggle) check(option string) error {
	if t > Off {
		return &Error{CodeInvalidOption, fmt.Sprintf("%s is %d: it must be Inherit, On or Off", option, t)}
	}
	return nil
}

func (t Toggle) or(inherited bool) bool {
	return t == On || t == Inherit && inherited
}

// Adaptive is sampling by where a value lies: every offer above the p99 of a
// moving window is kept, one in ten from the lower edge up to it, one in a
// hundred below. Before a series has 100 observations in the window every one
// is. The p99 is that of the series' own buckets, interpolated as
// histogram_quantile does, and brought up to date once a second. The zero
// Adaptive has the defaults.
type Adaptive struct {
	// Lower is where the middle band begins, as a part of the p99, above 0 and at
	// most 1; 0 stands for 0.8.
	Lower float64
	// LowerP95 lets the middle band begin at the p95 of the same window instead.
	LowerP95 bool
	// Window is the length of the moving window, whole seconds from 60 s to 300 s; 0
	// stands for 120 s.
	Window time.Duration
	// P99 is a p99 of your own in place of that of the buckets; HistogramVec.SetP99
	// changes it. 0 stands for that of the buckets.
	P99 float64
	// Off samples in no such way, whatever the environment asks for. The other fields
	// are then not looked at.
	Off bool
}

// SlowRequest is an observation above the SlowRequestThreshold of its family.
type SlowRequest struct {
	// Metric is the name of the family; that of a counter without _total.
	Metric string
	// Labels are those of the series.
	Labels []Label
	// Value was observed, and is above Threshold.
	Value, Threshold float64
	// Trace is the span of the observation, sampled or not; it is not valid if there
	// was none.
	Trace TraceContext
	// TraceURL is where the trace is found, by the template of the family; empty
	// without a template or a span.
	TraceURL string
}

// exemplarOpts are the options of histograms and counters that concern exemplars.
type exemplarOpts struct {
	filter       Filter
	policy       Policy
	minimumValue float64
	probability  float64
	adaptive     *Adaptive
	slots        int
	maxAge       time.Duration
	accept       func(v float64, t TraceContext) bool
	labels       func(ctx context.Context) []Label
	baggageKeys  []string
	markSpans    Toggle
	threshold    float64
	onSlow       func(SlowRequest)
	traceURL     string
}

// rules are what a family's offers go by here; the rest is done in the core.
type rules struct {
	accept      func(v float64, t TraceContext) bool
	labels      func(ctx context.Context) []Label
	baggageKeys []string
	markSpans   bool
	// slowFrom is +Inf when nobody wants to know of slow requests.
	slowFrom float64
	onSlow   func(SlowRequest)
	traceURL string
	metric   string
	names    []string
	family   capi.Family
}

// core is the part of the options that the core goes by.
func (o *exemplarOpts) core() (capi.Rules, error) {
	r := capi.Rules{
		Filter: uint32(o.filter), Policy: uint32(o.policy),
		MinimumValue: o.minimumValue, Probability: o.probability,
	}
	if o.slots < 0 || uint64(o.slots) > math.MaxUint32 {
		return r, &Error{CodeInvalidOption, fmt.Sprintf("Slots is %d: it must be from 4 to 19, or 0, which stands for 11", o.slots)}
	}
	r.Slots = uint32(o.slots)
	var err error
	if r.MaxAgeSeconds, err = wholeSeconds("MaxAge", o.maxAge, "from 1s to 24h, or 0, which stands for 90s"); err != nil {
		return r, err
	}
	if a := o.adaptive; a != nil && a.Off {
		r.Adaptive = capi.AdaptiveOff
	} else if a != nil {
		r.Adaptive, r.AdaptiveLower, r.AdaptiveP99 = capi.AdaptiveOfP99, a.Lower, a.P99
		if a.LowerP95 {
			if a.Lower != 0 {
				return r, &Error{CodeInvalidOption, fmt.Sprintf("Adaptive has both Lower %v and LowerP95: leave one of them out", a.Lower)}
			}
			r.Adaptive = capi.AdaptiveP95
		}
		r.AdaptiveWindowSeconds, err = wholeSeconds("Adaptive.Window", a.Window, "from 1m to 5m, or 0, which stands for 2m")
	}
	return r, err
}

// wholeSeconds is a duration as the core takes it, which checks the range.
func wholeSeconds(what string, d time.Duration, allowed string) (uint32, error) {
	if d < 0 || d%time.Second != 0 || d/time.Second > math.MaxUint32 {
		return 0, &Error{CodeInvalidOption, fmt.Sprintf("%s is %v: it must be whole seconds, %s", what, d, allowed)}
	}
	return uint32(d / time.Second), nil
}

// rules checks the part of the options that is done here.
func (o *exemplarOpts) rules(r *Registry, metric string, labelNames []string) (*rules, error) {
	for _, key := range o.baggageKeys {
		if !isLabelName(key) {
			return nil, &Error{CodeInvalidOption, fmt.Sprintf("baggage key %.80q cannot be a label of an exemplar: it must match [a-zA-Z_][a-zA-Z0-9_]*", key)}
		}
	}
	if err := o.markSpans.check("MarkSpans"); err != nil {
		return nil, err
	}
	if math.IsNaN(o.threshold) {
		return nil, &Error{CodeInvalidOption, "SlowRequestThreshold is NaN: it must be a number, in the unit of the metric"}
	}
	if o.onSlow != nil && o.threshold == 0 {
		return nil, &Error{CodeInvalidOption, "OnSlowRequest is given without a SlowRequestThreshold: give the value above which a request is slow"}
	}
	if err := checkTraceURL("TraceURL", o.traceURL); err != nil {
		return nil, err
	}
	rules := &rules{
		accept: o.accept, labels: o.labels, baggageKeys: slices.Clone(o.baggageKeys),
		markSpans: o.markSpans.or(r.markSpans),
		slowFrom:  math.Inf(1), onSlow: o.onSlow,
		traceURL: strings.Clone(o.traceURL),
		metric:   strings.Clone(metric), names: slices.Clone(labelNames),
	}
	if o.threshold != 0 {
		rules.slowFrom = o.threshold
	}
	if rules.traceURL == "" {
		rules.traceURL = r.traceURL
	}
	return rules, nil
}

// seriesLabels are the labels that a slow request of the series is told with.
func (r *rules) seriesLabels(values []string, overflow bool) []Label {
	if math.IsInf(r.slowFrom, 1) || len(r.names) == 0 {
		return nil
	}
	labels := make([]Label, len(r.names))
	for i, name := range r.names {
		labels[i] = Label{name, values[i]}
		if overflow {
			labels[i].Value = overflowLabel
		}
	}
	return labels
}

// overflowLabel is the value of all labels of an overflow series.
const overflowLabel = "spanpin_overflow"

func isLabelName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// checkTraceURL fails for a template that is none; the empty one is allowed.
func checkTraceURL(what, template string) error {
	if template == "" {
		return nil
	}
	named := false
	for rest := template; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || name != "trace_id" && name != "span_id" {
			return &Error{CodeInvalidOption, fmt.Sprintf("%s %.200q has a place that is neither {trace_id} nor {span_id}", what, template)}
		}
		named = named || name == "trace_id"
		rest = behind
	}
	if !named {
		return &Error{CodeInvalidOption, fmt.Sprintf("%s %.200q names no trace: put {trace_id} where its 32 hexadecimal digits belong", what, template)}
	}
	return nil
}

func expandTraceURL(template string, t TraceContext) string {
	return strings.NewReplacer("{trace_id}", t.TraceID().String(), "{span_id}", t.SpanID().String()).Replace(template)
}

// log writes the structured line of a slow request.
func (r *SlowRequest) log(ctx context.Context) {
	labels := make([]any, len(r.Labels))
	for i, l := range r.Labels {
		labels[i] = slog.String(l.Name, l.Value)
	}
	attributes := []slog.Attr{
		slog.String("metric", r.Metric), slog.Group("labels", labels...),
		slog.Float64("value", r.Value), slog.Float64("threshold", r.Threshold),
	}
	if r.Trace.IsValid() {
		attributes = append(attributes,
			slog.String("trace_id", r.Trace.TraceID().String()), slog.String("span_id", r.Trace.SpanID().String()))
	}
	attributes = append(attributes, slog.Bool("sampled", r.Trace.IsSampled()))
	if r.TraceURL != "" {
		attributes = append(attributes, slog.String("trace_url", r.TraceURL))
	}
	slog.Default().LogAttrs(ctx, slog.LevelWarn, "slow request", attributes...)
}
