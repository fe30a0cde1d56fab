// Bad input gives the right status, a message that names the value, and leaves the out-parameters alone.
#include <math.h>
#include <spanpin.h>

#include "check.h"

static spanpin_registry *registry;

static spanpin_status try_family(spanpin_family_options options, spanpin_error *error)
{
  spanpin_family *const untouched = (spanpin_family *)&registry;
  spanpin_family *family = untouched;
  spanpin_status status = spanpin_family_register(registry, &options, &family, error);
  CHECK((status == SPANPIN_STATUS_OK) == (family != untouched));
  return status;
}

static void registration(void)
{
  const spanpin_str twice[] = {SPANPIN_STR("a"), SPANPIN_STR("a")};
  const spanpin_str reserved[] = {SPANPIN_STR("__name__")};
  const spanpin_str le[] = {SPANPIN_STR("le")};
  const spanpin_str dashed[] = {SPANPIN_STR("a-b")};
  const double unsorted[] = {1, 0.5};
  const double equal[] = {0.5, 0.5};
  const double not_a_number[] = {1, NAN};
  const spanpin_family_options base = {.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("a_seconds")};
  spanpin_error error;

#define WITH(...) ((spanpin_family_options){.kind = SPANPIN_KIND_HISTOGRAM, .name = SPANPIN_STR("b_seconds"), __VA_ARGS__})
  memset(&error, 0xff, sizeof error);
  CHECK_STATUS(try_family(base, &error), SPANPIN_STATUS_OK);
  CHECK(error.code == -1);  // Untouched on success.
  CHECK_STATUS(try_family(base, &error), SPANPIN_STATUS_DUPLICATE_NAME);
  CHECK(error.code == SPANPIN_STATUS_DUPLICATE_NAME);
  CHECK(strstr(error.message, "a_seconds") != NULL);
  CHECK_STATUS(try_family(base, NULL), SPANPIN_STATUS_DUPLICATE_NAME);

  CHECK_STATUS(try_family((spanpin_family_options){.kind = SPANPIN_KIND_GAUGE, .name = SPANPIN_STR("9x")}, &error),
               SPANPIN_STATUS_INVALID_NAME);
  CHECK(strstr(error.message, "9x") != NULL);
  CHECK_STATUS(try_family((spanpin_family_options){.kind = SPANPIN_KIND_GAUGE}, &error), SPANPIN_STATUS_INVALID_NAME);
  CHECK_STATUS(try_family((spanpin_family_options){.kind = 77, .name = SPANPIN_STR("c")}, &error),
               SPANPIN_STATUS_INVALID_OPTION);
  CHECK(strstr(error.message, "77") != NULL);
  CHECK_STATUS(try_family((spanpin_family_options){.name = SPANPIN_STR("c")}, &error), SPANPIN_STATUS_INVALID_OPTION);
  CHECK_STATUS(try_family(WITH(.rules.filter = 9), &error), SPANPIN_STATUS_INVALID_OPTION);
  CHECK_STATUS(try_family(WITH(.rules.policy = 9), &error), SPANPIN_STATUS_INVALID_OPTION);
  CHECK_STATUS(try_family(WITH(.label_names = twice, .label_names_len = 2), &error), SPANPIN_STATUS_DUPLICATE_LABEL);
  CHECK_STATUS(try_family(WITH(.label_names = reserved, .label_names_len = 1), &error), SPANPIN_STATUS_RESERVED_LABEL);
  CHECK_STATUS(try_family(WITH(.label_names = le, .label_names_len = 1), &error), SPANPIN_STATUS_RESERVED_LABEL);
  CHECK_STATUS(try_family(WITH(.label_names = dashed, .label_names_len = 1), &error),
               SPANPIN_STATUS_INVALID_LABEL_NAME);
  CHECK_STATUS(try_family(WITH(.label_names = NULL, .label_names_len = 1), &error), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(try_family(WITH(.bounds = unsorted, .bounds_len = 2), &error), SPANPIN_STATUS_INVALID_BOUNDS);
  CHECK(strstr(error.message, "0.5") != NULL);
  CHECK_STATUS(try_family(WITH(.bounds = equal, .bounds_len = 2), &error), SPANPIN_STATUS_INVALID_BOUNDS);
  CHECK_STATUS(try_family(WITH(.bounds = not_a_number, .bounds_len = 2), &error), SPANPIN_STATUS_INVALID_BOUNDS);
  CHECK_STATUS(try_family(WITH(.bounds = NULL, .bounds_len = 2), &error), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(try_family(WITH(.unit = SPANPIN_STR("bytes")), &error), SPANPIN_STATUS_INVALID_UNIT);
  CHECK_STATUS(try_family(WITH(.help = {"\xff", 1}), &error), SPANPIN_STATUS_INVALID_UTF8);
  CHECK_STATUS(try_family(WITH(.help = {NULL, 1}), &error), SPANPIN_STATUS_NULL_POINTER);
  // A name another family writes samples under.
  CHECK_STATUS(try_family((spanpin_family_options){.kind = SPANPIN_KIND_GAUGE, .name = SPANPIN_STR("a_seconds_sum")},
                          &error),
               SPANPIN_STATUS_NAME_CLASH);
}

static void series(void)
{
  const spanpin_str labels[] = {SPANPIN_STR("method"), SPANPIN_STR("path")};
  const spanpin_str values[] = {SPANPIN_STR("GET"), SPANPIN_STR("/"), SPANPIN_STR("too many")};
  const spanpin_str broken[] = {SPANPIN_STR("GET"), {NULL, 3}};
  spanpin_family_options options = {.kind = SPANPIN_KIND_COUNTER,
                                    .name = SPANPIN_STR("requests_total"),
                                    .label_names = labels,
                                    .label_names_len = 2};
  spanpin_family *family;
  spanpin_counter *counter = NULL, *again = NULL;
  spanpin_histogram *histogram = NULL;
  spanpin_gauge *gauge = NULL;
  spanpin_error error;
  REQUIRE(spanpin_family_register(registry, &options, &family, &error) == SPANPIN_STATUS_OK);

  CHECK_STATUS(spanpin_counter_with(family, values, 1, &counter, &error), SPANPIN_STATUS_LABEL_COUNT);
  CHECK_STATUS(spanpin_counter_with(family, values, 3, &counter, &error), SPANPIN_STATUS_LABEL_COUNT);
  CHECK_STATUS(spanpin_counter_with(family, NULL, 0, &counter, &error), SPANPIN_STATUS_LABEL_COUNT);
  CHECK_STATUS(spanpin_counter_with(family, NULL, 2, &counter, &error), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(spanpin_counter_with(family, broken, 2, &counter, &error), SPANPIN_STATUS_NULL_POINTER);
  CHECK_STATUS(spanpin_histogram_with(family, values, 2, &histogram, &error), SPANPIN_STATUS_WRONG_KIND);
  CHECK_STATUS(spanpin_gauge_with(family, values, 2, &gauge, &error), SPANPIN_STATUS_WRONG_KIND);
  CHECK(counter == NULL && histogram == NULL && gauge == NULL);
  CHECK_STATUS(spanpin_counter_with(family, values, 2, &counter, &error), SPANPIN_STATUS_OK);
  CHECK_STATUS(spanpin_counter_with(family, values, 2, &again, &error), SPANPIN_STATUS_OK);
  CHECK(counter != NULL && counter == again);
}

static void traces(void)
{
  const char *good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const char *bad = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
  spanpin_trace_context context;
  spanpin_error error;
  CHECK_STATUS(spanpin_trace_context_parse(good, strlen(good), &context, &error), SPANPIN_STATUS_OK);
  CHECK(context.trace_id[0] == 0x0a && context.trace_id[15] == 0x9c);
  CHECK(context.span_id[0] == 0xb7 && context.span_id[7] == 0x31 && context.flags == 1);
  CHECK_STATUS(spanpin_trace_context_parse(bad, strlen(bad), &context, &error), SPANPIN_STATUS_INVALID_TRACEPARENT);
  CHECK(context.trace_id[0] == 0x0a);
  CHECK_STATUS(spanpin_trace_context_parse(good, 54, &context, &error), SPANPIN_STATUS_INVALID_TRACEPARENT);
  CHECK_STATUS(spanpin_trace_context_parse("", 0, &context, &error), SPANPIN_STATUS_INVALID_TRACEPARENT);
  CHECK_STATUS(spanpin_trace_context_parse("\xff\xfe", 2, &context, &error), SPANPIN_STATUS_INVALID_TRACEPARENT);
}

static void long_messages(void)
{
  char name[2000];
  spanpin_error error;
  memset(name, '-', sizeof name);
  spanpin_family_options options = {.kind = SPANPIN_KIND_GAUGE, .name = {name, sizeof name}};
  CHECK_STATUS(try_family(options, &error), SPANPIN_STATUS_INVALID_NAME);
  CHECK(memchr(error.message, '\0', sizeof error.message) != NULL);
}

int main(void)
{
  spanpin_error error;
  REQUIRE(spanpin_registry_new(NULL, &registry, &error) == SPANPIN_STATUS_OK);
  registration();
  series();
  traces();
  long_messages();
  spanpin_registry_free(registry);

  spanpin_registry_options options = {.scraper_identity = 200};
  spanpin_registry *none = NULL;
  CHECK_STATUS(spanpin_registry_new(&options, &none, &error), SPANPIN_STATUS_INVALID_OPTION);
  CHECK(none == NULL);

  for (spanpin_status status = 0; status <= SPANPIN_STATUS_UNSUPPORTED; status++)
    CHECK(strcmp(spanpin_status_message(status), "unknown status") != 0);
  CHECK(strcmp(spanpin_status_message(-1), "unknown status") == 0);
  CHECK(strcmp(spanpin_version(), SPANPIN_VERSION) == 0);
  CHECK(spanpin_abi_version() == SPANPIN_ABI_VERSION);
  return finish("errors");
}
