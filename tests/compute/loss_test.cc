// Losses and their gradients against the twins in double, by chunks of columns of any size, on every instruction set
// that this CPU has.
#include "compute/loss.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/element.hpp"
#include "compute/reference/loss.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

constexpr double kExpEps = 2e-7;     // of fast_exp
constexpr double kSmallest = 2e-38;  // what it gives for anything smaller
constexpr double kBf16Eps = 0x1p-8;  // largest relative error of one rounding to bf16
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Logits of some rows with their labels, and what the kernels make of them.
struct Rows {
  std::int64_t rows = 0, n = 0;
  Element element = Element::f32;
  std::vector<float> logits;
  std::vector<Bf16> rounded;
  std::vector<std::int32_t> labels;

  std::vector<double> loss;
  std::vector<float> log_sum;
  std::vector<std::int32_t> hit;
  std::vector<float> dlogits, column_sums;

  Rows(std::vector<float> x, std::vector<std::int32_t> of, Element stored = Element::f32)
      : rows(static_cast<std::int64_t>(of.size())),
        n(static_cast<std::int64_t>(x.size() / of.size())),
        element(stored),
        logits(std::move(x)),
        labels(std::move(of)) {
    for (float& v : logits) {
      rounded.push_back(reference::round_to_bf16(v));
      if (element == Element::bf16) v = reference::widen(rounded.back());
    }
  }

  std::vector<double> row(std::size_t r) const {
    const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(r) * n;
    return {begin, begin + n};
  }

  // The columns from `first` on, as they stand in the whole matrix.
  LogitChunk chunk(std::int64_t first, std::int64_t columns) const {
    const ConstCells all = element == Element::f32 ? ConstCells(logits.data()) : ConstCells(rounded.data());
    return {all + first, n, first, columns};
  }

  void forward(std::int64_t columns) {
    std::vector<CrossEntropyRow> state(labels.size());
    cross_entropy_start(rows, state.data());
    for (std::int64_t first = 0; first < n; first += columns)
      cross_entropy_update(rows, chunk(first, std::min(columns, n - first)), labels.data(), state.data());
    loss.resize(labels.size()), log_sum.resize(labels.size()), hit.resize(labels.size());
    cross_entropy_finish(rows, labels.data(), state.data(), loss.data(), log_sum.data(), hit.data());
  }

  // Into memory of its own, whose rows stand 3 numbers further apart than the chunk is wide.
  void backward(std::int64_t columns, float scale, Element out) {
    dlogits.resize(logits.size());
    column_sums.assign(static_cast<std::size_t>(n), 1.0f);
    for (std::int64_t first = 0; first < n; first += columns) {
      const std::int64_t width = std::min(columns, n - first), apart = width + 3;
      std::vector<float> wide(static_cast<std::size_t>(rows * apart), 77.0f);
      std::vector<Bf16> narrow(wide.size(), reference::round_to_bf16(77.0f));
      cross_entropy_backward(rows, chunk(first, width), labels.data(), log_sum.data(), scale,
                             out == Element::f32 ? Cells(wide.data()) : Cells(narrow.data()), apart,
                             column_sums.data() + first);
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t i = 0; i < apart; ++i) {
          const auto at = static_cast<std::size_t>(r * apart + i);
          const float value = out == Element::f32 ? wide[at] : reference::widen(narrow[at]);
          if (i < width)
            dlogits[static_cast<std::size_t>(r * n + first + i)] = value;
          else
            ASSERT_EQ(value, 77.0f) << "written between the rows";
        }
    }
  }
};

// A block of at most 1024 exponentials goes to four sums of a vector each, one lane at worst; each exponential is
// within kExpEps and a rounding of its argument; the logarithm turns relative into absolute.
double loss_tolerance(const std::vector<double>& row) {
  const auto [least, most] = std::minmax_element(row.begin(), row.end());
  return kExpEps + (1024.0 / 4 + 8 + (*most - *least)) * kEps;
}

class LossTest : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, LossTest, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(LossTest, CrossEntropyEqualsTheTwinByChunksOfAnySize) {
  for (const Element element : {Element::f32, Element::bf16})
    for (const std::int64_t n : {1, 2, 3, 50, 1025, 5000})
      for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{7}, std::int64_t{1024}, n}) {
        Rows x(random_values(3 * n, "logits", 4),
               {0, static_cast<std::int32_t>(n - 1), static_cast<std::int32_t>(n / 2)}, element);
        x.forward(columns);
        for (std::size_t r = 0; r < 3; ++r) {
          const std::vector<double> row = x.row(r);
          const double expected = reference::cross_entropy(row, static_cast<std::size_t>(x.labels[r]));
          // one more rounding of the sum for each chunk, and one of the exponential that rescales it
          const double tolerance = loss_tolerance(row) + static_cast<double>(n / columns) * (kEps + 1e-15);
          EXPECT_NEAR(x.loss[r], expected, tolerance) << "n " << n << " columns " << columns;
          const double log_sum = expected + row[static_cast<std::size_t>(x.labels[r])];
          EXPECT_NEAR(x.log_sum[r], log_sum, tolerance + kEps * std::fabs(log_sum));
          EXPECT_EQ(x.hit[r] == 1, std::max_element(row.begin(), row.end()) - row.begin() == x.labels[r]);
        }
      }
}

TEST_P(LossTest, CrossEntropyGradientEqualsTheTwinByChunksOfAnySize) {
  const float scale = 0.37f;
  for (const Element element : {Element::f32, Element::bf16})
    for (const Element out : {Element::f32, Element::bf16})
      for (const std::int64_t n : {2, 35, 1300})
        for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{7}, std::int64_t{1024}, n}) {
          const std::int64_t rows = 70;  // more than one panel of column sums
          std::vector<std::int32_t> labels;
          for (std::int64_t r = 0; r < rows; ++r) labels.push_back(static_cast<std::int32_t>(r * 7919 % n));
          Rows x(random_values(rows * n, "logits", 3), labels, element);
          x.forward(n);
          x.backward(columns, scale, out);
          // What was there, 1, is rounded with each of the two panels.
          std::vector<double> sums(static_cast<std::size_t>(n), 1.0), sum_tolerances(sums.size(), 2 * kEps);
          for (std::size_t r = 0; r < labels.size(); ++r) {
            const std::vector<double> row = x.row(r);
            const auto label = static_cast<std::size_t>(labels[r]);
            const double log_sum = reference::cross_entropy(row, label) + row[label];
            for (std::size_t i = 0; i < row.size(); ++i) {
              const double p = std::exp(row[i] - log_sum), one = i == label ? 1 : 0;
              const double expected = static_cast<double>(scale) * (p - one);
              // p by its exponential, the rounding of its argument and of log_sum; then the roundings of the product
              // and the difference
              const double argument = loss_tolerance(row) + (2 * std::fabs(log_sum) + std::fabs(row[i])) * kEps;
              double tolerance =
                  static_cast<double>(scale) * (p * (argument + kExpEps + 4 * kEps) + one * kEps) + kSmallest;
              sums[i] += expected;
              sum_tolerances[i] += tolerance + (64 + 4) * kEps * static_cast<double>(scale) * (p + one);
              if (out == Element::bf16) tolerance += kBf16Eps * (std::fabs(expected) + tolerance);
              ASSERT_NEAR(x.dlogits[r * row.size() + i], expected, tolerance)
                  << "row " << r << " column " << i << " of " << n << ", columns " << columns;
            }
          }
          for (std::size_t i = 0; i < sums.size(); ++i) ASSERT_NEAR(x.column_sums[i], sums[i], sum_tolerances[i]) << i;
        }
}

// All columns at once is one chunk; in place or not, with column sums or not, the bits are the same.
TEST_P(LossTest, TheWholeMatrixHasTheBitsOfOneChunk) {
  const std::int64_t rows = 5, n = 1203;
  Rows x(random_values(rows * n, "logits", 3), {0, 7, 600, 1201, 1202});
  x.forward(n);
  x.backward(n, 0.5f, Element::f32);
  std::vector<double> loss(5);
  std::vector<float> log_sum(5);
  std::vector<std::int32_t> hit(5);
  cross_entropy_forward(rows, n, x.logits.data(), x.labels.data(), loss.data(), log_sum.data(), hit.data());
  EXPECT_EQ(loss, x.loss);
  EXPECT_EQ(log_sum, x.log_sum);
  EXPECT_EQ(hit, x.hit);
  std::vector<float> dlogits = x.logits;
  cross_entropy_backward(rows, n, dlogits.data(), x.labels.data(), log_sum.data(), 0.5f);
  EXPECT_EQ(dlogits, x.dlogits);
}

TEST_P(LossTest, ThreadsChangeNoBit) {
  const std::int64_t rows = 130, n = 3001;
  std::vector<std::int32_t> labels;
  for (std::int64_t r = 0; r < rows; ++r) labels.push_back(static_cast<std::int32_t>(r * 23));
  const int before = omp_get_max_threads();
  std::vector<Rows> results;
  for (const int threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    results.emplace_back(random_values(rows * n, "logits", 3), labels);
    results.back().forward(1000);
    results.back().backward(1000, 0.25f, Element::f32);
  }
  omp_set_num_threads(before);
  for (const Rows& other : results) {
    EXPECT_EQ(other.loss, results[0].loss);
    EXPECT_EQ(other.log_sum, results[0].log_sum);
    EXPECT_EQ(other.hit, results[0].hit);
    EXPECT_EQ(other.dlogits, results[0].dlogits);
    EXPECT_EQ(other.column_sums, results[0].column_sums);
  }
}

TEST_P(LossTest, EqualLogitsGiveTheLogarithmOfTheirNumber) {
  for (const std::int64_t columns : {1000, 30522}) {
    Rows x(std::vector<float>(30522, 0.0f), {77});
    x.forward(columns);
    EXPECT_NEAR(x.loss[0], std::log(30522.0), 1e-12) << "sums of ones are exact";
    EXPECT_EQ(x.hit[0], 0) << "the first of equal logits counts as the highest";
  }
}

// The highest logit stands twice, in one chunk or in two: the first counts.
TEST_P(LossTest, TheFirstOfEqualHighestLogitsIsHit) {
  for (const std::int64_t columns : {1, 7, 20, 64, 200})
    for (const std::int32_t label : {3, 50, 130}) {
      std::vector<float> logits(200, -1.0f);
      logits[50] = logits[130] = 2.0f;
      Rows x(logits, {label});
      x.forward(columns);
      EXPECT_EQ(x.hit[0], label == 50) << columns;
    }
}

TEST_P(LossTest, NanBecomesANanLossWhereverItStands) {
  for (const std::int64_t columns : {1, 4, 40})
    for (const std::size_t at : {0, 1, 17, 39}) {
      auto logits = random_values(40, "logits");
      logits[at] = NAN;
      Rows x(logits, {3});
      x.forward(columns);
      EXPECT_TRUE(std::isnan(x.loss[0])) << columns << " " << at;
    }
}

// A logit of minus infinity has no weight, also where it stands before all others.
TEST_P(LossTest, MinusInfinityHasNoWeight) {
  for (const std::int64_t columns : {1, 3, 40}) {
    auto logits = random_values(40, "logits");
    std::fill_n(logits.begin(), 5, -kInfinity);
    const std::vector<double> rest(logits.begin() + 5, logits.end());
    Rows x(logits, {9});
    x.forward(columns);
    EXPECT_NEAR(x.loss[0], reference::cross_entropy(rest, 4), loss_tolerance(rest) + 40 * kEps) << columns;
  }
}

TEST(Loss, SquaredErrorEqualsTheTwin) {
  const auto x = random_values(9, "x"), target = random_values(9, "target");
  double expected = 0;
  for (std::size_t i = 0; i < 9; ++i)
    expected += reference::squared_error(static_cast<double>(x[i]), static_cast<double>(target[i]));
  EXPECT_NEAR(squared_error_forward(9, x.data(), target.data()), expected, 1e-14 * expected);
}

}  // namespace
}  // namespace initlab::compute
