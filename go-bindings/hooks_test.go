package spanpin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

func TestExemplarFilterDecidesOnlyAboutWhatWouldBeAdmitted(t *testing.T) {
	ctx, span := sampledSpan(1)
	_, unsampled := spanWith(2, 0)
	r := observed(t)
	var asked []string
	h := MustNewHistogram(HistogramOpts{
		Registry: r, Name: "h", Buckets: []float64{10, 20},
		ExemplarFilter: func(v float64, c TraceContext) bool {
			asked = append(asked, fmt.Sprintf("%v %v", v, c == span))
			if v > 10 {
				panic("no answer")
			}
			return v != 2
		},
	})
	h.ObserveCtx(ctx, 1)
	h.ObserveCtx(ctx, 2)
	h.ObserveTrace(1.5, span)
	h.ObserveTrace(1.2, span)
	h.ObserveTrace(9, unsampled)
	h.ObserveTrace(15, span)
	h.ObserveExemplar(15, Exemplar{Trace: span})
	h.ObserveTraceparent(16, span.String())
	// While the span is looked up, a better one comes.
	r.SetClock(1_700_000_001_000, 1_001_000)
	page(t, r, openMetrics, "a")
	h.ObserveCtx(&meanwhile{Context: ctx, do: func() { h.ObserveTrace(3, span) }}, 2.5)
	if want := []string{"1 true", "2 true", "1.5 true", "15 true", "3 true"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
	if n := dropped(t, r, "filter"); n != 2 {
		t.Errorf("%d drops by the filter, want 2", n)
	}
	if n := self(t, r, "spanpin_callback_errors_total"); n != 1 {
		t.Errorf("%d callback errors, want 1", n)
	}
	wantLine(t, page(t, r, "", ""), "h_count 10")
	if n := admitted(t, r); n != 4 {
		t.Errorf("%d exemplars, want 4", n)
	}
}

// meanwhile does something when the span is looked up in it.
type meanwhile struct {
	context.Context
	do func()
}

func (m *meanwhile) Value(key any) any {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Context.Value(key)
}

func withBaggage(t testing.TB, ctx context.Context, pairs ...string) context.Context {
	t.Helper()
	var members []baggage.Member
	for i := 0; i < len(pairs); i += 2 {
		m, err := baggage.NewMemberRaw(pairs[i], pairs[i+1])
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	b, err := baggage.New(members...)
	if err != nil {
		t.Fatal(err)
	}
	return baggage.ContextWithBaggage(ctx, b)
}

type tenantKey struct{}

func TestLabelsOfCallFunctionAndBaggage(t *testing.T) {
	ctx, span := sampledSpan(1)
	ctx = withBaggage(t, context.WithValue(ctx, tenantKey{}, "acme"), "user_id", "u ü,1", "region", "eu", "secret", "s")
	r := observed(t)
	calls := 0
	opts := HistogramOpts{
		Registry: r, Name: "h", Buckets: []float64{1, 2},
		ExemplarLabels: func(ctx context.Context) []Label {
			calls++
			tenant, _ := ctx.Value(tenantKey{}).(string)
			if tenant == "panic" {
				panic(tenant)
			}
			return []Label{{"tenant", tenant}, {"request", "of the function"}, {"trace_id", "mine"}}
		},
		BaggageKeys: []string{"region", "absent", "user_id"},
	}
	h := MustNewHistogram(opts)
	opts.Name, opts.ExemplarLabels = "b", nil
	onlyBaggage := MustNewHistogram(opts)
	c := MustNewCounter(CounterOpts{Registry: r, Name: "c", BaggageKeys: []string{"region"}, Policy: First})
	plain := MustNewHistogram(HistogramOpts{Registry: r, Name: "p", Buckets: []float64{1}})
	h.ObserveCtx(ctx, 0.5)
	h.ObserveCtx(ctx, 0.4)
	h.ObserveTrace(1.5, span, Label{"request", "of the call"})
	h.ObserveCtx(context.WithValue(ctx, tenantKey{}, "panic"), 3)
	onlyBaggage.ObserveCtx(ctx, 0.5)
	onlyBaggage.ObserveTrace(1.5, span)
	plain.ObserveCtx(ctx, 0.5)
	c.IncCtx(ctx)
	if calls != 3 {
		t.Errorf("the function was called %d times, want 3", calls)
	}
	if n := self(t, r, "spanpin_callback_errors_total"); n != 1 {
		t.Errorf("%d callback errors, want 1", n)
	}
	found := exemplars(later(t, r))
	ids := fmt.Sprintf(`{trace_id="%s",span_id="%s"`, span.TraceID(), span.SpanID())
	for sample, want := range map[string]string{
		`h_bucket{le="1.0"}`:  ids + `,tenant="acme",request="of the function",region="eu",user_id="u ü,1"} 0.5`,
		`h_bucket{le="2.0"}`:  ids + `,request="of the call"} 1.5`,
		`h_bucket{le="+Inf"}`: ids + `,region="eu",user_id="u ü,1"} 3.0`,
		`b_bucket{le="1.0"}`:  ids + `,region="eu",user_id="u ü,1"} 0.5`,
		`b_bucket{le="2.0"}`:  ids + `} 1.5`,
		`p_bucket{le="1.0"}`:  ids + `} 0.5`,
		`c_total`:             ids + `,region="eu"} 1.0`,
	} {
		if !strings.HasPrefix(found[sample], want) {
			t.Errorf("%s has %q, want %q", sample, found[sample], want)
		}
	}
}

// recordingSpan remembers the attributes that it is given.
type recordingSpan struct {
	noop.Span
	context   trace.SpanContext
	recording bool

	mu         sync.Mutex
	attributes []attribute.KeyValue
}

func (s *recordingSpan) SpanContext() trace.SpanContext { return s.context }
func (s *recordingSpan) IsRecording() bool              { return s.recording }
func (s *recordingSpan) SetAttributes(kv ...attribute.KeyValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attributes = append(s.attributes, kv...)
}

func recordingContext(n uint64, flags trace.TraceFlags) (context.Context, *recordingSpan) {
	ctx, _ := spanWith(n, flags)
	span := &recordingSpan{context: trace.SpanContextFromContext(ctx), recording: true}
	return trace.ContextWithSpan(context.Background(), span), span
}

func TestSpansOfExemplarsAreMarked(t *testing.T) {
	mark := []attribute.KeyValue{attribute.String("exemplar", "true")}
	for _, c := range []struct {
		registry, family Toggle
		marks            bool
	}{{Inherit, Inherit, false}, {On, Inherit, true}, {On, Off, false}, {Off, On, true}, {Inherit, On, true}} {
		r, err := New(Options{ReserveBytes: 1 << 20, MarkSpans: c.registry, NoSelfMetrics: true})
		if err != nil {
			t.Fatal(err)
		}
		r.SetClock(1_700_000_000_000, 1_000_000)
		h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", MarkSpans: c.family, Buckets: []float64{1}})
		counter := MustNewCounter(CounterOpts{Registry: r, Name: "c", MarkSpans: c.family, Policy: First})
		ctx, span := recordingContext(1, trace.FlagsSampled)
		h.ObserveCtx(ctx, 0.5)
		if got := slices.Equal(span.attributes, mark); got != c.marks || !got && len(span.attributes) > 0 {
			t.Errorf("registry %d, family %d: attributes are %v", c.registry, c.family, span.attributes)
		}
		ctx, span = recordingContext(2, trace.FlagsSampled)
		counter.IncCtx(ctx)
		if got := slices.Equal(span.attributes, mark); got != c.marks {
			t.Errorf("registry %d, family %d: attributes of the counter's are %v", c.registry, c.family, span.attributes)
		}
		for what, observe := range map[string]func(ctx context.Context, s *recordingSpan){
			"a faster one":          func(ctx context.Context, _ *recordingSpan) { h.ObserveCtx(ctx, 0.4) },
			"one without a context": func(_ context.Context, s *recordingSpan) { h.ObserveTrace(0.6, FromSpanContext(s.context)) },
			"one that records not":  func(ctx context.Context, s *recordingSpan) { s.recording = false; h.ObserveCtx(ctx, 0.7) },
		} {
			ctx, span := recordingContext(3, trace.FlagsSampled)
			observe(ctx, span)
			if len(span.attributes) > 0 {
				t.Errorf("%s was marked", what)
			}
		}
		ctx, span = recordingContext(4, 0)
		h.ObserveCtx(ctx, 0.9)
		if len(span.attributes) > 0 {
			t.Error("an unsampled one was marked")
		}
	}
}

// A function may observe in turn, in the same histogram too.
func TestFunctionsMayObserve(t *testing.T) {
	ctx, span := sampledSpan(1)
	r := observed(t)
	var h *Histogram
	h = MustNewHistogram(HistogramOpts{
		Registry: r, Name: "h", Buckets: []float64{1},
		ExemplarFilter: func(v float64, _ TraceContext) bool {
			if v < 0.8 {
				h.ObserveTrace(v+0.1, span)
			}
			return true
		},
		SlowRequestThreshold: 0.1,
		OnSlowRequest:        func(SlowRequest) { h.ObserveCtx(ctx, 0.3) },
	})
	h.ObserveCtx(ctx, 0.5)
	if n := self(t, r, "h_count"); n < 4 {
		t.Errorf("%d observations were counted", n)
	}
	if got := exemplars(later(t, r))[`h_bucket{le="1.0"}`]; !strings.Contains(got, "} 0.8") {
		t.Errorf("exemplar is %q, want that of the greatest value", got)
	}
}
