/* A batch job that records into a segment file and ends: job SEGMENT
 *
 * A real one has its span from a tracing library; this one takes it from the variable TRACEPARENT, as a job that is
 * started by a traced scheduler does. */
#define _POSIX_C_SOURCE 200809L
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int failed(const spanpin_error *error)
{
  fprintf(stderr, "job: %s\n", error->message);
  return 1;
}

int main(int argc, char **argv)
{
  if (argc != 2) {
    fprintf(stderr, "usage: %s SEGMENT\n", argv[0]);
    return 2;
  }
  double started = now();
  const spanpin_str job = SPANPIN_STR("job"), name = SPANPIN_STR("c");
  /* The mode lets a sidecar of the same group read the file. */
  spanpin_registry_options options = {.segment = {argv[1], strlen(argv[1])}, .segment_mode = 0640};
  spanpin_family_options runs_options = {.kind = SPANPIN_KIND_HISTOGRAM,
                                         .name = SPANPIN_STR("batch_run_seconds"),
                                         .help = SPANPIN_STR("How long a run took."),
                                         .unit = SPANPIN_STR("seconds"),
                                         .label_names = &job,
                                         .label_names_len = 1};
  spanpin_family_options items_options = {.kind = SPANPIN_KIND_COUNTER,
                                          .name = SPANPIN_STR("batch_items_total"),
                                          .help = SPANPIN_STR("Items that were worked on."),
                                          .label_names = &job,
                                          .label_names_len = 1};
  spanpin_registry *registry;
  spanpin_family *runs, *items;
  spanpin_histogram *run;
  spanpin_counter *item;
  spanpin_error error;
  if (spanpin_registry_new(&options, &registry, &error))
    return failed(&error);
  /* Counts in another place than the file would end with this process. */
  spanpin_segment_notice notice;
  if (!spanpin_registry_take_segment_notice(registry, &notice) && notice.message.len > 0)
    fprintf(stderr, "job: %.*s\n", (int)notice.message.len, notice.message.ptr);
  if (spanpin_family_register(registry, &runs_options, &runs, &error)
      || spanpin_histogram_with(runs, &name, 1, &run, &error)
      || spanpin_family_register(registry, &items_options, &items, &error)
      || spanpin_counter_with(items, &name, 1, &item, &error))
    return failed(&error);

  unsigned done = 0;
  for (unsigned n = 1; n <= 1000; n++)
    done += n % 7 == 0;

  spanpin_counter_add(item, done);
  const char *parent = getenv("TRACEPARENT");
  if (parent)
    spanpin_histogram_observe_traceparent(run, now() - started, parent, strlen(parent));
  else
    spanpin_histogram_observe(run, now() - started);
  spanpin_registry_free(registry);
  return 0;
}
