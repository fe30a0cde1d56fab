// With header_twice_b.c: two files of one program may include the header, each of them twice.
#include <spanpin.h>
#include <spanpin.h>
#include <spanpin_layout.h>

#include "check.h"

size_t length_elsewhere(const char *text);

int main(void)
{
  CHECK(spanpin_str_of("four").len == 4 && spanpin_str_of(NULL).len == 0);
  CHECK(length_elsewhere("four") == 4);
  return finish("header_twice");
}
