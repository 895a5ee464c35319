// What stands on the encoder: pooler with classifier or regressor, and the masked-language-model head. Internal to
// model/.
#pragma once

#include <span>

#include "compute/gelu.hpp"
#include "compute/loss.hpp"
#include "config/config.hpp"
#include "model/bert.hpp"
#include "model/step.hpp"

namespace initlab::model {

// A head reads some rows of the hidden states (step.read), gives the sum of the losses, and sends its gradient back to
// those rows.
class Head {
 public:
  virtual ~Head() = default;
  virtual void book(compute::Arena& arena, const Capacity& capacity) = 0;
  virtual void bind(const Blocks& blocks) = 0;
  // Builds the products for so many rows, padded: sequences, or predicted positions.
  virtual void plan(Workspace& workspace, std::int64_t rows) const = 0;
  // hidden (R, H): step.read of the top layer's output.
  virtual double forward(const Step& step, Workspace& workspace, Hidden hidden) = 0;
  // Writes all of dhidden (R, H), padding zero.
  virtual void backward(const Step& step, Workspace& workspace, float scale, float* dhidden) = 0;
};

// logits = dropout(tanh(pooled Wp^T + bp)) Wc^T + bc, where pooled is a sequence's first hidden state or the mean over
// its tokens. Always in f32: B rows are next to nothing.
class PooledHead : public Head {
 public:
  PooledHead(const config::ModelConfig& model, bool regression, std::int64_t outputs);
  void book(compute::Arena& arena, const Capacity& capacity) override;
  void bind(const Blocks& blocks) override;
  void plan(Workspace& workspace, std::int64_t rows) const override;
  double forward(const Step& step, Workspace& workspace, Hidden hidden) override;
  void backward(const Step& step, Workspace& workspace, float scale, float* dhidden) override;
  std::span<const float> logits() const;  // (B, C) of the last forward

 private:
  const float* pool(const Step& step, const float* hidden);
  void pool_backward(const Step& step, float* dhidden) const;
  compute::RowNames names(const batch::Batch& batch) const { return {batch.slots.data(), zeros_}; }

  config::ModelConfig model_;
  bool regression_;
  std::int64_t outputs_;        // C
  std::int64_t sequences_ = 0;  // B of the last forward
  Dense pooler_, classifier_;

  const float* pooled_ = nullptr;  // (B, H) the first hidden states, or mean_
  float* mean_ = nullptr;          // (B, H)
  float* activated_ = nullptr;     // (B, H)
  float* dropped_ = nullptr;       // (B, H)
  float* logits_ = nullptr;        // (B, C)
  float* dlogits_ = nullptr;       // (B, C)
  float* dpooled_ = nullptr;       // (B, H)
  float* dactivated_ = nullptr;    // (B, H)
  double* losses_ = nullptr;       // (B)
  float* log_sums_ = nullptr;      // (B)
  std::int32_t* hits_ = nullptr;   // (B)
  std::int32_t* zeros_ = nullptr;  // (B) the position of a pooled row
};

// logits = norm(gelu(hidden Wt^T + bt)) E^T + b for predicted rows only; E is the word embedding. The vocabulary is
// walked in pieces of columns. Streamed, a piece's logits are forgotten as soon as its part of the loss is known, and
// computed again in the backward pass; else there is one piece, which is kept.
class MlmHead : public Head {
 public:
  MlmHead(const config::ModelConfig& model, compute::Element products, bool streamed);
  void book(compute::Arena& arena, const Capacity& capacity) override;
  void bind(const Blocks& blocks) override;
  void plan(Workspace& workspace, std::int64_t rows) const override;
  double forward(const Step& step, Workspace& workspace, Hidden hidden) override;
  void backward(const Step& step, Workspace& workspace, float scale, float* dhidden) override;
  std::int64_t hits() const;  // rows whose label had the highest logit
  // dst (P, V): the logits of the last forward, computed again. Values must be as they were.
  void copy_logits(Workspace& workspace, std::span<float> dst);

 private:
  // Columns of the vocabulary.
  struct Piece {
    std::int64_t first = 0, count = 0;
  };
  template <class Body>
  void for_pieces(const Body& body) const;
  void make_logits(Workspace& workspace, const Piece& piece);
  compute::LogitChunk chunk(const Piece& piece) const { return {logits_, piece.count, piece.first, piece.count}; }

  config::ModelConfig model_;
  compute::Element products_;
  bool streamed_;
  compute::Gelu activation_;
  std::int64_t predictions_ = 0;  // P of the last forward
  Dense transform_;
  Norm norm_;
  Dense decoder_;  // weight: the word embedding

  Hidden hidden_;                              // (P, H)
  float* inner_ = nullptr;                     // (P, H) before bias and GELU
  float* xhat_ = nullptr;                      // (P, H)
  float* inverse_deviation_ = nullptr;         // (P)
  HiddenStates normed_;                        // (P, H)
  float* logits_ = nullptr;                    // (P, columns of a piece)
  compute::Cells dlogits_;                     // likewise; the logits' own memory where products read f32
  float* dnormed_ = nullptr;                   // (P, H)
  compute::Cells dinner_;                      // (P, H); dnormed's own memory where products read f32
  compute::CrossEntropyRow* state_ = nullptr;  // (P)
  double* losses_ = nullptr;                   // (P)
  float* log_sums_ = nullptr;                  // (P)
  std::int32_t* hits_ = nullptr;               // (P)
};

}  // namespace initlab::model
