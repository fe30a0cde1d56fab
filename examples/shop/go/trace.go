package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"log"
	"os"
	"time"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

// childOf is a new span of the parent's trace. Without a parent a new trace begins, and it is sampled.
func childOf(parent spanpin.TraceContext, hasParent bool) spanpin.TraceContext {
	var traceID spanpin.TraceID
	var spanID spanpin.SpanID
	rand.Read(spanID[:])
	if hasParent {
		return spanpin.NewTraceContext(parent.TraceID(), spanID, parent.Flags())
	}
	rand.Read(traceID[:])
	return spanpin.Sampled(traceID, spanID)
}

// draw is the lower half of the trace id as a number.
func draw(span spanpin.TraceContext) uint64 {
	id := span.TraceID()
	return binary.BigEndian.Uint64(id[8:])
}

// A recorder writes one log line per request, and its span if the trace is sampled.
type recorder struct {
	log, spans *os.File // spans may be nil
}

func newRecorder(logFile, spanFile string) (*recorder, error) {
	r := &recorder{}
	var err error
	if r.log, err = appendTo(logFile); err == nil && spanFile != "" {
		r.spans, err = appendTo(spanFile)
	}
	return r, err
}

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

type logLine struct {
	Time     float64 `json:"time"`
	Service  string  `json:"service"`
	Route    string  `json:"route"`
	TraceID  string  `json:"trace_id"`
	SpanID   string  `json:"span_id"`
	Duration float64 `json:"duration"`
	Status   int     `json:"status"`
}

type spanLine struct {
	TraceID  string  `json:"trace_id"`
	SpanID   string  `json:"span_id"`
	Parent   string  `json:"parent"`
	Service  string  `json:"service"`
	Name     string  `json:"name"`
	Start    float64 `json:"start"`
	Duration float64 `json:"duration"`
}

func (r *recorder) request(start time.Time, parent spanpin.TraceContext, hasParent bool, span spanpin.TraceContext, seconds float64, status int) {
	at := float64(start.UnixMicro()) / 1e6
	traceID, spanID := span.TraceID().String(), span.SpanID().String()
	writeLine(r.log, logLine{at, service, "/users", traceID, spanID, seconds, status})
	if r.spans == nil || !span.IsSampled() {
		return
	}
	line := spanLine{traceID, spanID, "", service, "GET /users", at, seconds}
	if hasParent {
		line.Parent = parent.SpanID().String()
	}
	writeLine(r.spans, line)
}

// writeLine is one write, so that lines of several goroutines do not mix.
func writeLine(file *os.File, line any) {
	text, err := json.Marshal(line)
	if err == nil {
		_, err = file.Write(append(text, '\n'))
	}
	if err != nil {
		log.Printf("%s: %v", service, err)
	}
}
