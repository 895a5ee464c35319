// Sums, gathering and scattering of rows, on every instruction set that this CPU has.
#include "compute/embedding.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/embedding.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::bits_of;
using testing_tools::random_values;
using testing_tools::rounded;

class Embedding : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, Embedding, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(Embedding, SumsAndScattersRows) {
  const std::int64_t n = 33;
  const auto word = random_values(10 * n, "word"), position = random_values(6 * n, "position"),
             type = random_values(2 * n, "type");
  const std::vector<std::int32_t> words = {3, 9, 3, 0}, positions = {0, 1, 5, 0}, types = {0, 1, 1, 0};
  const EmbeddingRows rows{words.data(), positions.data(), types.data()};
  std::vector<float> y(static_cast<std::size_t>(4 * n));
  embedding_forward(4, n, rows, word.data(), position.data(), type.data(), y.data());
  for (std::size_t t = 0; t < 4; ++t)
    for (std::size_t i = 0; i < 33; ++i)
      EXPECT_EQ(y[t * 33 + i], reference::embedding_element(33, i, word.data(), static_cast<std::size_t>(words[t]),
                                                            position.data(), static_cast<std::size_t>(positions[t]),
                                                            type.data(), static_cast<std::size_t>(types[t])));
  const auto dy = random_values(4 * n, "dy");
  std::vector<float> dword(word.size()), dposition(position.size()), dtype(type.size(), 1.0f);
  embedding_backward(4, n, rows, dy.data(), dword.data(), dposition.data(), dtype.data());
  for (std::size_t i = 0; i < 33; ++i) {
    EXPECT_EQ(dword[3 * 33 + i], dy[i] + dy[2 * 33 + i]) << "a word that occurs twice";
    EXPECT_EQ(dword[9 * 33 + i], dy[33 + i]);
    EXPECT_EQ(dword[1 * 33 + i], 0.0f) << "a word that does not occur";
    EXPECT_EQ(dposition[5 * 33 + i], dy[2 * 33 + i]);
    EXPECT_EQ(dtype[33 + i], 1.0f + dy[33 + i] + dy[2 * 33 + i]) << "backward adds";
  }
}

TEST_P(Embedding, GathersRowsOfEitherKind) {
  const std::int64_t n = 37;
  const auto x = random_values(5 * n, "x");
  const auto x16 = rounded(x);
  const std::vector<std::int32_t> rows = {4, 0, 4};
  std::vector<float> y(static_cast<std::size_t>(3 * n)), expected;
  std::vector<Bf16> y16(y.size());
  gather_rows(3, n, rows.data(), x.data(), y.data());
  gather_rows(3, n, rows.data(), x16.data(), y16.data());
  for (const std::int32_t row : rows) expected.insert(expected.end(), x.begin() + row * n, x.begin() + (row + 1) * n);
  EXPECT_EQ(y, expected);
  EXPECT_EQ(bits_of(y16), bits_of(rounded(expected)));
}

}  // namespace
}  // namespace initlab::compute
