// Spans and log lines: each request is a span below the one that its `traceparent` names.
#ifndef SHOP_TRACE_H
#define SHOP_TRACE_H

#include <spanpin.h>
#include <stdint.h>

// The trace flag that says that a trace is recorded.
#define TRACE_SAMPLED 0x01

// Opens the files that lines are appended to; no spans are written where spans is NULL. Returns 0, or -1 after a message.
int trace_open(const char *log, const char *spans);

// A new span of the parent's trace. Without a parent, NULL, a new trace begins, and it is sampled.
spanpin_trace_context trace_child_of(const spanpin_trace_context *parent);

// The lower half of the trace id as a number.
uint64_t trace_draw(const spanpin_trace_context *span);

// Writes the log line of a request, and its span if the trace is sampled. start is in seconds since 1970.
void trace_record(const char *service, const char *route, double start, const spanpin_trace_context *parent,
                  const spanpin_trace_context *span, double seconds, int status);

#endif
