// Compiled as C++11 to C++20: the header stands alone.
#include "abi/initlab_plugin.h"

const il_plugin* header_in_cxx(il_plugin_entry entry);
const il_plugin* header_in_cxx(il_plugin_entry entry) { return entry(); }
