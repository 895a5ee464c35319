#include "model/bert.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "compute/attention.hpp"
#include "compute/embedding.hpp"
#include "compute/norm.hpp"
#include "compute/residual.hpp"
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

Options options_of(const config::TrainingConfig& training) {
  return {.products = training.precision == "bf16" ? compute::Element::bf16 : compute::Element::f32,
          .last_layer_rows = training.uses("last_layer_rows"),
          .streamed_loss = training.uses("streamed_loss"),
          .packed_weights = training.uses("packed_weights"),
          .huge_pages = training.uses("huge_pages")};
}

struct Bert::Impl {
  config::ModelConfig model;
  config::HeadKind kind;
  std::int64_t num_labels;
  Capacity capacity;
  Options options;
  params::ParameterTable table;

  compute::AttentionShape attention;
  compute::Arena arena;
  float* values = nullptr;  // flat blocks, laid out by the table
  float* gradients = nullptr;
  std::int32_t* token_slots = nullptr;     // (T)
  std::int32_t* read_index = nullptr;      // (R) rows that the head reads
  std::int32_t* read_slots = nullptr;      // (R)
  std::int32_t* read_positions = nullptr;  // (R)
  std::int32_t* read_offsets = nullptr;    // (B + 1)
  HiddenStates read_states;                // (R, H) the top layer's, where it made all rows
  float* dread = nullptr;                  // (R, H)
  float* dhidden = nullptr;                // (T, H)
  Workspace workspace;

  Embeddings embeddings;
  std::vector<EncoderLayer> layers;
  std::unique_ptr<PooledHead> pooled;  // classifier, regressor
  std::unique_ptr<MlmHead> mlm;
  Step step;

  Impl(const config::ModelConfig& model_config, config::HeadKind head_kind, std::int64_t labels, const Capacity& most,
       const Options& wanted)
      : model(model_config),
        kind(head_kind),
        num_labels(labels),
        capacity(most),
        options(wanted),
        table(params::bert_parameters(model, kind, num_labels)),
        arena(options.huge_pages),
        workspace(options.packed_weights),
        embeddings(model, options.products) {
    check_shape(model);
    attention = {model.heads, model.hidden / model.heads, capacity.longest, compute::available_threads()};
    for (std::int64_t l = 0; l < model.layers; ++l) layers.emplace_back(model, l, attention, options.products);
    if (kind == config::HeadKind::mlm)
      mlm = std::make_unique<MlmHead>(model, options.products, streams_loss());
    else
      pooled = std::make_unique<PooledHead>(model, kind == config::HeadKind::regressor, outputs());
    book();
    arena.grant();
    book();
    bind();
  }

  std::int64_t outputs() const { return kind == config::HeadKind::regressor ? 1 : num_labels; }
  Head& head() { return mlm ? static_cast<Head&>(*mlm) : *pooled; }
  bool reads_all() const { return kind != config::HeadKind::mlm && model.pooling == "mean"; }
  bool cuts_top() const { return options.last_layer_rows && !reads_all(); }

  bool streams_loss() const {
    const std::int64_t bytes = padded(capacity.predictions) * model.vocabulary * std::int64_t{sizeof(float)};
    return options.streamed_loss && bytes > options.kept_logits;
  }

  std::int64_t most_read() const {
    if (reads_all()) return capacity.tokens;
    return kind == config::HeadKind::mlm ? capacity.predictions : capacity.sequences;
  }

  // Runs twice, before and after arena.grant().
  void book() {
    const std::int64_t rows = padded(capacity.tokens), read = padded(most_read()), h = model.hidden;
    values = arena.take<float>(table.size());
    gradients = arena.take<float>(table.size());
    token_slots = arena.take<std::int32_t>(capacity.tokens);
    read_index = arena.take<std::int32_t>(read);
    read_slots = arena.take<std::int32_t>(read);
    read_positions = arena.take<std::int32_t>(read);
    read_offsets = arena.take<std::int32_t>(capacity.sequences + 1);
    if (!cuts_top()) read_states.book(arena, read * h, options.products);
    dread = arena.take<float>(read * h);
    dhidden = arena.take<float>(rows * h);
    workspace.norm =
        arena.take<float>(std::max(compute::norm_backward_scratch(h), compute::residual_backward_scratch(h)));
    workspace.attention = arena.take<float>(compute::attention_scratch(attention));
    workspace.dy = take_cells(arena, rows * h, options.products);
    workspace.dcontext = take_cells(arena, rows * h, options.products);
    workspace.dqkv = take_cells(arena, rows * 3 * h, options.products);
    workspace.dinner = take_cells(arena, rows * model.intermediate, options.products);
    embeddings.book(arena, rows);
    for (EncoderLayer& layer : layers) {
      const bool picked = cuts_top() && &layer == &layers.back();
      layer.book(arena, {rows, picked ? read : rows, picked});
    }
    head().book(arena, capacity);
  }

  void bind() {
    const Blocks blocks{&table, values, gradients};
    embeddings.bind(blocks);
    for (EncoderLayer& layer : layers) layer.bind(blocks);
    head().bind(blocks);
  }

  void plan(std::int64_t tokens, std::int64_t read) {
    layers.front().plan(workspace, tokens, tokens, /*picked=*/false);  // layers are alike
    if (cuts_top()) layers.back().plan(workspace, tokens, read, /*picked=*/true);
  }

  // How many rows the head reads is known for classifiers; of predicted positions all numbers are planned.
  void plan(std::span<const std::int64_t> tokens) {
    const std::int64_t last = padded(kind == config::HeadKind::mlm ? capacity.predictions : capacity.sequences);
    const std::int64_t first = kind == config::HeadKind::mlm ? kRowUnit : last;
    for (std::int64_t read = first; read <= last; read += kRowUnit) {
      head().plan(workspace, read);
      for (const std::int64_t count : tokens) plan(padded(count), read);
    }
  }

  Rows all_rows(const batch::Batch& batch) {
    for (std::size_t b = 0; b + 1 < batch.offsets.size(); ++b)
      std::fill(token_slots + batch.offsets[b], token_slots + batch.offsets[b + 1], batch.slots[b]);
    return {batch.tokens(), nullptr, batch.offsets.data(), {token_slots, batch.positions.data()}};
  }

  // Each sequence's first row, or the masked rows; ascending.
  Rows read_rows(const batch::Batch& batch) {
    if (reads_all()) return step.all;
    std::int32_t count = 0;
    const auto& masked = batch.masked_rows;
    for (std::size_t b = 0; b + 1 < batch.offsets.size(); ++b) {
      read_offsets[b] = count;
      if (kind != config::HeadKind::mlm) read_index[count++] = batch.offsets[b];
      while (static_cast<std::size_t>(count) < masked.size() &&
             masked[static_cast<std::size_t>(count)] < batch.offsets[b + 1]) {
        read_index[count] = masked[static_cast<std::size_t>(count)];
        ++count;
      }
      std::fill(read_slots + read_offsets[b], read_slots + count, batch.slots[b]);
    }
    read_offsets[batch.sequences()] = count;
    for (std::int32_t r = 0; r < count; ++r)
      read_positions[r] = batch.positions[static_cast<std::size_t>(read_index[r])];
    return {count, read_index, read_offsets, {read_slots, read_positions}};
  }

  void begin(const batch::Batch& batch, const Dropout& dropout) {
    check_batch(batch, model, kind, num_labels, capacity);
    step.batch = &batch;
    step.all = all_rows(batch);
    step.read = read_rows(batch);
    step.hidden = step.attention = {};
    if (dropout.stream == nullptr) return;
    step.hidden = compute::dropout_site(dropout.hidden, dropout.stream->key(), dropout.step, 0);
    step.attention = compute::dropout_site(dropout.attention, dropout.stream->key(), dropout.step, 0);
  }

  // The rows of `hidden` that the head reads.
  Hidden pick(Hidden hidden) {
    if (step.read.all() || cuts_top()) return hidden;
    const std::int64_t r = step.read.count, h = model.hidden;
    compute::gather_rows(r, h, read_index, hidden.values, read_states.values);
    if (read_states.rounded != nullptr) compute::gather_rows(r, h, read_index, hidden.operand, read_states.rounded);
    read_states.clear_padding(r, h);
    return read_states.view();
  }

  const Rows& rows_of(const EncoderLayer& layer) const {
    return cuts_top() && &layer == &layers.back() ? step.read : step.all;
  }

  double forward() {
    if (step.read.count == 0) return head().forward(step, workspace, {});
    Hidden hidden = embeddings.forward(step, workspace);
    for (EncoderLayer& layer : layers) hidden = layer.forward(step, workspace, rows_of(layer), hidden);
    return head().forward(step, workspace, pick(hidden));
  }

  // The head's gradient as one of the top layer's output.
  float* top_gradient(float scale) {
    if (step.read.all()) {
      head().backward(step, workspace, scale, dhidden);
      return dhidden;
    }
    head().backward(step, workspace, scale, dread);
    if (cuts_top()) return dread;
    std::fill(dhidden, dhidden + padded(step.all.count) * model.hidden, 0.0f);
    compute::scatter_add_rows(step.read.count, model.hidden, read_index, dread, dhidden);
    return dhidden;
  }

  void backward(float scale) {
    if (step.read.count == 0) return;
    float* dy = top_gradient(scale);
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
      layer->backward(step, workspace, rows_of(*layer), dy, dhidden);
      dy = dhidden;
    }
    embeddings.backward(step, workspace, dhidden);
  }
};

Bert::Bert(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels, const Capacity& capacity,
           const Options& options)
    : impl_(std::make_unique<Impl>(model, head, num_labels, capacity, options)) {}
Bert::~Bert() = default;

const params::ParameterTable& Bert::parameters() const { return impl_->table; }
std::span<float> Bert::values() { return {impl_->values, static_cast<std::size_t>(impl_->table.size())}; }
std::span<const float> Bert::values() const { return {impl_->values, static_cast<std::size_t>(impl_->table.size())}; }
std::span<float> Bert::gradients() { return {impl_->gradients, static_cast<std::size_t>(impl_->table.size())}; }
void Bert::measure(compute::PhaseTimes* times) { impl_->workspace.times = times; }

void Bert::plan(std::span<const std::int64_t> tokens) { impl_->plan(tokens); }

double Bert::forward(const batch::Batch& batch, const Dropout& dropout) {
  impl_->begin(batch, dropout);
  return impl_->forward();
}

void Bert::backward(float scale) {
  assert(impl_->step.batch != nullptr);
  impl_->backward(scale);
}

std::span<const float> Bert::logits() const {
  return impl_->pooled ? impl_->pooled->logits() : std::span<const float>{};
}

std::int64_t Bert::correct_predictions() const { return impl_->mlm ? impl_->mlm->hits() : 0; }

void Bert::copy_mlm_logits(std::span<float> dst) const {
  if (impl_->mlm) impl_->mlm->copy_logits(impl_->workspace, dst);
}

double training_flops(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
                      const batch::Batch& batch) {
  const auto h = static_cast<double>(model.hidden), i = static_cast<double>(model.intermediate);
  const auto t = static_cast<double>(batch.tokens()), b = static_cast<double>(batch.sequences());
  const auto p = static_cast<double>(batch.masked_rows.size());
  const bool mlm = head == config::HeadKind::mlm, all = !mlm && model.pooling == "mean";
  double pairs = 0, read_pairs = 0;  // query and key: of all rows, and of those that the head reads
  auto masked = batch.masked_rows.begin();
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const double length = batch.offsets[s + 1] - batch.offsets[s];
    const auto end = std::lower_bound(masked, batch.masked_rows.end(), batch.offsets[s + 1]);
    pairs += length * length;
    read_pairs += length * (all ? length : mlm ? static_cast<double>(end - masked) : 1);
    masked = end;
  }
  const double read = all ? t : mlm ? p : b;
  const double keys = 4 * h * h, rest = 4 * h * h + 4 * h * i;  // a row's: keys and values, and all else
  const double layer = t * (keys + rest) + pairs * 4 * h;
  const double top_layer = t * keys + read * rest + read_pairs * 4 * h;
  const double outputs = head == config::HeadKind::regressor ? 1 : static_cast<double>(num_labels);
  const double top =
      mlm ? p * (2 * h * h + 2 * h * static_cast<double>(model.vocabulary)) : b * (2 * h * h + 2 * h * outputs);
  // The backward pass costs twice the forward pass.
  return 3 * (static_cast<double>(model.layers - 1) * layer + top_layer + top);
}

}  // namespace initlab::model
