#define _POSIX_C_SOURCE 200809L

#include "http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static void take_header(struct request *request, const char *name, char *value)
{
  struct {
    const char *name, **place;
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

int http_read(int connection, struct request *request)
{
  size_t len = 0;
  char *end = NULL;
  memset(request, 0, sizeof *request);
  while (end == NULL) {
    ssize_t got = recv(connection, request->text + len, sizeof request->text - 1 - len, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return -1;
    len += (size_t)got;
    end = strstr(request->text, "\r\n\r\n");
    if (end == NULL && len == sizeof request->text - 1)
      return -1;
  }
  end[2] = '\0';

  char *rest = NULL, *words = NULL;
  char *line = strtok_r(request->text, "\r\n", &rest);
  if (line == NULL)
    return -1;
  const char *method = strtok_r(line, " ", &words);
  request->target = strtok_r(NULL, " ", &words);
  if (method == NULL || request->target == NULL || strcmp(method, "GET") != 0)
    return -1;
  while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL) {
    char *colon = strchr(line, ':');
    if (colon != NULL) {
      *colon = '\0';
      take_header(request, line, colon + 1);
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

void http_answer(int connection, const char *status, spanpin_str type, spanpin_str encoding, const void *body,
                 size_t body_len)
{
  char head[512];
  int len = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %.*s\r\n%s%.*s%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
                     status, (int)type.len, type.ptr, encoding.len > 0 ? "Content-Encoding: " : "", (int)encoding.len,
                     encoding.len > 0 ? encoding.ptr : "", encoding.len > 0 ? "\r\n" : "", body_len);
  if (len > 0 && (size_t)len < sizeof head) {
    send_all(connection, head, (size_t)len);
    send_all(connection, body, body_len);
  }
}

int http_listen(const char *host, unsigned short *port)
{
  int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
  socklen_t len = sizeof address;
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    fprintf(stderr, "--host %s is no IPv4 address\n", host);
    return -1;
  }
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
    fprintf(stderr, "cannot listen on %s:%d: %s\n", host, *port, strerror(errno));
    return -1;
  }
  *port = ntohs(address.sin_port);
  return listener;
}
