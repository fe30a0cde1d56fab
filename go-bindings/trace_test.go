package spanpin

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
)

func TestTraceContext(t *testing.T) {
	text := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c, err := ParseTraceparent(text)
	if err != nil || c.String() != text || !c.IsSampled() || !c.IsValid() {
		t.Errorf("%v, %v", c, err)
	}
	traceID, err := ParseTraceID("0AF7651916CD43DD8448EB211C80319C")
	if err != nil || traceID != c.TraceID() {
		t.Errorf("%v, %v", traceID, err)
	}
	spanID, err := ParseSpanID("b7ad6b7169203331")
	if err != nil || Sampled(traceID, spanID) != c {
		t.Errorf("%v, %v", spanID, err)
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(traceID), SpanID: trace.SpanID(spanID), TraceFlags: 1})
	if FromSpanContext(sc) != c {
		t.Error("the OpenTelemetry context differs")
	}
	if (TraceContext{}).IsValid() || NewTraceContext(traceID, SpanID{}, 1).IsValid() {
		t.Error("a context without ids is valid")
	}
}

// traceparentSeeds lead the fuzzer to the rules of the header.
var traceparentSeeds = []string{
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
	"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what",
	"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
	"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
	"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"00-00000000000000000000000000000000-b7ad6b7169203331-01",
	"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
	"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"",
}

func sameAsCore(t *testing.T, text string) {
	got, err := ParseTraceparent(text)
	want, failure := capi.ParseTraceparent(text)
	if (err == nil) != (failure == nil) || got.span != want {
		t.Errorf("%q: %v, %v here, and %v, %v in the core", text, got, err, want, failure)
	}
}

func TestTraceparentAsInTheCore(t *testing.T) {
	for _, text := range traceparentSeeds {
		sameAsCore(t, text)
		for i := range len(text) {
			for _, b := range []string{"0", "g", "A", "-", "\x80", ""} {
				sameAsCore(t, text[:i]+b+text[i+1:])
			}
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	for _, text := range traceparentSeeds {
		f.Add(text)
	}
	f.Fuzz(sameAsCore)
}
