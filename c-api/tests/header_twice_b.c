#include <spanpin_layout.h>
#include <spanpin.h>
#include <spanpin.h>

size_t length_elsewhere(const char *text);

size_t length_elsewhere(const char *text)
{
  return spanpin_str_of(text).len;
}
