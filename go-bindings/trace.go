package spanpin

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
)

// TraceID is the 16 bytes that name a trace. All zero is invalid. An
// OpenTelemetry trace.TraceID converts to it.
type TraceID [16]byte

// SpanID is the 8 bytes that name a span. All zero is invalid. An OpenTelemetry
// trace.SpanID converts to it.
type SpanID [8]byte

// String is the id as 32 lower-case hexadecimal digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// String is the id as 16 lower-case hexadecimal digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// ParseTraceID reads 32 hexadecimal digits, of either case, that are not all zero.
func ParseTraceID(text string) (TraceID, error) {
	var id TraceID
	if len(text) == 2*len(id) {
		if _, err := hex.Decode(id[:], []byte(text)); err == nil && id != (TraceID{}) {
			return id, nil
		}
	}
	return TraceID{}, &Error{CodeInvalidTraceID, fmt.Sprintf("trace id %.80q is not 32 hexadecimal digits, not all zero", text)}
}

// ParseSpanID reads 16 hexadecimal digits, of either case, that are not all zero.
func ParseSpanID(text string) (SpanID, error) {
	var id SpanID
	if len(text) == 2*len(id) {
		if _, err := hex.Decode(id[:], []byte(text)); err == nil && id != (SpanID{}) {
			return id, nil
		}
	}
	return SpanID{}, &Error{CodeInvalidSpanID, fmt.Sprintf("span id %.80q is not 16 hexadecimal digits, not all zero", text)}
}

// TraceContext is a span that an observation can point to: trace id, span id and
// trace flags. The zero TraceContext points to nothing.
type TraceContext struct{ span capi.Span }

// flagSampled is the trace flag that says the trace is recorded.
const flagSampled = 0x01

// NewTraceContext is a context with the given trace flags, bit 0 of which says
// that the trace is sampled. Ids that are all zero make a context that is not
// valid; observations with it count, and keep no exemplar.
func NewTraceContext(traceID TraceID, spanID SpanID, flags byte) TraceContext {
	return TraceContext{capi.Span{
		TraceHi: binary.BigEndian.Uint64(traceID[:8]),
		TraceLo: binary.BigEndian.Uint64(traceID[8:]),
		Span:    binary.BigEndian.Uint64(spanID[:]),
		Flags:   flags,
	}}
}

// Sampled is the context of a sampled trace, for ids that come without flags.
func Sampled(traceID TraceID, spanID SpanID) TraceContext {
	return NewTraceContext(traceID, spanID, flagSampled)
}

// FromSpanContext is the context of an OpenTelemetry span.
func FromSpanContext(sc trace.SpanContext) TraceContext {
	return NewTraceContext(TraceID(sc.TraceID()), SpanID(sc.SpanID()), byte(sc.TraceFlags()))
}

// TraceID is the trace id.
func (c TraceContext) TraceID() (id TraceID) {
	binary.BigEndian.PutUint64(id[:8], c.span.TraceHi)
	binary.BigEndian.PutUint64(id[8:], c.span.TraceLo)
	return id
}

// SpanID is the span id.
func (c TraceContext) SpanID() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], c.span.Span)
	return id
}

// Flags are the trace flags.
func (c TraceContext) Flags() byte { return c.span.Flags }

// IsSampled tells whether the trace is sampled.
func (c TraceContext) IsSampled() bool { return c.span.Flags&flagSampled != 0 }

// IsValid tells whether neither id is all zero.
func (c TraceContext) IsValid() bool {
	return c.span.TraceHi|c.span.TraceLo != 0 && c.span.Span != 0
}

// String is the context as a traceparent of version 00.
func (c TraceContext) String() string {
	return fmt.Sprintf("00-%s-%s-%02x", c.TraceID(), c.SpanID(), c.span.Flags)
}

// ParseTraceparent reads a W3C traceparent header strictly: lower-case digits,
// ids that are not all zero, any version but ff. Version 00 has exactly 55
// bytes. Of a later version the first 55 bytes are read, which must be the whole
// text or be followed by a hyphen, and only the sampled flag is kept.
func ParseTraceparent(text string) (TraceContext, error) {
	c, reason := parseTraceparent(text)
	if reason != "" {
		return TraceContext{}, &Error{CodeInvalidTraceparent, fmt.Sprintf("traceparent %.80q %s", text, reason)}
	}
	return c, nil
}

const traceparentLen = 55

func parseTraceparent(text string) (c TraceContext, reason string) {
	if len(text) < traceparentLen {
		return c, "is too short: it must be version-traceid-spanid-flags, 55 bytes"
	}
	if text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return c, "is invalid: it must be version-traceid-spanid-flags"
	}
	version, ok := lowerHex(text[0:2])
	if !ok || version == 0xff {
		return c, "is invalid: the version must be 2 lower-case hexadecimal digits, not ff"
	}
	hi, okHi := lowerHex(text[3:19])
	lo, okLo := lowerHex(text[19:35])
	if !okHi || !okLo || hi|lo == 0 {
		return c, "is invalid: the trace id must be 32 lower-case hexadecimal digits, not all zero"
	}
	span, ok := lowerHex(text[36:52])
	if !ok || span == 0 {
		return c, "is invalid: the span id must be 16 lower-case hexadecimal digits, not all zero"
	}
	flags, ok := lowerHex(text[53:55])
	if !ok {
		return c, "is invalid: the flags must be 2 lower-case hexadecimal digits"
	}
	if version == 0 && len(text) != traceparentLen {
		return c, "is too long: version 00 has exactly 55 bytes"
	}
	if rest := text[traceparentLen:]; rest != "" && (rest[0] != '-' || !utf8.ValidString(rest)) {
		return c, "is invalid: the flags must end the text or be followed by - and text"
	}
	if version != 0 {
		flags &= flagSampled
	}
	return TraceContext{capi.Span{TraceHi: hi, TraceLo: lo, Span: span, Flags: uint8(flags)}}, ""
}

// lowerHex reads at most 16 lower-case hexadecimal digits.
func lowerHex(digits string) (n uint64, ok bool) {
	for i := 0; i < len(digits); i++ {
		d := digits[i]
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(d)
	}
	return n, true
}
