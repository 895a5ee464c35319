// Losses over rows, each with its gradient: cross-entropy of a label, squared error of a target.
#pragma once

#include <cstdint>

namespace initlab::compute {

// logits (rows, n), labels (rows). Per row: loss = ln sum exp(logits) - logits[label]; log_sum is kept for the backward
// pass; hit is 1 where the first of the highest logits is the label's, else 0.
void cross_entropy_forward(std::int64_t rows, std::int64_t n, const float* logits, const std::int32_t* labels,
                           double* loss, float* log_sum, std::int32_t* hit);
// logits become dlogits = scale (softmax(logits) - one_hot(label)), in place.
void cross_entropy_backward(std::int64_t rows, std::int64_t n, float* logits, const std::int32_t* labels,
                            const float* log_sum, float scale);

// Sum of (x - target)^2 over n values.
double squared_error_forward(std::int64_t n, const float* x, const float* target);
// dx = scale 2 (x - target).
void squared_error_backward(std::int64_t n, const float* x, const float* target, float scale, float* dx);

}  // namespace initlab::compute
