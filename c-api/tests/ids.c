// Ids among the labels of explicit exemplars, in every spelling that docs/c-abi.md names.
#include <spanpin.h>

#include "bed.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define UPPER_TRACE "0AF7651916CD43DD8448EB211C80319C"

static const char *const trace_names[] = {"trace_id", "traceID",  "TraceId",      "traceid",    "TRACE_ID",     "trace-id",
                                          "trace.id", "b3_trace_id", "X-B3-TraceId", "otelTraceID", "otel_trace_id"};
static const char *const span_names[] = {"span_id", "spanID",   "SpanId",      "spanid",    "SPAN_ID",     "span-id",
                                         "span.id", "b3_span_id", "X-B3-SpanId", "otelSpanID", "otel_span_id"};

// Records an explicit exemplar and checks how the page writes it.
static void expect(struct bed *bed, spanpin_histogram *histogram, const spanpin_label *labels, size_t len,
                   const char *written)
{
  static unsigned value = 0;
  char part[512];
  const spanpin_exemplar exemplar = {.labels = labels, .labels_len = len};
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, ++value, &exemplar), SPANPIN_STATUS_OK);
  pass(bed, 1000);
  snprintf(part, sizeof part, " # {%s} %u.0 ", written, value);
  CHECK(page_has(bed, "a", part));
}

static spanpin_histogram *histogram_in(const struct bed *bed)
{
  static const double bounds[] = {1e9};
  return histogram_of(register_family(
      bed, (spanpin_family_options){
               .kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("h"), .bounds = bounds, .bounds_len = 1}));
}

#define LABEL(name, value) {SPANPIN_STR(name), SPANPIN_STR(value)}
#define EXPECT(written, ...)                                                              \
  do {                                                                                    \
    const spanpin_label labels_[] = {__VA_ARGS__};                                        \
    expect(&bed, histogram, labels_, sizeof labels_ / sizeof *labels_, written);          \
  } while (0)

static void spellings(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_in(&bed);
  for (size_t i = 0; i < sizeof trace_names / sizeof *trace_names; i++) {
    const spanpin_label labels[] = {LABEL("user", "u"),
                                    {spanpin_str_of(span_names[i]), SPANPIN_STR(SPAN)},
                                    {spanpin_str_of(trace_names[i]), SPANPIN_STR(UPPER_TRACE)}};
    expect(&bed, histogram, labels, 3, "trace_id=\"" TRACE "\",span_id=\"" SPAN "\",user=\"u\"");
  }
  // 64 bits: hexadecimal with 16 digits, decimal under Datadog's names or from 17 digits on.
  EXPECT("trace_id=\"0000000000000000" SPAN "\"", LABEL("traceID", "B7AD6B7169203331"));
  EXPECT("trace_id=\"00000000000000007540241f2e238731\",span_id=\"00000000000000ff\"",
         LABEL("dd.trace_id", "8448792617283716913"), LABEL("dd.span_id", "255"));
  EXPECT("trace_id=\"00000000000000007540241f2e238731\"", LABEL("dd_trace_id", "8448792617283716913"));
  EXPECT("trace_id=\"00000000000000007540241f2e238731\"", LABEL("trace_id", "8448792617283716913"));
  EXPECT("trace_id=\"" TRACE "\"", LABEL("dd.trace_id", TRACE));
  EXPECT("span_id=\"1234567890123456\"", LABEL("span_id", "1234567890123456"));
  EXPECT("span_id=\"000462d53c8abac0\"", LABEL("dd.span_id", "1234567890123456"));
  EXPECT("trace_id=\"" TRACE "\"", LABEL("traceID", TRACE), LABEL("TraceId", "11111111111111111111111111111111"));
  CHECK(dropped(&bed, "invalid_id") == 0 && dropped(&bed, "label_value") == 0 && dropped(&bed, "label_limit") == 0);
  // What is none stays a plain label under its name, and is counted.
  EXPECT("trace_id=\"255\"", LABEL("trace_id", "255"));
  EXPECT("span_id=\"" SPAN "\",traceID=\"" SPAN "0" SPAN "\"", LABEL("traceID", SPAN "0" SPAN), LABEL("spanID", SPAN));
  EXPECT("trace_id=\"00000000000000000000000000000000\"", LABEL("trace_id", "00000000000000000000000000000000"));
  EXPECT("dd_trace_id=\"18446744073709551616\"", LABEL("dd_trace_id", "18446744073709551616"));
  CHECK(dropped(&bed, "invalid_id") == 4);
  // Names that only look like an id's.
  EXPECT("trace=\"" TRACE "\",parent_span_id=\"" SPAN "\"", LABEL("trace", TRACE), LABEL("parent_span_id", SPAN));
  CHECK(dropped(&bed, "invalid_id") == 4);
  bed_free(&bed);
}

static void kept_names(void)
{
  const spanpin_registry_options options = {.keep_names = 1};
  struct bed bed = bed_with(&options);
  spanpin_histogram *histogram = histogram_in(&bed);
  EXPECT("user=\"u\",traceID=\"" TRACE "\",SpanId=\"" SPAN "\"", LABEL("user", "u"), LABEL("traceID", UPPER_TRACE),
         LABEL("SpanId", "B7AD6B7169203331"));
  EXPECT("trace_id=\"" TRACE "\",user=\"u\"", LABEL("user", "u"), LABEL("trace_id", UPPER_TRACE));
  EXPECT("traceid=\"00000000000000007540241f2e238731\"", LABEL("traceid", "8448792617283716913"));
  EXPECT("traceID=\"none\"", LABEL("traceID", "none"));
  CHECK(dropped(&bed, "invalid_id") == 1);
  bed_free(&bed);
}

static void other_labels(void)
{
  const spanpin_registry_options options = {.trace_id_label = SPANPIN_STR("traceID"), .span_id_label = SPANPIN_STR("sid")};
  struct bed bed = bed_with(&options);
  spanpin_histogram *histogram = histogram_in(&bed);
  EXPECT("traceID=\"" TRACE "\",sid=\"" SPAN "\"", LABEL("span_id", SPAN), LABEL("trace_id", UPPER_TRACE));
  EXPECT("sid=\"" SPAN "\"", LABEL("sid", "B7AD6B7169203331"));
  bed_free(&bed);
}

int main(void)
{
  spellings();
  kept_names();
  other_labels();
  return finish("ids");
}
