/* As much of HTTP/1.1 as Prometheus, curl and the test need: one GET per connection. */

#ifndef E2E_HTTP_H
#define E2E_HTTP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct http_request {
    char target[512]; /* path and query, as sent */
    char accept[1024];
    char accept_encoding[128];
    char user_agent[256];
    char scrape_timeout[32];
    char traceparent[128];
} http_request;

/* Reads one request head. False when the peer closes or sends something else than a GET. */
bool http_read(int connection, http_request *request);

/* Copies the value of a query parameter; values must need no percent-decoding. */
bool http_query(const http_request *request, const char *name, char *value, size_t size);

void http_answer(int connection, int status, const char *content_type, const char *content_encoding,
                 const void *body, size_t body_length);

#endif
