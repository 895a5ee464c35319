// A composed document -> every run it asks for: grid points x arms x replicates.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "spec/node.hpp"

namespace initlab::spec {

inline constexpr std::size_t kMostPlans = 100'000;
inline constexpr std::size_t kMostArms = 1000;
inline constexpr std::size_t kMostAxes = 64;
inline constexpr std::size_t kMostPlanBytes = std::size_t{64} << 20;  // plans times the size of the document

struct Expansion {
  std::string experiment;
  std::string text;  // the document as YAML under its head comment, defaults of structure (head) written out
  std::vector<config::RunPlan> plans;
  std::vector<config::RunPlan> tuning;  // with training.tune: runs that choose the learning rates of `plans`
};

// Checks the whole document and unfolds it. head_comment stands before the text, line breaks included. Grid outermost
// (later keys fastest), then arms, then (tuning) rates, then replicates. Throws Error.
Expansion expand(Node document, const std::filesystem::path& file, const std::string& head_comment);

}  // namespace initlab::spec
