// As much of HTTP/1.1 as the shop needs: one GET per connection.
#ifndef SHOP_HTTP_H
#define SHOP_HTTP_H

#include <spanpin.h>
#include <stddef.h>

// The head of a request. All texts lie in `text`; a header that was not sent is NULL.
struct request {
  char text[8192];
  const char *target;
  const char *accept, *accept_encoding, *user_agent, *scrape_timeout, *traceparent;
};

// Reads a request up to the empty line after its headers. Returns 0, or -1 for one that this server does not serve.
int http_read(int connection, struct request *request);

// Answers. status is the number and the phrase, such as "200 OK"; encoding may be empty.
void http_answer(int connection, const char *status, spanpin_str type, spanpin_str encoding, const void *body,
                 size_t body_len);

// Listens on an address of this machine; *port 0 picks a free one, and *port is the one it became. Returns the socket,
// or -1 after a message.
int http_listen(const char *host, unsigned short *port);

#endif
