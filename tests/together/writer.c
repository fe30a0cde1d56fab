// The writer in C: writer SEGMENT NUMBER COUNT. test_together.py says what it does.
#define _POSIX_C_SOURCE 200809L
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static spanpin_error error;

static void must(spanpin_status status)
{
  if (status != SPANPIN_STATUS_OK) {
    fprintf(stderr, "writer: %s\n", error.message);
    exit(1);
  }
}

static void put_number(uint8_t *out, unsigned long long number)
{
  for (int i = 7; i >= 0; i--, number >>= 8)
    out[i] = (uint8_t)number;
}

// The next line of the standard input.
static void wait_for_line(const char *say)
{
  puts(say);
  fflush(stdout);
  for (int next; (next = getchar()) != '\n' && next != EOF;)
    ;
}

static spanpin_histogram *histogram(spanpin_family *family, const char *who)
{
  const spanpin_str value = spanpin_str_of(who);
  spanpin_histogram *found;
  must(spanpin_histogram_with(family, &value, 1, &found, &error));
  return found;
}

static spanpin_counter *counter(spanpin_family *family, const char *who)
{
  const spanpin_str value = spanpin_str_of(who);
  spanpin_counter *found;
  must(spanpin_counter_with(family, &value, 1, &found, &error));
  return found;
}

int main(int argc, char **argv)
{
  if (argc != 4)
    return 2;
  const unsigned long long writer = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
  const double bounds[] = {0.25, 0.5, 0.75};
  const spanpin_str who = SPANPIN_STR("who");
  const spanpin_registry_options options = {.segment = spanpin_str_of(argv[1]), .strict = 1};
  spanpin_registry *registry;
  spanpin_family *seconds, *jobs;
  must(spanpin_registry_new(&options, &registry, &error));
  spanpin_family_options histograms = {.kind = SPANPIN_KIND_HISTOGRAM,
                                       .name = SPANPIN_STR("shared_seconds"),
                                       .help = SPANPIN_STR("Values of all."),
                                       .unit = SPANPIN_STR("seconds"),
                                       .label_names = &who,
                                       .label_names_len = 1,
                                       .bounds = bounds,
                                       .bounds_len = 3};
  spanpin_family_options counters = {.kind = SPANPIN_KIND_COUNTER,
                                     .name = SPANPIN_STR("shared_jobs_total"),
                                     .help = SPANPIN_STR("Jobs of all."),
                                     .label_names = &who,
                                     .label_names_len = 1};
  must(spanpin_family_register(registry, &histograms, &seconds, &error));
  must(spanpin_family_register(registry, &counters, &jobs, &error));

  wait_for_line("ready");
  for (unsigned long long i = 0; i < count; i++) {
    // So that all three are at work at one time, however fast one of them is.
    if (i % (count / 100) == 0)
      nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    // The value follows from the span.
    const double value = (double)(i % 64) / 64 + 1.0 / 128;
    spanpin_trace_context span = {.flags = 1};
    put_number(span.trace_id, writer), put_number(span.trace_id + 8, i + 1), put_number(span.span_id, i + 1);
    const spanpin_exemplar offer = {.trace = &span};
    must(spanpin_histogram_observe_trace(histogram(seconds, "all"), value, &offer));
    must(spanpin_histogram_observe_trace(histogram(seconds, "c"), value, &offer));
    must(spanpin_counter_add_trace(counter(jobs, "all"), 1, &offer));
    must(spanpin_counter_add_trace(counter(jobs, "c"), 0.5, &offer));
    if (i % 100 == 0) {
      // Series that all three create at about the same time.
      char name[16];
      snprintf(name, sizeof name, "n%llu", i / 100 % 200);
      spanpin_counter_inc(counter(jobs, name));
    }
  }
  wait_for_line("done");
  const spanpin_scrape_options openmetrics = {.accept = SPANPIN_STR("application/openmetrics-text"),
                                              .scraper = SPANPIN_STR("c")};
  spanpin_scrape_result page;
  must(spanpin_scrape(registry, &openmetrics, &page, &error));
  fwrite(page.body, 1, page.body_len, stdout);
  spanpin_scrape_result_free(&page);
  spanpin_registry_free(registry);
  return 0;
}
