// Says what the environment makes of a registry: run.py sets variables and reads the answer, a line for each thing.
#include <spanpin.h>

#include "bed.h"

static void print_page(const struct bed *bed, const char *scraper, const char *what, const char *start)
{
  char *text = page_for(bed, scraper);
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
    if (strncmp(line, start, strlen(start)) == 0)
      printf("%s %s\n", what, line);
  free(text);
}

static int32_t on_slow(void *context, const spanpin_slow_request *request)
{
  (void)context;
  printf("trace_url %.*s\n", (int)request->trace_url.len, request->trace_url.ptr);
  return 0;
}

static char *page_from(const struct bed *bed, const char *peer)
{
  spanpin_scrape_options options = {.accept = SPANPIN_STR("application/openmetrics-text")};
  options.user_agent = SPANPIN_STR("Prometheus"), options.peer = spanpin_str_of(peer);
  spanpin_scrape_result page;
  REQUIRE(spanpin_scrape(bed->registry, &options, &page, NULL) == SPANPIN_STATUS_OK);
  char *text = page_text(&page);
  spanpin_scrape_result_free(&page);
  return text;
}

int main(int argc, char **argv)
{
  static const double bounds[] = {10};
  const int is_explicit = argc > 1 && strcmp(argv[1], "explicit") == 0;
  spanpin_error error = {0};
  spanpin_status status = spanpin_environment_check(&error);
  printf("check %d %s\n", status, error.message);
  const spanpin_registry_options said = {.trace_id_label = SPANPIN_STR("said"),
                                         .scraper_identity = SPANPIN_SCRAPER_IDENTITY_ADDRESS,
                                         .keep_names = SPANPIN_SWITCH_OFF,
                                         .rules = {.filter = SPANPIN_FILTER_TRACE_BASED,
                                                   .policy = SPANPIN_POLICY_SLOWEST,
                                                   .slots = 19,
                                                   .minimum_value = 0.25}};
  struct bed bed = bed_with(is_explicit ? &said : NULL);
  spanpin_family *family = register_family(
      &bed, (spanpin_family_options){
                .kind = SPANPIN_KIND_HISTOGRAM,
                .name = SPANPIN_STR("h"),
                .bounds = bounds,
                .bounds_len = 1,
                .hooks = {.slow_request = on_slow, .slow_request_threshold = 100}});
  spanpin_histogram *histogram = histogram_of(family);
  spanpin_series_view view;
  REQUIRE(spanpin_histogram_view(histogram, &view) == SPANPIN_STATUS_OK);
  printf("filter %u\npolicy %u\noffer_from %g\ndraws %u\nmarks %d\n", view.filter, view.policy, view.offer_from,
         view.draws, spanpin_registry_marks_spans(bed.registry));
  spanpin_str segment;
  REQUIRE(spanpin_registry_segment_path(bed.registry, &segment) == SPANPIN_STATUS_OK);
  printf("segment %.*s\n", (int)segment.len, segment.len == 0 ? "" : segment.ptr);
  for (unsigned i = 1; i <= 40; i++) {
    observe_span(histogram, 9 - i / 10.0, i);
    pass(&bed, 1000);
    free(page_for(&bed, "every second"));
  }
  printf("held %zu\n", held(histogram));
  const spanpin_label labels[] = {{SPANPIN_STR("TraceId"), SPANPIN_STR("0AF7651916CD43DD8448EB211C80319C")},
                                  {SPANPIN_STR("span_id"), SPANPIN_STR("B7AD6B7169203331")}};
  const spanpin_exemplar explicit_one = {.labels = labels, .labels_len = 2};
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 1, &explicit_one), SPANPIN_STATUS_OK);
  pass(&bed, 1000);
  print_page(&bed, "every second", "explicit", "h_bucket{le=\"10.0\"}");
  pass(&bed, 60000);
  print_page(&bed, "every second", "a minute later", "h_bucket{le=\"10.0\"}");
  observe_span(histogram, 101, 5);
  // Two addresses, each on a beat: told apart, both see what was the slowest since their own last scrape.
  for (unsigned i = 0; i < 16; i++) {
    observe_span(histogram, i == 15 ? 9 : 8, 6 + i);
    pass(&bed, 5000);
    free(page_from(&bed, i % 2 ? "10.0.0.2" : "10.0.0.1"));
  }
  observe_span(histogram, 3, 90);
  pass(&bed, 5000);
  char *text = page_from(&bed, "10.0.0.1");
  printf("sees %s\n", strstr(text, "} 9.0 ") == NULL ? "the rest" : "all of its own");
  free(text);
  print_page(&bed, NULL, "memory", "spanpin_exemplars_dropped_total{reason=\"memory\"}");
  bed_free(&bed);
  return check_failures != 0;
}
