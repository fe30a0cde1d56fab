// Replays the conformance cases through the C interface: runner OPS_FILE OUTPUT_DIR
// OPS_FILE is written by flatten.py, which says what the fields of a line are.
#define _GNU_SOURCE
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAMILIES = 64, LIST = 128 };
static spanpin_registry *registry;
static struct {
  uint32_t kind;
  spanpin_family *made;
} families[FAMILIES];
static size_t families_len;
static FILE *openmetrics, *prometheus, *history;
static char *fields; // what is left of the line

static char *word(void) { return strsep(&fields, "\t\n"); }
static uint64_t number(void) { return strtoull(word(), NULL, 10); }
static uint32_t count(void) { return (uint32_t)number(); }
static double real(void) { return strtod(word(), NULL); }

// A text field, decoded in place.
static spanpin_str text(void)
{
  char *hex = word();
  size_t len = strlen(hex) / 2;
  for (size_t i = 0; i < len; i++)
    sscanf(hex + 2 * i, "%2hhx", (unsigned char *)hex + i);
  return (spanpin_str){hex, len};
}

static size_t texts(spanpin_str *list)
{
  size_t len = count();
  for (size_t i = 0; i < len && i < LIST; i++)
    list[i] = text();
  return len;
}

static spanpin_exemplar_rules rules(void)
{
  spanpin_exemplar_rules r = {.slots = count()};
  r.max_age_s = count(), r.minimum_value = real(), r.probability = real(), r.adaptive = count();
  r.adaptive_window_s = count(), r.adaptive_lower = real(), r.adaptive_p99 = real();
  return r;
}

static spanpin_status do_register(void)
{
  spanpin_str labels[LIST];
  double bounds[LIST];
  spanpin_family_options o = {.kind = count()};
  o.name = text(), o.help = text(), o.unit = text();
  uint32_t filter = count(), policy = count();
  o.max_series = count(), o.rules = rules(), o.rules.filter = filter, o.rules.policy = policy;
  o.label_names = labels, o.label_names_len = texts(labels);
  long len = atol(word());
  for (long i = 0; i < len && i < LIST; i++)
    bounds[i] = real();
  if (len >= 0)
    o.bounds = bounds, o.bounds_len = (size_t)len;
  families[families_len].kind = o.kind;
  spanpin_status status = spanpin_family_register(registry, &o, &families[families_len].made, NULL);
  families_len += status == SPANPIN_STATUS_OK;
  return status;
}

// What an observation brings along does not make it fail, so only the look-up of the series has a status.
#define RECORD(KIND, VERB)                                                                        \
  spanpin_##KIND *handle;                                                                         \
  spanpin_status status = spanpin_##KIND##_with(families[family].made, values, values_len, &handle, NULL); \
  for (uint32_t i = 0; i < repeat && status == SPANPIN_STATUS_OK; i++)                            \
    source == 't'   ? spanpin_##KIND##_##VERB##_trace(handle, value, &exemplar)                   \
    : source == 'e' ? spanpin_##KIND##_##VERB##_exemplar(handle, value, &exemplar)                \
    : source == 'h' ? spanpin_##KIND##_##VERB##_traceparent(handle, value, header.ptr, header.len) \
                    : spanpin_##KIND##_##VERB(handle, value);                                     \
  return status

static spanpin_status do_record(const char *op)
{
  uint32_t family = count();
  spanpin_str values[LIST], parts[LIST];
  spanpin_label labels[LIST / 2];
  spanpin_trace_context trace = {0};
  size_t values_len = texts(values);
  uint32_t repeat = count();
  double value = real();
  char source = *word();
  spanpin_str header = text(), trace_id = text(), span_id = text();
  memcpy(trace.trace_id, trace_id.ptr, trace_id.len), memcpy(trace.span_id, span_id.ptr, span_id.len);
  trace.flags = (uint8_t)count();
  size_t labels_len = texts(parts) / 2;
  for (size_t i = 0; i < labels_len; i++)
    labels[i] = (spanpin_label){parts[2 * i], parts[2 * i + 1]};
  spanpin_exemplar exemplar = {source == 't' ? &trace : NULL, labels, labels_len};
  if (families[family].kind == SPANPIN_KIND_HISTOGRAM) {
    RECORD(histogram, observe);
  } else if (families[family].kind == SPANPIN_KIND_COUNTER) {
    RECORD(counter, add);
  }
  spanpin_gauge *gauge;
  spanpin_status status = spanpin_gauge_with(families[family].made, values, values_len, &gauge, NULL);
  if (status == SPANPIN_STATUS_OK)
    (strcmp(op, "set") ? spanpin_gauge_add : spanpin_gauge_set)(gauge, value);
  return status;
}

static spanpin_status do_scrape(void)
{
  int is_text = strcmp(word(), "text") == 0;
  const char *accept = is_text ? "text/plain" : "application/openmetrics-text";
  spanpin_scrape_options options = {.accept = {accept, strlen(accept)}, .scraper = text()};
  options.user_agent = text(), options.scrape_timeout = text(), options.path = text(), options.peer = text();
  spanpin_scrape_result result = {0};
  spanpin_status status = spanpin_scrape(registry, &options, &result, NULL);
  if (status == SPANPIN_STATUS_OK)
    fwrite(result.body, 1, result.body_len, is_text ? prometheus : openmetrics);
  fputs(is_text ? "# ---\n" : "", prometheus);
  spanpin_scrape_result_free(&result);
  return status;
}

static spanpin_status do_history(void)
{
  spanpin_scrape_result result = {0};
  spanpin_status status = spanpin_exemplars_json(registry, &result, NULL);
  if (status == SPANPIN_STATUS_OK)
    fwrite(result.body, 1, result.body_len, history);
  spanpin_scrape_result_free(&result);
  return status;
}

static spanpin_status do_set_p99(void)
{
  uint32_t family = count();
  return spanpin_family_set_p99(families[family].made, real());
}

static spanpin_status do_remove(void)
{
  uint32_t family = count();
  spanpin_str values[LIST];
  size_t values_len = texts(values);
  return spanpin_family_remove(families[family].made, values, values_len, NULL, NULL);
}

static spanpin_status do_clear(void) { return spanpin_family_clear(families[count()].made, NULL); }

static void set_clock(void)
{
  uint64_t wall_ms = number();
  spanpin_registry_set_clock(registry, wall_ms, number());
}

static spanpin_status make_registry(spanpin_registry_options options)
{
  spanpin_registry_free(registry);
  registry = NULL;
  families_len = 0;
  spanpin_status status = spanpin_registry_new(&options, &registry, NULL);
  spanpin_registry_set_clock(registry, 1700000000000, 1000000);
  return status;
}

static spanpin_status do_registry(void)
{
  spanpin_registry_options options = {.self_metrics_off = !count()};
  options.keep_names = (uint8_t)count(), options.scraper_identity = (uint8_t)count();
  if (!count())
    return make_registry(options);
  char folder[] = "/tmp/conformance-XXXXXX", path[64];
  snprintf(path, sizeof path, "%s/segment", mkdtemp(folder));
  options.segment = spanpin_str_of(path), options.strict = 1;
  spanpin_status status = make_registry(options);
  // The file may lose its name at once: nobody else comes.
  unlink(path), rmdir(folder);
  return status;
}

static FILE *stream(FILE *before, const char *folder, const char *name, const char *kind)
{
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.%s.txt", folder, name, kind);
  return freopen(path, "wb", before ? before : tmpfile());
}

static spanpin_status begin(const char *folder, const char *name)
{
  openmetrics = stream(openmetrics, folder, name, "om");
  prometheus = stream(prometheus, folder, name, "prom");
  history = stream(history, folder, name, "history");
  return make_registry((spanpin_registry_options){.self_metrics_off = 1});
}

static spanpin_status do_one(const char *op)
{
  if (strcmp(op, "clock") == 0)
    return set_clock(), SPANPIN_STATUS_OK;
  return strcmp(op, "register") == 0   ? do_register()
         : strcmp(op, "registry") == 0 ? do_registry()
         : strcmp(op, "scrape") == 0   ? do_scrape()
         : strcmp(op, "history") == 0  ? do_history()
         : strcmp(op, "set_p99") == 0  ? do_set_p99()
         : strcmp(op, "remove") == 0   ? do_remove()
         : strcmp(op, "clear") == 0    ? do_clear()
                                       : do_record(op);
}

int main(int argc, char **argv)
{
  FILE *ops = argc == 3 ? fopen(argv[1], "rb") : NULL;
  char *line = NULL;
  for (size_t size = 0; ops && getline(&line, &size, ops) > 0;) {
    fields = line;
    const char *op = word(), *error = word(); // of a case, error is its name
    int is_case = strcmp(op, "case") == 0;
    spanpin_status status = is_case ? begin(argv[2], error) : do_one(op);
    if (status != (is_case ? 0 : atoi(error)))
      fprintf(openmetrics, "%s ended in %d\n", op, status);
  }
  return ops ? 0 : 2;
}
