// What the parts of the model share: the batch under way, work memory, one dense layer, and where a parameter lies.
// Internal to model/.
#pragma once

#include <cstdint>
#include <string>

#include "batch/batch.hpp"
#include "compute/arena.hpp"
#include "compute/attention.hpp"
#include "compute/dropout.hpp"
#include "compute/gemm.hpp"
#include "model/late_rows.hpp"
#include "params/params.hpp"

namespace initlab::model {

// Rows of a matrix product are rounded up so that few shapes exist. Rows beyond the real ones are zero wherever a
// product reads them, so they add nothing to a gradient.
constexpr std::int64_t kRowUnit = 32;
inline std::int64_t padded(std::int64_t rows) { return (rows + kRowUnit - 1) / kRowUnit * kRowUnit; }

// Zeroes rows [rows, padded(rows)) of x (padded(rows), n).
void clear_padding(std::int64_t rows, std::int64_t n, float* x);

// The flat blocks and the table that divides them.
struct Blocks {
  const params::ParameterTable* table = nullptr;
  const float* values = nullptr;
  float* gradients = nullptr;
};

// One parameter (or several that stand together): its values and where its gradient is added up.
struct Slice {
  const float* value = nullptr;
  float* gradient = nullptr;
};
Slice slice(const Blocks& blocks, const std::string& name);

// y = x W^T + b. W (out, in). Rows are padded ones.
struct Dense {
  std::int64_t in = 0, out = 0;
  Slice weight, bias;

  // y (rows, out) = x (rows, in) W^T [+ b]
  void forward(compute::Gemm& gemm, std::int64_t rows, const float* x, float* y, bool with_bias) const;
  // dW += dy^T x. The bias gradient is the caller's: most kernels have it on the way.
  void backward_weight(compute::Gemm& gemm, std::int64_t rows, const float* x, const float* dy) const;
  // dx (rows, in) = dy (rows, out) W, or += where accumulate.
  void backward_input(compute::Gemm& gemm, std::int64_t rows, const float* dy, float* dx, bool accumulate) const;
};
Dense dense(const Blocks& blocks, const std::string& name, std::int64_t out, std::int64_t in);

struct Norm {
  Slice scale, shift;
};
Norm norm(const Blocks& blocks, const std::string& name);

// Numbers of the sites: the embeddings, the pooled output, then per layer the attention output, the feed-forward output
// and one a head.
constexpr std::uint32_t kEmbeddingSite = 0;
constexpr std::uint32_t kPooledSite = 1;
inline std::uint32_t layer_site(std::int64_t layer, std::int64_t heads) {
  return static_cast<std::uint32_t>(2 + layer * (heads + 2));
}

// The batch under way, as every part sees it.
struct Step {
  const batch::Batch* batch = nullptr;
  std::int64_t tokens = 0;  // T
  std::int64_t rows = 0;    // padded(T)
  compute::RowNames names;  // of the tokens
  compute::AttentionBatch sequences;
  compute::DropoutSite hidden;     // its site is still to be set, by at()
  compute::DropoutSite attention;  // likewise
  LateRows late;                   // of the word embedding
};

// Memory and products that all parts use one after another.
struct Workspace {
  compute::Gemm gemm;
  float* norm = nullptr;       // norm_backward_scratch
  float* attention = nullptr;  // attention_scratch
  float* dy = nullptr;         // (T, H)
  float* dcontext = nullptr;   // (T, H)
  float* dqkv = nullptr;       // (T, 3H)
  float* dinner = nullptr;     // (T, I)
};

}  // namespace initlab::model
