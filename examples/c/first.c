#include <spanpin.h>
#include <stdio.h>

int main(void)
{
  spanpin_registry *registry = spanpin_registry_default();
  spanpin_family_options options = {.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("request_duration_seconds")};
  spanpin_scrape_options openmetrics = {.accept = SPANPIN_STR("application/openmetrics-text")};
  spanpin_family *family;
  spanpin_histogram *latency;
  spanpin_scrape_result page;
  if (spanpin_family_register(registry, &options, &family, NULL) || spanpin_histogram_with(family, NULL, 0, &latency, NULL))
    return 1;
  spanpin_histogram_observe_traceparent(latency, 0.21, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 55);
  if (spanpin_scrape(registry, &openmetrics, &page, NULL))
    return 1;
  fwrite(page.body, 1, page.body_len, stdout);
  spanpin_scrape_result_free(&page);
}
