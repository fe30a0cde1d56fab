// Each rule of a family decides what it says, is refused out of its range, and costs no observation.
#include <math.h>
#include <spanpin.h>

#include "bed.h"

static const double bounds[] = {1, 10};

static spanpin_family_options histogram_options(spanpin_exemplar_rules rules)
{
  return (spanpin_family_options){.kind = SPANPIN_KIND_HISTOGRAM,
                                  .name = SPANPIN_STR("h"),
                                  .bounds = bounds,
                                  .bounds_len = 2,
                                  .rules = rules};
}

static spanpin_histogram *histogram_with_rules(const struct bed *bed, spanpin_exemplar_rules rules)
{
  return histogram_of(register_family(bed, histogram_options(rules)));
}

static void minimum_value(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){.minimum_value = 0.5});
  spanpin_series_view view;
  CHECK_STATUS(spanpin_histogram_view(histogram, &view), SPANPIN_STATUS_OK);
  CHECK(view.offer_from == 0.5 && view.draws == 0);
  observe_span(histogram, 0.499, 1);
  CHECK(held(histogram) == 0);
  observe_span(histogram, 0.5, 2);
  CHECK(held(histogram) == 1);
  CHECK(page_has(&bed, NULL, "h_count 2\n"));
  CHECK(own(&bed, "spanpin_exemplars_offered_total") == 1);
  bed_free(&bed);
}

static void probability(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){.probability = 0.25});
  spanpin_series_view view;
  CHECK_STATUS(spanpin_histogram_view(histogram, &view), SPANPIN_STATUS_OK);
  CHECK(view.draws != 0);
  enum { OFFERS = 8000 };
  for (unsigned i = 0; i < OFFERS; i++)  // Rising values beat their window whatever was kept before.
    observe_span(histogram, 1.5 + i / 1000.0, i + 1);
  CHECK(own(&bed, "spanpin_exemplars_offered_total") == OFFERS);
  unsigned long lost = dropped(&bed, "filter");
  CHECK(lost > OFFERS * 73 / 100 && lost < OFFERS * 77 / 100);
  CHECK(own(&bed, "spanpin_exemplars_admitted_total") == OFFERS - lost);

  // A caller that counts by itself asks for the same lots.
  unsigned kept = 0;
  for (unsigned i = 0; i < OFFERS; i++)
    kept += spanpin_histogram_draw(histogram, 1, 1.5, i) == 1;
  CHECK(kept == OFFERS - lost);
  CHECK(dropped(&bed, "filter") == 2 * lost);
  bed_free(&bed);
}

static void adaptive(void)
{
  struct bed bed = bed_new();
  spanpin_family *family = register_family(&bed, histogram_options((spanpin_exemplar_rules){
                                                     .adaptive = SPANPIN_ADAPTIVE_OF_P99, .adaptive_p99 = 8}));
  spanpin_histogram *histogram = histogram_of(family);
  // The window begins at the first offer; before it has 100 observations everything passes, whatever the p99.
  observe_span(histogram, 0.5, 1);
  CHECK(dropped(&bed, "filter") == 0);
  for (unsigned i = 0; i < 100; i++)
    spanpin_histogram_observe(histogram, 9);
  pass(&bed, 25);
  free(page_for(&bed, "a"));
  // Each in a window of its own, so that each beats it: above the p99 all pass, far below hardly one.
  enum { WINDOWS = 200 };
  for (unsigned i = 1; i <= WINDOWS; i++) {
    observe_span(histogram, 9, i);
    observe_span(histogram, 0.5, i);
    pass(&bed, 25);
    free(page_for(&bed, "a"));
  }
  unsigned long lost = dropped(&bed, "filter");
  CHECK(lost > WINDOWS * 90 / 100 && lost <= WINDOWS);
  CHECK(own(&bed, "spanpin_exemplars_admitted_total") == 2 * WINDOWS - lost + 1);

  // With a p99 of 0.1 every value is above it. It holds from the next second on.
  CHECK_STATUS(spanpin_family_set_p99(family, 0.1), SPANPIN_STATUS_OK);
  pass(&bed, 1000);
  for (unsigned i = 1; i <= 20; i++) {
    observe_span(histogram, 0.5, i);
    pass(&bed, 25);
    free(page_for(&bed, "a"));
  }
  CHECK(dropped(&bed, "filter") == lost);
  // Back to the buckets: half of the last two minutes lies in the first one, so its values are below the band.
  CHECK_STATUS(spanpin_family_set_p99(family, NAN), SPANPIN_STATUS_OK);
  pass(&bed, 1000);
  for (unsigned i = 1; i <= WINDOWS; i++) {
    observe_span(histogram, 0.5, i);
    pass(&bed, 25);
    free(page_for(&bed, "a"));
  }
  CHECK(dropped(&bed, "filter") > lost + WINDOWS * 90 / 100);
  bed_free(&bed);

  bed = bed_new();
  histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){.adaptive = SPANPIN_ADAPTIVE_P95});
  for (unsigned i = 1; i <= 99; i++)
    observe_span(histogram, 0.001 * i, i);
  CHECK(dropped(&bed, "filter") == 0);  // Too few to know a quantile.
  bed_free(&bed);
}

static void slots_and_age(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){.slots = 4, .max_age_s = 10});
  for (unsigned i = 1; i <= 9; i++) {
    observe_span(histogram, 10 - i, i);
    pass(&bed, 1000);
    free(page_for(&bed, "a"));
  }
  observe_span(histogram, 9.5, 10);
  CHECK(held(histogram) == 5);  // Nine in a bucket with four slots, one in the next bucket.
  pass(&bed, 1000);
  CHECK(page_has(&bed, "a", "} 9.5 "));
  pass(&bed, 9000);
  CHECK(page_has(&bed, "a", "} 9.5 "));
  pass(&bed, 1);
  char *text = page_for(&bed, "a");
  CHECK(strstr(text, "} 9.5 ") == NULL);
  free(text);
  bed_free(&bed);
}

static void filters_and_policies(void)
{
  const spanpin_trace_context unsampled = {{1}, {1}, 0};
  const spanpin_exemplar offer = {.trace = &unsampled};
  const struct {
    uint32_t filter;
    size_t unsampled, sampled;
  } filters[] = {{SPANPIN_FILTER_TRACE_BASED, 0, 1}, {SPANPIN_FILTER_ALWAYS_ON, 1, 2}, {SPANPIN_FILTER_ALWAYS_OFF, 0, 0}};
  for (size_t i = 0; i < 3; i++) {
    struct bed bed = bed_new();
    spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){.filter = filters[i].filter});
    CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.5, &offer), SPANPIN_STATUS_OK);
    CHECK(held(histogram) == filters[i].unsampled);
    observe_span(histogram, 0.6, 1);
    CHECK(held(histogram) == filters[i].sampled);
    spanpin_series_view view;
    CHECK_STATUS(spanpin_histogram_view(histogram, &view), SPANPIN_STATUS_OK);
    CHECK(view.filter == filters[i].filter);
    CHECK(isnan(view.offer_from) == (filters[i].filter == SPANPIN_FILTER_ALWAYS_OFF));
    bed_free(&bed);
  }
  // Three values in one window: the slowest writes twice, the first once, and a uniform sample at least once.
  const struct {
    uint32_t policy;
    size_t least, most;
  } policies[] = {{SPANPIN_POLICY_SLOWEST, 2, 2}, {SPANPIN_POLICY_FIRST, 1, 1}, {SPANPIN_POLICY_UNIFORM, 1, 3}};
  for (size_t i = 0; i < 3; i++) {
    struct bed bed = bed_new();
    spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){.policy = policies[i].policy});
    observe_span(histogram, 2, 1);
    observe_span(histogram, 4, 2);
    observe_span(histogram, 3, 3);
    CHECK(held(histogram) >= policies[i].least && held(histogram) <= policies[i].most);
    bed_free(&bed);
  }
}

static void numbers_out_of_range(void)
{
  static const struct {
    spanpin_exemplar_rules rules;
    const char *value, *allowed;
  } wrong[] = {
      {{.filter = 4}, "4", "0 to 3"},
      {{.policy = 4}, "4", "0 to 3"},
      {{.slots = 3}, "3", "4 to 19"},
      {{.slots = 20}, "20", "4 to 19"},
      {{.max_age_s = 86401}, "86401", "1 to 86400"},
      {{.minimum_value = NAN}, "NaN", "a number"},
      {{.probability = -0.5}, "-0.5", "0 to 1"},
      {{.probability = 1.5}, "1.5", "0 to 1"},
      {{.probability = NAN}, "NaN", "0 to 1"},
      {{.adaptive = 4}, "4", "0 to 3"},
      {{.adaptive = 1, .adaptive_window_s = 59}, "59", "60 to 300"},
      {{.adaptive = 1, .adaptive_window_s = 301}, "301", "60 to 300"},
      {{.adaptive = 1, .adaptive_lower = 1.5}, "1.5", "at most 1"},
      {{.adaptive = 1, .adaptive_lower = -1}, "-1.0", "above 0"},
      {{.adaptive = 1, .adaptive_p99 = INFINITY}, "+Inf", "finite"},
  };
  struct bed bed = bed_new();
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const spanpin_family_options options = histogram_options(wrong[i].rules);
    const spanpin_registry_options defaults = {.rules = wrong[i].rules};
    spanpin_family *family = NULL;
    spanpin_registry *registry = NULL;
    spanpin_error error = {0};
    CHECK_STATUS(spanpin_family_register(bed.registry, &options, &family, &error), SPANPIN_STATUS_INVALID_OPTION);
    CHECK(strstr(error.message, wrong[i].value) != NULL && strstr(error.message, wrong[i].allowed) != NULL);
    CHECK_STATUS(spanpin_registry_new(&defaults, &registry, NULL), SPANPIN_STATUS_INVALID_OPTION);
    CHECK(family == NULL && registry == NULL);
  }
  spanpin_family_options counter = histogram_options((spanpin_exemplar_rules){.adaptive = SPANPIN_ADAPTIVE_OF_P99});
  counter.kind = SPANPIN_KIND_COUNTER, counter.bounds = NULL, counter.bounds_len = 0;
  spanpin_family *family = NULL;
  spanpin_error error = {0};
  CHECK_STATUS(spanpin_family_register(bed.registry, &counter, &family, &error), SPANPIN_STATUS_INVALID_OPTION);
  CHECK(strstr(error.message, "probability") != NULL);  // The remedy.
  // None of them took the name.
  CHECK(held(histogram_with_rules(&bed, (spanpin_exemplar_rules){0})) == 0);
  bed_free(&bed);
}

static void defaults_of_the_registry(void)
{
  const spanpin_registry_options options = {
      .rules = {.filter = SPANPIN_FILTER_ALWAYS_ON, .minimum_value = 5, .adaptive = SPANPIN_ADAPTIVE_P95, .slots = 5}};
  struct bed bed = bed_with(&options);
  spanpin_series_view view;
  spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){0});
  CHECK_STATUS(spanpin_histogram_view(histogram, &view), SPANPIN_STATUS_OK);
  CHECK(view.filter == SPANPIN_FILTER_ALWAYS_ON && view.offer_from == 5 && view.draws != 0);
  // A family may leave out what the registry asks for.
  spanpin_family_options options_off = histogram_options((spanpin_exemplar_rules){.adaptive = SPANPIN_ADAPTIVE_OFF});
  options_off.name = SPANPIN_STR("off");
  CHECK_STATUS(spanpin_histogram_view(histogram_of(register_family(&bed, options_off)), &view), SPANPIN_STATUS_OK);
  CHECK(view.offer_from == 5 && view.draws == 0);
  // A minimum and adaptive sampling are meant for what histograms observe.
  spanpin_counter *counter = counter_of(
      register_family(&bed, (spanpin_family_options){.kind = SPANPIN_KIND_COUNTER, .name = SPANPIN_STR("c")}));
  CHECK_STATUS(spanpin_counter_view(counter, &view), SPANPIN_STATUS_OK);
  CHECK(view.filter == SPANPIN_FILTER_ALWAYS_ON && view.offer_from == -INFINITY && view.draws == 0);
  bed_free(&bed);
}

// For a caller that counts in the segment itself.
static void offers_in_hand(void)
{
  struct bed bed = bed_new();
  spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){0});
  spanpin_counter *counter = counter_of(register_family(
      &bed, (spanpin_family_options){
                .kind = SPANPIN_KIND_COUNTER, .name = SPANPIN_STR("c"), .rules = {.probability = 1e-12}}));
  const spanpin_trace_context context = span(3), none = {{0}, {0}, 1};
  const spanpin_label labels[] = {{SPANPIN_STR("request"), SPANPIN_STR("r\xff")}, {SPANPIN_STR("trace_id"), SPANPIN_STR("x")}};
  const spanpin_exemplar offer = {&context, labels, 2}, no_span = {NULL, labels, 2}, no_ids = {&none, labels, 2};
  const spanpin_exemplar no_labels = {&context, NULL, 2};
  CHECK(spanpin_histogram_offer_labels(histogram, 1, 2.5, 0, &offer) == 1);
  CHECK(spanpin_histogram_offer_labels(histogram, 1, 2.5, 0, &offer) == 0);  // It does not beat itself.
  CHECK(spanpin_histogram_offer_labels(histogram, 3, 2.5, 0, &offer) == 0);  // There is no such bucket.
  CHECK(spanpin_histogram_offer_labels(histogram, 1, 3.5, 0, &no_span) == 0);
  CHECK(spanpin_histogram_offer_labels(histogram, 1, 3.5, 0, &no_ids) == 0);
  CHECK(spanpin_histogram_offer_labels(histogram, 1, 3.5, 0, NULL) == 0);
  CHECK(spanpin_histogram_offer_labels(histogram, 1, 3.5, 0, &no_labels) == 0);
  CHECK(spanpin_histogram_draw(histogram, 1, 2.5, 0) == 1);  // This family does not draw.
  CHECK(spanpin_counter_draw(counter, 1, 0) == 0);
  CHECK(spanpin_counter_offer_labels(counter, 1, 0, &offer) == 1);
  CHECK(spanpin_counter_offer_labels(counter, 1, 0, NULL) == 0);
  CHECK(spanpin_counter_offer_labels(NULL, 1, 0, &offer) == 0);
  CHECK(spanpin_histogram_offer_labels(NULL, 1, 1, 0, &offer) == 0);
  CHECK(spanpin_histogram_draw(NULL, 1, 1, 0) == 0 && spanpin_counter_draw(NULL, 1, 0) == 0);
  pass(&bed, 1000);
  CHECK(page_has(&bed, "a", "span_id=\"0700000000000003\",request=\"r\xef\xbf\xbd\"} 2.5 "));
  bed_free(&bed);
}

static void memory_limit(void)
{
  const spanpin_registry_options options = {.exemplar_bytes = 2048};
  struct bed bed = bed_with(&options);
  spanpin_histogram *histogram = histogram_with_rules(&bed, (spanpin_exemplar_rules){0});
  for (unsigned i = 0; i < 30; i++)
    observe_span(histogram, (i % 3) * 5 + 0.5 + i / 100.0, i + 1);  // Three buckets, memory for two rings.
  spanpin_exemplar_list list;
  REQUIRE(spanpin_histogram_exemplars(histogram, &list, NULL) == SPANPIN_STATUS_OK);
  unsigned in_bucket[3] = {0};
  for (size_t i = 0; i < list.exemplars_len; i++)
    in_bucket[list.exemplars[i].value <= 1 ? 0 : list.exemplars[i].value <= 10 ? 1 : 2]++;
  spanpin_exemplar_list_free(&list);
  CHECK(in_bucket[0] > 0 && in_bucket[1] > 0 && in_bucket[2] == 0);
  CHECK(dropped(&bed, "memory") == 10);
  CHECK(own(&bed, "spanpin_exemplar_bytes") <= 2048);
  // Labels find no room either: the ids are kept without them.
  const spanpin_trace_context context = span(99);
  const spanpin_label label = {SPANPIN_STR("request"), SPANPIN_STR("r")};
  const spanpin_exemplar labelled = {&context, &label, 1}, only_labels = {NULL, &label, 1};
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.99, &labelled), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 0.5, &only_labels), SPANPIN_STATUS_OK);
  CHECK(dropped(&bed, "memory") >= 11);
  pass(&bed, 1000);
  char *text = page_for(&bed, "a");
  CHECK(strstr(text, "span_id=\"0700000000000063\"} 0.99 ") != NULL);
  CHECK(strstr(text, "request=") == NULL && strstr(text, "h_count 32\n") != NULL);
  free(text);
  bed_free(&bed);
}

int main(void)
{
  minimum_value();
  probability();
  adaptive();
  slots_and_age();
  filters_and_policies();
  numbers_out_of_range();
  defaults_of_the_registry();
  offers_in_hand();
  memory_limit();
  return finish("rules");
}
