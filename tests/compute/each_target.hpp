// Runs a test once for each instruction set that the kernels are built for; skips, visibly, those the CPU lacks.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "compute/targets.hpp"

namespace initlab::testing_tools {

class EachTarget : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!compute::use_target(GetParam())) GTEST_SKIP() << "skipped: this CPU has no " << GetParam();
  }
  void TearDown() override { compute::use_target(""); }
};

inline std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const compute::Target& target : compute::targets()) names.push_back(target.name);
  return names;
}

inline std::string target_name(const testing::TestParamInfo<std::string>& info) { return info.param; }

}  // namespace initlab::testing_tools
