// Everything a registry holds is released with it; Valgrind and AddressSanitizer count.
#include <spanpin.h>

#include "check.h"

static void one_life(int round)
{
  const spanpin_str names[] = {SPANPIN_STR("a"), SPANPIN_STR("b")};
  const spanpin_label extra[] = {{SPANPIN_STR("request"), SPANPIN_STR("abc")}, {SPANPIN_STR("odd"), SPANPIN_STR("\xff")}};
  const spanpin_trace_context trace = {{1}, {2}, 1};
  const spanpin_exemplar exemplar = {.trace = &trace, .labels = extra, .labels_len = 2};
  spanpin_family_options options = {.kind = SPANPIN_KIND_HISTOGRAM,
                                    .name = SPANPIN_STR("h_seconds"),
                                    .help = SPANPIN_STR("Help."),
                                    .unit = SPANPIN_STR("seconds"),
                                    .label_names = names,
                                    .label_names_len = 2,
                                    .max_series = 40};
  spanpin_registry *registry;
  spanpin_family *family;
  spanpin_error error;
  REQUIRE(spanpin_registry_new(NULL, &registry, &error) == SPANPIN_STATUS_OK);
  REQUIRE(spanpin_family_register(registry, &options, &family, &error) == SPANPIN_STATUS_OK);
  CHECK(spanpin_family_register(registry, &options, &family, &error) == SPANPIN_STATUS_DUPLICATE_NAME);
  for (int i = 0; i < 60; i++) {  // More than max_series, so the overflow series works as well.
    char text[16];
    snprintf(text, sizeof text, "v%d", i);
    const spanpin_str values[] = {spanpin_str_of(text), i % 2 ? spanpin_str_of("\xc3") : spanpin_str_of("")};
    spanpin_histogram *histogram;
    REQUIRE(spanpin_histogram_with(family, values, 2, &histogram, &error) == SPANPIN_STATUS_OK);
    spanpin_histogram_observe_trace(histogram, i + round, &exemplar);
    spanpin_histogram_observe_exemplar(histogram, i, &exemplar);
    spanpin_histogram_observe_traceparent(histogram, i, "bad", 3);
  }
  for (int i = 0; i < 3; i++) {
    spanpin_scrape_options openmetrics = {.accept = SPANPIN_STR("application/openmetrics-text")};
    spanpin_scrape_options gzip = {.accept_encoding = SPANPIN_STR("gzip")};
    spanpin_scrape_result page;
    REQUIRE(spanpin_scrape(registry, i == 0 ? &gzip : &openmetrics, &page, &error) == SPANPIN_STATUS_OK);
    if (i > 0) {
      char *text = page_text(&page);
      CHECK(strstr(text, "spanpin_overflow") != NULL);
      free(text);
    }
    spanpin_scrape_result_free(&page);
  }
  spanpin_registry_free(registry);
}

int main(void)
{
  for (int round = 0; round < 5; round++)
    one_life(round);
  // The default registry is never freed, and stays reachable.
  CHECK(spanpin_registry_default() != NULL);
  CHECK(spanpin_registry_default() == spanpin_registry_default());
  return finish("leak");
}
