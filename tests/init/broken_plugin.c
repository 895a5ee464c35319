/* One source, one fault for each macro. */
#include "abi/initlab_plugin.h"

#ifndef NO_SYMBOL
static int create(const il_option* options, uint32_t n, void** self, il_error* error) {
  (void)options, (void)n, (void)error;
  *self = 0;
  return 0;
}
static int fill(const void* self, const il_param* param, const il_host* host, float* dst, uint64_t n, il_error* error) {
  (void)self, (void)param, (void)host, (void)dst, (void)n, (void)error;
  return 0;
}
static void destroy(void* self) { (void)self; }

#ifdef MALFORMED_ID
#define ID "broken"
#else
#define ID "broken/1"
#endif
static const il_strategy strategy = {sizeof(il_strategy), ID, "s", "s", IL_ROLE_ALL, 0, 0, create, fill, destroy, 0};
static const il_strategy* const strategies[] = {&strategy};
static const il_plugin plugin = {
#ifdef SMALL_TABLE
    16,
#else
    sizeof(il_plugin),
#endif
#ifdef OTHER_MAJOR
    IL_ABI_MAJOR + 1,
#else
    IL_ABI_MAJOR,
#endif
    IL_ABI_MINOR,
    "broken",
    "1",
    1,
    strategies};

const il_plugin* initlab_plugin(void) {
#ifdef NULL_TABLE
  (void)plugin;
  return 0;
#else
  return &plugin;
#endif
}
#else
int something_else(void);
int something_else(void) { return 0; }
#endif
