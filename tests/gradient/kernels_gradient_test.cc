// Backward kernels, on every instruction set that this CPU has, against derivatives of the scalar twins by dual
// numbers, which are exact to double rounding.
//
// Each test fixes dy, takes L = sum(dy y), and compares what backward says of dL/dx with the twin's. A kernel's result
// is a short chain of float operations and sums of n terms, so its distance from the truth, relative to its norm, is
// held to (16 + n) eps.
#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "compute/attention.hpp"
#include "compute/each_target.hpp"
#include "compute/gelu.hpp"
#include "compute/loss.hpp"
#include "compute/norm.hpp"
#include "compute/reference/attention.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/reference/gelu.hpp"
#include "compute/reference/loss.hpp"
#include "compute/reference/norm.hpp"
#include "compute/reference/residual.hpp"
#include "compute/reference/vector.hpp"
#include "compute/residual.hpp"
#include "compute/testing.hpp"
#include "compute/vector.hpp"

namespace initlab::compute {
namespace {

using reference::Dual;
using testing_tools::kEps;
using testing_tools::random_values;
using testing_tools::relative_distance;

using Duals = std::vector<Dual>;

Duals constants(const std::vector<float>& x) {
  Duals y;
  for (const float v : x) y.emplace_back(static_cast<double>(v));
  return y;
}

// dL/dx of every element of x, where loss reads x through the reference given to it.
std::vector<double> gradient(Duals& x, const std::function<Dual()>& loss) {
  std::vector<double> result;
  for (Dual& element : x) {
    element.slope = 1;
    result.push_back(loss().slope);
    element.slope = 0;
  }
  return result;
}

Dual weighted_sum(const std::vector<float>& weights, const Duals& y) {
  Dual sum;
  for (std::size_t i = 0; i < y.size(); ++i) sum += Dual(static_cast<double>(weights[i])) * y[i];
  return sum;
}

void expect_close(const std::vector<float>& ours, const std::vector<double>& expected, std::size_t terms,
                  const char* what) {
  EXPECT_GT(testing_tools::length(expected), 0) << what << ": nothing is tested";
  EXPECT_LT(relative_distance(ours, expected), static_cast<double>(16 + terms) * kEps) << what;
}

class Gradient : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, Gradient, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(Gradient, BiasGelu) {
  for (const Gelu kind : {Gelu::erf, Gelu::tanh}) {
    const std::int64_t rows = 7, n = 9;
    const auto x = random_values(rows * n, "x", 2), bias = random_values(n, "bias"), dy = random_values(rows * n, "dy");
    auto dx = dy;
    std::vector<float> dbias(static_cast<std::size_t>(n));
    bias_gelu_backward(kind, rows, n, x.data(), bias.data(), dx.data(), dbias.data());

    Duals wide_x = constants(x), wide_bias = constants(bias);
    const auto loss = [&] {
      Duals y;
      for (std::size_t i = 0; i < wide_x.size(); ++i) y.push_back(reference::gelu(kind, wide_x[i] + wide_bias[i % 9]));
      return weighted_sum(dy, y);
    };
    expect_close(dx, gradient(wide_x, loss), 4, "dx");
    expect_close(dbias, gradient(wide_bias, loss), 7, "dbias");
  }
}

TEST_P(Gradient, Norm) {
  const std::vector<std::int32_t> slots = {0, 0, 3, 3, 3, 5}, positions = {0, 1, 0, 1, 2, 0};
  const std::size_t rows = 6, n = 21;
  const auto x = random_values(rows * n, "x"), residual = random_values(rows * n, "residual"),
             dy = random_values(rows * n, "dy");
  const auto bias = random_values(n, "bias"), gamma = random_values(n, "gamma"), beta = random_values(n, "beta"),
             scale = random_values(n, "scale");
  for (const auto& [p, scaled] : {std::pair(0.0, false), {0.25, false}, {0.0, true}, {0.25, true}}) {
    const NormShape shape{rows, n, 1e-6f};
    const NormInput input{bias.data(),
                          residual.data(),
                          dropout_site(p, 11, 2, 3),
                          {slots.data(), positions.data()},
                          scaled ? scale.data() : nullptr};
    std::vector<float> xhat = x, y(x.size()), r(rows), dx(x.size()),
                       scratch(static_cast<std::size_t>(norm_backward_scratch(n)));
    std::vector<float> dresidual = dy, dbias(n), dgamma(n), dbeta(n), dscale(n);
    norm_forward(shape, input, gamma.data(), beta.data(), xhat.data(), y.data(), r.data());
    norm_backward(shape, input, gamma.data(), xhat.data(), r.data(), dresidual.data(),
                  {dresidual.data(), dx.data(), dbias.data(), dgamma.data(), dbeta.data(), dscale.data()},
                  scratch.data());

    Duals wide_x = constants(x), wide_residual = constants(residual), wide_bias = constants(bias);
    Duals wide_gamma = constants(gamma), wide_beta = constants(beta), wide_scale = constants(scale);
    const auto loss = [&] {
      Duals out;
      for (std::size_t row = 0; row < rows; ++row) {
        Duals s;
        for (std::size_t i = 0; i < n; ++i) {
          const Dual factor =
              reference::dropout_factor(p, {11, 2, 3, static_cast<std::uint32_t>(slots[row]),
                                            static_cast<std::uint32_t>(positions[row]), static_cast<std::uint32_t>(i)});
          s.push_back(reference::residual_sum(scaled ? wide_scale[i] : Dual(1), wide_residual[row * n + i], Dual(1),
                                              factor, wide_x[row * n + i], wide_bias[i]));
        }
        const Duals normed = reference::layer_norm(s, 1e-6, wide_gamma.data(), wide_beta.data());
        out.insert(out.end(), normed.begin(), normed.end());
      }
      return weighted_sum(dy, out);
    };
    expect_close(dresidual, gradient(wide_residual, loss), n, "dresidual");
    expect_close(dx, gradient(wide_x, loss), n, "dx");
    expect_close(dbias, gradient(wide_bias, loss), n + rows, "dbias");
    expect_close(dgamma, gradient(wide_gamma, loss), n + rows, "dgamma");
    expect_close(dbeta, gradient(wide_beta, loss), rows, "dbeta");
    if (scaled) expect_close(dscale, gradient(wide_scale, loss), n + rows, "dscale");
  }
}

TEST_P(Gradient, ResidualWithoutNorm) {
  const std::vector<std::int32_t> slots = {0, 0, 3, 3, 3, 5}, positions = {0, 1, 0, 1, 2, 0};
  const std::size_t rows = 6, n = 21;
  const auto x = random_values(rows * n, "x"), residual = random_values(rows * n, "residual"),
             dy = random_values(rows * n, "dy"), bias = random_values(n, "bias");
  const std::vector<float> scale = {0.6f};
  for (const double p : {0.0, 0.25}) {
    const ResidualInput input{
        bias.data(), residual.data(), scale.data(), dropout_site(p, 11, 2, 3), {slots.data(), positions.data()}};
    std::vector<float> branch = x, y(x.size()), dx(x.size()), dbias(n), dscale(1),
                       scratch(static_cast<std::size_t>(residual_backward_scratch(n)));
    residual_forward(rows, n, input, branch.data(), y.data());
    residual_backward(rows, n, input, branch.data(), dy.data(), {dx.data(), dbias.data(), dscale.data()},
                      scratch.data());
    Duals wide_x = constants(x), wide_residual = constants(residual), wide_bias = constants(bias),
          wide_scale = constants(scale);
    const auto loss = [&] {
      Duals out;
      for (std::size_t at = 0; at < rows * n; ++at) {
        const std::size_t row = at / n, i = at % n;
        const Dual factor =
            reference::dropout_factor(p, {11, 2, 3, static_cast<std::uint32_t>(slots[row]),
                                          static_cast<std::uint32_t>(positions[row]), static_cast<std::uint32_t>(i)});
        out.push_back(
            reference::residual_sum(Dual(1), wide_residual[at], wide_scale[0], factor, wide_x[at], wide_bias[i]));
      }
      return weighted_sum(dy, out);
    };
    expect_close(dy, gradient(wide_residual, loss), 1, "dresidual is dy");
    expect_close(dx, gradient(wide_x, loss), 4, "dx");
    expect_close(dbias, gradient(wide_bias, loss), rows, "dbias");
    expect_close(dscale, gradient(wide_scale, loss), rows * n, "dscale");
  }
}

TEST_P(Gradient, Attention) {
  for (const std::size_t d : {std::size_t{4}, std::size_t{16}})
    for (const double p : {0.0, 0.3}) {
      const std::size_t s = 5;
      const AttentionShape shape{.heads = 1, .head_size = static_cast<std::int64_t>(d), .longest = 5, .threads = 1};
      const std::vector<std::int32_t> offsets = {0, 5}, slots = {2}, positions = {0, 1, 2, 3, 4};
      const AttentionBatch batch{1, offsets.data(), slots.data(), offsets.data(), positions.data()};
      const DropoutSite dropout = dropout_site(p, 5, 6, 10);
      const auto qkv = random_values(static_cast<std::int64_t>(s * 3 * d), "qkv"),
                 dcontext = random_values(static_cast<std::int64_t>(s * d), "dcontext");
      const auto h = static_cast<std::int64_t>(d);
      const AttentionInput input{qkv.data(), 3 * h, qkv.data() + h, qkv.data() + 2 * h, 3 * h};
      std::vector<float> context(s * d), log_sums(s), dqkv(qkv.size());
      std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(shape)));
      attention_forward(shape, batch, dropout, input, context.data(), log_sums.data(), scratch.data());
      attention_backward(shape, batch, dropout, input, log_sums.data(), dcontext.data(),
                         {dqkv.data(), 3 * h, dqkv.data() + h, dqkv.data() + 2 * h, 3 * h}, scratch.data());

      Duals wide = constants(qkv);
      const auto loss = [&] {
        Duals part[3];
        for (std::size_t which = 0; which < 3; ++which)
          for (std::size_t t = 0; t < s; ++t)
            for (std::size_t f = 0; f < d; ++f) part[which].push_back(wide[(t * 3 + which) * d + f]);
        return weighted_sum(
            dcontext, reference::attention<Dual>(s, d, part[0], part[1], part[2], [&](std::size_t i, std::size_t j) {
              return reference::dropout_factor(
                  p, {5, 6, 10, 2, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j)});
            }));
      };
      expect_close(dqkv, gradient(wide, loss), 4 * (s + d), "dqkv");
    }
}

TEST_P(Gradient, CrossEntropy) {
  const std::size_t n = 11;
  auto logits = random_values(2 * n, "logits", 3);
  const std::vector<std::int32_t> labels = {4, 10};
  std::vector<double> loss_values(2);
  std::vector<float> log_sum(2);
  std::vector<std::int32_t> hit(2);
  Duals wide = constants(logits);
  cross_entropy_forward(2, n, logits.data(), labels.data(), loss_values.data(), log_sum.data(), hit.data());
  cross_entropy_backward(2, n, logits.data(), labels.data(), log_sum.data(), 0.5f);
  expect_close(logits,
               gradient(wide,
                        [&] {
                          Dual sum;
                          for (std::size_t r = 0; r < 2; ++r)
                            sum += Dual(0.5) * reference::cross_entropy(
                                                   Duals(wide.begin() + static_cast<std::ptrdiff_t>(r * n),
                                                         wide.begin() + static_cast<std::ptrdiff_t>((r + 1) * n)),
                                                   static_cast<std::size_t>(labels[r]));
                          return sum;
                        }),
               n, "dlogits");
}

TEST_P(Gradient, SquaredErrorAndTanh) {
  const auto x = random_values(6, "x"), target = random_values(6, "target"), bias = random_values(6, "bias"),
             dy = random_values(6, "dy");
  std::vector<float> dx(6);
  squared_error_backward(6, x.data(), target.data(), 0.25f, dx.data());
  Duals wide_x = constants(x), wide_bias = constants(bias);
  expect_close(dx,
               gradient(wide_x,
                        [&] {
                          Dual sum;
                          for (std::size_t i = 0; i < 6; ++i)
                            sum += Dual(0.25) * reference::squared_error(wide_x[i], static_cast<double>(target[i]));
                          return sum;
                        }),
               1, "squared error");

  auto y = x, d = dy;
  std::vector<float> dbias(6);
  bias_tanh_forward(1, 6, bias.data(), y.data());
  bias_tanh_backward(1, 6, y.data(), d.data(), dbias.data());
  const auto expected = gradient(wide_x, [&] {
    Duals out;
    for (std::size_t i = 0; i < 6; ++i) out.push_back(reference::bias_tanh(wide_x[i], wide_bias[i]));
    return weighted_sum(dy, out);
  });
  expect_close(d, expected, 8, "tanh dx");
  expect_close(dbias, expected, 8, "tanh dbias");
}

}  // namespace
}  // namespace initlab::compute
