#define _POSIX_C_SOURCE 200809L

#include "http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { HEAD_MAX = 8192 };

static void copy_header(const char *line, const char *name, char *value, size_t size) {
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || line[length] != ':')
        return;
    line += length + 1;
    line += strspn(line, " \t");
    snprintf(value, size, "%s", line);
}

bool http_read(int connection, http_request *request) {
    char head[HEAD_MAX + 1];
    size_t used = 0;
    memset(request, 0, sizeof *request);
    for (;;) {
        ssize_t got = recv(connection, head + used, HEAD_MAX - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        head[used] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL)
            break;
        if (used == HEAD_MAX)
            return false;
    }
    if (sscanf(head, "GET %511s HTTP/1.", request->target) != 1)
        return false;
    char *rest = head;
    for (char *line = strtok_r(head, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        copy_header(line, "accept", request->accept, sizeof request->accept);
        copy_header(line, "accept-encoding", request->accept_encoding, sizeof request->accept_encoding);
        copy_header(line, "user-agent", request->user_agent, sizeof request->user_agent);
        copy_header(line, "x-prometheus-scrape-timeout-seconds", request->scrape_timeout,
                    sizeof request->scrape_timeout);
        copy_header(line, "traceparent", request->traceparent, sizeof request->traceparent);
    }
    return true;
}

bool http_query(const http_request *request, const char *name, char *value, size_t size) {
    size_t length = strlen(name);
    const char *at = strchr(request->target, '?');
    while (at != NULL) {
        at++;
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            at += length + 1;
            size_t found = strcspn(at, "&");
            if (found >= size)
                return false;
            memcpy(value, at, found);
            value[found] = '\0';
            return true;
        }
        at = strchr(at, '&');
    }
    return false;
}

static void send_all(int connection, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(connection, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

void http_answer(int connection, int status, const char *content_type, const char *content_encoding,
                 const void *body, size_t body_length) {
    char head[512], encoding[64] = "";
    if (content_encoding[0] != '\0')
        snprintf(encoding, sizeof encoding, "Content-Encoding: %.30s\r\n", content_encoding);
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d Status\r\nContent-Type: %.200s\r\n%sContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n",
                          status, content_type, encoding, body_length);
    send_all(connection, head, (size_t)length);
    send_all(connection, body, body_length);
}
