// A plugin's conformance suite in a process of its own, with limits of time and memory: whatever the plugin does, the
// program lives.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sdk/conformance.hpp"

namespace initlab::app {

struct PluginVerdict {
  std::vector<sdk::Finding> findings;  // what the suite found before the end
  std::string fatal;           // how it ended before the suite did, with the strategy at work; empty where it did not
  std::size_t strategies = 0;  // that were checked to the end
  bool ok() const { return findings.empty() && fatal.empty(); }
};

struct CheckLimits {
  double seconds = 120;
  double mebibytes = 2048;  // of memory that the process may write to beyond what it starts with, touched or not
};

// options: strategy name without revision -> options to create it with. Throws Error where there is no such file or no
// process can be made; what the plugin does wrong, from being loaded on, is in the verdict.
PluginVerdict check_plugin(const std::string& file, const std::map<std::string, sdk::OptionTexts>& options,
                           const CheckLimits& limits);

}  // namespace initlab::app
