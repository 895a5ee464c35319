/* A plugin that breaks one promise for each macro, in ways that would take the host down with it. */
#include <stdlib.h>
#include <string.h>

#include "abi/initlab_plugin.h"

static int create(const il_option* options, uint32_t n, void** self, il_error* error) {
  if (n > 0) { /* as the suite wants it: the key is named */
    strncpy(error->text, options[0].key, sizeof error->text - 1);
    return 1;
  }
  *self = (void*)&create;
  return 0;
}

static int fill(const void* self, const il_param* param, const il_host* host, float* dst, uint64_t n, il_error* error) {
  (void)self, (void)param, (void)host, (void)error;
  for (uint64_t i = 0; i < n; ++i) dst[i] = 1;
#if defined(CRASH)
  *(volatile int*)(uintptr_t)(n / (n + 1)) = 1; /* address 0 */
#elif defined(ABORTS)
  abort();
#elif defined(NEVER_RETURNS)
  for (volatile int i = 0;; i = i + 1) {
  }
#elif defined(ENDS_THE_PROCESS)
  exit(0);
#elif defined(TAKES_ALL_MEMORY)
  for (;;) memset(malloc(1 << 20), 1, 1 << 20);
#elif defined(RESERVES_ALL_MEMORY)
  for (size_t size = 1 << 24; size >= 16; size /= 2) {
    void* volatile kept; /* or the compiler may leave the call out */
    do kept = malloc(size);
    while (kept != NULL);
  }
#elif defined(WRITES_BEYOND)
  dst[n] = 1;
#elif defined(WRITES_LESS)
  memset(&dst[n - 1], 0xff, sizeof(float));
#endif
  return 0;
}
static void destroy(void* self) { (void)self; }

#ifdef CRASHES_WHEN_LOADED
__attribute__((constructor)) static void loaded(void) { abort(); }
#endif

static const il_strategy strategy = {
#ifdef LIES_ABOUT_ITS_SIZE
    16,
#else
    sizeof(il_strategy),
#endif
    "broken/1", "s", "s", IL_ROLE_ALL, 0, 0, create, fill, destroy, 0};
static const il_strategy* const strategies[] = {&strategy};
static const il_plugin plugin = {sizeof(il_plugin), IL_ABI_MAJOR, IL_ABI_MINOR, "broken", "1", 1, strategies};

const il_plugin* initlab_plugin(void) { return &plugin; }
