package spanpin

import "github.com/spanpin/spanpin/go-bindings/internal/capi"

// Label is a label of an exemplar.
type Label struct{ Name, Value string }

// Exemplar is what an observation is told to point to: a span, labels, or both.
//
// Names and values have room for 128 code points in all, those of trace_id and
// span_id included; over that, labels are dropped from the end, ids never.
// Labels named trace_id and span_id that hold valid hexadecimal ids of the right
// length become the ids when Trace has none. In values, characters that do not
// survive the way through Prometheus are replaced: " by ', \ by / and a line feed
// by a space; invalid UTF-8 becomes U+FFFD. A label with an empty value, a name
// outside [a-zA-Z_][a-zA-Z0-9_]* or a name that was there before is left out.
type Exemplar struct {
	Trace  TraceContext
	Labels []Label
}

// The labels of an exemplar have room for 128 code points, so this holds all
// that can be kept, unless most are dropped for their names.
const (
	packedText   = 512
	packedLabels = 16
)

// pack appends labels to the buffers, which usually lie on the caller's stack.
func pack(labels []Label, text []byte, lengths []uint32) capi.Labels {
	for _, l := range labels {
		text = append(append(text, l.Name...), l.Value...)
		lengths = append(lengths, uint32(len(l.Name)), uint32(len(l.Value)))
	}
	return capi.Labels{Text: text, Lengths: lengths}
}
