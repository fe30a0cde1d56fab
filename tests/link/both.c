// One program, two Rust static libraries: each does its work between calls of the other.
#include <spanpin.h>
#include <stdio.h>
#include <string.h>

int other_run(void);

int main(void)
{
  spanpin_family_options options = {.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("seconds")};
  spanpin_scrape_options openmetrics = {.accept = SPANPIN_STR("application/openmetrics-text")};
  const char *trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  spanpin_registry *registry = spanpin_registry_default();
  spanpin_family *family;
  spanpin_histogram *histogram;
  spanpin_scrape_result page;
  for (int round = 0; round < 3; round++) {
    int failed = other_run();
    if (failed != 0) {
      fprintf(stderr, "the other library failed in step %d\n", failed);
      return 1;
    }
    if (round == 0 && (spanpin_family_register(registry, &options, &family, NULL) != SPANPIN_STATUS_OK ||
                       spanpin_histogram_with(family, NULL, 0, &histogram, NULL) != SPANPIN_STATUS_OK))
      return 1;
    spanpin_histogram_observe_traceparent(histogram, 0.1 * round, trace, strlen(trace));
    // An error is made and dropped on the way.
    if (spanpin_family_register(registry, &options, &family, NULL) != SPANPIN_STATUS_DUPLICATE_NAME)
      return 1;
  }
  if (spanpin_scrape(registry, &openmetrics, &page, NULL) != SPANPIN_STATUS_OK)
    return 1;
  fwrite(page.body, 1, page.body_len, stdout);
  spanpin_scrape_result_free(&page);
  return 0;
}
