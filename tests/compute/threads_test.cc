// Sums over rows are taken in an order that does not depend on the number of threads, on every instruction set that
// this CPU has.
#include <gtest/gtest.h>
#include <omp.h>

#include <vector>

#include "compute/each_target.hpp"
#include "compute/gelu.hpp"
#include "compute/norm.hpp"
#include "compute/testing.hpp"
#include "compute/vector.hpp"

namespace initlab::compute {
namespace {

using testing_tools::random_values;

class Threads : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, Threads, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(Threads, ChangeNoBit) {
  const std::int64_t rows = 300, n = 200;
  const auto x = random_values(rows * n, "x"), dy = random_values(rows * n, "dy"), bias = random_values(n, "bias"),
             gamma = random_values(n, "gamma");
  const int before = omp_get_max_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    std::vector<float> all(static_cast<std::size_t>(5 * n)), d = dy, xhat = x, y(x.size()),
                                                             r(static_cast<std::size_t>(rows));
    std::vector<float> scratch(static_cast<std::size_t>(norm_backward_scratch(n)));
    bias_gelu_backward(Gelu::erf, rows, n, x.data(), bias.data(), d.data(), all.data());
    add_column_sums(rows, n, x.data(), n, all.data() + n);
    norm_forward({rows, n, 1e-6f}, {}, gamma.data(), bias.data(), xhat.data(), y.data(), r.data());
    norm_backward(
        {rows, n, 1e-6f}, {}, gamma.data(), xhat.data(), r.data(), dy.data(),
        {.dx = y.data(), .dbias = all.data() + 2 * n, .dgamma = all.data() + 3 * n, .dbeta = all.data() + 4 * n},
        scratch.data());
    all.insert(all.end(), d.begin(), d.end());
    all.insert(all.end(), y.begin(), y.end());
    results.push_back(all);
  }
  omp_set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace
}  // namespace initlab::compute
