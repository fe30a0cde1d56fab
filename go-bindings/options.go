package spanpin

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// Filter decides which trace contexts may become exemplars.
type Filter uint32

const (
	// DefaultFilter is TraceBased.
	DefaultFilter Filter = 0
	// TraceBased lets the spans of sampled traces through.
	TraceBased = Filter(segment.FilterTraceBased)
	// AlwaysOn lets every valid span through, sampled or not.
	AlwaysOn = Filter(segment.FilterAlwaysOn)
	// AlwaysOff keeps no exemplars, explicit ones included.
	AlwaysOff = Filter(segment.FilterAlwaysOff)
)

// Policy decides which offer a bucket keeps of a window, which is the time
// between two scrapes, and 10 s at most if nobody scrapes.
type Policy uint32

const (
	// DefaultPolicy is Slowest for histograms and Uniform for counters.
	DefaultPolicy Policy = 0
	// Slowest keeps the greatest value; of equal ones the earliest.
	Slowest = Policy(segment.PolicySlowest)
	// Uniform keeps each offer with the same probability.
	Uniform = Policy(segment.PolicyUniform)
	// First keeps the earliest.
	First = Policy(segment.PolicyFirst)
)

// HistogramOpts describe a histogram. Only Name is required.
type HistogramOpts struct {
	// Registry is the registry to register in; nil is Default().
	Registry *Registry
	// Name is the name of the family, [a-zA-Z_:][a-zA-Z0-9_:]*.
	Name string
	// Help is the text of the HELP line, which an empty Help leaves out.
	Help string
	// Unit is the text of the UNIT line. The name must end in _ and the unit.
	Unit string
	// Buckets are the upper bounds of the buckets, strictly increasing; empty
	// stands for DefBuckets. +Inf is added and may be given.
	Buckets []float64
	// Filter decides which trace contexts may become exemplars. What is zero here
	// and in the next fields comes from the environment, otherwise it is the default.
	Filter Filter
	// Policy decides which of them a bucket keeps.
	Policy Policy
	// MinimumValue is the least value that is offered, in the unit of the metric; 0
	// stands for none. math.Inf(-1) is none whatever the environment says.
	MinimumValue float64
	// Probability is the part of the offers that is kept, above 0 and at most 1; 0
	// stands for all.
	Probability float64
	// Adaptive samples by where a value lies; nil is off.
	Adaptive *Adaptive
	// Slots is how many windows a bucket remembers, 4 to 19; 0 stands for 11, which
	// serves eight scrapers without loss.
	Slots int
	// MaxAge is the age after which an exemplar is not shown again, whole seconds
	// from 1 s to 24 h, and not less than the longest scrape interval; 0 stands for 90 s.
	MaxAge time.Duration
	// ExemplarFilter decides about a span that would be admitted otherwise. This and
	// the functions below run in the observing goroutine, from several at once, off the
	// hot path, and may observe in turn. A panic of theirs is counted in
	// spanpin_callback_errors_total, and the observation counts.
	ExemplarFilter func(v float64, t TraceContext) bool
	// ExemplarLabels adds labels, after those of the call, to an exemplar about to be
	// written. It gets the context of ObserveCtx, otherwise an empty one. Whoever can
	// scrape can read them.
	ExemplarLabels func(ctx context.Context) []Label
	// BaggageKeys are the OpenTelemetry baggage members that become labels of
	// exemplars, in this order, behind the other labels. They are read from the context
	// of ObserveCtx; nothing is taken that is not named here. Whoever can scrape can
	// read them, so name none with personal data.
	BaggageKeys []string
	// MarkSpans sets the attribute exemplar="true" on the span of an exemplar that
	// ObserveCtx led to, so that a tail sampler can keep its trace. By default the
	// registry decides.
	MarkSpans Toggle
	// SlowRequestThreshold, if not 0, is the value above which a request is slow, in
	// the unit of the metric. One in each window and series is logged by
	// slog.Default() as a warning "slow request", sampled or not, with a span or
	// without. Observe, which gets no span, tells of none.
	SlowRequestThreshold float64
	// OnSlowRequest is called with what is logged.
	OnSlowRequest func(SlowRequest)
	// TraceURL is where traces are found, with {trace_id} and perhaps {span_id} in it,
	// for slow requests; empty stands for that of the registry.
	TraceURL string
	// MaxSeries is the number of label value sets; 0 stands for 2000. Further ones
	// share one series, whose label values all are "spanpin_overflow".
	MaxSeries int
}

// CounterOpts describe a counter. Only Name is required; it may end in _total or
// not, the output has it once. The other fields are those of HistogramOpts; the
// values of a counter are the amounts that are added. Whoever can scrape can read
// what ExemplarLabels and BaggageKeys let in.
type CounterOpts struct {
	Registry         *Registry
	Name, Help, Unit string

	Filter       Filter
	Policy       Policy
	MinimumValue float64
	Probability  float64
	// Adaptive must be nil: only a histogram has buckets to take a p99 from.
	Adaptive *Adaptive
	Slots    int
	MaxAge   time.Duration

	ExemplarFilter func(v float64, t TraceContext) bool
	ExemplarLabels func(ctx context.Context) []Label
	BaggageKeys    []string
	MarkSpans      Toggle

	SlowRequestThreshold float64
	OnSlowRequest        func(SlowRequest)
	TraceURL             string

	MaxSeries int
}

func (o *HistogramOpts) exemplars() exemplarOpts {
	return exemplarOpts{
		o.Filter, o.Policy, o.MinimumValue, o.Probability, o.Adaptive, o.Slots, o.MaxAge, o.ExemplarFilter, o.ExemplarLabels,
		o.BaggageKeys, o.MarkSpans, o.SlowRequestThreshold, o.OnSlowRequest, o.TraceURL,
	}
}

func (o *CounterOpts) exemplars() exemplarOpts {
	return exemplarOpts{
		o.Filter, o.Policy, o.MinimumValue, o.Probability, o.Adaptive, o.Slots, o.MaxAge, o.ExemplarFilter, o.ExemplarLabels,
		o.BaggageKeys, o.MarkSpans, o.SlowRequestThreshold, o.OnSlowRequest, o.TraceURL,
	}
}

// GaugeOpts describe a gauge. Only Name is required.
type GaugeOpts struct {
	Registry         *Registry
	Name, Help, Unit string
	MaxSeries        int
}

// DefBuckets are the bounds of a histogram that names none, in seconds.
var DefBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// maxBuckets is the greatest number of finite bounds of a histogram.
const maxBuckets = 4096

// LinearBuckets are count bounds, each width above the one before, the lowest of
// which is start. An error is returned if count is below 1, width is not above 0,
// or a bound is not finite or not above the one before.
func LinearBuckets(start, width float64, count int) ([]float64, error) {
	if !(width > 0) {
		return nil, &Error{CodeInvalidBounds, fmt.Sprintf("linear bounds need a width above 0, got %v", width)}
	}
	return generate(count, func(i int) float64 { return start + width*float64(i) })
}

// ExponentialBuckets are count bounds, each factor times the one before, the
// lowest of which is start. An error is returned if count is below 1, start is
// not above 0, factor is not above 1, or a bound is not finite.
func ExponentialBuckets(start, factor float64, count int) ([]float64, error) {
	if !(start > 0) || !(factor > 1) {
		return nil, &Error{CodeInvalidBounds, fmt.Sprintf("exponential bounds need a start above 0 and a factor above 1, got %v and %v", start, factor)}
	}
	bound := start / factor
	return generate(count, func(i int) float64 {
		if i == 0 {
			bound = start
		} else {
			bound *= factor
		}
		return bound
	})
}

func generate(count int, bound func(int) float64) ([]float64, error) {
	if count < 1 || count > maxBuckets {
		return nil, &Error{CodeInvalidBounds, fmt.Sprintf("the number of bounds must be from 1 to %d, got %d", maxBuckets, count)}
	}
	bounds := make([]float64, count)
	for i := range bounds {
		bounds[i] = bound(i)
		if math.IsNaN(bounds[i]) || math.IsInf(bounds[i], 0) || i > 0 && !(bounds[i] > bounds[i-1]) {
			return nil, &Error{CodeInvalidBounds, fmt.Sprintf("bound %d would be %v: bounds must be finite and strictly increasing", i+1, bounds[i])}
		}
	}
	return bounds, nil
}

// must is the result of a registration that the program cannot go on without.
func must[T any](metric T, err error) T {
	if err != nil {
		panic(err)
	}
	return metric
}
