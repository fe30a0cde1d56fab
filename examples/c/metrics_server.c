// A complete HTTP service with a /metrics page, in C, with nothing but the C library.
//
// Every request is timed in a histogram; a request that carries a `traceparent` header leaves its trace in the bucket
// it falls into, and /metrics shows that trace to Prometheus.
//
//   cc metrics_server.c $(pkg-config --cflags --libs spanpin) -pthread -o metrics_server
//   ./metrics_server 9464
//   curl -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' localhost:9464/work?ms=30
//   curl -H 'Accept: application/openmetrics-text' localhost:9464/metrics

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static spanpin_registry *registry;
static spanpin_family *duration;
static spanpin_counter *failures;

// A request above the threshold goes into the log with its trace, of each path and window the first one. It may have no
// span, and its trace need not be sampled.
static int32_t log_slow_request(void *context, const spanpin_slow_request *request)
{
  (void)context;
  fprintf(stderr, "slow request: %.*s=%g threshold=%g sampled=%s", (int)request->metric.len, request->metric.ptr,
          request->value, request->threshold, request->trace != NULL && request->trace->flags & 1 ? "true" : "false");
  for (size_t i = 0; i < request->labels_len; i++)
    fprintf(stderr, " %.*s=%.*s", (int)request->labels[i].name.len, request->labels[i].name.ptr,
            (int)request->labels[i].value.len, request->labels[i].value.ptr);
  fprintf(stderr, " trace=%.*s\n", (int)request->trace_url.len, request->trace_url.ptr);
  return 0;
}

static int setup(void)
{
  static const spanpin_str path_label[] = {{"path", 4}};
  static const double bounds[] = {0.005, 0.025, 0.1, 0.5, 2.5};
  spanpin_family_options histogram = {
      .kind = SPANPIN_KIND_HISTOGRAM,
      .name = SPANPIN_STR("http_request_duration_seconds"),
      .help = SPANPIN_STR("Time from the first byte of a request to the last of its answer."),
      .unit = SPANPIN_STR("seconds"),
      .label_names = path_label,
      .label_names_len = 1,
      .bounds = bounds,
      .bounds_len = sizeof bounds / sizeof *bounds,
      .hooks = {.slow_request = log_slow_request,
                .slow_request_threshold = 0.5,
                .trace_url = SPANPIN_STR("https://traces.example/trace/{trace_id}")},
  };
  spanpin_family_options counter = {
      .kind = SPANPIN_KIND_COUNTER,
      .name = SPANPIN_STR("http_request_failures_total"),
      .help = SPANPIN_STR("Requests that were answered with a status above 399."),
  };
  spanpin_family *counters;
  spanpin_error error;

  // A service does not fail for a misspelt variable, but says so.
  if (spanpin_environment_check(&error) != SPANPIN_STATUS_OK)
    fprintf(stderr, "metrics_server: %s\n", error.message);
  registry = spanpin_registry_default();
  if (registry == NULL) {
    fprintf(stderr, "metrics_server: out of memory\n");
    return -1;
  }
  if (spanpin_family_register(registry, &histogram, &duration, &error) != SPANPIN_STATUS_OK ||
      spanpin_family_register(registry, &counter, &counters, &error) != SPANPIN_STATUS_OK ||
      spanpin_counter_with(counters, NULL, 0, &failures, &error) != SPANPIN_STATUS_OK) {
    fprintf(stderr, "metrics_server: %s\n", error.message);
    return -1;
  }
  return 0;
}

// One request, as far as this server wants to know it. All texts lie in `text`.
struct request {
  char text[8192];
  size_t len;
  const char *method, *target;
  const char *accept, *accept_encoding, *user_agent, *scrape_timeout, *traceparent;
};

static void header(struct request *request, char *name, char *value)
{
  struct {
    const char *name;
    const char **place;
  } wanted[] = {
      {"accept", &request->accept},
      {"accept-encoding", &request->accept_encoding},
      {"user-agent", &request->user_agent},
      {"x-prometheus-scrape-timeout-seconds", &request->scrape_timeout},
      {"traceparent", &request->traceparent},
  };
  while (*value == ' ' || *value == '\t')
    value++;
  for (size_t end = strlen(value); end > 0 && isspace((unsigned char)value[end - 1]); end--)
    value[end - 1] = '\0';
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (strcasecmp(name, wanted[i].name) == 0)
      *wanted[i].place = value;
}

// Reads up to the empty line after the headers. Returns 0, or -1 for a request this server does not understand.
static int read_request(int connection, struct request *request)
{
  char *end = NULL;
  memset(request, 0, sizeof *request);
  while (end == NULL) {
    ssize_t got = recv(connection, request->text + request->len, sizeof request->text - 1 - request->len, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return -1;
    request->len += (size_t)got;
    request->text[request->len] = '\0';
    end = strstr(request->text, "\r\n\r\n");
    if (end == NULL && request->len == sizeof request->text - 1)
      return -1;
  }
  end[2] = '\0';

  char *rest = NULL;
  char *line = strtok_r(request->text, "\r\n", &rest);
  if (line == NULL)
    return -1;
  request->method = line;
  char *space = strchr(line, ' ');
  if (space == NULL)
    return -1;
  *space = '\0';
  request->target = space + 1;
  space = strchr(space + 1, ' ');
  if (space == NULL)
    return -1;
  *space = '\0';
  while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL) {
    char *colon = strchr(line, ':');
    if (colon != NULL) {
      *colon = '\0';
      header(request, line, colon + 1);
    }
  }
  return 0;
}

static void send_all(int connection, const void *bytes, size_t len)
{
  const char *at = bytes;
  while (len > 0) {
    ssize_t sent = send(connection, at, len, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent <= 0)
      return;
    at += sent;
    len -= (size_t)sent;
  }
}

static void answer(int connection, const char *status, const char *type, size_t type_len, const char *encoding,
                   size_t encoding_len, const void *body, size_t body_len)
{
  char head[512];
  int len = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\n%s%.*s%sConnection: close\r\n\r\n",
                     status, (int)type_len, type, body_len, encoding_len > 0 ? "Content-Encoding: " : "",
                     (int)encoding_len, encoding, encoding_len > 0 ? "\r\n" : "");
  if (len > 0 && (size_t)len < sizeof head) {
    send_all(connection, head, (size_t)len);
    send_all(connection, body, body_len);
  }
}

static void answer_text(int connection, const char *status, const char *text)
{
  answer(connection, status, "text/plain; charset=utf-8", 25, "", 0, text, strlen(text));
}

// What identifies a scraper: two Prometheus servers each get every exemplar once.
static void metrics(int connection, const struct request *request, const char *peer)
{
  spanpin_scrape_options options = {
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
  answer(connection, "200 OK", page.content_type.ptr, page.content_type.len, page.content_encoding.ptr,
         page.content_encoding.len, page.body, page.body_len);
  spanpin_scrape_result_free(&page);
}

static double now_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// The service itself: /work?ms=N takes N milliseconds, /fail fails.
static const char *work(int connection, const struct request *request)
{
  if (strncmp(request->target, "/work", 5) == 0) {
    const char *query = strstr(request->target, "?ms=");
    long ms = query == NULL ? 0 : strtol(query + 4, NULL, 10);
    if (ms > 0 && ms <= 10000) {
      struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
      nanosleep(&pause, NULL);
    }
    answer_text(connection, "200 OK", "done\n");
    return "/work";
  }
  const char *trace = request->traceparent;
  if (strcmp(request->target, "/fail") == 0) {
    answer_text(connection, "500 Internal Server Error", "failed\n");
    if (trace != NULL)
      spanpin_counter_add_traceparent(failures, 1, trace, strlen(trace));
    else
      spanpin_counter_inc(failures);
    return "/fail";
  }
  answer_text(connection, "404 Not Found", "not found\n");
  spanpin_counter_inc(failures);
  return "other";
}

struct connection {
  int socket;
  char peer[INET_ADDRSTRLEN];
};

static void *serve(void *argument)
{
  struct connection *connection = argument;
  struct timeval patience = {.tv_sec = 5};
  struct request request;
  setsockopt(connection->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  double start = now_seconds();
  if (read_request(connection->socket, &request) != 0) {
    answer_text(connection->socket, "400 Bad Request", "bad request\n");
  } else if (strcmp(request.method, "GET") != 0) {
    answer_text(connection->socket, "405 Method Not Allowed", "only GET\n");
  } else if (strncmp(request.target, "/metrics", 8) == 0) {
    metrics(connection->socket, &request, connection->peer);
  } else {
    spanpin_str path = spanpin_str_of(work(connection->socket, &request));
    double seconds = now_seconds() - start;
    spanpin_histogram *histogram;
    if (spanpin_histogram_with(duration, &path, 1, &histogram, NULL) == SPANPIN_STATUS_OK) {
      // A malformed traceparent costs the exemplar, not the observation. Without one nothing is pointed to, but a slow
      // request is told of.
      if (request.traceparent != NULL)
        spanpin_histogram_observe_traceparent(histogram, seconds, request.traceparent, strlen(request.traceparent));
      else
        spanpin_histogram_observe_trace(histogram, seconds, NULL);
    }
  }
  shutdown(connection->socket, SHUT_WR);
  close(connection->socket);
  free(connection);
  return NULL;
}

int main(int argc, char **argv)
{
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t address_len = sizeof address;
  address.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 9464));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (setup() != 0)
    return 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &address_len) != 0) {
    perror("metrics_server");
    return 1;
  }
  // With port 0 the system picks one, so it is told.
  printf("http://127.0.0.1:%d/metrics\n", ntohs(address.sin_port));
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
