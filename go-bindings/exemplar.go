package spanpin

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
)

// Label is a label of an exemplar.
type Label struct{ Name, Value string }

// Exemplar is what an observation is told to point to: a span, labels, or both.
//
// Names and values have room for 128 code points in all, those of trace_id and
// span_id included; over that, labels are dropped from the end, ids never.
// When Trace has none, ids are recognised among the labels under the usual
// spellings of their names, such as trace_id, traceID, X-B3-TraceId and
// dd.trace_id, and written in the one format: hexadecimal digits of any case, trace
// ids of 16 digits filled up with zeros on the left, decimal ids of Datadog. What is
// no id stays a plain label. With Options.KeepNames the names stay as they are. In values, characters that do not
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

// ExemplarRecord is one exemplar of a ring.
type ExemplarRecord struct {
	// Value was observed, and tells the bucket.
	Value float64
	// Time is when.
	Time time.Time
	// TraceID and SpanID are what it points to; one that it does not have is zero.
	TraceID TraceID
	SpanID  SpanID
	// Labels are those beside the ids.
	Labels []Label
}

// history is all that the rings hold. The core fails for want of memory only, and
// then there is nothing to show.
func (o *offers) history() []ExemplarRecord {
	if o.rules == nil {
		return nil
	}
	found, failure := o.core.Exemplars()
	if failure != nil {
		return nil
	}
	records := make([]ExemplarRecord, len(found))
	for i, f := range found {
		r := ExemplarRecord{Value: f.Value, Time: time.UnixMilli(int64(min(f.TimestampMs, math.MaxInt64)))}
		binary.BigEndian.PutUint64(r.TraceID[:8], f.Span.TraceHi)
		binary.BigEndian.PutUint64(r.TraceID[8:], f.Span.TraceLo)
		binary.BigEndian.PutUint64(r.SpanID[:], f.Span.Span)
		for at := 0; at+1 < len(f.Labels); at += 2 {
			r.Labels = append(r.Labels, Label{f.Labels[at], f.Labels[at+1]})
		}
		records[i] = r
	}
	return records
}
