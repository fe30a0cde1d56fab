// Series are removed and used again; pointers to removed ones count in the overflow series, whatever becomes of the series.
#include <spanpin.h>

#include "bed.h"

static spanpin_family *labelled(const struct bed *bed, uint32_t kind, const char *name)
{
  static const spanpin_str names[] = {{"l", 1}};
  return register_family(bed, (spanpin_family_options){
                                  .kind = kind, .name = spanpin_str_of(name), .label_names = names, .label_names_len = 1});
}

static spanpin_counter *counter_with(const spanpin_family *family, const char *value)
{
  const spanpin_str values[] = {spanpin_str_of(value)};
  spanpin_counter *counter = NULL;
  REQUIRE(spanpin_counter_with(family, values, 1, &counter, NULL) == SPANPIN_STATUS_OK);
  return counter;
}

static int removed(const spanpin_family *family, const char *value)
{
  const spanpin_str values[] = {spanpin_str_of(value)};
  int32_t was_there = -1;
  REQUIRE(spanpin_family_remove(family, values, 1, &was_there, NULL) == SPANPIN_STATUS_OK);
  return was_there;
}

static void expect(const struct bed *bed, const char *line, int there)
{
  char *page = page_for(bed, "one");
  CHECK((strstr(page, line) != NULL) == there);
  free(page);
}

static void of_each_kind(void)
{
  struct bed bed = bed_new();
  spanpin_family *counters = labelled(&bed, SPANPIN_KIND_COUNTER, "c");
  spanpin_family *gauges = labelled(&bed, SPANPIN_KIND_GAUGE, "g");
  spanpin_family *histograms = labelled(&bed, SPANPIN_KIND_HISTOGRAM, "h");
  const spanpin_str a[] = {SPANPIN_STR("a")};
  spanpin_counter *counter = counter_with(counters, "a");
  spanpin_gauge *gauge = NULL;
  spanpin_histogram *histogram = NULL;
  REQUIRE(spanpin_gauge_with(gauges, a, 1, &gauge, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(spanpin_histogram_with(histograms, a, 1, &histogram, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_inc(counter), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_gauge_set(gauge, 3), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe(histogram, 0.5), SPANPIN_STATUS_OK);
  CHECK(removed(counters, "a") == 1 && removed(counters, "a") == 0);
  CHECK(removed(gauges, "a") == 1);
  CHECK_STATUS(spanpin_family_clear(histograms, NULL), SPANPIN_STATUS_OK);
  expect(&bed, "l=\"a\"", 0);
  CHECK_STATUS(spanpin_counter_add(counter, 2.5), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_gauge_add(gauge, 4), SPANPIN_STATUS_OK);
  observe_span(histogram, 0.5, 1);
  spanpin_exemplar_list list;
  REQUIRE(spanpin_histogram_exemplars(histogram, &list, NULL) == SPANPIN_STATUS_OK);
  CHECK(list.exemplars_len == 0);
  spanpin_exemplar_list_free(&list);
  expect(&bed, "c_total{l=\"spanpin_overflow\"} 2.5\n", 1);
  expect(&bed, "g{l=\"spanpin_overflow\"} 4.0\n", 1);
  expect(&bed, "h_count{l=\"spanpin_overflow\"} 1\n", 1);
  expect(&bed, "trace_id", 0);

  int32_t was_there = 7;
  spanpin_error error;
  CHECK_STATUS(spanpin_family_remove(counters, NULL, 0, &was_there, &error), SPANPIN_STATUS_LABEL_COUNT);
  CHECK(was_there == 7);
  CHECK_STATUS(spanpin_family_remove(NULL, a, 1, NULL, NULL), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(spanpin_family_remove(counters, a, 1, NULL, NULL), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_family_clear(NULL, NULL), SPANPIN_STATUS_NULL_POINTER);
  bed_free(&bed);
}

// Pointers of every life are told apart, also when one place in memory has had many.
static void of_many_lives(void)
{
  struct bed bed = bed_new();
  spanpin_family *family = labelled(&bed, SPANPIN_KIND_COUNTER, "c");
  enum { LIVES = 100 };
  spanpin_counter *counters[LIVES];
  for (unsigned life = 0; life < LIVES; life++) {
    char name[16];
    snprintf(name, sizeof name, "%u", life);
    counters[life] = counter_with(family, name);
    CHECK(counter_with(family, name) == counters[life]);
    for (unsigned earlier = 0; earlier < life; earlier++)
      CHECK(counters[earlier] != counters[life]);
    CHECK(removed(family, name) == 1);
    pass(&bed, 10001);
  }
  spanpin_counter *last = counter_with(family, "last");
  CHECK_STATUS(spanpin_counter_add(last, 7), SPANPIN_STATUS_OK);
  for (unsigned life = 0; life < LIVES; life++)
    CHECK_STATUS(spanpin_counter_inc(counters[life]), SPANPIN_STATUS_OK);
  expect(&bed, "c_total{l=\"last\"} 7\n", 1);
  expect(&bed, "c_total{l=\"spanpin_overflow\"} 100\n", 1);
  bed_free(&bed);
}

int main(void)
{
  of_each_kind();
  of_many_lives();
  return finish("churn");
}
