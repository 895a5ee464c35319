// What strategies read off a parameter's description. Small questions that several of them ask.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/plugin.hpp"

namespace initlab::sdk {

struct MatrixShape {
  std::int64_t rows, columns;  // of a weight: out, in
};

// Throws Refusal unless the tensor has two dimensions: a vector has no fans, no singular values, no identity.
inline MatrixShape matrix_shape(const il_param& param) {
  if (param.rank != 2) throw Refusal("it needs a tensor of two dimensions, this one has " + std::to_string(param.rank));
  return {param.dims[0], param.dims[1]};
}

// The value at which a vector changes nothing: 1 of a scale, 0 of what is added.
inline float neutral_value(const il_param& param) {
  return (param.role & (IL_ROLE_NORM_SCALE | IL_ROLE_RESIDUAL_SCALE)) != 0 ? 1.0f : 0.0f;
}

// One of the two matrices of a layer whose output is added to the residual stream: the output projection of the
// attention and the second matrix of the feed-forward block.
inline bool writes_to_residual_stream(const il_param& param) {
  return param.layer >= 0 && std::string_view(param.name).ends_with(".output.dense.weight");
}

}  // namespace initlab::sdk
