/* The C service of the end-to-end test. It continues the W3C trace of a request
 * with a span id of its own and offers that as a traceparent. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "spanpin.h"

enum { TRACEPARENT_LENGTH = 55, SPAN_ID_AT = 36, SPAN_ID_DIGITS = 16 };

typedef struct span {
    char traceparent[TRACEPARENT_LENGTH + 1];
    char route[32];
    double seconds;
    struct span *next;
} span;

static spanpin_registry *registry;
static spanpin_family *durations;
static spanpin_family *requests;
static pthread_mutex_t spans_lock = PTHREAD_MUTEX_INITIALIZER;
static span *spans;

static void die(const char *what) {
    fprintf(stderr, "service: %s: %s\n", what, strerror(errno));
    exit(1);
}

static spanpin_str str(const char *text) {
    return (spanpin_str){.ptr = text, .len = strlen(text)};
}

/* Replaces the parent's span id by a fresh one. */
static void make_child(const char *parent, char *child) {
    unsigned char id[SPAN_ID_DIGITS / 2];
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        die("getrandom");
    id[0] |= 1; /* never all zero */
    memcpy(child, parent, TRACEPARENT_LENGTH + 1);
    for (size_t i = 0; i < sizeof id; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", id[i]);
        memcpy(child + SPAN_ID_AT + 2 * i, digits, 2);
    }
}

static void keep_span(const char *traceparent, const char *route, double seconds) {
    span *made = calloc(1, sizeof *made);
    if (made == NULL)
        die("calloc");
    memcpy(made->traceparent, traceparent, TRACEPARENT_LENGTH + 1);
    snprintf(made->route, sizeof made->route, "%s", route);
    made->seconds = seconds;
    pthread_mutex_lock(&spans_lock);
    made->next = spans;
    spans = made;
    pthread_mutex_unlock(&spans_lock);
}

/* Returns 200, or the HTTP status that says what is wrong. */
static int work(const http_request *request) {
    char route[32], seconds_text[40];
    if (!http_query(request, "route", route, sizeof route) ||
        !http_query(request, "seconds", seconds_text, sizeof seconds_text))
        return 400;
    double seconds = strtod(seconds_text, NULL);

    spanpin_str labels[] = {str(route)};
    spanpin_histogram *duration;
    spanpin_counter *count;
    spanpin_error error;
    if (spanpin_histogram_with(durations, labels, 1, &duration, &error) != 0 ||
        spanpin_counter_with(requests, labels, 1, &count, &error) != 0) {
        fprintf(stderr, "service: %s\n", error.message);
        return 500;
    }

    if (strlen(request->traceparent) != TRACEPARENT_LENGTH) {
        spanpin_histogram_observe(duration, seconds);
        spanpin_counter_inc(count);
        return 200;
    }
    char child[TRACEPARENT_LENGTH + 1];
    make_child(request->traceparent, child);
    spanpin_trace_context context;
    if (spanpin_trace_context_parse(child, TRACEPARENT_LENGTH, &context, &error) != 0) {
        fprintf(stderr, "service: %s\n", error.message);
        return 400;
    }
    if (context.flags & 1)
        keep_span(child, route, seconds);
    /* One of each way in: as text, and as ids. */
    spanpin_exemplar offer = {.trace = &context};
    if (spanpin_histogram_observe_traceparent(duration, seconds, child, TRACEPARENT_LENGTH) != 0 ||
        spanpin_counter_add_trace(count, 1.0, &offer) != 0)
        return 500;
    return 200;
}

static void answer_spans(int connection) {
    char *body = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&body, &length);
    if (out == NULL)
        die("open_memstream");
    pthread_mutex_lock(&spans_lock);
    for (const span *s = spans; s != NULL; s = s->next)
        fprintf(out, "{\"trace_id\":\"%.32s\",\"span_id\":\"%.16s\",\"route\":\"%s\",\"seconds\":%.17g}\n",
                s->traceparent + 3, s->traceparent + SPAN_ID_AT, s->route, s->seconds);
    pthread_mutex_unlock(&spans_lock);
    fclose(out);
    http_answer(connection, 200, "application/jsonl", "", body, length);
    free(body);
}

static void answer_metrics(int connection, const http_request *request, const char *peer) {
    spanpin_scrape_options options = {
        .accept = str(request->accept),
        .accept_encoding = str(request->accept_encoding),
        .user_agent = str(request->user_agent),
        .scrape_timeout = str(request->scrape_timeout),
        .path = str(request->target),
        .peer = str(peer),
    };
    spanpin_scrape_result result;
    spanpin_error error;
    if (spanpin_scrape(registry, &options, &result, &error) != 0) {
        http_answer(connection, 500, "text/plain", "", error.message, strlen(error.message));
        return;
    }
    char type[128], encoding[16];
    snprintf(type, sizeof type, "%.*s", (int)result.content_type.len, result.content_type.ptr);
    snprintf(encoding, sizeof encoding, "%.*s", (int)result.content_encoding.len, result.content_encoding.ptr);
    http_answer(connection, 200, type, encoding, result.body, result.body_len);
    spanpin_scrape_result_free(&result);
}

static void *serve(void *argument) {
    int connection = (int)(long)argument;
    char peer[INET_ADDRSTRLEN] = "";
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (getpeername(connection, (struct sockaddr *)&address, &length) == 0)
        inet_ntop(AF_INET, &address.sin_addr, peer, sizeof peer);

    http_request request;
    if (http_read(connection, &request)) {
        if (strncmp(request.target, "/work?", 6) == 0)
            http_answer(connection, work(&request), "text/plain", "", "\n", 1);
        else if (strcmp(request.target, "/spans") == 0)
            answer_spans(connection);
        else if (strncmp(request.target, "/metrics", 8) == 0)
            answer_metrics(connection, &request, peer);
        else
            http_answer(connection, 404, "text/plain", "", "\n", 1);
    }
    close(connection);
    return NULL;
}

static void *end_with_standard_input(void *unused) {
    (void)unused;
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    _exit(0);
}

static spanpin_family *family(uint32_t kind, const char *name, const char *help, const char *unit) {
    spanpin_str label_names[] = {str("route")};
    spanpin_family_options options = {
        .kind = kind,
        .name = str(name),
        .help = str(help),
        .unit = str(unit),
        .label_names = label_names,
        .label_names_len = 1,
    };
    spanpin_family *made = NULL;
    spanpin_error error;
    if (spanpin_family_register(registry, &options, &made, &error) != 0) {
        fprintf(stderr, "service: %s\n", error.message);
        exit(1);
    }
    return made;
}

int main(void) {
    registry = spanpin_registry_default();
    if (registry == NULL)
        die("no registry");
    durations = family(SPANPIN_KIND_HISTOGRAM, "e2e_request_duration_seconds", "Duration of a request.", "seconds");
    requests = family(SPANPIN_KIND_COUNTER, "e2e_requests", "Requests answered.", "");

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die("listen on 127.0.0.1");
    printf("PORT %d\n", ntohs(address.sin_port));
    fflush(stdout);

    pthread_t thread;
    if (pthread_create(&thread, NULL, end_with_standard_input, NULL) != 0)
        die("pthread_create");
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(long)connection) != 0) {
            close(connection);
            continue;
        }
        pthread_detach(thread);
    }
}
