// NULL for each handle and out-parameter is an error code, never a crash.
#include <spanpin.h>

#include "check.h"

int main(void)
{
  const spanpin_status null = SPANPIN_STATUS_NULL_POINTER;
  const char *trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  spanpin_family_options options = {.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("a")};
  spanpin_registry *registry;
  spanpin_family *family;
  spanpin_histogram *histogram;
  spanpin_counter *counter;
  spanpin_gauge *gauge;
  spanpin_scrape_result page;
  spanpin_series_view view;
  spanpin_trace_context context;
  spanpin_error error;

  CHECK_STATUS(spanpin_registry_new(NULL, NULL, &error), null);
  REQUIRE(spanpin_registry_new(NULL, &registry, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_registry_set_clock(NULL, 1, 1), null);
  CHECK_STATUS(spanpin_family_register(NULL, &options, &family, &error), null);
  CHECK(strstr(error.message, "registry") != NULL);
  CHECK_STATUS(spanpin_family_register(registry, NULL, &family, &error), null);
  CHECK_STATUS(spanpin_family_register(registry, &options, NULL, &error), null);
  REQUIRE(spanpin_family_register(registry, &options, &family, &error) == SPANPIN_STATUS_OK);

  CHECK_STATUS(spanpin_family_set_p99(NULL, 1), null);
  CHECK(spanpin_registry_marks_spans(NULL) == 0);
  CHECK_STATUS(spanpin_environment_check(NULL), SPANPIN_STATUS_OK);
  spanpin_exemplar_list list;
  CHECK_STATUS(spanpin_histogram_exemplars(NULL, &list, &error), null);
  CHECK(strstr(error.message, "histogram") != NULL);
  CHECK_STATUS(spanpin_counter_exemplars(NULL, &list, &error), null);
  CHECK_STATUS(spanpin_counter_exemplars(NULL, NULL, NULL), null);
  CHECK_STATUS(spanpin_exemplars_json(NULL, &page, &error), null);
  CHECK_STATUS(spanpin_exemplars_json(registry, NULL, &error), null);
  spanpin_exemplar_list_free(NULL);
  CHECK_STATUS(spanpin_exemplar_labels_push(NULL, SPANPIN_STR("a"), SPANPIN_STR("a")), null);

  CHECK_STATUS(spanpin_histogram_with(NULL, NULL, 0, &histogram, &error), null);
  CHECK_STATUS(spanpin_histogram_with(family, NULL, 0, NULL, &error), null);
  REQUIRE(spanpin_histogram_with(family, NULL, 0, &histogram, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_with(NULL, NULL, 0, &counter, NULL), null);
  CHECK_STATUS(spanpin_gauge_with(NULL, NULL, 0, &gauge, NULL), null);

  CHECK_STATUS(spanpin_histogram_observe(NULL, 1), null);
  CHECK_STATUS(spanpin_histogram_observe_trace(NULL, 1, NULL), null);
  CHECK_STATUS(spanpin_histogram_observe_traceparent(NULL, 1, trace, strlen(trace)), null);
  CHECK_STATUS(spanpin_histogram_observe_exemplar(NULL, 1, NULL), null);
  CHECK_STATUS(spanpin_histogram_view(NULL, &view), null);
  CHECK_STATUS(spanpin_histogram_view(histogram, NULL), null);
  spanpin_histogram_offer(NULL, 0, 1, 0, 1, 1, 1, 1);
  spanpin_histogram_turn(NULL);
  CHECK_STATUS(spanpin_counter_inc(NULL), null);
  CHECK_STATUS(spanpin_counter_add(NULL, 1), null);
  CHECK_STATUS(spanpin_counter_add_trace(NULL, 1, NULL), null);
  CHECK_STATUS(spanpin_counter_add_traceparent(NULL, 1, trace, strlen(trace)), null);
  CHECK_STATUS(spanpin_counter_add_exemplar(NULL, 1, NULL), null);
  CHECK_STATUS(spanpin_counter_view(NULL, &view), null);
  spanpin_counter_offer(NULL, 1, 0, 1, 1, 1, 1);
  spanpin_histogram_observe_exemplar_ids(NULL, 1, 1, 1, 1, 1);
  spanpin_counter_add_exemplar_ids(NULL, 1, 1, 1, 1, 1);
  spanpin_counter_turn(NULL);
  CHECK_STATUS(spanpin_gauge_set(NULL, 1), null);
  CHECK_STATUS(spanpin_gauge_add(NULL, 1), null);
  CHECK_STATUS(spanpin_gauge_view(NULL, &view), null);

  CHECK_STATUS(spanpin_histogram_exemplars(histogram, NULL, &error), null);
  // A bad exemplar costs the exemplar: each of these five counts.
  spanpin_exemplar broken = {.labels = NULL, .labels_len = 2};
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 1, NULL), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 1, &broken), null);
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 1, &broken), null);
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 1, NULL), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_traceparent(histogram, 1, NULL, 3), null);
  CHECK_STATUS(spanpin_trace_context_parse(NULL, 3, &context, &error), null);
  CHECK_STATUS(spanpin_trace_context_parse(trace, strlen(trace), NULL, &error), null);

  CHECK_STATUS(spanpin_scrape(NULL, NULL, &page, &error), null);
  CHECK_STATUS(spanpin_scrape(registry, NULL, NULL, &error), null);
  spanpin_scrape_options half = {.accept = {NULL, 4}};
  CHECK_STATUS(spanpin_scrape(registry, &half, &page, &error), null);
  REQUIRE(spanpin_scrape(registry, NULL, &page, &error) == SPANPIN_STATUS_OK);
  char *text = page_text(&page);
  CHECK(strstr(text, "a_count 5\n") != NULL);
  free(text);
  spanpin_scrape_result_free(&page);
  spanpin_scrape_result_free(&page);
  spanpin_scrape_result_free(NULL);
  spanpin_registry_free(registry);
  spanpin_registry_free(NULL);
  return finish("null");
}
