// Functions of the program's: when they are called, what they are told, what their failures cost.
#include <math.h>
#include <spanpin.h>

#include "bed.h"

// What the functions under test do and have seen.
struct program {
  spanpin_histogram *histogram;
  unsigned filtered, labelled, admitted, slow;
  int32_t keep, labels_answer, admitted_answer, slow_answer;
  int observes_in_turn;
  double value;
  spanpin_trace_context trace;
  char text[1024];
};

static int32_t on_filter(void *context, double value, const spanpin_trace_context *trace)
{
  struct program *program = context;
  program->filtered++, program->value = value, program->trace = *trace;
  return program->keep;
}

static int32_t on_admitted(void *context, double value, const spanpin_trace_context *trace)
{
  struct program *program = context;
  program->admitted++, program->value = value, program->trace = *trace;
  if (program->observes_in_turn && program->admitted == 1)
    observe_span(program->histogram, value / 2, 77);
  return program->admitted_answer;
}

static int32_t on_slow(void *context, const spanpin_slow_request *request)
{
  struct program *program = context;
  program->slow++, program->value = request->value;
  int at = snprintf(program->text, sizeof program->text, "%.*s %g > %g %s", (int)request->metric.len,
                    request->metric.ptr, request->value, request->threshold,
                    request->trace == NULL ? "no span" : request->trace->flags & 1 ? "sampled" : "unsampled");
  for (size_t i = 0; i < request->labels_len; i++)
    at += snprintf(program->text + at, sizeof program->text - (size_t)at, " %.*s=%.*s", (int)request->labels[i].name.len,
                   request->labels[i].name.ptr, (int)request->labels[i].value.len, request->labels[i].value.ptr);
  snprintf(program->text + at, sizeof program->text - (size_t)at, " <%.*s>", (int)request->trace_url.len,
           request->trace_url.ptr);
  if (request->trace != NULL)
    program->trace = *request->trace;
  if (program->observes_in_turn)
    observe_span(program->histogram, request->value * 2, 78);  // Slow too, but this window has been told of.
  return program->slow_answer;
}

static spanpin_family_options options_with(spanpin_hooks hooks)
{
  static const double bounds[] = {10};
  return (spanpin_family_options){.kind = SPANPIN_KIND_HISTOGRAM,
                                  .name = SPANPIN_STR("h_seconds"),
                                  .bounds = bounds,
                                  .bounds_len = 1,
                                  .hooks = hooks};
}

static unsigned long errors(const struct bed *bed) { return own(bed, "spanpin_callback_errors_total"); }

static void filter(void)
{
  struct bed bed = bed_new();
  struct program program = {.keep = 0};
  spanpin_histogram *histogram = histogram_of(
      register_family(&bed, options_with((spanpin_hooks){.context = &program, .filter = on_filter})));
  const spanpin_trace_context unsampled = {{1}, {1}, 0};
  const spanpin_exemplar not_admissible = {.trace = &unsampled};
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 9, &not_admissible), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe(histogram, 9), SPANPIN_STATUS_OK);
  CHECK(program.filtered == 0);  // Asked only about what would be admitted.
  observe_span(histogram, 2, 5);
  CHECK(program.filtered == 1 && program.value == 2);
  CHECK(program.trace.trace_id[15] == 5 && program.trace.span_id[7] == 5 && program.trace.flags == 1);
  CHECK(held(histogram) == 0 && dropped(&bed, "filter") == 1);
  program.keep = -7;  // Anything but 0 keeps.
  observe_span(histogram, 1, 6);
  CHECK(held(histogram) == 1 && dropped(&bed, "filter") == 1);
  observe_span(histogram, 0.5, 7);
  CHECK(program.filtered == 2);  // Does not beat its window.
  const spanpin_label label = {SPANPIN_STR("k"), SPANPIN_STR("v")};
  const spanpin_exemplar explicit_one = {.labels = &label, .labels_len = 1};
  program.keep = 0;
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 1, &explicit_one), SPANPIN_STATUS_OK);
  CHECK(program.filtered == 2 && held(histogram) == 2);  // The caller's own choice is not questioned.
  CHECK(errors(&bed) == 0 && page_has(&bed, NULL, "h_seconds_count 6\n"));
  bed_free(&bed);
}

static int32_t push_some(void *context, spanpin_exemplar_labels *labels)
{
  struct program *program = context;
  const spanpin_str none = {NULL, 0}, broken = {NULL, 3};
  const spanpin_str bad = {"\xff", 1};
  char exact[112], over[200];
  memset(exact, 'x', sizeof exact), memset(over, 'y', sizeof over);
  program->labelled++;
  switch (program->labelled) {
  case 1:
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("request"), SPANPIN_STR("r-1")), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("request"), SPANPIN_STR("second")), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("call"), SPANPIN_STR("is first")), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("trace_id"), SPANPIN_STR("x")), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("empty"), none), SPANPIN_STATUS_OK);
    break;
  case 2:
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("a"), bad), SPANPIN_STATUS_INVALID_UTF8);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, bad, SPANPIN_STR("a")), SPANPIN_STATUS_INVALID_UTF8);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("a"), broken), SPANPIN_STATUS_NULL_POINTER);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, broken, SPANPIN_STR("a")), SPANPIN_STATUS_NULL_POINTER);
    CHECK_STATUS(spanpin_exemplar_labels_push(NULL, SPANPIN_STR("a"), SPANPIN_STR("a")), SPANPIN_STATUS_NULL_POINTER);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("a-b"), SPANPIN_STR("odd name")), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("odd"), SPANPIN_STR("\"\\\n")), SPANPIN_STATUS_OK);
    break;
  case 3:  // Ids take 63 of 128 code points, "call" and its value 5, so 60 are left.
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("name"), (spanpin_str){exact, 56}), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("n"), SPANPIN_STR("v")), SPANPIN_STATUS_OK);
    break;
  default:  // One that passes the limit takes all behind it along.
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("name"), (spanpin_str){over, 200}), SPANPIN_STATUS_OK);
    CHECK_STATUS(spanpin_exemplar_labels_push(labels, SPANPIN_STR("n"), SPANPIN_STR("v")), SPANPIN_STATUS_OK);
  }
  return program->labels_answer;
}

static void labels(void)
{
  struct bed bed = bed_new();
  struct program program = {0};
  spanpin_histogram *histogram = histogram_of(
      register_family(&bed, options_with((spanpin_hooks){.context = &program, .labels = push_some})));
  static const char *const shown[] = {
      "span_id=\"0700000000000001\",call=\"c\",request=\"r-1\"} 1.0 ",
      "span_id=\"0700000000000002\",call=\"c\",odd=\"'/ \"} 2.0 ",
      "span_id=\"0700000000000003\",call=\"c\",name=\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"} 3.0 ",
      "span_id=\"0700000000000004\",call=\"c\"} 4.0 ",
  };
  for (unsigned i = 1; i <= 4; i++) {
    const spanpin_trace_context context = span(i);
    const spanpin_label call = {SPANPIN_STR("call"), SPANPIN_STR("c")};
    const spanpin_exemplar offer = {&context, &call, 1};
    program.labels_answer = i == 4;  // What a failing function has pushed stays, and the exemplar as well.
    CHECK_STATUS(spanpin_histogram_observe_trace(histogram, i, &offer), SPANPIN_STATUS_OK);
    observe_span(histogram, i / 2.0, 50);  // Not about to be written: the function is not called.
    CHECK(program.labelled == i);
    pass(&bed, 1000);
    CHECK(page_has(&bed, "a", shown[i - 1]));
  }
  CHECK(errors(&bed) == 1);
  CHECK(dropped(&bed, "label_limit") == 2 && dropped(&bed, "label_value") == 1);
  const spanpin_label label = {SPANPIN_STR("k"), SPANPIN_STR("v")};
  const spanpin_exemplar explicit_one = {.labels = &label, .labels_len = 1};
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 1, &explicit_one), SPANPIN_STATUS_OK);
  CHECK(program.labelled == 4);  // Explicit exemplars stay as they are given.
  bed_free(&bed);
}

static void admitted(void)
{
  struct bed bed = bed_new();
  struct program program = {.observes_in_turn = 1};
  const spanpin_hooks hooks = {.context = &program, .admitted = on_admitted};
  spanpin_histogram *histogram = program.histogram = histogram_of(register_family(&bed, options_with(hooks)));
  observe_span(histogram, 4, 9);
  CHECK(program.admitted == 1);  // The one in between did not beat its window.
  CHECK(program.trace.trace_id[15] == 9 && program.value == 4);
  observe_span(histogram, 3, 10);
  CHECK(program.admitted == 1);
  program.admitted_answer = 5;
  observe_span(histogram, 5, 11);
  CHECK(program.admitted == 2 && errors(&bed) == 1 && held(histogram) == 2);
  const spanpin_trace_context context = span(12);
  const spanpin_exemplar explicit_one = {.trace = &context};
  CHECK_STATUS(spanpin_histogram_observe_exemplar(histogram, 1, &explicit_one), SPANPIN_STATUS_OK);
  CHECK(program.admitted == 2);  // It is told of offers.
  CHECK(page_has(&bed, NULL, "h_seconds_count 5\n"));
  bed_free(&bed);
}

static void slow_requests(void)
{
  const spanpin_registry_options with_url = {.trace_url = SPANPIN_STR("http://t/{trace_id}?span={span_id}")};
  struct bed bed = bed_with(&with_url);
  struct program program = {0};
  const spanpin_str names[] = {SPANPIN_STR("route"), SPANPIN_STR("empty")};
  spanpin_family_options options =
      options_with((spanpin_hooks){.context = &program, .slow_request = on_slow, .slow_request_threshold = 0.5});
  options.label_names = names, options.label_names_len = 2;
  spanpin_family *family = register_family(&bed, options);
  spanpin_histogram *orders, *users;
  const spanpin_str of_orders[] = {SPANPIN_STR("/orders"), {NULL, 0}}, of_users[] = {SPANPIN_STR("/users"), {NULL, 0}};
  REQUIRE(spanpin_histogram_with(family, of_orders, 2, &orders, NULL) == SPANPIN_STATUS_OK);
  REQUIRE(spanpin_histogram_with(family, of_users, 2, &users, NULL) == SPANPIN_STATUS_OK);

  observe_span(orders, 0.5, 1);
  CHECK(program.slow == 0);  // The threshold itself is not above it.
  observe_span(orders, 0.75, 2);
  CHECK(program.slow == 1);
  CHECK(strcmp(program.text, "h_seconds 0.75 > 0.5 sampled route=/orders empty= "
                             "<http://t/07000000000000000000000000000002?span=0700000000000002>") == 0);
  observe_span(orders, 2, 3);
  CHECK(program.slow == 1);  // Once in each window and series.
  const spanpin_trace_context unsampled = {{0xAB}, {0xCD}, 0};
  const spanpin_exemplar offer = {.trace = &unsampled};
  CHECK_STATUS(spanpin_histogram_observe_trace(users, 3, &offer), SPANPIN_STATUS_OK);
  CHECK(program.slow == 2);
  CHECK(strcmp(program.text, "h_seconds 3 > 0.5 unsampled route=/users empty= "
                             "<http://t/ab000000000000000000000000000000?span=cd00000000000000>") == 0);
  pass(&bed, 1000);
  free(page_for(&bed, "a"));  // The next window.
  CHECK_STATUS(spanpin_histogram_observe(users, 9), SPANPIN_STATUS_OK);
  CHECK(program.slow == 2);  // Only calls that take a span or an exemplar tell.
  const spanpin_label label = {SPANPIN_STR("k"), SPANPIN_STR("v")};
  const spanpin_exemplar explicit_one = {.labels = &label, .labels_len = 1};
  CHECK_STATUS(spanpin_histogram_observe_exemplar(users, 4, &explicit_one), SPANPIN_STATUS_OK);
  CHECK(program.slow == 3 && strcmp(program.text, "h_seconds 4 > 0.5 no span route=/users empty= <>") == 0);
  program.slow_answer = 1;
  const char *header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  CHECK_STATUS(spanpin_histogram_observe_traceparent(orders, 5, header, strlen(header)), SPANPIN_STATUS_OK);
  CHECK(program.slow == 4 && program.trace.trace_id[0] == 0x0a);
  CHECK(errors(&bed) == 1 && own(&bed, "spanpin_slow_requests_total") == 4);
  CHECK(page_has(&bed, NULL, "h_seconds_count{route=\"/orders\"} 4\n"));
  bed_free(&bed);

  // A counter tells of amounts, a family's own address wins, and always_off changes nothing.
  bed = bed_with(&with_url);
  program = (struct program){0};
  options = options_with((spanpin_hooks){.context = &program,
                                         .slow_request = on_slow,
                                         .slow_request_threshold = 100,
                                         .trace_url = SPANPIN_STR("own:{trace_id}")});
  options.kind = SPANPIN_KIND_COUNTER, options.name = SPANPIN_STR("bytes_total");
  options.bounds = NULL, options.bounds_len = 0;
  options.rules.filter = SPANPIN_FILTER_ALWAYS_OFF;
  spanpin_counter *counter = counter_of(register_family(&bed, options));
  CHECK_STATUS(spanpin_counter_add_trace(counter, 101, &offer), SPANPIN_STATUS_OK);
  CHECK(program.slow == 1);
  CHECK(strcmp(program.text, "bytes 101 > 100 unsampled <own:ab000000000000000000000000000000>") == 0);
  bed_free(&bed);
}

// A call that takes a span tells also when there is none, or one that is broken.
static void slow_requests_without_a_span(void)
{
  const spanpin_trace_context zero = {{0}, {0}, 1};
  const spanpin_exemplar no_ids = {.trace = &zero}, nothing = {.trace = NULL};
  struct bed bed = bed_new();
  struct program program = {0};
  const spanpin_hooks hooks = {.context = &program, .slow_request = on_slow, .slow_request_threshold = 0.5};
  spanpin_family_options options = options_with(hooks);
  spanpin_histogram *histogram = histogram_of(register_family(&bed, options));
  options.kind = SPANPIN_KIND_COUNTER, options.name = SPANPIN_STR("c"), options.bounds = NULL, options.bounds_len = 0;
  spanpin_counter *counter = counter_of(register_family(&bed, options));
  for (unsigned i = 0; i < 6; i++) {
    for (unsigned again = 0; again < 2; again++) {
      const double value = again + 1;
      CHECK_STATUS(i == 0   ? spanpin_histogram_observe_trace(histogram, value, NULL)
                   : i == 1 ? spanpin_histogram_observe_trace(histogram, value, &nothing)
                   : i == 2 ? spanpin_histogram_observe_trace(histogram, value, &no_ids)
                   : i == 3 ? spanpin_histogram_observe_traceparent(histogram, value, "broken", 6)
                   : i == 4 ? spanpin_histogram_observe_traceparent(histogram, value, NULL, 6)
                            : spanpin_histogram_observe_exemplar(histogram, value, NULL),
                   i == 2   ? SPANPIN_STATUS_INVALID_TRACE_ID
                   : i == 3 ? SPANPIN_STATUS_INVALID_TRACEPARENT
                   : i == 4 ? SPANPIN_STATUS_NULL_POINTER
                            : SPANPIN_STATUS_OK);
      CHECK(program.slow == 2 * i + 1);
      CHECK(strcmp(program.text, "h_seconds 1 > 0.5 no span <>") == 0);
    }
    CHECK_STATUS(spanpin_counter_add_trace(counter, 3, i % 2 ? NULL : &no_ids),
                 i % 2 ? SPANPIN_STATUS_OK : SPANPIN_STATUS_INVALID_TRACE_ID);
    CHECK(program.slow == 2 * i + 2 && strcmp(program.text, "c 3 > 0.5 no span <>") == 0);
    pass(&bed, 1000);
    free(page_for(&bed, "a"));
  }
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, 0.5, NULL), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_histogram_observe_trace(histogram, NAN, NULL), SPANPIN_STATUS_OK);
  CHECK(program.slow == 12 && held(histogram) == 0);
  CHECK(page_has(&bed, NULL, "h_seconds_count 13\n"));
  bed_free(&bed);
}

static void a_slow_request_observes_in_turn(void)
{
  struct bed bed = bed_new();
  struct program program = {.observes_in_turn = 1};
  spanpin_histogram *histogram = program.histogram = histogram_of(register_family(
      &bed,
      options_with((spanpin_hooks){.context = &program, .slow_request = on_slow, .slow_request_threshold = 0.5})));
  observe_span(histogram, 1, 3);
  CHECK(program.slow == 1 && strstr(program.text, "<>") != NULL);  // No address is known.
  CHECK(page_has(&bed, NULL, "h_seconds_count 2\n"));
  pass(&bed, 1000);
  CHECK(page_has(&bed, "a", "} 2.0 "));  // The one observed in turn is the slower one.
  bed_free(&bed);
}

static void what_is_refused(void)
{
  struct bed bed = bed_new();
  struct program program = {0};
  static const struct {
    double threshold;
    spanpin_str url;
    spanpin_status status;
    const char *says;
  } wrong[] = {
      {NAN, {NULL, 0}, SPANPIN_STATUS_INVALID_OPTION, "slow_request_threshold"},
      {1, {"http://t/{id}", 13}, SPANPIN_STATUS_INVALID_OPTION, "{trace_id}"},
      {1, {"http://t/", 9}, SPANPIN_STATUS_INVALID_OPTION, "{trace_id}"},
      {1, {"{trace_id}\xff", 11}, SPANPIN_STATUS_INVALID_UTF8, "trace_url"},
      {1, {NULL, 3}, SPANPIN_STATUS_NULL_POINTER, "trace_url"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const spanpin_family_options options = options_with((spanpin_hooks){.context = &program,
                                                                        .slow_request = on_slow,
                                                                        .slow_request_threshold = wrong[i].threshold,
                                                                        .trace_url = wrong[i].url});
    spanpin_family *family = NULL;
    spanpin_error error = {0};
    CHECK_STATUS(spanpin_family_register(bed.registry, &options, &family, &error), wrong[i].status);
    CHECK(family == NULL && strstr(error.message, wrong[i].says) != NULL);
  }
  const spanpin_registry_options registry_options = {.trace_url = SPANPIN_STR("no place")};
  spanpin_registry *registry = NULL;
  CHECK_STATUS(spanpin_registry_new(&registry_options, &registry, NULL), SPANPIN_STATUS_INVALID_OPTION);
  CHECK(registry == NULL);
  // A gauge takes no exemplars, so its functions are never called, but they do no harm.
  spanpin_family_options gauges = options_with((spanpin_hooks){.context = &program, .filter = on_filter, .admitted = on_admitted});
  gauges.kind = SPANPIN_KIND_GAUGE, gauges.bounds = NULL, gauges.bounds_len = 0;
  spanpin_gauge *gauge;
  REQUIRE(spanpin_gauge_with(register_family(&bed, gauges), NULL, 0, &gauge, NULL) == SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_gauge_set(gauge, 5), SPANPIN_STATUS_OK);
  CHECK(program.filtered + program.admitted + program.slow == 0);
  bed_free(&bed);
}

int main(void)
{
  filter();
  labels();
  admitted();
  slow_requests();
  slow_requests_without_a_span();
  a_slow_request_observes_in_turn();
  what_is_refused();
  return finish("hooks");
}
