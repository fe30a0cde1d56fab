// spanpin: histograms and counters whose buckets keep the trace of a request that was slow.
// Generated from c-api/src by cargo xtask header; change it there.
//
// Linking
//   pkg-config --cflags --libs spanpin, or the CMake package (spanpin::static, spanpin::shared). The library needs
//   nothing but the C library, and may lie beside other Rust libraries in one program. Where the archive and the
//   shared library lie in one folder, pkg-config --static still takes the shared one; -l:libspanpin.a names the archive.
//
// Objects and their lives
//   A registry holds families, a family holds histograms, counters or gauges, one for each set of label values.
//   Families and metrics live as long as their registry, are never freed on their own, and asking again for the same
//   label values gives the same pointer. spanpin_registry_default() is the process's own registry and lives for ever.
//   A registry may be freed only when no thread uses it or anything of it; pages and lists it wrote stay.
//
// Threads
//   Every function may be called from any thread at any time, on the same objects too, except the three that free.
//   Recording takes no lock and never waits. After fork the child has its own copy of every registry.
//   Recording is not for signal handlers.
//
// Errors
//   A call returns SPANPIN_STATUS_OK (0) or a positive SPANPIN_STATUS_... number. Calls that set something up also
//   take a spanpin_error *, memory of the caller, which may be NULL; it is written on failure only. Out-parameters are
//   written on success only. A NULL handle is an error, not a crash, and so is a NULL array with a length; NULL with
//   length 0 is the empty array or text. A bad exemplar never costs the observation: it is counted all the same, and
//   the status tells about the exemplar. Nothing is thrown, no signal raised, no process ended by this library.
//
// Memory
//   Recording allocates nothing; only a label or a traceparent that is refused or repaired may, and telling of a slow
//   request. Options are read during the call and may then go away; a zeroed options struct asks for the defaults. Only
//   spanpin_registry_free, spanpin_scrape_result_free and spanpin_exemplar_list_free release.

#ifndef SPANPIN_H
#define SPANPIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The version of this header; spanpin_version() is that of the library.
#define SPANPIN_VERSION "0.1.0"
#define SPANPIN_VERSION_MAJOR 0
#define SPANPIN_VERSION_MINOR 1
#define SPANPIN_VERSION_PATCH 0

// The version of the C ABI, the number in libspanpin.so.0. It changes when a program must be compiled anew.
#define SPANPIN_ABI_VERSION 0

// The lower edge of adaptive sampling is a part of the p99.
#define SPANPIN_ADAPTIVE_OF_P99 1

// The lower edge of adaptive sampling is the p95.
#define SPANPIN_ADAPTIVE_P95 2

// No adaptive sampling, whatever the default of the registry.
#define SPANPIN_ADAPTIVE_OFF 3

// A switch is on, whatever the environment says; 0 leaves it to the environment.
#define SPANPIN_SWITCH_ON 1

// A switch is off, whatever the environment says.
#define SPANPIN_SWITCH_OFF 2

// Scrapers are told apart by what they ask for and where they come from. The default.
#define SPANPIN_SCRAPER_IDENTITY_ADDRESS 1

// Scrapers are not told apart.
#define SPANPIN_SCRAPER_IDENTITY_NONE 2

// Scrapers are told apart by what they ask for, and not by where they come from: for a pool of addresses.
#define SPANPIN_SCRAPER_IDENTITY_GIVEN 3

// A total that only rises.
#define SPANPIN_KIND_COUNTER 1

// A value that rises and falls.
#define SPANPIN_KIND_GAUGE 2

// Observations in buckets, with their sum.
#define SPANPIN_KIND_HISTOGRAM 3

// Spans that are sampled may become exemplars. The default.
#define SPANPIN_FILTER_TRACE_BASED 1

// Every span with valid ids may become an exemplar.
#define SPANPIN_FILTER_ALWAYS_ON 2

// Nothing becomes an exemplar, explicit ones neither.
#define SPANPIN_FILTER_ALWAYS_OFF 3

// The greatest value of a window wins. The default of histograms.
#define SPANPIN_POLICY_SLOWEST 1

// Every offer of a window wins with equal chance. The default of counters.
#define SPANPIN_POLICY_UNIFORM 2

// The first offer of a window wins.
#define SPANPIN_POLICY_FIRST 3

// A total that only rises, of one set of label values. Valid as long as its registry, also when the series was removed.
typedef struct spanpin_counter spanpin_counter;

// The labels of an exemplar that is about to be written. Valid during the call.
typedef struct spanpin_exemplar_labels spanpin_exemplar_labels;

// A name with its label names and settings. Lives as long as its registry.
typedef struct spanpin_family spanpin_family;

// A value that rises and falls, of one set of label values. Valid as long as its registry, also when the series was removed.
typedef struct spanpin_gauge spanpin_gauge;

// Observations of one set of label values in buckets, with their sum. Valid as long as its registry, also when the series was
// removed.
typedef struct spanpin_histogram spanpin_histogram;

// A set of metric families with one segment of memory. Every function on it may be called from any thread at any
// time, except spanpin_registry_free.
typedef struct spanpin_registry spanpin_registry;

// The result of a call: SPANPIN_STATUS_OK (0) or one of the positive SPANPIN_STATUS_... numbers. A number never
// changes its meaning. Later versions may add numbers, so treat an unknown one as a failure.
typedef int32_t spanpin_status;

// The reason of a failure, in memory of the caller. Written on failure only.
typedef struct spanpin_error {
  // The status the call returned.
  int32_t code;
  // What was wrong, the offending value, what is allowed. NUL-terminated UTF-8, cut to fit.
  char message[508];
} spanpin_error;

// Text: a pointer and a length in bytes, not NUL-terminated. (NULL, 0) is the empty text, (NULL, n) an error.
// Make one with SPANPIN_STR("literal"), or with spanpin_str_of(a NUL-terminated string).
typedef struct spanpin_str {
  // The first byte. Need not be NUL-terminated.
  const char *ptr;
  // The number of bytes.
  size_t len;
} spanpin_str;

// How exemplars are chosen. Zero in a field asks for the default: that of the registry, otherwise what stands here.
// Explicit exemplars are held to the filter ALWAYS_OFF only.
typedef struct spanpin_exemplar_rules {
  // Which spans may become exemplars: SPANPIN_FILTER_... 0: TRACE_BASED.
  uint32_t filter;
  // Which offer of a window is kept: SPANPIN_POLICY_... 0: SLOWEST for histograms, UNIFORM for counters.
  uint32_t policy;
  // How many windows a bucket remembers, 4 to 19. 0: 11, which serves eight scrapers without loss.
  uint32_t slots;
  // The age in seconds after which an exemplar is not shown again, 1 to 86400; not less than the longest scrape
  // interval. 0: 90.
  uint32_t max_age_s;
  // The least value that is offered, in the unit of the metric; -DBL_TRUE_MIN for a least of 0. 0: none.
  double minimum_value;
  // The part of the offers that is kept, above 0 and at most 1. 0: all.
  double probability;
  // SPANPIN_ADAPTIVE_...: sampling by where a value lies, for histograms: every offer above the p99 of a moving window,
  // one in ten from the lower edge up to it, one in a hundred below; every one before there are 100 observations. 0: that of the
  // registry, otherwise off.
  uint32_t adaptive;
  // The length of that window in seconds, 60 to 300. 0: 120.
  uint32_t adaptive_window_s;
  // The lower edge as a part of the p99, above 0 and at most 1, with SPANPIN_ADAPTIVE_OF_P99. 0: 0.8.
  double adaptive_lower;
  // A p99 of your own in place of that of the buckets; spanpin_family_set_p99 changes it. 0: that of the buckets.
  double adaptive_p99;
} spanpin_exemplar_rules;

// How a registry is made. Zero in a field asks for the default: what the environment says, see
// spanpin_environment_check, otherwise what stands here.
typedef struct spanpin_registry_options {
  // Address space for all families and exemplars; pages become memory as they are used. 0: 256 MiB.
  size_t reserve_bytes;
  // The most memory exemplars may take. 0: 64 MiB.
  size_t exemplar_bytes;
  // Not 0: pages do not end with the registry's own spanpin_* metrics.
  uint8_t self_metrics_off;
  // How scrapers are told apart: SPANPIN_SCRAPER_IDENTITY_... 0: by address.
  uint8_t scraper_identity;
  // The exemplar label of trace ids. Empty: trace_id.
  spanpin_str trace_id_label;
  // The exemplar label of span ids. Empty: span_id.
  spanpin_str span_id_label;
  // How exemplars are chosen in families that do not say.
  spanpin_exemplar_rules rules;
  // SPANPIN_SWITCH_ON: ids in explicit exemplars keep the names that they are given under, such as traceID; their values
  // are written in the one format all the same. SPANPIN_SWITCH_OFF: every spelling becomes the two labels above. 0: OFF.
  uint8_t keep_names;
  // Where traces are found, with {trace_id} and perhaps {span_id} in it, for families that report slow requests.
  spanpin_str trace_url;
  // The path of the file that holds the segment, for processes that count together and counts that outlive a process:
  // made if there is none. Empty: SPANPIN_SEGMENT, otherwise, or with segment_off, the process' own memory. See spanpin_registry_take_segment_notice.
  spanpin_str segment;
  // The permission bits of that file; a file that allows more is not used. 0: 0600.
  uint32_t segment_mode;
  // Not 0: a segment that cannot be used, or that holds a family in another shape, is an error.
  uint8_t strict;
  // Not 0: the process' own memory, whatever SPANPIN_SEGMENT says; segment must then be empty.
  uint8_t segment_off;
} spanpin_registry_options;

// A span: who it is, and whether its trace is kept. Ids are the bytes of the wire, first byte first.
typedef struct spanpin_trace_context {
  // The trace id; not all zero.
  uint8_t trace_id[16];
  // The span id; not all zero.
  uint8_t span_id[8];
  // W3C trace flags; bit 0 is set for a sampled span. Set it when all you have is the ids.
  uint8_t flags;
} spanpin_trace_context;

// A label of an exemplar.
typedef struct spanpin_label {
  // The name. Legacy names only: [a-zA-Z_][a-zA-Z0-9_]*; a label with another name is left out.
  spanpin_str name;
  // The value. Invalid UTF-8 is replaced by U+FFFD; a label with an empty value is left out.
  spanpin_str value;
} spanpin_label;

// A request that took longer than its family's threshold. Valid during the call.
typedef struct spanpin_slow_request {
  // The name of the metric; that of a counter without _total.
  spanpin_str metric;
  // The value that was observed.
  double value;
  // The threshold that it is above.
  double threshold;
  // The span it was made in, sampled or not; NULL when there was none.
  const spanpin_trace_context *trace;
  // The first of labels_len labels of the series.
  const spanpin_label *labels;
  // The number of labels.
  size_t labels_len;
  // Where the trace is found; empty without a template or a span.
  spanpin_str trace_url;
} spanpin_slow_request;

// Functions of the program's that a family calls, each with context first. They run in the observing thread, off the hot
// path, at any time and from several threads at once; they may observe in turn. They must not unwind or jump out. What
// they fail at is counted in spanpin_callback_errors_total; the observation counts in any case. NULL for none.
typedef struct spanpin_hooks {
  // What the functions get as their first argument. This library never looks behind it; it must stay as long as the
  // registry.
  void *context;
  // Decides about what would be admitted otherwise: 0 refuses it, which is counted as dropped by filter.
  int32_t (*filter)(void *context, double value, const spanpin_trace_context *trace);
  // Adds labels to an exemplar about to be written, with spanpin_exemplar_labels_push; they come after those of the call.
  // Whoever can scrape can read them. Returns 0, or another number for an error.
  int32_t (*labels)(void *context, spanpin_exemplar_labels *labels);
  // Is told of each offer that became an exemplar, for instance to mark its span so that a tail sampler keeps the trace.
  // Returns 0, or another number for an error.
  int32_t (*admitted)(void *context, double value, const spanpin_trace_context *trace);
  // Is told of values above slow_request_threshold, sampled or not, of one in each window and series, by the calls that
  // take a span, a header or an exemplar, NULL as well. Returns 0, or another number for an error.
  int32_t (*slow_request)(void *context, const spanpin_slow_request *request);
  // The threshold, in the unit of the metric.
  double slow_request_threshold;
  // Where traces are found, with {trace_id} and perhaps {span_id} in it. Empty: that of the registry.
  spanpin_str trace_url;
} spanpin_hooks;

// What a family is to be. Zero in a field asks for the default, except kind and name, which must be given.
typedef struct spanpin_family_options {
  // SPANPIN_KIND_COUNTER, SPANPIN_KIND_GAUGE or SPANPIN_KIND_HISTOGRAM.
  uint32_t kind;
  // The name, [a-zA-Z_:][a-zA-Z0-9_:]*. A counter's may end in _total or not; the page has that once.
  spanpin_str name;
  // The help text; empty for none.
  spanpin_str help;
  // The unit; the name must then end in _ and the unit. Empty for none.
  spanpin_str unit;
  // The first of the label names; may be NULL when there are none.
  const spanpin_str *label_names;
  // The number of label names.
  size_t label_names_len;
  // The upper bounds of a histogram's buckets, strictly increasing. A last one of +Inf is implied and may be left
  // out. NULL with length 0: 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10.
  const double *bounds;
  // The number of bounds.
  size_t bounds_len;
  // How many series the family may have; what comes after them is counted by a series whose label values are all
  // spanpin_overflow. 0: 2000.
  uint32_t max_series;
  // How its exemplars are chosen.
  spanpin_exemplar_rules rules;
  // Functions of the program's that the family calls.
  spanpin_hooks hooks;
} spanpin_family_options;

// What an observation points to: a span, labels, or both. Names and values of an exemplar have room for 128 code
// points in all; over that, labels are dropped from the end, ids never.
typedef struct spanpin_exemplar {
  // The span; NULL for none.
  const spanpin_trace_context *trace;
  // The first of labels_len labels; may be NULL when that is 0.
  const spanpin_label *labels;
  // The number of labels.
  size_t labels_len;
} spanpin_exemplar;

// Where a series' words lie, for languages that count without a call. docs/segment-layout.md and spanpin_layout.h say
// which word is what. Valid as long as the registry.
typedef struct spanpin_series_view {
  // The first cell.
  void *cells;
  // The word of its state.
  void *state;
  // What that word is while observations go to these cells. Any other value: it has stripes, takes what finds no place, or was
  // removed, and a function of this header is to be called.
  uint64_t plain;
  // The first gate; NULL for a gauge.
  void *gates;
  // The header of the segment.
  void *segment;
  // The hash of the series, for the policy UNIFORM.
  uint64_t hash;
  // The number of gates: a histogram's buckets, 1 for a counter, 0 for a gauge.
  uint32_t buckets;
  // SPANPIN_KIND_...
  uint32_t kind;
  // SPANPIN_FILTER_...
  uint32_t filter;
  // SPANPIN_POLICY_...
  uint32_t policy;
  // Not 0 for the series that takes what finds no place; what it counts is tallied as overflow too.
  uint32_t overflow;
  // Not 0 when an offer that beats its window must still win a lot: spanpin_histogram_draw, spanpin_counter_draw.
  uint32_t draws;
  // The least value that is offered; NaN, which no value reaches, when none is.
  double offer_from;
} spanpin_series_view;

// Striped cells: stripes sets of the cells of a series. A thread counts in the set whose number is the upper bits of
// (what tells the thread apart + salt) * 0x9E3779B97F4A7C15. Valid as long as the registry.
typedef struct spanpin_stripes {
  // The first cell of the first set.
  void *cells;
  // Bytes from one set to the next.
  uint32_t stripe_bytes;
  // How many sets there are, a power of two.
  uint32_t stripes;
  // Tells this process from others on the segment.
  uint64_t salt;
} spanpin_stripes;

// What one process adds to a gauge: two words, a generation and behind it the sum (double). Valid as long as the registry.
typedef struct spanpin_worker_cell {
  // The first of the two words.
  void *cell;
  // The cell is this process' own while its first word holds this.
  uint64_t generation;
} spanpin_worker_cell;

// What a scraper asks for and who it is. Zero everywhere: text 0.0.4 without compression, an anonymous scraper.
// Exemplars are shown once to each scraper, so tell them apart: with a name of your own in scraper, or by the last
// four fields, from the HTTP request.
typedef struct spanpin_scrape_options {
  // The Accept header; several lines joined by commas.
  spanpin_str accept;
  // The Accept-Encoding header.
  spanpin_str accept_encoding;
  // Milliseconds after which the scrape gives up with SPANPIN_STATUS_DEADLINE. 0: never.
  uint32_t deadline_ms;
  // A name for the scraper; used instead of the fields below when not empty.
  spanpin_str scraper;
  // The User-Agent header.
  spanpin_str user_agent;
  // The X-Prometheus-Scrape-Timeout-Seconds header.
  spanpin_str scrape_timeout;
  // The path and query of the request.
  spanpin_str path;
  // The peer's address without the port.
  spanpin_str peer;
} spanpin_scrape_options;

// A page. Valid until spanpin_scrape_result_free, also after its registry was freed.
typedef struct spanpin_scrape_result {
  // The bytes of the page.
  const uint8_t *body;
  // How many there are.
  size_t body_len;
  // The value of the Content-Type header.
  spanpin_str content_type;
  // The value of the Content-Encoding header; empty for none.
  spanpin_str content_encoding;
  // Belongs to the library.
  void *owner;
} spanpin_scrape_result;

// Something to log: the registry counts elsewhere than in the file it was told to use, or a family anew beside one of
// another shape. The texts belong to the registry and stay valid as long as it.
typedef struct spanpin_segment_notice {
  // One line for a log: path, cause, what was done, remedy. Empty: there is no notice.
  spanpin_str message;
  // The value of the label reason of spanpin_segment_degraded: layout, damaged, unwritable, no_space, shape,
  // refused, file_system, memory, unsupported, per_worker. Later versions may add some.
  spanpin_str reason;
  // The path that was asked for; empty if none was.
  spanpin_str path;
  // What was found there.
  spanpin_str cause;
  // What to do about it.
  spanpin_str remedy;
} spanpin_segment_notice;

// One exemplar of a list.
typedef struct spanpin_exemplar_record {
  // The value that was observed.
  double value;
  // When, in Unix milliseconds.
  uint64_t timestamp_ms;
  // The span it points to. An id that it does not have is all zero.
  spanpin_trace_context trace;
  // The first of labels_len labels beside the ids.
  const spanpin_label *labels;
  // How many there are.
  size_t labels_len;
} spanpin_exemplar_record;

// Exemplars of one series, newest first. Valid until spanpin_exemplar_list_free, also after its registry was freed.
typedef struct spanpin_exemplar_list {
  // The first of exemplars_len exemplars.
  const spanpin_exemplar_record *exemplars;
  // How many there are.
  size_t exemplars_len;
  // Belongs to the library.
  void *owner;
} spanpin_exemplar_list;

// The call did what it says.
#define SPANPIN_STATUS_OK 0

// A pointer that must not be NULL is NULL: a handle, an out-parameter, or an array of a length above 0.
#define SPANPIN_STATUS_NULL_POINTER 1

// Text that must be UTF-8 is not.
#define SPANPIN_STATUS_INVALID_UTF8 2

// A metric name does not match [a-zA-Z_:][a-zA-Z0-9_:]*.
#define SPANPIN_STATUS_INVALID_NAME 3

// The registry already has a family of this name.
#define SPANPIN_STATUS_DUPLICATE_NAME 4

// A label name starts with __, or is le on a histogram.
#define SPANPIN_STATUS_RESERVED_LABEL 5

// A label name does not match [a-zA-Z_][a-zA-Z0-9_]*.
#define SPANPIN_STATUS_INVALID_LABEL_NAME 6

// A label name is given twice.
#define SPANPIN_STATUS_DUPLICATE_LABEL 7

// The number of label values differs from the number of label names.
#define SPANPIN_STATUS_LABEL_COUNT 8

// Bucket bounds are not strictly increasing, or one is NaN.
#define SPANPIN_STATUS_INVALID_BOUNDS 9

// A unit is malformed, or is not the suffix of the family name.
#define SPANPIN_STATUS_INVALID_UNIT 10

// A sample name the family would write belongs to another family.
#define SPANPIN_STATUS_NAME_CLASH 11

// The family exists with another shape.
#define SPANPIN_STATUS_SHAPE_MISMATCH 12

// A traceparent does not follow W3C Trace Context.
#define SPANPIN_STATUS_INVALID_TRACEPARENT 13

// A trace id is all zero.
#define SPANPIN_STATUS_INVALID_TRACE_ID 14

// A span id is all zero.
#define SPANPIN_STATUS_INVALID_SPAN_ID 15

// An option has a value that is not allowed.
#define SPANPIN_STATUS_INVALID_OPTION 16

// Memory could not be allocated.
#define SPANPIN_STATUS_OUT_OF_MEMORY 17

// The registry's segment has no room left.
#define SPANPIN_STATUS_SEGMENT_FULL 18

// A scrape took longer than its deadline.
#define SPANPIN_STATUS_DEADLINE 19

// A handle is of another kind: a counter's family where a histogram's is wanted.
#define SPANPIN_STATUS_WRONG_KIND 20

// An argument is outside its allowed range.
#define SPANPIN_STATUS_INVALID_ARGUMENT 21

// Not available on this platform or in this build.
#define SPANPIN_STATUS_UNSUPPORTED 22

// A registry was asked to be strict, and its segment file cannot be used.
#define SPANPIN_STATUS_SEGMENT_UNUSABLE 23

// Text from a string literal.
#ifdef __cplusplus
#define SPANPIN_STR(literal) (spanpin_str{"" literal, sizeof(literal) - 1})
#else
#define SPANPIN_STR(literal) ((spanpin_str){"" literal, sizeof(literal) - 1})
#endif

// Text from a NUL-terminated string; NULL gives the empty text. The string must stay valid while the text is used.
static inline spanpin_str spanpin_str_of(const char *text)
{
  spanpin_str made = {text, text == NULL ? 0 : strlen(text)};
  return made;
}

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library in use, such as "0.1.0"; compare it with SPANPIN_VERSION, the version of the header.
// Threads: any. Allocates: never. Ownership: the text is constant, do not free it. Returns: never NULL. Since: 0.1.
const char *spanpin_version(void);

// The ABI version of the library in use; must equal SPANPIN_ABI_VERSION of the header.
// Threads: any. Allocates: never. Returns: the number. Since: 0.1.
uint32_t spanpin_abi_version(void);

// One sentence for a status, the same for every error of that number; spanpin_error.message says more.
// An unknown number gives "unknown status". Threads: any. Allocates: never. Ownership: the text is constant, do not
// free it. Returns: never NULL. Since: 0.1.
const char *spanpin_status_message(spanpin_status status);

// Whether the environment variables that registries take defaults from have values that are allowed:
// OTEL_METRICS_EXEMPLAR_FILTER and the SPANPIN_... ones of docs/c-abi.md. A value that is not allowed is passed over when
// a registry is made, so that a program always starts; log what this call says. Do not change the environment while it
// runs. Threads: any. Allocates: for the message. Returns: SPANPIN_STATUS_OK, INVALID_OPTION naming each variable that
// is wrong, also one that is not UTF-8. Since: 0.1.
spanpin_status spanpin_environment_check(spanpin_error *error);

// Whether the environment asks for spans to be marked, for bindings that mark them. Threads: any. Allocates: never.
// Returns: 1 or 0; 0 for NULL. Since: 0.1.
int32_t spanpin_registry_marks_spans(spanpin_registry *registry);

// Makes a registry. options may be NULL for the defaults; see spanpin_environment_check for those of the process.
// Threads: any. Allocates: address space for reserve_bytes, of which pages become memory as they are used. Ownership:
// free *out with spanpin_registry_free.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER (out), INVALID_OPTION, OUT_OF_MEMORY; with strict also
// SEGMENT_UNUSABLE for a segment file that cannot be used. Since: 0.1.
spanpin_status spanpin_registry_new(const spanpin_registry_options *options,
                                    spanpin_registry **out,
                                    spanpin_error *error);

// The process's own registry, made with the defaults of the process on the first call. Threads: any. Allocates: on the first
// call. Ownership: never freed; spanpin_registry_free leaves it alone. Returns: NULL when out of memory. Since: 0.1.
spanpin_registry *spanpin_registry_default(void);

// Frees a registry with its families, histograms, counters and gauges; NULL and the default registry are left alone.
// Pages it wrote stay valid. Threads: only when no other thread uses the registry or anything of it.
// Ownership: takes registry. Since: 0.1.
void spanpin_registry_free(spanpin_registry *registry);

// Replaces the registry's clocks, for tests: from now on the time is what this says, in Unix milliseconds and in
// monotonic milliseconds, until the next call. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_registry_set_clock(spanpin_registry *registry, uint64_t wall_ms, uint64_t mono_ms);

// Adds a label to an exemplar, from the function labels of spanpin_hooks. It obeys the same limits as labels of a call:
// 128 code points with the ids, the first of a name wins, a name must match [a-zA-Z_][a-zA-Z0-9_]*. Text that is not
// UTF-8 is an error. Threads: that of the call. Allocates: never. Ownership: the texts are copied.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER, INVALID_UTF8. Since: 0.1.
spanpin_status spanpin_exemplar_labels_push(spanpin_exemplar_labels *labels,
                                            spanpin_str name,
                                            spanpin_str value);

// Registers a family: makes its name known and gives it a place on every page, in the order of registration. A family
// without labels has its one series from now on. Threads: any. Allocates: yes. Ownership: *out lives as long as the
// registry; options is read during the call.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER, INVALID_UTF8, INVALID_NAME, DUPLICATE_NAME, NAME_CLASH, INVALID_LABEL_NAME,
// RESERVED_LABEL, DUPLICATE_LABEL, INVALID_BOUNDS, INVALID_UNIT, INVALID_OPTION, SEGMENT_FULL, OUT_OF_MEMORY.
// Since: 0.1.
spanpin_status spanpin_family_register(spanpin_registry *registry,
                                       const spanpin_family_options *options,
                                       spanpin_family **out,
                                       spanpin_error *error);

// Sets the p99 of adaptive sampling in place of that of the buckets, which comes back with NaN or an infinity. A family
// that does not sample adaptively is left as it is. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_family_set_p99(const spanpin_family *family, double p99);

// Removes the series of these label values from the page, with all that it has counted and its exemplars. *removed is 1 if
// there was one, else 0; the overflow series stays, and so does that of a family without labels. Pointers to it stay valid as
// long as the registry: what is recorded through them from here on goes to the overflow series, without exemplars. The same
// values begin anew, with another pointer. The memory of a removed series is used again for others of its family, ten
// seconds later, or sooner when there is no other space; a pointer takes no memory. Threads: any. Allocates: seldom.
// Ownership: values are read during the call; removed may be NULL. Returns: SPANPIN_STATUS_OK, NULL_POINTER,
// LABEL_COUNT, OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_family_remove(const spanpin_family *family,
                                     const spanpin_str *values,
                                     size_t values_len,
                                     int32_t *removed,
                                     spanpin_error *error);

// Removes all series of a family, as spanpin_family_remove does. Threads: any. Allocates: seldom.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER, OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_family_clear(const spanpin_family *family, spanpin_error *error);

// The histogram of these label values, made on the first call: the same values give the same pointer. Values stand
// in the order of the family's label names; an empty one leaves its label out of the page, invalid UTF-8 is replaced
// by U+FFFD. When the family has max_series of them, or memory is short, all further ones share the overflow
// series. Keep the pointer where you can. Threads: any; a known one is found without a lock. Allocates: for new ones.
// Ownership: *out lives as long as the registry. Returns: SPANPIN_STATUS_OK, NULL_POINTER, LABEL_COUNT, WRONG_KIND,
// OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_histogram_with(const spanpin_family *family,
                                      const spanpin_str *values,
                                      size_t values_len,
                                      spanpin_histogram **out,
                                      spanpin_error *error);

// Counts value in its bucket and adds it to the sum; no exemplar. The value is in the base unit of the name, such as
// seconds. NaN is counted in a self-metric only; negative values and infinities are counted. Threads: any, without a
// lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER (histogram). Since: 0.1.
spanpin_status spanpin_histogram_observe(const spanpin_histogram *histogram, double value);

// Counts value and offers a span, with labels if you like, as the exemplar of its bucket. The family's filter and
// policy decide; with the defaults the sampled span of the greatest value since the last scrape is kept. NULL for
// offer, or a NULL span in it, only counts. NaN, negative values: as in spanpin_histogram_observe; infinities are
// counted and not offered. Labels over 128 code points, ids included, are dropped from the end. Threads: any, without a lock.
// Allocates: only for a label that is not UTF-8. Ownership: offer is read during the call. Returns: SPANPIN_STATUS_OK;
// NULL_POINTER, without counting when histogram is NULL; after counting: NULL_POINTER (labels), INVALID_TRACE_ID,
// INVALID_SPAN_ID. Since: 0.1.
spanpin_status spanpin_histogram_observe_trace(const spanpin_histogram *histogram,
                                               double value,
                                               const spanpin_exemplar *offer);

// Counts value and offers the span of a W3C traceparent header, whose sampled flag counts. What is malformed costs
// the exemplar and not the observation. Edge values: as in spanpin_histogram_observe_trace. Threads: any, without a
// lock. Allocates: only for the refusal of a malformed header. Ownership: traceparent is read during the call.
// Returns: SPANPIN_STATUS_OK; NULL_POINTER, without counting when histogram is NULL; after counting: NULL_POINTER
// (traceparent), INVALID_TRACEPARENT. Since: 0.1.
spanpin_status spanpin_histogram_observe_traceparent(const spanpin_histogram *histogram,
                                                     double value,
                                                     const char *traceparent,
                                                     size_t traceparent_len);

// Counts value with an exemplar of your choice: it skips the rule of the window, the latest one wins, and it outranks
// offers. Ids are recognised among the labels: docs/c-abi.md has the spellings. NULL, or an exemplar without
// span and labels, only counts; the filter ALWAYS_OFF drops it. Labels over 128 code points, ids included, are
// dropped from the end. Edge values: as in spanpin_histogram_observe_trace. Threads: any, without a lock. Allocates:
// only for a label that is not UTF-8. Ownership: exemplar is read during the call. Returns: as
// spanpin_histogram_observe_trace. Since: 0.1.
spanpin_status spanpin_histogram_observe_exemplar(const spanpin_histogram *histogram,
                                                  double value,
                                                  const spanpin_exemplar *exemplar);

// Where the histogram's words lie, for languages that count without a call. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_histogram_view(const spanpin_histogram *histogram, spanpin_series_view *out);

// The striped cells of the histogram, for languages that count without a call. A series has them once its updates kept meeting
// one another; they count beside the cells of the view, for ever, and a reader adds all of them, the view's first. wish:
// 0 those that there are; 1 some, because the caller's updates keep meeting others in the view's cells; 2 another salt,
// because they do in a stripe. Threads: any, without a lock. Allocates: in the segment only. Returns: 1 if *out was
// written; 0 if there are none, or for NULL. Since: 0.1.
int32_t spanpin_histogram_stripes(const spanpin_histogram *histogram,
                                  uint32_t wish,
                                  spanpin_stripes *out);

// Offers the span of an observation that the caller has counted in the segment itself, after it has looked at the
// bucket's gate, the budget and the filters. seed is the bucket's count before. Ids are big-endian numbers: bytes 0 to 7
// and 8 to 15 of the trace id, the 8 bytes of the span id. Ids of zero and a bucket that does not exist are ignored.
// Threads: any. Allocates: never. Returns: 1 if the exemplar was written, otherwise 0. Since: 0.1.
int32_t spanpin_histogram_offer(const spanpin_histogram *histogram,
                                uint32_t bucket,
                                double value,
                                uint64_t seed,
                                uint64_t trace_high,
                                uint64_t trace_low,
                                uint64_t span,
                                uint32_t flags);

// spanpin_histogram_offer with labels besides: of offer the span and the labels are taken. Labels over 128 code points are
// dropped from the end. Threads: any. Allocates: only for a label that is not UTF-8. Returns: 1 if the exemplar was
// written, otherwise 0. Since: 0.1.
int32_t spanpin_histogram_offer_labels(const spanpin_histogram *histogram,
                                       uint32_t bucket,
                                       double value,
                                       uint64_t seed,
                                       const spanpin_exemplar *offer);

// The lot of an offer whose gate passed, when the view says that the family draws: adaptive sampling and probability. Comes
// before the budget and the look at the span. Threads: any. Allocates: never. Returns: 1 to go on; 0, and counted as dropped
// by filter, to leave it. Since: 0.1.
int32_t spanpin_histogram_draw(const spanpin_histogram *histogram,
                               uint32_t bucket,
                               double value,
                               uint64_t seed);

// spanpin_histogram_observe_exemplar of ids only, which come as numbers, for languages that cannot pass pointers cheaply.
// Ids are as in spanpin_histogram_offer; with an id of zero the value is counted and the exemplar dropped. Threads: any,
// without a lock. Allocates: never. A NULL histogram does nothing. Since: 0.1.
void spanpin_histogram_observe_exemplar_ids(const spanpin_histogram *histogram,
                                            double value,
                                            uint64_t trace_high,
                                            uint64_t trace_low,
                                            uint64_t span,
                                            uint32_t flags);

// Closes the window in which exemplars compete if nobody has for ten seconds, and brings the p99 of adaptive sampling up
// to date if that is a second old; for direct recording.
// Threads: any. Allocates: never. A NULL histogram does nothing. Since: 0.1.
void spanpin_histogram_turn(const spanpin_histogram *histogram);

// The counter of these label values, made on the first call: the same values give the same pointer. Values stand
// in the order of the family's label names; an empty one leaves its label out of the page, invalid UTF-8 is replaced
// by U+FFFD. When the family has max_series of them, or memory is short, all further ones share the overflow
// series. Keep the pointer where you can. Threads: any; a known one is found without a lock. Allocates: for new ones.
// Ownership: *out lives as long as the registry. Returns: SPANPIN_STATUS_OK, NULL_POINTER, LABEL_COUNT, WRONG_KIND,
// OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_counter_with(const spanpin_family *family,
                                    const spanpin_str *values,
                                    size_t values_len,
                                    spanpin_counter **out,
                                    spanpin_error *error);

// Adds 1; no exemplar. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER
// (counter). Since: 0.1.
spanpin_status spanpin_counter_inc(const spanpin_counter *counter);

// Adds amount; no exemplar. Whole amounts add up exactly to 2^64. A negative one, NaN and infinities add nothing
// and are counted in a self-metric. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK,
// NULL_POINTER (counter). Since: 0.1.
spanpin_status spanpin_counter_add(const spanpin_counter *counter, double amount);

// Adds amount and offers a span, with labels if you like, as the counter's exemplar. The family's filter and policy
// decide; with the defaults each addition of a sampled span since the last scrape has the same chance. NULL for offer,
// or a NULL span in it, only adds. Amounts: as in spanpin_counter_add. Labels over 128 code points, ids included, are
// dropped from the end. Threads: any, without a lock. Allocates: only for a label that is not UTF-8. Ownership: offer is
// read during the call. Returns: SPANPIN_STATUS_OK; NULL_POINTER, without adding when counter is NULL; after
// adding: NULL_POINTER (labels), INVALID_TRACE_ID, INVALID_SPAN_ID. Since: 0.1.
spanpin_status spanpin_counter_add_trace(const spanpin_counter *counter,
                                         double amount,
                                         const spanpin_exemplar *offer);

// Adds amount and offers the span of a W3C traceparent header, whose sampled flag counts. What is malformed costs
// the exemplar and not the addition. Amounts: as in spanpin_counter_add. Threads: any, without a lock. Allocates:
// only for the refusal of a malformed header. Ownership: traceparent is read during the call. Returns:
// SPANPIN_STATUS_OK; NULL_POINTER, without adding when counter is NULL; after adding: NULL_POINTER (traceparent),
// INVALID_TRACEPARENT. Since: 0.1.
spanpin_status spanpin_counter_add_traceparent(const spanpin_counter *counter,
                                               double amount,
                                               const char *traceparent,
                                               size_t traceparent_len);

// Adds amount with an exemplar of your choice: it skips the rule of the window, the latest one wins, and it outranks
// offers. Ids are recognised among the labels: docs/c-abi.md has the spellings. NULL, or an exemplar without
// span and labels, only adds; the filter ALWAYS_OFF drops it. Amounts: as in spanpin_counter_add. Labels over 128 code
// points, ids included, are dropped from the end. Threads: any, without a lock. Allocates: only for a label that is not
// UTF-8. Ownership: exemplar is read during the call. Returns: as spanpin_counter_add_trace. Since: 0.1.
spanpin_status spanpin_counter_add_exemplar(const spanpin_counter *counter,
                                            double amount,
                                            const spanpin_exemplar *exemplar);

// Where the counter's words lie, for languages that count without a call. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_counter_view(const spanpin_counter *counter, spanpin_series_view *out);

// The striped cells of the counter, for languages that count without a call. A series has them once its updates kept meeting
// one another; they count beside the cells of the view, for ever, and a reader adds all of them, the view's first. wish:
// 0 those that there are; 1 some, because the caller's updates keep meeting others in the view's cells; 2 another salt,
// because they do in a stripe. Threads: any, without a lock. Allocates: in the segment only. Returns: 1 if *out was
// written; 0 if there are none, or for NULL. Since: 0.1.
int32_t spanpin_counter_stripes(const spanpin_counter *counter,
                                uint32_t wish,
                                spanpin_stripes *out);

// Offers the span of an addition that the caller has made in the segment itself, after it has looked at the gate, the
// budget and the filters. seed is the number of additions of this form before. Ids are big-endian numbers: bytes 0 to 7
// and 8 to 15 of the trace id, the 8 bytes of the span id. Ids of zero are ignored.
// Threads: any. Allocates: never. Returns: 1 if the exemplar was written, otherwise 0. Since: 0.1.
int32_t spanpin_counter_offer(const spanpin_counter *counter,
                              double amount,
                              uint64_t seed,
                              uint64_t trace_high,
                              uint64_t trace_low,
                              uint64_t span,
                              uint32_t flags);

// spanpin_counter_offer with labels besides: of offer the span and the labels are taken. Labels over 128 code points are
// dropped from the end. Threads: any. Allocates: only for a label that is not UTF-8. Returns: 1 if the exemplar was
// written, otherwise 0. Since: 0.1.
int32_t spanpin_counter_offer_labels(const spanpin_counter *counter,
                                     double amount,
                                     uint64_t seed,
                                     const spanpin_exemplar *offer);

// The lot of an offer whose gate passed, when the view says that the family draws: adaptive sampling and probability. Comes
// before the budget and the look at the span. Threads: any. Allocates: never. Returns: 1 to go on; 0, and counted as dropped
// by filter, to leave it. Since: 0.1.
int32_t spanpin_counter_draw(const spanpin_counter *counter,
                             double amount,
                             uint64_t seed);

// spanpin_counter_add_exemplar of ids only, which come as numbers, for languages that cannot pass pointers cheaply. Ids
// are as in spanpin_counter_offer; with an id of zero the amount is added and the exemplar dropped. Threads: any, without
// a lock. Allocates: never. A NULL counter does nothing. Since: 0.1.
void spanpin_counter_add_exemplar_ids(const spanpin_counter *counter,
                                      double amount,
                                      uint64_t trace_high,
                                      uint64_t trace_low,
                                      uint64_t span,
                                      uint32_t flags);

// Closes the window in which exemplars compete if nobody has for ten seconds; for direct recording.
// Threads: any. Allocates: never. A NULL counter does nothing. Since: 0.1.
void spanpin_counter_turn(const spanpin_counter *counter);

// The gauge of these label values, made on the first call: the same values give the same pointer. Values stand
// in the order of the family's label names; an empty one leaves its label out of the page, invalid UTF-8 is replaced
// by U+FFFD. When the family has max_series of them, or memory is short, all further ones share the overflow
// series. Keep the pointer where you can. Threads: any; a known one is found without a lock. Allocates: for new ones.
// Ownership: *out lives as long as the registry. Returns: SPANPIN_STATUS_OK, NULL_POINTER, LABEL_COUNT, WRONG_KIND,
// OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_gauge_with(const spanpin_family *family,
                                  const spanpin_str *values,
                                  size_t values_len,
                                  spanpin_gauge **out,
                                  spanpin_error *error);

// Sets the gauge. Every value is allowed, NaN and infinities too. Threads: any, without a lock. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER (gauge). Since: 0.1.
spanpin_status spanpin_gauge_set(const spanpin_gauge *gauge, double value);

// Adds to the gauge; a negative amount lowers it. Every amount is allowed; a gauge that was set to NaN stays NaN until
// it is set again. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER
// (gauge). Since: 0.1.
spanpin_status spanpin_gauge_add(const spanpin_gauge *gauge, double amount);

// The gauge's value. In a segment in a file, while nothing but adding has been done: the sum of what the living processes
// added, which asks the system about each of them. Threads: any, without a lock. Allocates: never. Returns:
// SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_gauge_value(const spanpin_gauge *gauge,
                                   double *out);

// Where this process adds to the gauge, for languages that count without a call. Such a caller sets a gauge by a store to
// the value word, then, unless the mode word holds SPANPIN_LAYOUT_GAUGE_MODE_SHARED, one of that number to the mode word. It
// adds to the value word while the mode word holds that number; else to the second word of this cell while its first
// word holds generation; else by spanpin_gauge_add, whereupon it may ask again. Threads: any. Allocates: in the segment
// only. Returns: 1 if *out was written; 0 if there is no such cell, or for NULL. Since: 0.1.
int32_t spanpin_gauge_cell(const spanpin_gauge *gauge,
                           spanpin_worker_cell *out);

// Where the gauge's words lie, for languages that count without a call. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_gauge_view(const spanpin_gauge *gauge, spanpin_series_view *out);

// Reads a W3C traceparent header. Strict, as W3C says: lower-case digits, no all-zero id, version 00 is exactly 55
// bytes, of a later version the first 55 count, version ff is refused. Threads: any. Allocates: only for the message
// of an error. Ownership: text is read during the call. Returns: SPANPIN_STATUS_OK, NULL_POINTER,
// INVALID_TRACEPARENT. Since: 0.1.
spanpin_status spanpin_trace_context_parse(const char *text,
                                           size_t text_len,
                                           spanpin_trace_context *out,
                                           spanpin_error *error);

// Writes what the registry has recorded, in the format the scraper accepts: OpenMetrics 1.0, which alone has
// exemplars, or Prometheus text 0.0.4. options may be NULL: text, uncompressed, an anonymous scraper.
// An OpenMetrics scrape closes the window in which the exemplars compete. Threads: any, also at once.
// Allocates: the page. Ownership: release *out with spanpin_scrape_result_free.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER (registry, out), INVALID_UTF8, OUT_OF_MEMORY, DEADLINE. Since: 0.1.
spanpin_status spanpin_scrape(spanpin_registry *registry,
                              const spanpin_scrape_options *options,
                              spanpin_scrape_result *out,
                              spanpin_error *error);

// Releases a page and clears *result, so a second call does nothing; NULL is allowed. Threads: any, one at a time
// for one page. Ownership: takes the page. Since: 0.1.
void spanpin_scrape_result_free(spanpin_scrape_result *result);

// Takes a notice that was not taken before; one for each reason at most. Ask after the registry is made, after
// registrations and after scrapes, until out->message.len is 0. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_registry_take_segment_notice(spanpin_registry *registry,
                                                    spanpin_segment_notice *out);

// The path of the file in which a registry counts, which may be one beside the file asked for; empty for one that counts
// in the process' own memory. The text is valid as long as the registry. Threads: any. Allocates: never.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
spanpin_status spanpin_registry_segment_path(spanpin_registry *registry,
                                             spanpin_str *out);

// Every exemplar that the histogram's buckets hold, newest first: up to slots winners for each bucket, whatever their age.
// Takes nothing from any scraper. Threads: any. Allocates: the list. Ownership: release *out with
// spanpin_exemplar_list_free. Returns: SPANPIN_STATUS_OK, NULL_POINTER, OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_histogram_exemplars(const spanpin_histogram *histogram,
                                           spanpin_exemplar_list *out,
                                           spanpin_error *error);

// Every exemplar that the counter holds, newest first. All else: as spanpin_histogram_exemplars. Since: 0.1.
spanpin_status spanpin_counter_exemplars(const spanpin_counter *counter,
                                         spanpin_exemplar_list *out,
                                         spanpin_error *error);

// Releases a list and clears *list, so a second call does nothing; NULL is allowed. Threads: any, one at a time for one
// list. Ownership: takes the list. Since: 0.1.
void spanpin_exemplar_list_free(spanpin_exemplar_list *list);

// Writes every exemplar that the registry holds as JSON, in the shape of Prometheus' answer to query_exemplars: for each
// sample its labels and its exemplars, oldest first. Takes nothing from any scraper. Threads: any. Allocates: the page.
// Ownership: release *out with spanpin_scrape_result_free.
// Returns: SPANPIN_STATUS_OK, NULL_POINTER, OUT_OF_MEMORY. Since: 0.1.
spanpin_status spanpin_exemplars_json(spanpin_registry *registry,
                                      spanpin_scrape_result *out,
                                      spanpin_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPANPIN_H */
