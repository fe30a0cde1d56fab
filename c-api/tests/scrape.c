// What was recorded comes out: counts, exemplars, formats, compression, and the clock a test may set.
#include <math.h>
#include <spanpin.h>

#include "check.h"

static const spanpin_trace_context trace_a = {
    {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
    {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
    1};
static const spanpin_trace_context unsampled = {{1}, {2}, 0};
static const spanpin_trace_context zero = {{0}, {0}, 1};

static spanpin_registry *registry;

// Scrapes a second after the last one: scrapes at one time share a window.
static char *scrape(const char *accept, const char *scraper)
{
  static uint64_t seconds = 0;
  seconds++;
  CHECK_STATUS(spanpin_registry_set_clock(registry, 1700000000000 + seconds * 1000, 1000000 + seconds * 1000),
               SPANPIN_STATUS_OK);
  spanpin_scrape_options options = {.accept = spanpin_str_of(accept), .scraper = spanpin_str_of(scraper)};
  spanpin_scrape_result page;
  spanpin_error error;
  if (spanpin_scrape(registry, &options, &page, &error) != SPANPIN_STATUS_OK) {
    fprintf(stderr, "scrape: %s\n", error.message);
    exit(1);
  }
  char *text = page_text(&page);
  spanpin_scrape_result_free(&page);
  CHECK(page.body == NULL && page.owner == NULL);
  return text;
}

static spanpin_family *family(uint32_t kind, const char *name)
{
  spanpin_family_options options = {.kind = kind, .name = spanpin_str_of(name), .help = SPANPIN_STR("Help.")};
  spanpin_family *made;
  REQUIRE(spanpin_family_register(registry, &options, &made, NULL) == SPANPIN_STATUS_OK);
  return made;
}

static void expect(const char *text, const char *line)
{
  if (strstr(text, line) == NULL) {
    fprintf(stderr, "missing:\n%sin:\n%s", line, text);
    check_failures++;
  }
}

static void values_and_exemplars(void)
{
  const char *traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const spanpin_label labels[] = {{SPANPIN_STR("request"), SPANPIN_STR("r\xff" "1")}, {SPANPIN_STR("none"), {NULL, 0}}};
  const spanpin_exemplar offer = {.trace = &trace_a, .labels = labels, .labels_len = 2};
  const spanpin_exemplar not_sampled = {.trace = &unsampled};
  const spanpin_exemplar no_ids = {.trace = &zero};
  const spanpin_label ids[] = {{SPANPIN_STR("trace_id"), SPANPIN_STR("4BF92F3577B34DA6A3CE929D0E0E4736")},
                               {SPANPIN_STR("order"), SPANPIN_STR("o-7")}};
  const spanpin_exemplar explicit_labels = {.labels = ids, .labels_len = 2};
  spanpin_histogram *histogram;
  spanpin_counter *counter;
  spanpin_gauge *gauge;
  REQUIRE(spanpin_histogram_with(family(SPANPIN_KIND_HISTOGRAM, "h"), NULL, 0, &histogram, NULL) == 0);
  REQUIRE(spanpin_counter_with(family(SPANPIN_KIND_COUNTER, "c_total"), NULL, 0, &counter, NULL) == 0);
  REQUIRE(spanpin_gauge_with(family(SPANPIN_KIND_GAUGE, "g"), NULL, 0, &gauge, NULL) == 0);

  CHECK_STATUS(spanpin_histogram_observe(histogram, 0.001), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe(histogram, NAN), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.02, &offer), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.02, &not_sampled), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.2, &not_sampled), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.4, &no_ids), SPANPIN_STATUS_INVALID_TRACE_ID);
  CHECK_STATUS(spanpin_histogram_observe_traceparent(histogram, 2, traceparent, strlen(traceparent)),
               SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_traceparent(histogram, 2, "junk", 4), SPANPIN_STATUS_INVALID_TRACEPARENT);
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 7, &explicit_labels), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_inc(counter), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_add(counter, 0.5), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_add(counter, -3), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_add_trace(counter, 2, &offer), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_gauge_set(gauge, 4), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_gauge_add(gauge, -1.5), SPANPIN_STATUS_OK);

  char *text = scrape("application/openmetrics-text", "a");
  expect(text, "# TYPE h histogram\n# HELP h Help.\n");
  expect(text, "h_bucket{le=\"0.025\"} 3 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\","
               "span_id=\"b7ad6b7169203331\",request=\"r\xef\xbf\xbd" "1\"} 0.02 1700000000.");
  expect(text, "h_bucket{le=\"0.25\"} 4\n");
  expect(text, "h_bucket{le=\"0.5\"} 5\n");
  expect(text, "h_bucket{le=\"2.5\"} 7 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",span_id=\"00f067aa0ba902b7\"} "
               "2.0 1700000000.");
  expect(text, "h_bucket{le=\"10.0\"} 8 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",order=\"o-7\"} 7.0 ");
  expect(text, "h_count 8\n");
  expect(text, "c_total 3.5 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"");
  expect(text, "g 2.5\n");
  CHECK(strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
  free(text);

  text = scrape("", NULL);
  expect(text, "# TYPE h histogram\n");
  expect(text, "h_bucket{le=\"0.025\"} 3\n");
  expect(text, "c_total 3.5\n");
  CHECK(strstr(text, "# EOF") == NULL && strstr(text, "trace_id") == NULL);
  free(text);
}

static void formats(void)
{
  spanpin_scrape_options options = {.accept = SPANPIN_STR("application/openmetrics-text;version=1.0.0"),
                                    .accept_encoding = SPANPIN_STR("gzip"),
                                    .user_agent = SPANPIN_STR("Prometheus/3.5.0"),
                                    .scrape_timeout = SPANPIN_STR("10"),
                                    .path = SPANPIN_STR("/metrics"),
                                    .peer = SPANPIN_STR("10.0.0.7")};
  spanpin_scrape_result page;
  REQUIRE(spanpin_scrape(registry, &options, &page, NULL) == SPANPIN_STATUS_OK);
  CHECK(page.content_encoding.len == 4 && memcmp(page.content_encoding.ptr, "gzip", 4) == 0);
  CHECK(page.body_len > 10 && page.body[0] == 0x1f && page.body[1] == 0x8b);
  CHECK(page.content_type.len > 28 && memcmp(page.content_type.ptr, "application/openmetrics-text", 28) == 0);
  spanpin_scrape_result_free(&page);

  REQUIRE(spanpin_scrape(registry, NULL, &page, NULL) == SPANPIN_STATUS_OK);
  CHECK(page.content_encoding.len == 0);
  CHECK(page.content_type.len > 10 && memcmp(page.content_type.ptr, "text/plain", 10) == 0);
  // The page outlives the registry.
  spanpin_registry_free(registry);
  CHECK(memchr(page.body, '#', page.body_len) != NULL);
  spanpin_scrape_result_free(&page);
}

// The direct path: what another language does with a view, done in C.
static void view(void)
{
  spanpin_histogram *histogram;
  spanpin_series_view view;
  REQUIRE(spanpin_histogram_with(family(SPANPIN_KIND_HISTOGRAM, "direct"), NULL, 0, &histogram, NULL) == 0);
  REQUIRE(spanpin_histogram_view(histogram, &view) == SPANPIN_STATUS_OK);
  CHECK(view.kind == SPANPIN_KIND_HISTOGRAM && view.buckets == 12);
  CHECK(view.cells != NULL && view.gates != NULL && view.segment != NULL);
  CHECK((uintptr_t)view.cells % 8 == 0 && (uintptr_t)view.gates % 16 == 0);
  double sum = 0.3;
  memcpy(view.cells, &sum, sizeof sum);
  __atomic_fetch_add((uint64_t *)view.cells + 1 + 6, 1, __ATOMIC_RELAXED);
  spanpin_histogram_offer(histogram, 6, 0.3, 0, 0x0af7651916cd43ddu, 0x8448eb211c80319cu, 0xb7ad6b7169203331u, 1);
  spanpin_histogram_offer(histogram, 99, 0.3, 0, 1, 1, 1, 1);  // No such bucket: nothing happens.
  char *text = scrape("application/openmetrics-text", "b");
  expect(text, "direct_bucket{le=\"0.5\"} 1 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\","
               "span_id=\"b7ad6b7169203331\"} 0.3 ");
  expect(text, "direct_sum 0.3\n");
  free(text);
}

int main(void)
{
  spanpin_registry_options options = {.self_metrics_off = 1};
  REQUIRE(spanpin_registry_new(&options, &registry, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_registry_set_clock(registry, 1700000000000, 1000000), SPANPIN_STATUS_OK);
  values_and_exemplars();
  view();
  formats();
  return finish("scrape");
}
