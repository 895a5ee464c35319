#include "compute/gelu.hpp"

#include <algorithm>

#include "compute/parallel.hpp"
#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr float kRootTwoOverPi = 0.79788456f;
constexpr float kCubic = 0.044715f;
constexpr float kInverseRootTwoPi = 0.39894228f;

struct ErfForm {
  [[gnu::always_inline]] static float value(float x) {
    const float a = x < 0 ? -x : x;
    const float tail = normal_tail(a, fast_exp(-0.5f * a * a));
    return x * (x < 0 ? tail : 1.0f - tail);
  }
  // Phi(x) + x phi(x)
  [[gnu::always_inline]] static float slope(float x) {
    const float a = x < 0 ? -x : x;
    const float e = fast_exp(-0.5f * a * a);
    const float tail = normal_tail(a, e);
    return (x < 0 ? tail : 1.0f - tail) + x * (kInverseRootTwoPi * e);
  }
};

// (1 + tanh u) / 2 = 1 / (1 + exp(-2u)), which cancels nowhere.
struct TanhForm {
  [[gnu::always_inline]] static float gate(float x) {
    return 1.0f / (1.0f + fast_exp((-2 * kRootTwoOverPi) * (x + kCubic * x * x * x)));
  }
  [[gnu::always_inline]] static float value(float x) { return x * gate(x); }
  [[gnu::always_inline]] static float slope(float x) {
    const float s = gate(x);
    return s + x * (s * (1.0f - s)) * ((2 * kRootTwoOverPi) * (1.0f + 3 * kCubic * x * x));
  }
};

INITLAB_CLONES void erf_row(std::int64_t n, const float* x, const float* bias, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = ErfForm::value(x[i] + bias[i]);
}
INITLAB_CLONES void tanh_row(std::int64_t n, const float* x, const float* bias, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = TanhForm::value(x[i] + bias[i]);
}

constexpr std::int64_t kColumns = 64;  // columns a thread walks down together
constexpr std::int64_t kRows =
    64;  // rows summed before they join the total: the rounding error grows with 64 + rows / 64

// A panel of at most kRows rows and kColumns columns.
template <class Form>
[[gnu::always_inline]] inline void backward_panel(std::int64_t rows, std::int64_t columns, std::int64_t n,
                                                  const float* x, const float* bias, float* dy, float* dbias) {
  float sums[kColumns] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x_row = x + r * n;
    float* dy_row = dy + r * n;
    for (std::int64_t i = 0; i < columns; ++i) {
      const float dx = dy_row[i] * Form::slope(x_row[i] + bias[i]);
      dy_row[i] = dx;
      sums[i] += dx;
    }
  }
  for (std::int64_t i = 0; i < columns; ++i) dbias[i] += sums[i];
}
INITLAB_CLONES void erf_backward_panel(std::int64_t rows, std::int64_t columns, std::int64_t n, const float* x,
                                       const float* bias, float* dy, float* dbias) {
  backward_panel<ErfForm>(rows, columns, n, x, bias, dy, dbias);
}
INITLAB_CLONES void tanh_backward_panel(std::int64_t rows, std::int64_t columns, std::int64_t n, const float* x,
                                        const float* bias, float* dy, float* dbias) {
  backward_panel<TanhForm>(rows, columns, n, x, bias, dy, dbias);
}

}  // namespace

void bias_gelu_forward(Gelu kind, std::int64_t rows, std::int64_t n, const float* x, const float* bias, float* y) {
  const auto row = kind == Gelu::erf ? erf_row : tanh_row;
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) row(n, x + r * n, bias, y + r * n);
  });
}

void bias_gelu_backward(Gelu kind, std::int64_t rows, std::int64_t n, const float* x, const float* bias, float* dy,
                        float* dbias) {
  const auto panel = kind == Gelu::erf ? erf_backward_panel : tanh_backward_panel;
  for_shares(n, kColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = 0; first < rows; first += kRows) {
      const std::int64_t height = std::min(kRows, rows - first);
      for (std::int64_t column = begin; column < end; column += kColumns) {
        const std::int64_t at = first * n + column;
        panel(height, std::min(kColumns, end - column), n, x + at, bias + column, dy + at, dbias + column);
      }
    }
  });
}

}  // namespace initlab::compute
