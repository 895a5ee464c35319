#include "model/bert.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "compute/attention.hpp"
#include "compute/norm.hpp"
#include "model/batch_check.hpp"
#include "model/embeddings.hpp"
#include "model/encoder_layer.hpp"
#include "model/heads.hpp"
#include "model/step.hpp"

namespace initlab::model {
namespace {

void check_shape(const config::ModelConfig& model) {
  if (model.heads < 1 || model.hidden % model.heads != 0)
    throw base::Error({.place = "model",
                       .subject = "model.hidden",
                       .expected = "a multiple of model.heads (" + std::to_string(model.heads) + ")",
                       .got = std::to_string(model.hidden),
                       .hint = ""});
  constexpr std::uint32_t kMostSites = 1u << 26;  // compute/dropout.hpp
  if (layer_site(model.layers, model.heads) >= kMostSites)
    throw base::Error({.place = "model",
                       .subject = "model.layers and model.heads",
                       .expected = "fewer than 2^26 heads in all layers together",
                       .got = std::to_string(model.layers * model.heads),
                       .hint = ""});
}

}  // namespace

struct Bert::Impl {
  config::ModelConfig model;
  config::HeadKind kind;
  std::int64_t num_labels;
  Capacity capacity;
  params::ParameterTable table;

  compute::AttentionShape attention;
  compute::Arena arena;
  float* values = nullptr;  // flat blocks, laid out by the table
  float* gradients = nullptr;
  std::int32_t* token_slots = nullptr;  // (T)
  float* dhidden = nullptr;             // (T, H)
  Workspace workspace;

  Embeddings embeddings;
  std::vector<EncoderLayer> layers;
  std::unique_ptr<PooledHead> pooled;  // classifier, regressor
  std::unique_ptr<MlmHead> mlm;
  Step step;

  Impl(const config::ModelConfig& model_config, config::HeadKind head_kind, std::int64_t labels, const Capacity& most)
      : model(model_config),
        kind(head_kind),
        num_labels(labels),
        capacity(most),
        table(params::bert_parameters(model, kind, num_labels)),
        embeddings(model) {
    check_shape(model);
    attention = {model.heads, model.hidden / model.heads, capacity.longest, compute::available_threads()};
    for (std::int64_t l = 0; l < model.layers; ++l) layers.emplace_back(model, l, attention);
    if (kind == config::HeadKind::mlm)
      mlm = std::make_unique<MlmHead>(model);
    else
      pooled = std::make_unique<PooledHead>(model, kind == config::HeadKind::regressor, outputs());
    book();
    arena.grant();
    book();
    bind();
  }

  std::int64_t outputs() const { return kind == config::HeadKind::regressor ? 1 : num_labels; }
  Head& head() { return mlm ? static_cast<Head&>(*mlm) : *pooled; }

  // Runs twice, before and after arena.grant().
  void book() {
    const std::int64_t rows = padded(capacity.tokens), h = model.hidden;
    values = arena.take<float>(table.size());
    gradients = arena.take<float>(table.size());
    token_slots = arena.take<std::int32_t>(capacity.tokens);
    dhidden = arena.take<float>(rows * h);
    workspace.norm = arena.take<float>(compute::norm_backward_scratch(h));
    workspace.attention = arena.take<float>(compute::attention_scratch(attention));
    workspace.dy = arena.take<float>(rows * h);
    workspace.dcontext = arena.take<float>(rows * h);
    workspace.dqkv = arena.take<float>(rows * 3 * h);
    workspace.dinner = arena.take<float>(rows * model.intermediate);
    embeddings.book(arena, rows);
    for (EncoderLayer& layer : layers) layer.book(arena, capacity);
    head().book(arena, capacity);
  }

  void bind() {
    const Blocks blocks{&table, values, gradients};
    embeddings.bind(blocks);
    for (EncoderLayer& layer : layers) layer.bind(blocks);
    head().bind(blocks);
  }

  void begin(const batch::Batch& batch, const Dropout& dropout) {
    check_batch(batch, model, kind, num_labels, capacity);
    for (std::size_t b = 0; b + 1 < batch.offsets.size(); ++b)
      std::fill(token_slots + batch.offsets[b], token_slots + batch.offsets[b + 1], batch.slots[b]);
    step.batch = &batch;
    step.tokens = batch.tokens();
    step.rows = padded(step.tokens);
    step.names = {token_slots, batch.positions.data()};
    step.sequences = {batch.sequences(), batch.offsets.data(), batch.slots.data(), batch.offsets.data(),
                      batch.positions.data()};
    step.hidden = step.attention = {};
    if (dropout.stream == nullptr) return;
    step.hidden = compute::dropout_site(dropout.hidden, dropout.stream->key(), dropout.step, 0);
    step.attention = compute::dropout_site(dropout.attention, dropout.stream->key(), dropout.step, 0);
  }
};

Bert::Bert(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels, const Capacity& capacity)
    : impl_(std::make_unique<Impl>(model, head, num_labels, capacity)) {}
Bert::~Bert() = default;

const params::ParameterTable& Bert::parameters() const { return impl_->table; }
std::span<float> Bert::values() { return {impl_->values, static_cast<std::size_t>(impl_->table.size())}; }
std::span<const float> Bert::values() const { return {impl_->values, static_cast<std::size_t>(impl_->table.size())}; }
std::span<float> Bert::gradients() { return {impl_->gradients, static_cast<std::size_t>(impl_->table.size())}; }

double Bert::forward(const batch::Batch& batch, const Dropout& dropout, const LateRows& late) {
  impl_->begin(batch, dropout);
  impl_->step.late = late;
  const float* hidden = impl_->embeddings.forward(impl_->step);
  for (EncoderLayer& layer : impl_->layers) hidden = layer.forward(impl_->step, impl_->workspace, hidden);
  return impl_->head().forward(impl_->step, impl_->workspace, hidden);
}

void Bert::backward(float scale) {
  assert(impl_->step.batch != nullptr);
  impl_->head().backward(impl_->step, impl_->workspace, scale, impl_->dhidden);
  for (auto layer = impl_->layers.rbegin(); layer != impl_->layers.rend(); ++layer)
    layer->backward(impl_->step, impl_->workspace, impl_->dhidden);
  impl_->embeddings.backward(impl_->step, impl_->workspace, impl_->dhidden);
}

std::span<const float> Bert::logits() const {
  return impl_->pooled ? impl_->pooled->logits() : std::span<const float>{};
}

std::int64_t Bert::correct_predictions() const { return impl_->mlm ? impl_->mlm->hits() : 0; }

void Bert::copy_mlm_logits(std::span<float> dst) const {
  if (!impl_->mlm) return;
  const std::span<const float> logits = impl_->mlm->logits();
  std::copy_n(logits.begin(), std::min(dst.size(), logits.size()), dst.begin());
}

double training_flops(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
                      const batch::Batch& batch) {
  const double h = static_cast<double>(model.hidden), i = static_cast<double>(model.intermediate);
  const double t = static_cast<double>(batch.tokens()), b = static_cast<double>(batch.sequences());
  double pairs = 0;  // query and key
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const double length = batch.offsets[s + 1] - batch.offsets[s];
    pairs += length * length;
  }
  const double layer = t * (2 * h * 3 * h + 2 * h * h + 4 * h * i) + pairs * 4 * h;
  double top = 0;
  if (head == config::HeadKind::mlm) {
    top = static_cast<double>(batch.masked_rows.size()) * (2 * h * h + 2 * h * static_cast<double>(model.vocabulary));
  } else {
    const double outputs = head == config::HeadKind::regressor ? 1 : static_cast<double>(num_labels);
    top = b * (2 * h * h + 2 * h * outputs);
  }
  return 3 * (static_cast<double>(model.layers) * layer + top);  // backward costs twice the forward pass
}

}  // namespace initlab::model
