// The best answer that does not look at its input, by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "data/data.hpp"

namespace initlab::data {
namespace {

TaskData task(config::HeadKind head) {
  TaskData data;
  data.info.head = head;
  data.special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
  data.vocabulary = 10;
  return data;
}

TEST(Baseline, OfClassesIsTheEntropyOfTheLabels) {
  TaskData data = task(config::HeadKind::classifier);
  for (const std::int32_t label : {1, 1, 0, 1}) data.train.push_back({{2, 5, 3}, {0, 0, 0}, label, 0});
  const Baseline baseline = constant_baseline(data);
  EXPECT_DOUBLE_EQ(baseline.loss, -0.75 * std::log(0.75) - 0.25 * std::log(0.25));
  EXPECT_DOUBLE_EQ(baseline.accuracy, 0.75);
}

TEST(Baseline, OfWordsCountsThoseThatCouldBePredicted) {
  TaskData data = task(config::HeadKind::mlm);
  data.train.push_back({{2, 5, 6, 1, 3}, {}, 0, 0});
  data.train.push_back({{2, 5, 7, 3}, {}, 0, 0});
  const Baseline baseline = constant_baseline(data);  // 5 twice, 6 and 7 once
  EXPECT_DOUBLE_EQ(baseline.loss, 0.5 * std::log(2.0) + 0.5 * std::log(4.0));
  EXPECT_DOUBLE_EQ(baseline.accuracy, 0.5);
}

TEST(Baseline, OfNumbersIsTheirVariance) {
  TaskData data = task(config::HeadKind::regressor);
  for (const float target : {1.0f, 3.0f, 2.0f, 2.0f}) data.train.push_back({{2, 5, 3}, {}, 0, target});
  EXPECT_DOUBLE_EQ(constant_baseline(data).loss, 0.5);
  EXPECT_TRUE(std::isnan(constant_baseline(data).accuracy));
}

}  // namespace
}  // namespace initlab::data
