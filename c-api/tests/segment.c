// A segment in a file: parent and child of fork count together, a later registry goes on, and what is wrong is told.
#define _POSIX_C_SOURCE 200809L
#include <spanpin.h>
#include <spanpin_layout.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static spanpin_str text_of(const char *text)
{
  return spanpin_str_of(text);
}

static spanpin_counter *counter_of(spanpin_registry *registry)
{
  spanpin_family_options options = {.kind = SPANPIN_KIND_COUNTER, .name = SPANPIN_STR("c")};
  spanpin_family *family;
  spanpin_counter *counter;
  REQUIRE(spanpin_family_register(registry, &options, &family, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(spanpin_counter_with(family, NULL, 0, &counter, NULL) == SPANPIN_STATUS_OK);
  return counter;
}

static spanpin_gauge *gauge_of(spanpin_registry *registry)
{
  spanpin_family_options options = {.kind = SPANPIN_KIND_GAUGE, .name = SPANPIN_STR("g")};
  spanpin_family *family;
  spanpin_gauge *gauge;
  REQUIRE(spanpin_family_register(registry, &options, &family, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(spanpin_gauge_with(family, NULL, 0, &gauge, NULL) == SPANPIN_STATUS_OK);
  return gauge;
}

static double value_of(const spanpin_gauge *gauge)
{
  double value = -1;
  CHECK_STATUS(spanpin_gauge_value(gauge, &value), SPANPIN_STATUS_OK);
  return value;
}

static int shows(spanpin_registry *registry, const char *wanted)
{
  spanpin_scrape_result page;
  REQUIRE(spanpin_scrape(registry, NULL, &page, NULL) == SPANPIN_STATUS_OK);
  char *text = page_text(&page);
  int found = strstr(text, wanted) != NULL;
  free(text);
  spanpin_scrape_result_free(&page);
  return found;
}

// What a child added goes when it is killed; what one set stays.
static void check_gauges(const char *path)
{
  spanpin_registry_options options = {.segment = text_of(path), .segment_mode = 0640, .reserve_bytes = 1 << 20};
  spanpin_registry *registry;
  spanpin_series_view view;
  spanpin_worker_cell cell;
  int ready[2];
  char byte = 0;
  REQUIRE(spanpin_registry_new(&options, &registry, NULL) == SPANPIN_STATUS_OK);
  spanpin_gauge *gauge = gauge_of(registry);
  CHECK(spanpin_gauge_cell(gauge, &cell) == 0);
  spanpin_gauge_add(gauge, 2.5);
  CHECK(value_of(gauge) == 2.5);
  for (int set = 0; set < 2; set++) {
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
      spanpin_gauge_add(gauge, 10);
      if (set) {
        spanpin_gauge_set(gauge, 7);
      }
      (void)!write(ready[1], &byte, 1);
      pause();
      _exit(0);
    }
    REQUIRE(read(ready[0], &byte, 1) == 1);
    CHECK(value_of(gauge) == (set ? 7 : 12.5));
    int status = 0;
    REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(value_of(gauge) == (set ? 7 : 2.5));
    CHECK(shows(registry, set ? "\ng 7.0\n" : "\ng 2.5\n"));
    // As a language does that counts without a call.
    CHECK(spanpin_gauge_cell(gauge, &cell) == !set);
    if (!set) {
      const uint64_t *words = cell.cell;
      double added;
      memcpy(&added, &words[1], sizeof added);
      CHECK(words[0] == cell.generation && added == 2.5);
    }
    close(ready[0]);
    close(ready[1]);
  }
  CHECK_STATUS(spanpin_gauge_view(gauge, &view), SPANPIN_STATUS_OK);
  const uint64_t *words = view.cells;
  CHECK(words[SPANPIN_LAYOUT_GAUGE_MODE_WORD] == SPANPIN_LAYOUT_GAUGE_MODE_SHARED);
  CHECK_STATUS(spanpin_gauge_value(NULL, &(double){0}), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(spanpin_gauge_value(gauge, NULL), SPANPIN_STATUS_NULL_POINTER);
  CHECK(spanpin_gauge_cell(NULL, &cell) == 0 && spanpin_gauge_cell(gauge, NULL) == 0);
  spanpin_registry_free(registry);
}

int main(void)
{
  char directory[] = "/dev/shm/spanpin-segment-XXXXXX", path[64], beside[72];
  REQUIRE(mkdtemp(directory) != NULL);
  snprintf(path, sizeof path, "%s/a", directory);
  snprintf(beside, sizeof beside, "%s.1", path);
  spanpin_registry_options options = {.segment = text_of(path), .segment_mode = 0640, .reserve_bytes = 1 << 20};
  spanpin_registry *registry, *again;
  spanpin_segment_notice notice;
  spanpin_error error;
  spanpin_str where;

  REQUIRE(spanpin_registry_new(&options, &registry, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_registry_take_segment_notice(registry, &notice), SPANPIN_STATUS_OK);
  CHECK(notice.message.len == 0);
  spanpin_counter *counter = counter_of(registry);
  pid_t child = fork();
  if (child == 0) {
    spanpin_counter_inc(counter);
    _exit(0);
  }
  int status = 1;
  REQUIRE(waitpid(child, &status, 0) == child && status == 0);
  spanpin_counter_inc(counter);
  CHECK(shows(registry, "c_total 2\n"));
  spanpin_registry_free(registry);

  // A restart, and one with the wrong mode beside it.
  REQUIRE(spanpin_registry_new(&options, &registry, NULL) == SPANPIN_STATUS_OK);
  spanpin_counter_inc(counter_of(registry));
  CHECK(shows(registry, "c_total 3\n"));
  options.segment_mode = 0;
  options.strict = 1;
  CHECK_STATUS(spanpin_registry_new(&options, &again, &error), SPANPIN_STATUS_SEGMENT_UNUSABLE);
  CHECK(strstr(error.message, path) != NULL && strstr(error.message, "0640") != NULL);
  CHECK(strstr(error.message, "SPANPIN_SEGMENT") != NULL);
  options.strict = 0;
  REQUIRE(spanpin_registry_new(&options, &again, &error) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_registry_segment_path(again, &where), SPANPIN_STATUS_OK);
  CHECK(where.len == strlen(beside) && memcmp(where.ptr, beside, where.len) == 0);
  CHECK_STATUS(spanpin_registry_take_segment_notice(again, &notice), SPANPIN_STATUS_OK);
  CHECK(notice.message.len > notice.cause.len && notice.path.len == strlen(path) && notice.remedy.len > 0);
  CHECK(notice.reason.len == 7 && memcmp(notice.reason.ptr, "refused", 7) == 0);
  CHECK(shows(again, "spanpin_segment_degraded{reason=\"refused\"} 1"));
  CHECK_STATUS(spanpin_registry_take_segment_notice(again, &notice), SPANPIN_STATUS_OK);
  CHECK(notice.message.len == 0);
  spanpin_registry_free(again);
  spanpin_registry_free(registry);

  // Out of the file that the environment names, and not out of and in one at once.
  setenv("SPANPIN_SEGMENT", path, 1);
  options = (spanpin_registry_options){.segment_off = 1};
  REQUIRE(spanpin_registry_new(&options, &registry, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_registry_segment_path(registry, &where), SPANPIN_STATUS_OK);
  CHECK(where.len == 0);
  CHECK(!shows(registry, "spanpin_segment_degraded"));
  spanpin_registry_free(registry);
  options.segment = text_of(path);
  CHECK_STATUS(spanpin_registry_new(&options, &registry, &error), SPANPIN_STATUS_INVALID_OPTION);
  CHECK(strstr(error.message, "segment_off") != NULL);
  unsetenv("SPANPIN_SEGMENT");

  CHECK_STATUS(spanpin_registry_take_segment_notice(NULL, &notice), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(spanpin_registry_segment_path(NULL, &where), SPANPIN_STATUS_NULL_POINTER);
  REQUIRE(spanpin_registry_new(NULL, &registry, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_registry_segment_path(registry, &where), SPANPIN_STATUS_OK);
  CHECK(where.len == 0);
  CHECK_STATUS(spanpin_registry_take_segment_notice(registry, NULL), SPANPIN_STATUS_NULL_POINTER);
  spanpin_registry_free(registry);
  check_gauges(path);
  unlink(path);
  unlink(beside);
  rmdir(directory);
  return finish("segment");
}
