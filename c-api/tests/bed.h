// A registry whose clock stands still until a test moves it, and what tests of exemplars ask it.
#ifndef SPANPIN_TEST_BED_H
#define SPANPIN_TEST_BED_H

#include <spanpin.h>

#include "check.h"

struct bed {
  spanpin_registry *registry;
  uint64_t now_ms;
};

static inline void pass(struct bed *bed, uint64_t ms)
{
  bed->now_ms += ms;
  CHECK_STATUS(spanpin_registry_set_clock(bed->registry, 1700000000000 + bed->now_ms, 1000000 + bed->now_ms),
               SPANPIN_STATUS_OK);
}

static inline struct bed bed_with(const spanpin_registry_options *options)
{
  struct bed bed = {NULL, 0};
  spanpin_error error;
  if (spanpin_registry_new(options, &bed.registry, &error) != SPANPIN_STATUS_OK) {
    fprintf(stderr, "registry: %s\n", error.message);
    exit(1);
  }
  pass(&bed, 0);
  return bed;
}

static inline struct bed bed_new(void) { return bed_with(NULL); }
static inline void bed_free(struct bed *bed) { spanpin_registry_free(bed->registry); }

static inline spanpin_family *register_family(const struct bed *bed, spanpin_family_options options)
{
  spanpin_family *family = NULL;
  spanpin_error error;
  if (spanpin_family_register(bed->registry, &options, &family, &error) != SPANPIN_STATUS_OK) {
    fprintf(stderr, "family: %s\n", error.message);
    exit(1);
  }
  return family;
}

static inline spanpin_histogram *histogram_of(const spanpin_family *family)
{
  spanpin_histogram *histogram = NULL;
  REQUIRE(spanpin_histogram_with(family, NULL, 0, &histogram, NULL) == SPANPIN_STATUS_OK);
  return histogram;
}

static inline spanpin_counter *counter_of(const spanpin_family *family)
{
  spanpin_counter *counter = NULL;
  REQUIRE(spanpin_counter_with(family, NULL, 0, &counter, NULL) == SPANPIN_STATUS_OK);
  return counter;
}

// A sampled span that is told from others by its number, which must not be 0.
static inline spanpin_trace_context span(unsigned number)
{
  spanpin_trace_context context = {{7}, {7}, 1};
  context.trace_id[14] = context.span_id[6] = (uint8_t)(number >> 8);
  context.trace_id[15] = context.span_id[7] = (uint8_t)number;
  return context;
}

static inline void observe_span(spanpin_histogram *histogram, double value, unsigned number)
{
  const spanpin_trace_context context = span(number);
  const spanpin_exemplar offer = {.trace = &context};
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, value, &offer), SPANPIN_STATUS_OK);
}

// The page for a scraper, or the text format for NULL; the caller frees it.
static inline char *page_for(const struct bed *bed, const char *scraper)
{
  spanpin_scrape_options options = {.accept = SPANPIN_STR("application/openmetrics-text")};
  options.scraper = spanpin_str_of(scraper);
  spanpin_scrape_result page;
  REQUIRE(spanpin_scrape(bed->registry, scraper == NULL ? NULL : &options, &page, NULL) == SPANPIN_STATUS_OK);
  char *text = page_text(&page);
  spanpin_scrape_result_free(&page);
  return text;
}

static inline int page_has(const struct bed *bed, const char *scraper, const char *part)
{
  char *text = page_for(bed, scraper);
  int found = strstr(text, part) != NULL;
  if (!found)
    fprintf(stderr, "missing: %s\nin:\n%s", part, text);
  free(text);
  return found;
}

// A number among the registry's own metrics, without a scrape's effects.
static inline unsigned long own(const struct bed *bed, const char *sample)
{
  char *text = page_for(bed, NULL);
  char line[128];
  snprintf(line, sizeof line, "\n%s ", sample);
  const char *found = strstr(text, line);
  REQUIRE(found != NULL);
  unsigned long number = strtoul(found + strlen(line), NULL, 10);
  free(text);
  return number;
}

static inline unsigned long dropped(const struct bed *bed, const char *reason)
{
  char sample[96];
  snprintf(sample, sizeof sample, "spanpin_exemplars_dropped_total{reason=\"%s\"}", reason);
  return own(bed, sample);
}

// How many exemplars the histogram's rings hold.
static inline size_t held(const spanpin_histogram *histogram)
{
  spanpin_exemplar_list list;
  REQUIRE(spanpin_histogram_exemplars(histogram, &list, NULL) == SPANPIN_STATUS_OK);
  size_t count = list.exemplars_len;
  spanpin_exemplar_list_free(&list);
  return count;
}

#endif
