// What every C test uses: CHECK names the line and the expression that failed, and the program's exit code tells.
#ifndef SPANPIN_TEST_CHECK_H
#define SPANPIN_TEST_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;

#define CHECK(expression)                                                              \
  do {                                                                                 \
    if (!(expression)) {                                                               \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #expression);         \
      check_failures++;                                                                \
    }                                                                                  \
  } while (0)

// For what the rest of a test cannot do without.
#define REQUIRE(expression)                                                            \
  do {                                                                                 \
    if (!(expression)) {                                                               \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #expression);         \
      exit(1);                                                                         \
    }                                                                                  \
  } while (0)

#define CHECK_STATUS(expression, wanted)                                               \
  do {                                                                                 \
    int got_ = (expression);                                                           \
    if (got_ != (wanted)) {                                                            \
      fprintf(stderr, "%s:%d: %s gave %d (%s), not %s\n", __FILE__, __LINE__, #expression, got_, \
              spanpin_status_message(got_), #wanted);                                  \
      check_failures++;                                                                \
    }                                                                                  \
  } while (0)

// The page as a NUL-terminated string for strstr; the caller frees it.
static inline char *page_text(const spanpin_scrape_result *page)
{
  char *text = (char *)malloc(page->body_len + 1);
  if (text == NULL)
    exit(1);
  memcpy(text, page->body, page->body_len);
  text[page->body_len] = '\0';
  return text;
}

static inline int finish(const char *name)
{
  printf("%s: %s\n", name, check_failures == 0 ? "ok" : "FAILED");
  return check_failures == 0 ? 0 : 1;
}

#endif
