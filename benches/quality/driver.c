// The few calls of the C ABI that the quality benchmark makes, in C and against the header, so that the compiler checks
// every struct. Linked with libspanpin.a to a shared library, which the benchmark loads.

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
#include <spanpin.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// One request. `src/traffic.rs` has the same struct.
struct quality_event {
  uint64_t at_us;
  uint64_t index;
  double value;
  uint8_t bucket;
  uint8_t sampled;
};

// How the caller's clocks are ahead of the time of the events, in milliseconds.
struct quality_clock {
  uint64_t mono_ms;
  uint64_t wall_ms;
};

// One scraper's request.
struct quality_request {
  const char *user_agent;
  const char *scrape_timeout;
  const char *path;
  const char *peer;
};

struct quality_driver {
  spanpin_registry *registry;
  spanpin_histogram *histogram;
  spanpin_scrape_result page;
  spanpin_error error;
};

static void quality_close(struct quality_driver *driver)
{
  if (driver == NULL)
    return;
  spanpin_scrape_result_free(&driver->page);
  spanpin_registry_free(driver->registry);
  free(driver);
}

// A registry with one histogram of the default bounds. Everything that bears on quality is the default; only the address
// space is smaller, because many registries live at once.
static struct quality_driver *quality_open(int identity_none)
{
  spanpin_registry_options options = {.reserve_bytes = 4u << 20, .self_metrics_off = 1};
  spanpin_family_options family_options = {.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("d")};
  spanpin_family *family;
  struct quality_driver *driver = calloc(1, sizeof *driver);
  if (driver == NULL)
    return NULL;
  if (identity_none)
    options.scraper_identity = SPANPIN_SCRAPER_IDENTITY_NONE;
  if (spanpin_registry_new(&options, &driver->registry, NULL) ||
      spanpin_family_register(driver->registry, &family_options, &family, NULL) ||
      spanpin_histogram_with(family, NULL, 0, &driver->histogram, NULL)) {
    quality_close(driver);
    return NULL;
  }
  return driver;
}

static void put_big_endian(uint8_t *to, uint64_t number)
{
  for (int i = 0; i < 8; i++)
    to[i] = (uint8_t)(number >> (56 - 8 * i));
}

static spanpin_status quality_set_clock(struct quality_driver *driver, uint64_t wall_ms, uint64_t mono_ms)
{
  return spanpin_registry_set_clock(driver->registry, wall_ms, mono_ms);
}

// Observes the events in order, and sets the clock before each of them if `clock` is given. The exemplar says of itself
// which event it is: the trace id is its time (+1, for zero is no id) and its number with the sampled flag, the span id its
// value.
static spanpin_status quality_observe(struct quality_driver *driver, const struct quality_event *events, size_t len,
                               const struct quality_clock *clock)
{
  spanpin_trace_context span;
  const spanpin_exemplar offer = {.trace = &span};
  uint64_t set_ms = UINT64_MAX;
  for (size_t i = 0; i < len; i++) {
    const struct quality_event *event = &events[i];
    uint64_t value_bits;
    uint64_t now_ms = event->at_us / 1000;
    spanpin_status status;
    if (clock != NULL && now_ms != set_ms) {
      status = quality_set_clock(driver, clock->wall_ms + now_ms, clock->mono_ms + now_ms);
      if (status != SPANPIN_STATUS_OK)
        return status;
      set_ms = now_ms;
    }
    memcpy(&value_bits, &event->value, sizeof value_bits);
    put_big_endian(span.trace_id, event->at_us + 1);
    put_big_endian(span.trace_id + 8, event->index << 1 | event->sampled);
    put_big_endian(span.span_id, value_bits);
    span.flags = event->sampled;
    status = spanpin_histogram_observe_trace(driver->histogram, event->value, &offer);
    if (status != SPANPIN_STATUS_OK)
      return status;
  }
  return SPANPIN_STATUS_OK;
}

// The page for a scraper of OpenMetrics, valid until the next call.
static spanpin_status quality_scrape(struct quality_driver *driver, const struct quality_request *request, const uint8_t **body,
                              size_t *body_len)
{
  const spanpin_scrape_options options = {
      .accept = SPANPIN_STR("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
      .user_agent = spanpin_str_of(request->user_agent),
      .scrape_timeout = spanpin_str_of(request->scrape_timeout),
      .path = spanpin_str_of(request->path),
      .peer = spanpin_str_of(request->peer),
  };
  spanpin_scrape_result_free(&driver->page);
  spanpin_status status = spanpin_scrape(driver->registry, &options, &driver->page, &driver->error);
  if (status == SPANPIN_STATUS_OK) {
    *body = driver->page.body;
    *body_len = driver->page.body_len;
  }
  return status;
}

// Late writers: a signal whose handler sleeps holds one thread wherever it is, also inside the library.

static _Thread_local int may_be_held;
static volatile sig_atomic_t hold_us;

static void hold(int signal_number)
{
  (void)signal_number;
  if (may_be_held) {
    struct timespec left = {.tv_sec = 0, .tv_nsec = (long)hold_us * 1000};
    nanosleep(&left, NULL);
  }
}

// Makes the calling thread one that quality_hold may hold.
static int quality_holdable(pthread_t *self)
{
  struct sigaction action = {.sa_handler = hold, .sa_flags = SA_RESTART};
  may_be_held = 1;
  *self = pthread_self();
  return sigaction(SIGUSR1, &action, NULL);
}

// Holds a thread for some microseconds.
static int quality_hold(pthread_t thread, int microseconds)
{
  hold_us = microseconds;
  return pthread_kill(thread, SIGUSR1);
}

// What the benchmark loads. `src/library.rs` has the same struct.
struct quality_functions {
  size_t event_size;
  struct quality_driver *(*open)(int identity_none);
  void (*close)(struct quality_driver *driver);
  spanpin_status (*set_clock)(struct quality_driver *driver, uint64_t wall_ms, uint64_t mono_ms);
  spanpin_status (*observe)(struct quality_driver *driver, const struct quality_event *events, size_t len,
                            const struct quality_clock *clock);
  spanpin_status (*scrape)(struct quality_driver *driver, const struct quality_request *request, const uint8_t **body,
                           size_t *body_len);
  int (*holdable)(pthread_t *self);
  int (*hold)(pthread_t thread, int microseconds);
};

const struct quality_functions *quality_functions(void)
{
  static const struct quality_functions functions = {
      .event_size = sizeof(struct quality_event),
      .open = quality_open,
      .close = quality_close,
      .set_clock = quality_set_clock,
      .observe = quality_observe,
      .scrape = quality_scrape,
      .holdable = quality_holdable,
      .hold = quality_hold,
  };
  return &functions;
}
