/* Compiled as C99, C11 and C17: the header stands alone. */
#include "abi/initlab_plugin.h"

const il_plugin* header_in_c(il_plugin_entry entry) { return entry(); }
