// What a test of the trainer runs with: all optimizations, all but one, none.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "compute/targets.hpp"
#include "config/config.hpp"

namespace initlab::golden {

// "nothing" is switched off, one optimization is, or "everything".
inline std::vector<std::string> switches() {
  std::vector<std::string> all = config::optimization_names();
  all.insert(all.begin(), "nothing");
  all.emplace_back("everything");
  return all;
}

inline config::TrainingConfig training_without(const std::string& name) {
  config::TrainingConfig training;
  if (name == "everything")
    training.without = config::optimization_names();
  else if (name != "nothing")
    training.without = {name};
  return training;
}

// Uses the kernels that the setting asks for while it lives.
class KernelsFor {
 public:
  explicit KernelsFor(const config::TrainingConfig& training) {
    compute::use_vector_kernels(training.uses("vector_kernels"));
  }
  ~KernelsFor() { compute::use_vector_kernels(true); }
  KernelsFor(const KernelsFor&) = delete;
  KernelsFor& operator=(const KernelsFor&) = delete;
};

// A case or head, and a switch.
using Switched = std::tuple<const char*, std::string>;
inline std::string switched_name(const testing::TestParamInfo<Switched>& info) {
  return std::string(std::get<0>(info.param)) + "_without_" + std::get<1>(info.param);
}

}  // namespace initlab::golden
