// What the parts of the model share: the batch under way, work memory, one dense layer, and where a parameter lies.
// Internal to model/.
#pragma once

#include <cstdint>
#include <string>

#include "batch/batch.hpp"
#include "compute/arena.hpp"
#include "compute/attention.hpp"
#include "compute/dropout.hpp"
#include "compute/element.hpp"
#include "compute/gemm.hpp"
#include "compute/phases.hpp"
#include "params/params.hpp"

namespace initlab::model {

// Rows of a matrix product are rounded up so that few shapes exist. Rows beyond the real ones are zero wherever a
// product reads them, so they add nothing to a gradient.
constexpr std::int64_t kRowUnit = 32;
inline std::int64_t padded(std::int64_t rows) { return (rows + kRowUnit - 1) / kRowUnit * kRowUnit; }

// Zeroes rows [rows, padded(rows)) of x (padded(rows), n).
void clear_padding(std::int64_t rows, std::int64_t n, compute::Cells x);

// n numbers of the kind that enters products.
compute::Cells take_cells(compute::Arena& arena, std::int64_t n, compute::Element element);

// Hidden states that one part hands to another: rows of H numbers, padding zero.
struct Hidden {
  const float* values = nullptr;
  compute::ConstCells operand;  // the same as products read them: rounded, or `values` itself
};

// Memory for them.
struct HiddenStates {
  float* values = nullptr;
  compute::Bf16* rounded = nullptr;  // null where products read f32

  void book(compute::Arena& arena, std::int64_t n, compute::Element element);
  Hidden view() const { return {values, rounded != nullptr ? compute::ConstCells(rounded) : values}; }
  void clear_padding(std::int64_t rows, std::int64_t n);
};

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

struct Workspace;

// How a dense layer is used, for building its products before the first step.
struct DensePlan {
  compute::Element x = compute::Element::f32, y = compute::Element::f32;  // what forward reads and writes
  compute::Element dy = compute::Element::f32, dx = compute::Element::f32;
  bool with_bias = false;
  bool accumulates = false;  // dx +=
};

// y = x W^T + b. W (out, in). Rows are padded ones. Operands and results say themselves whether they are f32 or bf16.
struct Dense {
  std::int64_t in = 0, out = 0;
  Slice weight, bias;

  // y (rows, out) = x (rows, in) W^T [+ b]
  void forward(Workspace& workspace, std::int64_t rows, compute::ConstCells x, compute::Cells y, bool with_bias) const;
  // dW += dy^T x. The bias gradient is the caller's: most kernels have it on the way.
  void backward_weight(Workspace& workspace, std::int64_t rows, compute::ConstCells x, compute::ConstCells dy) const;
  // dx (rows, in) = dy (rows, out) W, or += where accumulate.
  void backward_input(Workspace& workspace, std::int64_t rows, compute::ConstCells dy, compute::Cells dx,
                      bool accumulate) const;
  // Builds the products of a training step on so many rows: forward, and backward with or without dx.
  void plan(Workspace& workspace, std::int64_t rows, const DensePlan& plan) const;
  // Outputs first .. first + count - 1 alone.
  Dense outputs(std::int64_t first, std::int64_t count) const;

 private:
  compute::Product forward_product(std::int64_t rows, compute::Element x, compute::Element y, bool with_bias) const;
  compute::Product weight_product(std::int64_t rows, compute::Element dy) const;
  compute::Product input_product(std::int64_t rows, compute::Element dy, compute::Element dx, bool accumulate) const;
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

// Rows that work is done for: all T of the batch, or those that the head reads.
struct Rows {
  std::int64_t count = 0;
  const std::int32_t* index = nullptr;    // (count) rows of the batch, ascending; null: all of them
  const std::int32_t* offsets = nullptr;  // (B + 1) which of them are each sequence's
  compute::RowNames names;                // of each

  bool all() const { return index == nullptr; }
};

// The batch under way, as every part sees it.
struct Step {
  const batch::Batch* batch = nullptr;
  Rows all;
  Rows read;                       // by the head
  compute::DropoutSite hidden;     // its site is still to be set, by at()
  compute::DropoutSite attention;  // likewise

  compute::AttentionBatch sequences(const Rows& queries) const {
    return {.sequences = batch->sequences(),
            .offsets = batch->offsets.data(),
            .slots = batch->slots.data(),
            .query_offsets = queries.offsets,
            .query_positions = queries.names.positions};
  }
};

// Memory and products that all parts use one after another.
struct Workspace {
  explicit Workspace(bool packs_weights) : gemm(packs_weights) {}

  compute::Gemm gemm;
  compute::PhaseTimes* times = nullptr;  // null: nobody asks
  float* norm = nullptr;                 // norm_backward_scratch, residual_backward_scratch
  float* attention = nullptr;            // attention_scratch
  compute::Cells dy;                     // (T, H) gradient of a dense layer's output
  compute::Cells dcontext;               // (T, H)
  compute::Cells dqkv;                   // (T, 3H)
  compute::Cells dinner;                 // (T, I)
};

}  // namespace initlab::model
