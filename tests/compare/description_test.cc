// Order statistics against numpy, scipy and rliable, the best-of-n curve against all draws, and what must not change
// them.
#include "compare/description.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "golden.hpp"

namespace initlab::compare {
namespace {

TEST(Description, IsNumpysAndRliables) {
  for (const base::Json& item : golden_comparison("description")) {
    const Numbers values = numbers(item, "values");
    EXPECT_NEAR(median(values), number(item, "median"), 1e-12) << item.dump();
    EXPECT_NEAR(interquartile_mean(values), number(item, "iqm"), 1e-12) << item.dump();
    for (const base::Json& pair : item.at("quantiles"))
      EXPECT_NEAR(quantile(values, pair.at(0).get<double>()), pair.at(1).get<double>(), 1e-12) << item.dump();
    const Description all = describe(values);
    EXPECT_EQ(all.n, values.size());
    EXPECT_EQ(all.median, median(values));
    EXPECT_EQ(all.interquartile_mean, interquartile_mean(values));
    EXPECT_EQ(all.min, *std::min_element(values.begin(), values.end()));
    EXPECT_EQ(all.max, *std::max_element(values.begin(), values.end()));
  }
}

TEST(Description, OfNothing) {
  const Description none = describe(Numbers{});
  EXPECT_EQ(none.n, 0u);
  for (const double value : {none.mean, none.stddev, none.median, none.interquartile_mean, none.min, none.max})
    EXPECT_TRUE(std::isnan(value));
  EXPECT_TRUE(best_of_curve(Numbers{}, true).empty());
}

TEST(Description, OneDivergedRunDoesNotMoveTheInterquartileMean) {
  EXPECT_EQ(interquartile_mean(Numbers{1, 2, 3, 4}), 2.5);
  EXPECT_EQ(interquartile_mean(Numbers{1, 2, 3, 4e30}), 2.5);
  EXPECT_EQ(interquartile_mean(Numbers{5, 7, 9}), 7) << "nothing to cut below 4 values: the mean";
}

TEST(BestOf, IsTheMeanBestOverAllDraws) {
  for (const base::Json& item : golden_comparison("best_of")) {
    const Numbers values = numbers(item, "values");
    const Numbers highest = best_of_curve(values, true), lowest = best_of_curve(values, false);
    ASSERT_EQ(highest.size(), values.size());
    for (std::size_t k = 0; k < values.size(); ++k) {
      EXPECT_NEAR(highest[k], numbers(item, "highest")[k], 1e-12);
      EXPECT_NEAR(lowest[k], numbers(item, "lowest")[k], 1e-12);
    }
  }
}

TEST(BestOf, RisesAndStaysWithinWhatWasSeen) {
  const Numbers values{0.3, 0.9, 0.1, 0.5, 0.5, 0.2};
  const Numbers curve = best_of_curve(values, true);
  EXPECT_TRUE(std::is_sorted(curve.begin(), curve.end()));
  EXPECT_LE(curve.back(), 0.9);
  Numbers mirrored = values;
  for (double& value : mirrored) value = -value;
  const Numbers mirror = best_of_curve(mirrored, false);
  for (std::size_t k = 0; k < curve.size(); ++k) EXPECT_NEAR(mirror[k], -curve[k], 1e-15);
}

}  // namespace
}  // namespace initlab::compare
