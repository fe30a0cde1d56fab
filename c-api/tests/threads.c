// Many threads record, look series up and scrape at once; at rest every count is exact.
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <spanpin.h>

#include "check.h"

enum { THREADS = 8, ROUNDS = 20000, SERIES = 5, SCRAPES = 50 };

static spanpin_registry *registry;
static spanpin_family *histograms, *counters;
static pthread_barrier_t start;

static void *record(void *argument)
{
  const unsigned number = (unsigned)(size_t)argument;
  spanpin_trace_context trace = {{(uint8_t)(number + 1)}, {(uint8_t)(number + 1)}, 1};
  const spanpin_exemplar offer = {.trace = &trace};
  char name[8];
  pthread_barrier_wait(&start);
  for (unsigned i = 0; i < ROUNDS; i++) {
    spanpin_histogram *histogram = NULL;
    spanpin_counter *counter = NULL;
    snprintf(name, sizeof name, "s%u", (i + number) % SERIES);
    spanpin_str value = spanpin_str_of(name);
    if (spanpin_histogram_with(histograms, &value, 1, &histogram, NULL) != SPANPIN_STATUS_OK ||
        spanpin_counter_with(counters, &value, 1, &counter, NULL) != SPANPIN_STATUS_OK)
      return "with failed";
    trace.span_id[7] = (uint8_t)i;
    spanpin_histogram_observe_trace(histogram, (double)(i % 97) / 10.0, i % 2 ? &offer : NULL);
    spanpin_counter_inc(counter);
  }
  return NULL;
}

static void *scrape(void *argument)
{
  spanpin_scrape_options options = {.accept = SPANPIN_STR("application/openmetrics-text")};
  options.scraper = spanpin_str_of(argument);
  pthread_barrier_wait(&start);
  for (int i = 0; i < SCRAPES; i++) {
    spanpin_scrape_result page;
    if (spanpin_scrape(registry, &options, &page, NULL) != SPANPIN_STATUS_OK)
      return "scrape failed";
    if (page.body_len < 6 || memcmp(page.body + page.body_len - 6, "# EOF\n", 6) != 0)
      return "the page has no end";
    spanpin_scrape_result_free(&page);
  }
  return NULL;
}

int main(void)
{
  const spanpin_str label = SPANPIN_STR("series");
  spanpin_family_options options = {.kind = SPANPIN_KIND_HISTOGRAM,
                                    .name = SPANPIN_STR("h"),
                                    .label_names = &label,
                                    .label_names_len = 1};
  pthread_t threads[THREADS + 2];
  REQUIRE(spanpin_registry_new(NULL, &registry, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(spanpin_family_register(registry, &options, &histograms, NULL) == SPANPIN_STATUS_OK);
  options.kind = SPANPIN_KIND_COUNTER;
  options.name = spanpin_str_of("c_total");
  REQUIRE(spanpin_family_register(registry, &options, &counters, NULL) == SPANPIN_STATUS_OK);

  pthread_barrier_init(&start, NULL, THREADS + 2);
  for (size_t i = 0; i < THREADS; i++)
    REQUIRE(pthread_create(&threads[i], NULL, record, (void *)i) == 0);
  REQUIRE(pthread_create(&threads[THREADS], NULL, scrape, "a") == 0);
  REQUIRE(pthread_create(&threads[THREADS + 1], NULL, scrape, "b") == 0);
  for (int i = 0; i < THREADS + 2; i++) {
    void *fault;
    pthread_join(threads[i], &fault);
    if (fault != NULL) {
      fprintf(stderr, "thread %d: %s\n", i, (const char *)fault);
      check_failures++;
    }
  }

  spanpin_scrape_result page;
  REQUIRE(spanpin_scrape(registry, NULL, &page, NULL) == SPANPIN_STATUS_OK);
  char *text = page_text(&page);
  unsigned long counted = 0, observed = 0;
  for (const char *at = text; (at = strstr(at, "\nc_total{")) != NULL; at++)
    counted += strtoul(strchr(at, '}') + 2, NULL, 10);
  for (const char *at = text; (at = strstr(at, "\nh_count{")) != NULL; at++)
    observed += strtoul(strchr(at, '}') + 2, NULL, 10);
  CHECK(counted == (unsigned long)THREADS * ROUNDS);
  CHECK(observed == (unsigned long)THREADS * ROUNDS);
  free(text);
  spanpin_scrape_result_free(&page);
  spanpin_registry_free(registry);
  return finish("threads");
}
