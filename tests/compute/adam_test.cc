// The Adam update and the gradient's norm over pieces, on every instruction set that this CPU has.
#include "compute/adam.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/adam.hpp"
#include "compute/reference/vector.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

class AdamKernel : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, AdamKernel, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

// Of many lengths, at odd places, with gaps between them and two groups.
std::vector<Piece> ragged_pieces() {
  std::vector<Piece> pieces;
  std::int64_t begin = 3;
  for (const std::int32_t count : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 384, 1, 700}) {
    append(pieces, begin, count, static_cast<std::int64_t>(pieces.size() % 2));
    begin += count + static_cast<std::int64_t>(pieces.size()) % 3;
  }
  return pieces;
}
constexpr std::int64_t kFloats = 1500;

struct State {
  std::vector<float> w = random_values(kFloats, "w"), m = random_values(kFloats, "m", 0.1),
                     v = random_values(kFloats, "v", 0.01), a = random_values(kFloats, "a"),
                     g = random_values(kFloats, "g");
  State() {
    for (float& x : v) x = std::fabs(x);
  }
  AdamBlocks blocks() { return {w.data(), g.data(), m.data(), v.data(), a.data()}; }
};

AdamStep step_of(bool bias_corrected, bool to_anchor) {
  AdamStep step;
  step.bias_corrected = bias_corrected;
  step.to_anchor = to_anchor;
  step.learning_rate = 0.02;
  step.weight_decay = 0.3;
  step.correction1 = 1 - std::pow(step.beta1, 5);
  step.correction2 = 1 - std::pow(step.beta2, 5);
  step.gradient_scale = 0.7;
  return step;
}

// One update from the same numbers. The tolerance adds up a rounding (kEps of its size) for each operation and each
// constant on the way to a number.
void expect_twin(const AdamStep& s, const State& before, const State& after, std::size_t i) {
  const double w = before.w[i], g = before.g[i], m = before.m[i], a = s.to_anchor ? before.a[i] : 0.0;
  const reference::AdamElement twin = reference::adam_update(s, {w, m, before.v[i]}, g, a);
  const double first_error = 4 * kEps * (std::fabs(s.beta1 * m) + std::fabs((1 - s.beta1) * g * s.gradient_scale));
  const double second_error = 6 * kEps * twin.second;
  EXPECT_NEAR(after.m[i], twin.first, first_error) << i;
  EXPECT_NEAR(after.v[i], twin.second, second_error) << i;
  const double rate = s.bias_corrected ? s.learning_rate / s.correction1 : s.learning_rate;
  const double root = (s.bias_corrected ? std::sqrt(twin.second / s.correction2) : std::sqrt(twin.second)) + s.epsilon;
  // of the root: half of second_error's 6, its own rounding, the constant and the product
  const double ratio_error = first_error / root + (3 + 4 + 1) * kEps * std::fabs(twin.first) / root;
  const double size = std::fabs(w) + std::fabs(a);
  const double tolerance = rate * (ratio_error + 3 * kEps * std::fabs(twin.first) / root) +
                           3 * kEps * size * (1 + s.learning_rate * s.weight_decay) + kEps * std::fabs(twin.value);
  EXPECT_NEAR(after.w[i], twin.value, tolerance) << i;
}

TEST_P(AdamKernel, FollowsTheTwinInAllFormsAndKeepsOffTheGaps) {
  const std::vector<Piece> pieces = ragged_pieces();
  for (const bool bias_corrected : {true, false})
    for (const bool to_anchor : {true, false}) {
      const AdamStep steps[2] = {step_of(bias_corrected, to_anchor), step_of(bias_corrected, false)};
      const AdamConstants groups[2] = {adam_constants(steps[0]), adam_constants(steps[1])};
      const State before;
      State after;
      adam_update(groups, pieces, after.blocks());
      std::vector<bool> covered(kFloats, false);
      for (const Piece& p : pieces)
        for (auto i = static_cast<std::size_t>(p.begin); i < static_cast<std::size_t>(p.begin + p.count); ++i) {
          covered[i] = true;
          expect_twin(steps[p.group], before, after, i);
          EXPECT_EQ(after.g[i], 0.0f) << i;
        }
      for (std::size_t i = 0; i < kFloats; ++i) {
        const bool same = after.w[i] == before.w[i] && after.m[i] == before.m[i] && after.v[i] == before.v[i] &&
                          after.g[i] == before.g[i];
        EXPECT_TRUE(covered[i] || same) << "a gap, at " << i;
      }
      EXPECT_EQ(after.a, before.a);
    }
}

// Lazy word rows rest on this: a row has the same bits whether it is updated alone or within the whole table.
TEST_P(AdamKernel, CutsAndThreadsChangeNoBit) {
  const AdamConstants group = adam_constants(step_of(true, false));
  const int before = omp_get_max_threads();
  State whole;
  const Piece all{0, kFloats, static_cast<std::int32_t>(kFloats), 0};
  adam_update({&group, 1}, {&all, 1}, whole.blocks());
  for (const int threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    for (const std::int32_t length : {1, 13, 384}) {
      std::vector<Piece> pieces;
      for (std::int32_t i = 0; i < kFloats; i += length)
        append(pieces, i, std::min<std::int64_t>(length, kFloats - i), 0);
      State cut;
      adam_update({&group, 1}, pieces, cut.blocks());
      EXPECT_EQ(cut.w, whole.w) << length;
      EXPECT_EQ(cut.m, whole.m) << length;
      EXPECT_EQ(cut.v, whole.v) << length;
    }
  }
  omp_set_num_threads(before);
}

// Some steps later at once, or one by one with a gradient of zero.
TEST_P(AdamKernel, ReplayHasTheBitsOfTheStepsThatItStandsFor) {
  for (const bool bias_corrected : {true, false})
    for (const bool to_anchor : {true, false})
      for (const Moments moments : {Moments::any, Moments::zero}) {
        std::vector<AdamConstants> steps;
        for (int t = 1; t <= 9; ++t) {
          AdamStep step = step_of(bias_corrected, to_anchor);
          step.correction1 = 1 - std::pow(step.beta1, t);
          step.correction2 = 1 - std::pow(step.beta2, t);
          step.learning_rate = t == 4 ? 0 : 0.02 * t;
          step.gradient_scale = 1.0 / t;
          steps.push_back(adam_constants(step));
        }
        State one_by_one;
        if (moments == Moments::zero) one_by_one.m = one_by_one.v = std::vector<float>(kFloats, 0.0f);
        std::ranges::fill(one_by_one.g, 0.0f);
        one_by_one.w[5] = -0.0f;
        State at_once = one_by_one;
        std::vector<Piece> pieces;  // the group: the first step that is replayed
        for (const Piece& p : ragged_pieces())
          append(pieces, p.begin, p.count, static_cast<std::int64_t>(pieces.size() % 10));
        for (std::int32_t t = 0; t < 9; ++t) {
          std::vector<Piece> due;
          for (const Piece& p : pieces)
            if (p.group <= t) append(due, p.begin, p.count, 0);
          adam_update({&steps[static_cast<std::size_t>(t)], 1}, due, one_by_one.blocks());
        }
        AdamBlocks blocks = at_once.blocks();
        blocks.gradients = nullptr;
        adam_replay(steps, pieces, moments, blocks);
        for (std::size_t i = 0; i < kFloats; ++i) {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(at_once.w[i]), std::bit_cast<std::uint32_t>(one_by_one.w[i])) << i;
          ASSERT_EQ(at_once.m[i], one_by_one.m[i]) << i;
          ASSERT_EQ(at_once.v[i], one_by_one.v[i]) << i;
        }
      }
}

double sum(const std::vector<Piece>& pieces, const std::vector<float>& x) {
  std::vector<double> sums(pieces.size());
  return sum_of_squares(pieces, x.data(), sums);
}

TEST_P(AdamKernel, SumOfSquaresEqualsTheTwin) {
  const std::vector<float> x = random_values(kFloats, "x");
  double expected = 0;
  for (const Piece& p : ragged_pieces())
    expected += static_cast<double>(reference::sum_of_squares(static_cast<std::size_t>(p.count), x.data() + p.begin));
  EXPECT_NEAR(sum(ragged_pieces(), x), expected, kFloats * 0x1p-53 * expected);
  EXPECT_EQ(sum({}, x), 0.0);
  const std::vector<float> large(kFloats, 1e30f);  // squares that no float holds
  EXPECT_NEAR(sum({{0, 1000, 1000, 0}}, large), 1e63, 1e-6 * 1e63);
}

TEST_P(AdamKernel, SumOfSquaresIsTheSameForAllThreadsAndWithPiecesOfZeros) {
  const int before = omp_get_max_threads();
  std::vector<float> x = random_values(kFloats, "x");
  std::vector<Piece> rows, some;
  for (std::int64_t row = 0; row < kFloats / 50; ++row) {
    append(rows, row * 50, 50, 0);
    if (row % 3 != 0) append(some, row * 50, 50, 0);
    if (row % 3 == 0) std::fill_n(x.begin() + row * 50, 50, 0.0f);
  }
  const double expected = sum(rows, x);
  for (const int threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(sum(rows, x), expected);
    EXPECT_EQ(sum(some, x), expected);
  }
  omp_set_num_threads(before);
}

TEST_P(AdamKernel, SumOfSquaresFindsOneNumberThatIsNotFinite) {
  for (const Piece& p : ragged_pieces())
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
      for (const std::int64_t at : {p.begin, p.begin + p.count - 1}) {
        std::vector<float> x = random_values(kFloats, "x");
        x[static_cast<std::size_t>(at)] = bad;
        EXPECT_FALSE(std::isfinite(sum(ragged_pieces(), x))) << at;
      }
}

TEST(Pieces, ClearZeroesThemAndNothingElse) {
  std::vector<float> x(10, 1.0f);
  const std::vector<Piece> pieces = {{1, 3, 3, 0}, {6, 4, 1, 1}};
  clear(pieces, x.data());
  EXPECT_EQ(x, (std::vector<float>{1, 0, 0, 0, 1, 1, 0, 1, 1, 1}));
}

}  // namespace
}  // namespace initlab::compute
