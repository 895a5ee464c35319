/* A strategy in C99: every element is its index divided by the length. Shows that the boundary needs no C++. */
#include <stdio.h>
#include <stdlib.h>

#include "abi/initlab_plugin.h"

static int create(const il_option* options, uint32_t n, void** self, il_error* error) {
  if (n > 0) {
    snprintf(error->text, sizeof error->text, "unknown option \"%s\"", options[0].key);
    return 1;
  }
  *self = NULL;
  return 0;
}

static int fill(const void* self, const il_param* param, const il_host* host, float* dst, uint64_t n, il_error* error) {
  uint64_t i;
  (void)self, (void)param, (void)host, (void)error;
  for (i = 0; i < n; ++i) dst[i] = (float)((double)i / (double)n);
  return 0;
}

static void destroy(void* self) { free(self); }

static const il_strategy ramp = {sizeof(il_strategy),
                                 "c_ramp/1",
                                 "0 to 1 along the tensor",
                                 "a test",
                                 IL_ROLE_MATRIX,
                                 0,
                                 NULL,
                                 create,
                                 fill,
                                 destroy,
                                 NULL};
static const il_strategy* const strategies[] = {&ramp};
static const il_plugin plugin = {sizeof(il_plugin), IL_ABI_MAJOR, IL_ABI_MINOR, "c_plugin", "1", 1, strategies};

const il_plugin* initlab_plugin(void) { return &plugin; }
