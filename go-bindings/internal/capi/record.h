/* Calls whose structs hold pointers. They are put together here, on the C stack,
 * because Go may not pass memory that holds Go pointers. */
#ifndef SPANPIN_GO_RECORD_H
#define SPANPIN_GO_RECORD_H

#include <stdlib.h>
#include <string.h>

#include "spanpin.h"

/* More labels than fit an exemplar's 128 code points only if most are dropped. */
#define SPANPIN_GO_LABELS 16

typedef struct spanpin_go_offer_parts {
    spanpin_exemplar exemplar;
    spanpin_trace_context trace;
    spanpin_label few[SPANPIN_GO_LABELS];
    spanpin_label *many;
} spanpin_go_offer_parts;

/* Big-endian, in one store: the core reads whole words, which would wait for single bytes. */
static inline void spanpin_go_put(uint8_t *to, uint64_t number) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    number = __builtin_bswap64(number);
#endif
    memcpy(to, &number, sizeof number);
}

/* The trace context is left out when both ids are zero. */
static inline void spanpin_go_fill(spanpin_go_offer_parts *o, uint64_t trace_hi, uint64_t trace_lo, uint64_t span,
                                   uint32_t flags, const char *text, const uint32_t *lengths, size_t n) {
    o->exemplar.trace = NULL;
    if ((trace_hi | trace_lo | span) != 0) {
        spanpin_go_put(o->trace.trace_id, trace_hi);
        spanpin_go_put(o->trace.trace_id + 8, trace_lo);
        spanpin_go_put(o->trace.span_id, span);
        o->trace.flags = (uint8_t)flags;
        o->exemplar.trace = &o->trace;
    }
    o->many = NULL;
    spanpin_label *labels = o->few;
    if (n > SPANPIN_GO_LABELS) {
        o->many = malloc(n * sizeof(spanpin_label));
        if (o->many != NULL) {
            labels = o->many;
        } else {
            n = SPANPIN_GO_LABELS;
        }
    }
    for (size_t i = 0; i < n; i++) {
        labels[i].name.ptr = text;
        labels[i].name.len = lengths[2 * i];
        text += lengths[2 * i];
        labels[i].value.ptr = text;
        labels[i].value.len = lengths[2 * i + 1];
        text += lengths[2 * i + 1];
    }
    o->exemplar.labels = n == 0 ? NULL : labels;
    o->exemplar.labels_len = n;
}

#define SPANPIN_GO_CALL(name, handle, call)                                                                     \
    static inline void name(const handle *h, double value, uint64_t trace_hi, uint64_t trace_lo, uint64_t span, \
                            uint32_t flags, const char *text, const uint32_t *lengths, size_t n) {              \
        spanpin_go_offer_parts offer;                                                                           \
        spanpin_go_fill(&offer, trace_hi, trace_lo, span, flags, text, lengths, n);                             \
        (void)call(h, value, &offer.exemplar);                                                                  \
        free(offer.many);                                                                                       \
    }

SPANPIN_GO_CALL(spanpin_go_histogram_exemplar, spanpin_histogram, spanpin_histogram_observe_exemplar)
SPANPIN_GO_CALL(spanpin_go_counter_exemplar, spanpin_counter, spanpin_counter_add_exemplar)

/* The calls for an offer, of a histogram or of a counter, which has one bucket. Handles come as numbers, because Go
 * checks every pointer that it passes. */
static inline int32_t spanpin_go_offer(uintptr_t series, uint32_t counter, uint32_t bucket, double value, uint64_t seed,
                                       uint64_t trace_hi, uint64_t trace_lo, uint64_t span, uint32_t flags) {
    if (counter) {
        return spanpin_counter_offer((const spanpin_counter *)series, value, seed, trace_hi, trace_lo, span, flags);
    }
    return spanpin_histogram_offer((const spanpin_histogram *)series, bucket, value, seed, trace_hi, trace_lo, span,
                                   flags);
}

static inline int32_t spanpin_go_offer_labels(uintptr_t series, uint32_t counter, uint32_t bucket, double value,
                                              uint64_t seed, uint64_t trace_hi, uint64_t trace_lo, uint64_t span,
                                              uint32_t flags, const char *text, const uint32_t *lengths, size_t n) {
    spanpin_go_offer_parts offer;
    spanpin_go_fill(&offer, trace_hi, trace_lo, span, flags, text, lengths, n);
    int32_t written;
    if (counter) {
        written = spanpin_counter_offer_labels((const spanpin_counter *)series, value, seed, &offer.exemplar);
    } else {
        written = spanpin_histogram_offer_labels((const spanpin_histogram *)series, bucket, value, seed, &offer.exemplar);
    }
    free(offer.many);
    return written;
}

static inline int32_t spanpin_go_draw(uintptr_t series, uint32_t counter, uint32_t bucket, double value, uint64_t seed) {
    if (counter) {
        return spanpin_counter_draw((const spanpin_counter *)series, value, seed);
    }
    return spanpin_histogram_draw((const spanpin_histogram *)series, bucket, value, seed);
}

static inline spanpin_stripes spanpin_go_stripes(uintptr_t series, uint32_t counter, uint32_t wish) {
    spanpin_stripes found = {NULL, 0, 0, 0};
    if (counter) {
        spanpin_counter_stripes((const spanpin_counter *)series, wish, &found);
    } else {
        spanpin_histogram_stripes((const spanpin_histogram *)series, wish, &found);
    }
    return found;
}

static inline spanpin_worker_cell spanpin_go_gauge_cell(uintptr_t gauge) {
    spanpin_worker_cell found = {NULL, 0};
    spanpin_gauge_cell((const spanpin_gauge *)gauge, &found);
    return found;
}

static inline void spanpin_go_gauge_add(uintptr_t gauge, double amount) {
    spanpin_gauge_add((const spanpin_gauge *)gauge, amount);
}

static inline void spanpin_go_gauge_set(uintptr_t gauge, double value) {
    spanpin_gauge_set((const spanpin_gauge *)gauge, value);
}

static inline double spanpin_go_gauge_value(uintptr_t gauge) {
    double value = 0;
    spanpin_gauge_value((const spanpin_gauge *)gauge, &value);
    return value;
}

static inline void spanpin_go_record(uintptr_t series, uint32_t counter, double value) {
    if (counter) {
        (void)spanpin_counter_add((const spanpin_counter *)series, value);
    } else {
        (void)spanpin_histogram_observe((const spanpin_histogram *)series, value);
    }
}

static inline void spanpin_go_turn(uintptr_t series, uint32_t counter) {
    if (counter) {
        spanpin_counter_turn((const spanpin_counter *)series);
    } else {
        spanpin_histogram_turn((const spanpin_histogram *)series);
    }
}

static inline spanpin_status spanpin_go_exemplars(uintptr_t series, uint32_t counter, spanpin_exemplar_list *out,
                                                  spanpin_error *error) {
    if (counter) {
        return spanpin_counter_exemplars((const spanpin_counter *)series, out, error);
    }
    return spanpin_histogram_exemplars((const spanpin_histogram *)series, out, error);
}

static inline void spanpin_go_histogram_ids(uintptr_t h, double value, uint64_t trace_hi, uint64_t trace_lo,
                                            uint64_t span, uint32_t flags) {
    spanpin_histogram_observe_exemplar_ids((const spanpin_histogram *)h, value, trace_hi, trace_lo, span, flags);
}

static inline void spanpin_go_counter_ids(uintptr_t c, double amount, uint64_t trace_hi, uint64_t trace_lo,
                                          uint64_t span, uint32_t flags) {
    spanpin_counter_add_exemplar_ids((const spanpin_counter *)c, amount, trace_hi, trace_lo, span, flags);
}

#endif
