// YAML text -> ExperimentSpec -> RunPlan[]. Strict and typed: every error has file:line:column, what was expected, what was
// got, and a suggestion. Knows no strategy and no task; opens no data.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"

namespace initlab::spec {

// `--set path=value`: value is YAML ("[1, 2]", "5e-5", "{use: zero}").
struct Override {
  std::string path;
  std::string value;
};

// A spec, composed (extends, variables, overrides) and checked, with its grid still unfolded.
struct ExperimentSpec {
  std::string experiment;                 // name: letters, digits, _ and -
  std::filesystem::path file;
  std::string text;                       // the composed document as YAML: reading it again gives the same plan
  std::vector<config::RunPlan> plans;     // arms x replicates x grid points, grid outermost, then arms, then replicates
};

// Reads, composes and checks a spec. Variables ${NAME}: from the environment; INITLAB_DATA and INITLAB_MODELS have defaults
// (`defaults`), any other unset one is an error. Throws Error.
ExperimentSpec read(const std::filesystem::path& file, const std::vector<Override>& overrides,
                    const std::map<std::string, std::string>& defaults);

}  // namespace initlab::spec
