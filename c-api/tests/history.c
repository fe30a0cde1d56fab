// What the rings hold comes out as a list and as JSON; both outlive their registry and may be released twice.
// With the argument "json" the program prints a document and, behind it, what it recorded, for a real JSON reader.
#include <math.h>
#include <spanpin.h>

#include "bed.h"

static const double bounds[] = {1, 10};

static spanpin_family *labelled(const struct bed *bed, uint32_t kind, const char *name)
{
  static const spanpin_str names[] = {{"route", 5}, {"empty", 5}};
  spanpin_family_options options = {
      .kind = kind, .name = spanpin_str_of(name), .label_names = names, .label_names_len = 2};
  if (kind == SPANPIN_KIND_HISTOGRAM)
    options.bounds = bounds, options.bounds_len = 2;
  return register_family(bed, options);
}

static int is_label(const spanpin_label *label, const char *name, const char *value)
{
  return label->name.len == strlen(name) && memcmp(label->name.ptr, name, label->name.len) == 0 &&
         label->value.len == strlen(value) && memcmp(label->value.ptr, value, label->value.len) == 0;
}

static void lists(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_of(register_family(
      &bed, (spanpin_family_options){
                .kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("h"), .bounds = bounds, .bounds_len = 2}));
  spanpin_exemplar_list list = {(const spanpin_exemplar_record *)&bed, 9, &bed};
  CHECK_STATUS(spanpin_histogram_exemplars(histogram, &list, NULL), SPANPIN_STATUS_OK);
  CHECK(list.exemplars_len == 0);
  spanpin_exemplar_list_free(&list);

  enum { COUNT = 7 };
  for (unsigned i = 1; i <= COUNT; i++) {
    char number[8];
    snprintf(number, sizeof number, "%u", i);
    const spanpin_trace_context context = span(i);
    const spanpin_label labels[] = {{SPANPIN_STR("n"), spanpin_str_of(number)}, {SPANPIN_STR("odd"), SPANPIN_STR("\xff\"")}};
    const spanpin_exemplar offer = {&context, labels, i % 3};
    CHECK_STATUS(spanpin_histogram_observe_trace(histogram, i * 2, &offer), SPANPIN_STATUS_OK);
    pass(&bed, 10);
  }
  const spanpin_label only = {SPANPIN_STR("job"), SPANPIN_STR("night")};
  const spanpin_exemplar without_span = {.labels = &only, .labels_len = 1};
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 0.5, &without_span), SPANPIN_STATUS_OK);
  REQUIRE(spanpin_histogram_exemplars(histogram, &list, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(list.exemplars_len == COUNT + 1);
  spanpin_registry_free(bed.registry);

  static const spanpin_trace_context none;
  CHECK(memcmp(list.exemplars[0].trace.trace_id, none.trace_id, 16) == 0);
  CHECK(memcmp(list.exemplars[0].trace.span_id, none.span_id, 8) == 0);
  CHECK(list.exemplars[0].labels_len == 1 && is_label(list.exemplars[0].labels, "job", "night"));
  for (unsigned place = 1; place <= COUNT; place++) {
    const spanpin_exemplar_record *record = &list.exemplars[place];
    const unsigned i = COUNT + 1 - place;  // Newest first.
    const spanpin_trace_context context = span(i);
    char number[8];
    snprintf(number, sizeof number, "%u", i);
    CHECK(record->value == i * 2 && record->timestamp_ms == 1700000000000u + (i - 1) * 10);
    CHECK(memcmp(record->trace.trace_id, context.trace_id, 16) == 0);
    CHECK(memcmp(record->trace.span_id, context.span_id, 8) == 0);
    CHECK(record->labels_len == i % 3);
    if (record->labels_len > 0)
      CHECK(is_label(&record->labels[0], "n", number));
    if (record->labels_len > 1)
      CHECK(is_label(&record->labels[1], "odd", "\xef\xbf\xbd'"));
  }
  spanpin_exemplar_list_free(&list);
  CHECK(list.exemplars == NULL && list.exemplars_len == 0 && list.owner == NULL);
  spanpin_exemplar_list_free(&list);
  spanpin_exemplar_list_free(NULL);
}

static void counters_have_lists(void)
{
  struct bed bed = bed_new();
  spanpin_counter *counter = counter_of(register_family(
      &bed, (spanpin_family_options){
                .kind = SPANPIN_KIND_COUNTER, .name = SPANPIN_STR("c_total"), .rules.policy = SPANPIN_POLICY_SLOWEST}));
  const spanpin_trace_context first = span(1), second = span(2);
  const spanpin_exemplar offers[] = {{.trace = &first}, {.trace = &second}};
  CHECK_STATUS(spanpin_counter_add_trace(counter, 0.25, &offers[0]), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_add_trace(counter, 3, &offers[1]), SPANPIN_STATUS_OK);
  spanpin_exemplar_list list;
  REQUIRE(spanpin_counter_exemplars(counter, &list, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(list.exemplars_len == 2);
  CHECK(list.exemplars[0].value == 3 && list.exemplars[0].trace.span_id[7] == 2);
  CHECK(list.exemplars[1].value == 0.25 && list.exemplars[1].trace.span_id[7] == 1);
  CHECK(list.exemplars[0].timestamp_ms > list.exemplars[1].timestamp_ms);
  spanpin_exemplar_list_free(&list);
  bed_free(&bed);
}

// Neither the list nor the document takes anything from a scraper.
static void nothing_is_taken(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_of(
      register_family(&bed, (spanpin_family_options){.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("h")}));
  spanpin_scrape_result page;
  observe_span(histogram, 3, 1);
  pass(&bed, 1000);
  CHECK(held(histogram) == 1);
  REQUIRE(spanpin_exemplars_json(bed.registry, &page, NULL) == SPANPIN_STATUS_OK);
  CHECK(page.content_encoding.len == 0 && strncmp(page.content_type.ptr, "application/json", 16) == 0);
  spanpin_scrape_result_free(&page);
  CHECK(page.body == NULL && page.body_len == 0 && page.owner == NULL);
  spanpin_scrape_result_free(&page);
  observe_span(histogram, 4, 2);  // Still the same window: it has the slowest of both.
  pass(&bed, 1000);
  CHECK(page_has(&bed, "a", "} 4.0 "));
  REQUIRE(spanpin_exemplars_json(bed.registry, &page, NULL) == SPANPIN_STATUS_OK);
  bed_free(&bed);
  CHECK(page.body_len > 0 && page.body[page.body_len - 1] == '\n');  // It outlives its registry.
  spanpin_scrape_result_free(&page);
}

static void print_texts(const spanpin_str *texts, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    putchar('\t');
    for (size_t at = 0; at < texts[i].len; at++)
      printf("%02x", (unsigned char)texts[i].ptr[at]);
  }
}

// One line: name, label value, bound, value, time, labels of the exemplar; texts in hexadecimal.
static void print_record(const char *name, spanpin_str route, double bound, const spanpin_exemplar_record *record)
{
  printf("%s", name);
  print_texts(&route, 1);
  printf("\t%.17g\t%.17g\t%llu", bound, record->value, (unsigned long long)record->timestamp_ms);
  for (size_t i = 0; i < record->labels_len; i++) {
    print_texts(&record->labels[i].name, 1);
    print_texts(&record->labels[i].value, 1);
  }
  putchar('\n');
}

static void print_json(void)
{
  static const char *const routes[] = {"/orders", "", "quote\" slash\\ feed\n tab\t one\x01 \xc3\xa9 \xf0\x9f\x90\x8c"};
  struct bed bed = bed_new();
  spanpin_family *histograms = labelled(&bed, SPANPIN_KIND_HISTOGRAM, "h_seconds");
  spanpin_family *counters = labelled(&bed, SPANPIN_KIND_COUNTER, "c_total");
  spanpin_histogram *histogram[3];
  spanpin_counter *counter[3];
  for (unsigned i = 0; i < 60; i++) {
    const spanpin_str values[] = {spanpin_str_of(routes[i % 3]), {NULL, 0}};
    REQUIRE(spanpin_histogram_with(histograms, values, 2, &histogram[i % 3], NULL) == SPANPIN_STATUS_OK);
    REQUIRE(spanpin_counter_with(counters, values, 2, &counter[i % 3], NULL) == SPANPIN_STATUS_OK);
    const spanpin_label label = {SPANPIN_STR("text"), spanpin_str_of(routes[(i + 1) % 3])};
    const spanpin_trace_context context = span(i + 1);
    const spanpin_exemplar offer = {&context, &label, i % 2}, explicit_one = {NULL, &label, 1};
    CHECK_STATUS(spanpin_histogram_observe_trace(histogram[i % 3], i / 7.0, &offer), SPANPIN_STATUS_OK);
    if (i % 5 == 0)
      CHECK_STATUS(spanpin_counter_add_exemplar(counter[i % 3], i * 1e7, &explicit_one), SPANPIN_STATUS_OK);
    pass(&bed, 997);
    if (i % 4 == 3)
      free(page_for(&bed, "a"));
  }
  spanpin_scrape_result page;
  REQUIRE(spanpin_exemplars_json(bed.registry, &page, NULL) == SPANPIN_STATUS_OK);
  fwrite(page.body, 1, page.body_len, stdout);
  spanpin_scrape_result_free(&page);
  for (unsigned i = 0; i < 3; i++) {
    spanpin_exemplar_list list;
    REQUIRE(spanpin_histogram_exemplars(histogram[i], &list, NULL) == SPANPIN_STATUS_OK);
    for (size_t at = 0; at < list.exemplars_len; at++) {
      const double value = list.exemplars[at].value;
      print_record("h_seconds_bucket", spanpin_str_of(routes[i]), value <= 1 ? 1 : value <= 10 ? 10 : INFINITY,
                   &list.exemplars[at]);
    }
    spanpin_exemplar_list_free(&list);
    REQUIRE(spanpin_counter_exemplars(counter[i], &list, NULL) == SPANPIN_STATUS_OK);
    for (size_t at = 0; at < list.exemplars_len; at++)
      print_record("c_total", spanpin_str_of(routes[i]), NAN, &list.exemplars[at]);
    spanpin_exemplar_list_free(&list);
  }
  bed_free(&bed);
}

int main(int argc, char **argv)
{
  if (argc > 1 && strcmp(argv[1], "json") == 0) {
    print_json();
    return check_failures != 0;
  }
  lists();
  counters_have_lists();
  nothing_is_taken();
  return finish("history");
}
