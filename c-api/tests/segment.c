// A segment in a file: parent and child of fork count together, a later registry goes on, and what is wrong is told.
#define _POSIX_C_SOURCE 200809L
#include <spanpin.h>

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

int main(void)
{
  char directory[] = "/dev/shm/spanpin-segment-XXXXXX", path[64], beside[72];
  REQUIRE(mkdtemp(directory) != NULL);
  snprintf(path, sizeof path, "%s/a", directory);
  snprintf(beside, sizeof beside, "%s.1", path);
  spanpin_registry_options options = {.segment = text_of(path), .segment_mode = 0640};
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
  unlink(path);
  unlink(beside);
  rmdir(directory);
  return finish("segment");
}
