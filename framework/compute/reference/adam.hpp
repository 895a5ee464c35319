// Readable twins of compute/adam.hpp: one element at a time, in double.
#pragma once

#include <cmath>

#include "compute/adam.hpp"

namespace initlab::compute::reference {

struct AdamElement {
  double value, first, second;
};

// `anchor`: what the weight decays to.
inline AdamElement adam_update(const AdamStep& s, AdamElement e, double gradient, double anchor = 0) {
  gradient *= s.gradient_scale;
  e.first = s.beta1 * e.first + (1 - s.beta1) * gradient;
  e.second = s.beta2 * e.second + (1 - s.beta2) * gradient * gradient;
  if (s.bias_corrected) {
    e.value -= s.learning_rate * s.weight_decay * (e.value - anchor);
    const double first = e.first / s.correction1, second = e.second / s.correction2;
    e.value -= s.learning_rate * first / (std::sqrt(second) + s.epsilon);
  } else {
    e.value -= s.learning_rate * (e.first / (std::sqrt(e.second) + s.epsilon) + s.weight_decay * (e.value - anchor));
  }
  return e;
}

}  // namespace initlab::compute::reference
