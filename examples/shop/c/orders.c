// orders-c: the orders of the shop. GET /orders takes 2 s for every tenth trace and fails for every hundredth.
//
// What a service needs of spanpin is in setup(), orders() and metrics(): two metrics, a call each to record, a scrape.

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "trace.h"

#define SERVICE "orders-c"

static spanpin_registry *registry;
static spanpin_histogram *duration;
static spanpin_counter *failures;

static int setup(void)
{
  const spanpin_str names[] = {SPANPIN_STR("service"), SPANPIN_STR("route")};
  const spanpin_str values[] = {SPANPIN_STR(SERVICE), SPANPIN_STR("/orders")};
  const spanpin_family_options histogram = {
      .kind = SPANPIN_KIND_HISTOGRAM,
      .name = SPANPIN_STR("shop_request_duration_seconds"),
      .help = SPANPIN_STR("Time to answer a request."),
      .unit = SPANPIN_STR("seconds"),
      .label_names = names,
      .label_names_len = 2,
  };
  const spanpin_family_options counter = {
      .kind = SPANPIN_KIND_COUNTER,
      .name = SPANPIN_STR("shop_errors_total"),
      .help = SPANPIN_STR("Requests that failed."),
      .label_names = names,
      .label_names_len = 1,
  };
  spanpin_family *durations, *errors;
  spanpin_error error;
  registry = spanpin_registry_default();
  if (registry == NULL) {
    fprintf(stderr, SERVICE ": out of memory\n");
    return -1;
  }
  if (spanpin_family_register(registry, &histogram, &durations, &error) != SPANPIN_STATUS_OK ||
      spanpin_family_register(registry, &counter, &errors, &error) != SPANPIN_STATUS_OK ||
      spanpin_histogram_with(durations, values, 2, &duration, &error) != SPANPIN_STATUS_OK ||
      spanpin_counter_with(errors, values, 1, &failures, &error) != SPANPIN_STATUS_OK) {
    fprintf(stderr, SERVICE ": %s\n", error.message);
    return -1;
  }
  return 0;
}

static double seconds_of(clockid_t clock)
{
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Stands for a database. The trace id decides, so that a whole run can be checked.
static int look_up_orders(const spanpin_trace_context *span)
{
  uint64_t draw = trace_draw(span);
  int slow = draw / 100 % 100 < 10, fails = draw / 10000 % 100 < 1;
  long milliseconds = slow ? 2000 : (long)(2 + draw / 1000000 % 60);
  struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
  nanosleep(&pause, NULL);
  return fails ? 500 : 200;
}

static void orders(int connection, const struct request *request)
{
  double wall = seconds_of(CLOCK_REALTIME), started = seconds_of(CLOCK_MONOTONIC);
  spanpin_str traceparent = spanpin_str_of(request->traceparent);
  spanpin_trace_context context, *parent = NULL;
  if (spanpin_trace_context_parse(traceparent.ptr, traceparent.len, &context, NULL) == SPANPIN_STATUS_OK)
    parent = &context;
  spanpin_trace_context span = trace_child_of(parent);
  spanpin_exemplar offer = {.trace = &span};

  int status = look_up_orders(&span);

  double seconds = seconds_of(CLOCK_MONOTONIC) - started;
  spanpin_histogram_observe_trace(duration, seconds, &offer);
  if (status >= 500)
    spanpin_counter_add_trace(failures, 1, &offer);
  trace_record(SERVICE, "/orders", wall, parent, &span, seconds, status);
  char body[32];
  int len = snprintf(body, sizeof body, "{\"status\":%d}\n", status);
  http_answer(connection, status == 200 ? "200 OK" : "500 Internal Server Error", spanpin_str_of("application/json"),
              spanpin_str_of(""), body, (size_t)len);
}

static void answer_text(int connection, const char *status, const char *text)
{
  http_answer(connection, status, spanpin_str_of("text/plain; charset=utf-8"), spanpin_str_of(""), text, strlen(text));
}

// What identifies a scraper is taken from its request, so that each gets the exemplars since its own last scrape.
static void metrics(int connection, const struct request *request, const char *peer)
{
  const spanpin_scrape_options options = {
      .accept = spanpin_str_of(request->accept),
      .accept_encoding = spanpin_str_of(request->accept_encoding),
      .user_agent = spanpin_str_of(request->user_agent),
      .scrape_timeout = spanpin_str_of(request->scrape_timeout),
      .path = spanpin_str_of(request->target),
      .peer = spanpin_str_of(peer),
  };
  spanpin_scrape_result page;
  spanpin_error error;
  if (spanpin_scrape(registry, &options, &page, &error) != SPANPIN_STATUS_OK) {
    answer_text(connection, "500 Internal Server Error", error.message);
    return;
  }
  http_answer(connection, "200 OK", page.content_type, page.content_encoding, page.body, page.body_len);
  spanpin_scrape_result_free(&page);
}

struct connection {
  int socket;
  char peer[INET_ADDRSTRLEN];
};

static void *serve(void *argument)
{
  struct connection *connection = argument;
  struct timeval patience = {.tv_sec = 10};
  struct request request;
  setsockopt(connection->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (http_read(connection->socket, &request) != 0)
    answer_text(connection->socket, "400 Bad Request", "bad request\n");
  else if (strcspn(request.target, "?") == 7 && strncmp(request.target, "/orders", 7) == 0)
    orders(connection->socket, &request);
  else if (strcspn(request.target, "?") == 8 && strncmp(request.target, "/metrics", 8) == 0)
    metrics(connection->socket, &request, connection->peer);
  else
    answer_text(connection->socket, "404 Not Found", "there are /orders and /metrics\n");
  shutdown(connection->socket, SHUT_WR);
  close(connection->socket);
  free(connection);
  return NULL;
}

struct arguments {
  const char *host, *log, *spans;
  unsigned short port;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
  for (int i = 1; i < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (value == NULL) {
      fprintf(stderr, SERVICE ": %s needs a value\n", name);
      return -1;
    }
    if (strcmp(name, "--host") == 0) {
      arguments->host = value;
    } else if (strcmp(name, "--log") == 0) {
      arguments->log = value;
    } else if (strcmp(name, "--spans") == 0) {
      arguments->spans = value;
    } else if (strcmp(name, "--port") == 0) {
      char *end;
      long port = strtol(value, &end, 10);
      if (end == value || *end != '\0' || port < 0 || port > 65535) {
        fprintf(stderr, SERVICE ": --port %s is no port: give a number from 0 to 65535\n", value);
        return -1;
      }
      arguments->port = (unsigned short)port;
    } else {
      fprintf(stderr, SERVICE ": unknown option %s: there are --port, --host, --log and --spans\n", name);
      return -1;
    }
  }
  return 0;
}

int main(int argc, char **argv)
{
  struct arguments arguments = {.host = "127.0.0.1", .log = "/dev/stdout", .port = 8103};
  if (parse(argc, argv, &arguments) != 0)
    return 2;
  int listener = -1;
  if (setup() != 0 || trace_open(arguments.log, arguments.spans) != 0 ||
      (listener = http_listen(arguments.host, &arguments.port)) < 0)
    return 1;
  printf(SERVICE " http://%s:%d\n", arguments.host, arguments.port);
  fflush(stdout);

  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  for (;;) {
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    int socket = accept(listener, (struct sockaddr *)&peer, &peer_len);
    if (socket < 0)
      continue;
    struct connection *connection = malloc(sizeof *connection);
    pthread_t thread;
    if (connection == NULL) {
      close(socket);
      continue;
    }
    connection->socket = socket;
    inet_ntop(AF_INET, &peer.sin_addr, connection->peer, sizeof connection->peer);
    if (pthread_create(&thread, &detached, serve, connection) != 0) {
      close(socket);
      free(connection);
    }
  }
}
