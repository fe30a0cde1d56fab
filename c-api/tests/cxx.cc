// The header in C++: it compiles, links, and SPANPIN_STR makes a text.
#include <spanpin.h>

#include "check.h"

int main()
{
  spanpin_registry *registry = nullptr;
  spanpin_family *family = nullptr;
  spanpin_counter *counter = nullptr;
  spanpin_family_options options = {};
  options.kind = SPANPIN_KIND_COUNTER;
  options.name = SPANPIN_STR("jobs_total");
  CHECK_STATUS(spanpin_registry_new(nullptr, &registry, nullptr), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_family_register(registry, &options, &family, nullptr), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_with(family, nullptr, 0, &counter, nullptr), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_inc(counter), SPANPIN_STATUS_OK);
  spanpin_scrape_result page = {};
  CHECK_STATUS(spanpin_scrape(registry, nullptr, &page, nullptr), SPANPIN_STATUS_OK);
  CHECK(page.body_len > 0);
  spanpin_scrape_result_free(&page);
  spanpin_registry_free(registry);
  return finish("cxx");
}
