// YAML text -> ExperimentSpec -> RunPlan[]. Strict and typed: every error has file:line:column, what was expected, what
// was got, and a suggestion. Knows no strategy and no task; opens no data. Reference of all keys: docs/SPEC.md.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"

namespace initlab::spec {

// `--set path=value`: value is YAML ("[1, 2]", "5e-5", "{use: zero}"); "~" removes a key.
struct Override {
  std::string path;
  std::string value;
};

// A spec, composed (extends, variables, overrides), checked and unfolded.
struct ExperimentSpec {
  std::string experiment;  // name: letters, digits, _ and -
  std::filesystem::path file;
  std::string text;  // the composed document as YAML, under the spec's head comment: read again, the same plan
  std::vector<config::RunPlan> plans;   // arms x replicates x grid points, grid outermost, then arms, then replicates
  std::vector<config::RunPlan> tuning;  // runs that choose the arms' learning rates: grid, arms, rates, replicates
};

// Reads, composes and checks a spec. Variables ${NAME}: from the environment, else from `defaults` (INITLAB_DATA,
// INITLAB_MODELS), else an error. Throws Error.
ExperimentSpec read(const std::filesystem::path& file, const std::vector<Override>& overrides,
                    const std::map<std::string, std::string>& defaults);

// The same for a text that stands in no file of its own (the embedded default). `file` is what places and relative
// paths refer to; it need not exist.
ExperimentSpec from_text(std::string_view text, const std::filesystem::path& file,
                         const std::vector<Override>& overrides, const std::map<std::string, std::string>& defaults);

// "path=value" as given to --set. Throws Error where there is no path or no "=".
Override parse_override(const std::string& argument);

}  // namespace initlab::spec
