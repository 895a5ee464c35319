// Rounding to bf16 and back, on every instruction set that this CPU has.
#include "compute/element.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/element.hpp"

namespace initlab::compute {
namespace {

class ElementTest : public testing_tools::EachTarget {};

// Each upper half, with lower halves around the tie and at the ends: every case that rounding knows.
TEST_P(ElementTest, RoundsAsTheTwin) {
  std::vector<float> x;
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
      x.push_back(std::bit_cast<float>(upper << 16 | lower));
  std::vector<Bf16> y(x.size());
  round_to_bf16(x, y);
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(y[i].bits, reference::round_to_bf16(x[i]).bits) << std::hex << std::bit_cast<std::uint32_t>(x[i]);
}

TEST_P(ElementTest, WidensEveryNumberExactly) {
  std::vector<Bf16> x(0x10000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<std::uint16_t>(i);
  std::vector<float> y(x.size());
  widen(x, y);
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(y[i]), static_cast<std::uint32_t>(i) << 16);
}

INSTANTIATE_TEST_SUITE_P(Targets, ElementTest, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

// What is in use is one of them, and it can be changed.
TEST(Targets, ListsWhatIsBuiltAndUsesTheBest) {
  std::string best;
  for (const Target& t : targets())
    if (best.empty() && t.supported) best = t.name;
  EXPECT_EQ(target(), best);
  EXPECT_FALSE(use_target("no such target"));
  const std::string last = targets().back().name;  // the baseline, which every CPU has
  EXPECT_TRUE(use_target(last));
  EXPECT_EQ(target(), last);
  EXPECT_TRUE(use_target(""));
  EXPECT_EQ(target(), best);
}

}  // namespace
}  // namespace initlab::compute
