#include "compute/adam.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

// Per-step constants in the arithmetic of the loop.
struct Constants {
  float keep1, take1, keep2, take2, epsilon, shrink, pull, rate, root_correction2, scale, decay;
};

Constants constants(const AdamStep& s) {
  Constants c{};
  c.keep1 = static_cast<float>(s.beta1);
  c.take1 = static_cast<float>(1 - s.beta1);
  c.keep2 = static_cast<float>(s.beta2);
  c.take2 = static_cast<float>(1 - s.beta2);
  c.epsilon = static_cast<float>(s.epsilon);
  c.scale = static_cast<float>(s.gradient_scale);
  c.decay = static_cast<float>(s.weight_decay);
  c.pull = static_cast<float>(s.learning_rate * s.weight_decay);  // towards an anchor, in both forms
  c.shrink = s.bias_corrected ? static_cast<float>(1 - s.learning_rate * s.weight_decay) : 1.0f;
  c.rate = static_cast<float>(s.bias_corrected ? s.learning_rate / s.correction1 : s.learning_rate);
  c.root_correction2 = static_cast<float>(s.bias_corrected ? 1 / std::sqrt(s.correction2) : 1.0);
  if (s.bias_corrected) c.decay = 0;  // it is in `shrink`
  return c;
}

// One source for every CPU: the loader picks the clone for the machine.
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) void update_range(
    const Constants c, float* __restrict w, float* __restrict g, float* __restrict m, float* __restrict v,
    std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const float gradient = g[i] * c.scale;
    g[i] = 0;
    m[i] = c.keep1 * m[i] + c.take1 * gradient;
    v[i] = c.keep2 * v[i] + c.take2 * gradient * gradient;
    const float shrunk = w[i] * c.shrink;
    w[i] = shrunk - c.rate * (m[i] / (std::sqrt(v[i]) * c.root_correction2 + c.epsilon) + c.decay * shrunk);
  }
}

// The same with decay towards `a`: for both forms the same, w -= rate decay (w - a) beside the update.
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) void update_range_towards(
    const Constants c, const float* __restrict a, float* __restrict w, float* __restrict g, float* __restrict m,
    float* __restrict v, std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const float gradient = g[i] * c.scale;
    g[i] = 0;
    m[i] = c.keep1 * m[i] + c.take1 * gradient;
    v[i] = c.keep2 * v[i] + c.take2 * gradient * gradient;
    const float pulled = w[i] - c.pull * (w[i] - a[i]);
    w[i] = pulled - c.rate * (m[i] / (std::sqrt(v[i]) * c.root_correction2 + c.epsilon));
  }
}

constexpr std::int64_t kGrain = 1 << 14;  // floats a thread takes at least

}  // namespace

void adam_update(const AdamStep& step, std::span<float> values, std::span<float> gradients, std::span<float> first,
                 std::span<float> second, std::span<const float> anchor) {
  const Constants c = constants(step);
  for_shares(static_cast<std::int64_t>(values.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    float* const w = values.data() + begin;
    float* const g = gradients.data() + begin;
    float* const m = first.data() + begin;
    float* const v = second.data() + begin;
    if (anchor.empty()) {
      update_range(c, w, g, m, v, end - begin);
    } else {
      update_range_towards(c, anchor.data() + begin, w, g, m, v, end - begin);
    }
  });
}

}  // namespace initlab::compute
