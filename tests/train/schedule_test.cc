// Schedules against transformers' formulas.
#include "train/schedule.hpp"

#include <gtest/gtest.h>

namespace initlab::train {
namespace {

TEST(Schedule, LinearEqualsTransformers) {
  config::ScheduleConfig s{"linear", 0.1};
  // get_linear_schedule_with_warmup(warmup 10, total 100): step/10, then (100-step)/90.
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{0}, 100), 0.0);
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{5}, 100), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{10}, 100), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{55}, 100), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{99}, 100), 1.0 / 90);
}

TEST(Schedule, WarmupIsCutAsPythonCutsIt) {
  config::ScheduleConfig s{"linear", 0.1};
  // int(0.1 * 345) = 34
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{17}, 345), 17.0 / 34);
  EXPECT_DOUBLE_EQ(rate_factor(s, std::int64_t{34}, 345), 1.0);
}

TEST(Schedule, ConstantAndCosine) {
  EXPECT_DOUBLE_EQ(rate_factor({"constant", 0.0}, std::int64_t{99}, 100), 1.0);
  EXPECT_NEAR(rate_factor({"cosine", 0.0}, std::int64_t{50}, 100), 0.5, 1e-15);
  EXPECT_NEAR(rate_factor({"cosine", 0.0}, std::int64_t{100}, 100), 0.0, 1e-15);
}

TEST(Schedule, TimeBudget) {
  config::ScheduleConfig s{"linear", 0.2};
  EXPECT_DOUBLE_EQ(rate_factor(s, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(s, 0.6), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(s, 1.0), 0.0);
}

}  // namespace
}  // namespace initlab::train
