// What an exemplar costs over a plain observation, through the C interface. Writes one line of JSON for each measurement;
// benches/cost.py makes the table.

#include <math.h>
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { VALUES = 4096, SPANS = 64, VARIANTS = 5, WARM_UP = 1 << 21, OPERATIONS = 4000000 };

static uint64_t state;

// The generator and the values of the other languages' benches.
static uint64_t next(void)
{
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static double unit(void)
{
  return (double)((next() >> 11) + 1) / 9007199254740992.0;
}

static double cpu_ns(void)
{
  struct timespec now;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
    exit(2);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static spanpin_histogram *histogram(uint32_t filter)
{
  spanpin_registry *registry;
  spanpin_family *family;
  spanpin_histogram *made;
  spanpin_family_options options = {.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("bench_seconds")};
  options.rules.filter = filter;
  if (spanpin_registry_new(NULL, &registry, NULL) || spanpin_family_register(registry, &options, &family, NULL) ||
      spanpin_histogram_with(family, NULL, 0, &made, NULL))
    exit(2);
  return made;
}

int main(int argc, char **argv)
{
  static double values[VALUES];
  static spanpin_trace_context spans[2][SPANS];
  // As a request has it once, whatever it observes.
  static spanpin_exemplar offers[2][SPANS];
  static const char *const names[VARIANTS] = {"none", "always_off", "no_tracing", "unsampled", "offered"};
  int rounds = argc > 1 ? atoi(argv[1]) : 21;
  spanpin_histogram *beds[VARIANTS];
  state = 1;
  for (int n = 0; n < VALUES; n++) {
    double a = unit(), b = unit();
    values[n] = 0.082 * exp(1.5 * sqrt(-2.0 * log(a)) * cos(6.283185307179586 * b));
  }
  state = 2;
  for (int n = 0; n < SPANS; n++) {
    for (int at = 0; at < 16; at++)
      spans[0][n].trace_id[at] = (uint8_t)(next() | 1);
    for (int at = 0; at < 8; at++)
      spans[0][n].span_id[at] = (uint8_t)(next() | 1);
    spans[1][n] = spans[0][n];
    spans[1][n].flags = 1;
    for (int sampled = 0; sampled < 2; sampled++)
      offers[sampled][n].trace = &spans[sampled][n];
  }
  for (int at = 0; at < VARIANTS; at++)
    beds[at] = histogram(at == 1 ? SPANPIN_FILTER_ALWAYS_OFF : SPANPIN_FILTER_TRACE_BASED);
  for (int round = 0; round <= rounds; round++) {
    for (int step = 0; step < VARIANTS; step++) {
      int at = round % 2 ? VARIANTS - 1 - step : step;
      int count = round ? OPERATIONS : WARM_UP;
      spanpin_histogram *bed = beds[at];
      double started = cpu_ns();
      switch (at) {
      case 0:
        for (int n = 0; n < count; n++)
          spanpin_histogram_observe(bed, values[n % VALUES]);
        break;
      case 2:
        for (int n = 0; n < count; n++)
          spanpin_histogram_observe_trace(bed, values[n % VALUES], NULL);
        break;
      default:
        for (int n = 0; n < count; n++)
          spanpin_histogram_observe_trace(bed, values[n % VALUES], &offers[at != 3][n % SPANS]);
      }
      double taken = cpu_ns() - started;
      if (round)
        printf("{\"language\":\"c\",\"variant\":\"%s\",\"round\":%d,\"cpu_ns_per_op\":%.4f}\n", names[at], round, taken / count);
    }
  }
  return 0;
}
