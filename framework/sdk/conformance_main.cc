// Checks one plugin file: initlab_conformance PLUGIN.so [STRATEGY:KEY=VALUE ...]. Exit 0: it keeps its promises; 1:
// what is wrong, a line each; 2: it cannot be opened. Built by initlab_plugin_test() (cmake/initlab_plugin.cmake).
#include <dlfcn.h>

#include <cstdio>

#include "sdk/conformance.hpp"

namespace {

using initlab::sdk::OptionTexts;

// "constant:value=0.5" -> options["constant"] = {{"value", "0.5"}}. Returns false on another form.
bool add_option(std::string_view text, std::map<std::string, OptionTexts>& options) {
  const std::size_t colon = text.find(':');
  const std::size_t equals = text.find('=', colon == std::string_view::npos ? 0 : colon);
  if (colon == std::string_view::npos || equals == std::string_view::npos) return false;
  options[std::string(text.substr(0, colon))].emplace_back(text.substr(colon + 1, equals - colon - 1),
                                                           text.substr(equals + 1));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PLUGIN.so [STRATEGY:KEY=VALUE ...]\n", argv[0]);
    return 2;
  }
  std::map<std::string, OptionTexts> options;
  for (int i = 2; i < argc; ++i) {
    if (add_option(argv[i], options)) continue;
    std::fprintf(stderr, "%s: expected STRATEGY:KEY=VALUE\n", argv[i]);
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s: cannot be opened: %s\n", argv[1], dlerror());
    return 2;
  }
  const auto entry = reinterpret_cast<il_plugin_entry>(dlsym(library, IL_ENTRY_SYMBOL));
  if (entry == nullptr) {
    std::fprintf(stderr, "%s: has no function %s\n", argv[1], IL_ENTRY_SYMBOL);
    return 2;
  }
  const il_plugin* plugin = entry();
  const auto findings = initlab::sdk::check_plugin(plugin, options);
  for (const auto& finding : findings) std::printf("%s: %s\n", argv[1], initlab::sdk::to_text(finding).c_str());
  if (findings.empty()) std::printf("%s: %u strategies keep their promises\n", argv[1], plugin->num_strategies);
  return findings.empty() ? 0 : 1;
}
