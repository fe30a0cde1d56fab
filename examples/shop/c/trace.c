#define _DEFAULT_SOURCE

#include "trace.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static FILE *log_file, *span_file;

static FILE *append_to(const char *path)
{
  FILE *file = fopen(path, "a");
  if (file == NULL)
    perror(path);
  return file;
}

int trace_open(const char *log, const char *spans)
{
  log_file = append_to(log);
  if (log_file == NULL)
    return -1;
  if (spans != NULL) {
    span_file = append_to(spans);
    if (span_file == NULL)
      return -1;
  }
  return 0;
}

static void fill_with_random(uint8_t *bytes, size_t len)
{
  // Up to 256 bytes come whole, unless a signal arrives before the kernel's pool is ready.
  while (getrandom(bytes, len, 0) != (ssize_t)len)
    ;
}

spanpin_trace_context trace_child_of(const spanpin_trace_context *parent)
{
  spanpin_trace_context span = {.flags = TRACE_SAMPLED};
  if (parent != NULL)
    span = *parent;
  else
    fill_with_random(span.trace_id, sizeof span.trace_id);
  fill_with_random(span.span_id, sizeof span.span_id);
  return span;
}

uint64_t trace_draw(const spanpin_trace_context *span)
{
  uint64_t number = 0;
  for (size_t i = 8; i < 16; i++)
    number = number << 8 | span->trace_id[i];
  return number;
}

static const char *hex(const uint8_t *bytes, size_t len, char *text)
{
  for (size_t i = 0; i < len; i++)
    snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return text;
}

// stdio locks the file for each fprintf, so lines of several threads do not mix. 17 digits are read back as the same
// number.
void trace_record(const char *service, const char *route, double start, const spanpin_trace_context *parent,
                  const spanpin_trace_context *span, double seconds, int status)
{
  char trace_text[33], span_text[17], parent_text[17] = "";
  hex(span->trace_id, sizeof span->trace_id, trace_text);
  hex(span->span_id, sizeof span->span_id, span_text);
  if (parent != NULL)
    hex(parent->span_id, sizeof parent->span_id, parent_text);
  fprintf(log_file,
          "{\"time\":%.6f,\"service\":\"%s\",\"route\":\"%s\",\"trace_id\":\"%s\",\"span_id\":\"%s\","
          "\"duration\":%.17g,\"status\":%d}\n",
          start, service, route, trace_text, span_text, seconds, status);
  fflush(log_file);
  if (span_file == NULL || !(span->flags & TRACE_SAMPLED))
    return;
  fprintf(span_file,
          "{\"trace_id\":\"%s\",\"span_id\":\"%s\",\"parent\":\"%s\",\"service\":\"%s\",\"name\":\"GET %s\","
          "\"start\":%.6f,\"duration\":%.17g}\n",
          trace_text, span_text, parent_text, service, route, start, seconds);
  fflush(span_file);
}
