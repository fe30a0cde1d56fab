// The same service on libmicrohttpd: what a handler needs for /metrics, and an observation with the caller's trace.
//
//   cc microhttpd_server.c $(pkg-config --cflags --libs spanpin libmicrohttpd) -o microhttpd_server
//   ./microhttpd_server 9465

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <spanpin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static spanpin_registry *registry;
static spanpin_histogram *latency;

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result text(struct MHD_Connection *connection, unsigned int status, const char *body)
{
  struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result metrics(struct MHD_Connection *connection, const char *url)
{
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  char peer[INET6_ADDRSTRLEN] = "";
  if (info != NULL && info->client_addr->sa_family == AF_INET)
    inet_ntop(AF_INET, &((struct sockaddr_in *)info->client_addr)->sin_addr, peer, sizeof peer);

  spanpin_scrape_options options = {
      .accept = spanpin_str_of(request_header(connection, "Accept")),
      .accept_encoding = spanpin_str_of(request_header(connection, "Accept-Encoding")),
      .user_agent = spanpin_str_of(request_header(connection, "User-Agent")),
      .scrape_timeout = spanpin_str_of(request_header(connection, "X-Prometheus-Scrape-Timeout-Seconds")),
      .path = spanpin_str_of(url),
      .peer = spanpin_str_of(peer),
  };
  spanpin_scrape_result page;
  spanpin_error error;
  if (spanpin_scrape(registry, &options, &page, &error) != SPANPIN_STATUS_OK)
    return text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, error.message);

  struct MHD_Response *response =
      MHD_create_response_from_buffer(page.body_len, (void *)page.body, MHD_RESPMEM_MUST_COPY);
  char value[128];
  snprintf(value, sizeof value, "%.*s", (int)page.content_type.len, page.content_type.ptr);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, value);
  if (page.content_encoding.len > 0) {
    snprintf(value, sizeof value, "%.*s", (int)page.content_encoding.len, page.content_encoding.ptr);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, value);
  }
  spanpin_scrape_result_free(&page);
  enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return result;
}

static double now_seconds(void)
{
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
  (void)context;
  (void)version;
  (void)upload;
  (void)upload_size;
  (void)state;
  if (strcmp(method, "GET") != 0)
    return text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
  if (strcmp(url, "/metrics") == 0)
    return metrics(connection, url);

  double start = now_seconds();
  enum MHD_Result result = text(connection, MHD_HTTP_OK, "done\n");
  const char *trace = request_header(connection, "traceparent");
  if (trace != NULL)
    spanpin_histogram_observe_traceparent(latency, now_seconds() - start, trace, strlen(trace));
  else
    spanpin_histogram_observe(latency, now_seconds() - start);
  return result;
}

int main(int argc, char **argv)
{
  spanpin_family_options options = {
      .kind = SPANPIN_KIND_HISTOGRAM,
      .name = SPANPIN_STR("http_request_duration_seconds"),
      .help = SPANPIN_STR("Time to answer a request."),
      .unit = SPANPIN_STR("seconds"),
  };
  spanpin_family *family;
  spanpin_error error;
  registry = spanpin_registry_default();
  if (spanpin_family_register(registry, &options, &family, &error) != SPANPIN_STATUS_OK ||
      spanpin_histogram_with(family, NULL, 0, &latency, &error) != SPANPIN_STATUS_OK) {
    fprintf(stderr, "microhttpd_server: %s\n", error.message);
    return 1;
  }

  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 9465));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, NULL);
  struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, NULL,
                                               MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
  if (daemon == NULL) {
    fprintf(stderr, "microhttpd_server: the port is in use\n");
    return 1;
  }
  printf("http://127.0.0.1:%d/metrics\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
  fflush(stdout);
  int received;
  sigwait(&stop, &received);
  MHD_stop_daemon(daemon);
  return 0;
}
