#include "model/observe.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "compute/embedding.hpp"
#include "compute/gelu.hpp"
#include "compute/gemm.hpp"
#include "compute/loss.hpp"
#include "compute/norm.hpp"
#include "compute/residual.hpp"
#include "compute/small_gemm.hpp"
#include "compute/vector.hpp"
#include "model/batch_check.hpp"
#include "model/encoder_layer.hpp"

namespace initlab::model {
namespace {

using Values = std::vector<float>;  // row-major

// Each row becomes its softmax.
void softmax_rows(std::int64_t n, Values& x) {
  for (auto row = x.begin(); row != x.end(); row += n) {
    const auto end = row + n;
    const float most = *std::max_element(row, end);
    std::transform(row, end, row, [most](float score) { return std::exp(score - most); });
    const float sum = std::accumulate(row, end, 0.0f);
    std::transform(row, end, row, [sum](float weight) { return weight / sum; });
  }
}

class Pass {
 public:
  Pass(const config::ModelConfig& model, config::HeadKind head, const params::ParameterTable& table,
       std::span<const float> values, const batch::Batch& batch, const Observer& observer)
      : model_(model), head_(head), table_(table), values_(values), batch_(batch), observer_(observer) {}

  double run() {
    Values x = embeddings();
    for (layer_ = 0; layer_ < model_.layers; ++layer_) x = feed_forward(attention(std::move(x)));
    layer_ = -1;
    return head_ == config::HeadKind::mlm ? predicted_loss(x) : pooled_loss(x);
  }

 private:
  const float* at(const std::string& name) const { return values_.data() + table_.at(name).offset; }
  std::string in_layer(const char* name) const { return "bert.encoder.layer." + std::to_string(layer_) + "." + name; }

  void tell(std::string_view site, std::string_view weight, std::int64_t columns, const Values& x) const {
    if (!observer_) return;
    const std::int64_t rows = std::ssize(x) / columns;
    observer_({site, weight, static_cast<std::int32_t>(layer_), rows, columns, x});
  }

  // y (rows, out) = x (rows, in) W^T + b
  Values product(std::string_view site, const std::string& weight_name, const std::string& bias_name, const Values& x) {
    const params::Parameter& weight = table_.at(weight_name);
    const std::int64_t out = weight.shape[0], in = weight.shape[1], rows = std::ssize(x) / in;
    Values y(static_cast<std::size_t>(rows * out));
    gemm_({.m = rows, .n = out, .k = in, .b = compute::Stored::transposed, .bias = true, .weight = true}, x.data(),
          at(weight.name), y.data(), at(bias_name));
    tell(site, weight.name, out, y);
    return y;
  }
  Values dense(std::string_view site, const std::string& name, const Values& x) {
    return product(site, name + ".weight", name + ".bias", x);
  }

  Values norm(const std::string& name, const compute::NormInput& input, Values x) const {
    const std::int64_t h = model_.hidden, rows = std::ssize(x) / h;
    Values y(x.size()), inverse_deviation(static_cast<std::size_t>(rows));
    compute::norm_forward({rows, h, static_cast<float>(model_.layer_norm_epsilon)}, input, at(name + ".weight"),
                          at(name + ".bias"), x.data(), y.data(), inverse_deviation.data());
    return y;
  }

  // The end of a block, as residual_sum.hpp has it: norm(scale x + branch), or x + scale branch.
  Values join(const std::string& block, const Values& x, Values branch) const {
    const std::int64_t h = model_.hidden;
    if (model_.norm == "none") {
      const Values no_bias(static_cast<std::size_t>(h));
      Values y(x.size());
      compute::residual_forward(std::ssize(x) / h, h,
                                {.bias = no_bias.data(),
                                 .residual = x.data(),
                                 .scale = at(block + "branch_scale"),
                                 .dropout = {},
                                 .names = {}},
                                branch.data(), y.data());
      return y;
    }
    const Values fixed(static_cast<std::size_t>(h), static_cast<float>(model_.residual_scale));
    const float* scale = model_.trained_residual_scale ? at(block + "residual_scale") : fixed.data();
    return norm(block + "LayerNorm", {.residual = x.data(), .dropout = {}, .names = {}, .residual_scale = scale},
                std::move(branch));
  }

  Values gelu(std::int64_t columns, const Values& x) const {
    const Values no_bias(static_cast<std::size_t>(columns));
    Values y(x.size());
    compute::bias_gelu_forward(activation_of(model_), std::ssize(x) / columns, columns, x.data(), no_bias.data(),
                               y.data());
    return y;
  }

  Values embeddings() const {
    const std::int64_t t = batch_.tokens(), h = model_.hidden;
    Values sum(static_cast<std::size_t>(t * h));
    compute::embedding_forward(t, h, {batch_.ids.data(), batch_.positions.data(), batch_.types.data()},
                               at("bert.embeddings.word_embeddings.weight"),
                               at("bert.embeddings.position_embeddings.weight"),
                               at("bert.embeddings.token_type_embeddings.weight"), sum.data());
    Values y = model_.norm == "none" ? std::move(sum) : norm("bert.embeddings.LayerNorm", {}, std::move(sum));
    tell("embeddings", {}, h, y);
    return y;
  }

  // x (T, H) -> (T, H)
  Values attention(Values x) {
    const Values query = dense("attention.query", in_layer("attention.self.query"), x);
    const Values key = dense("attention.key", in_layer("attention.self.key"), x);
    const Values value = dense("attention.value", in_layer("attention.self.value"), x);
    Values context(x.size());
    for (std::size_t b = 0; b + 1 < batch_.offsets.size(); ++b)
      for (std::int64_t a = 0; a < model_.heads; ++a) attend(b, a, query, key, value, context);
    tell("attention.context", {}, model_.hidden, context);
    Values branch = dense("attention.branch", in_layer("attention.output.dense"), context);
    Values y = join(in_layer("attention.output."), x, std::move(branch));
    tell("attention.output", {}, model_.hidden, y);
    return y;
  }

  // The context of one sequence and head: softmax(Q K^T / sqrt(D)) V.
  void attend(std::size_t b, std::int64_t a, const Values& query, const Values& key, const Values& value,
              Values& context) const {
    const std::int64_t h = model_.hidden, d = h / model_.heads, first = batch_.offsets[b] * h + a * d;
    const std::int64_t s = batch_.offsets[b + 1] - batch_.offsets[b];
    Values columns(static_cast<std::size_t>(d * s));  // (D, S) keys, scaled
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    for (std::int64_t j = 0; j < s; ++j)
      for (std::int64_t f = 0; f < d; ++f)
        columns[static_cast<std::size_t>(f * s + j)] = scale * key[static_cast<std::size_t>(first + j * h + f)];
    Values weights(static_cast<std::size_t>(s * s));
    compute::small_gemm({.m = s,
                         .n = s,
                         .k = d,
                         .a = {query.data() + first, h, 1},
                         .b = columns.data(),
                         .b_row = s,
                         .c = weights.data(),
                         .c_row = s});
    softmax_rows(s, weights);
    tell("attention.probabilities", {}, s, weights);
    compute::small_gemm({.m = s,
                         .n = d,
                         .k = s,
                         .a = {weights.data(), s, 1},
                         .b = value.data() + first,
                         .b_row = h,
                         .c = context.data() + first,
                         .c_row = h});
  }

  Values feed_forward(Values x) {
    const Values inner = dense("ffn.intermediate", in_layer("intermediate.dense"), x);
    const Values activated = gelu(model_.intermediate, inner);
    tell("ffn.activation", {}, model_.intermediate, activated);
    Values branch = dense("ffn.branch", in_layer("output.dense"), activated);
    Values y = join(in_layer("output."), x, std::move(branch));
    tell("ffn.output", {}, model_.hidden, y);
    return y;
  }

  // What the pooler reads of each sequence: (B, H)
  Values pooled(const Values& x) const {
    const std::int64_t h = model_.hidden;
    Values y(static_cast<std::size_t>(batch_.sequences() * h));
    for (std::int64_t b = 0; b < batch_.sequences(); ++b) {
      const std::int64_t first = batch_.offsets[static_cast<std::size_t>(b)];
      const std::int64_t end = batch_.offsets[static_cast<std::size_t>(b) + 1];
      const std::int64_t count = model_.pooling == "mean" ? end - first : 1;
      float* row = y.data() + b * h;
      for (std::int64_t t = first; t < first + count; ++t)
        for (std::int64_t i = 0; i < h; ++i) row[i] += x[static_cast<std::size_t>(t * h + i)];
      for (std::int64_t i = 0; i < h; ++i) row[i] /= static_cast<float>(count);
    }
    return y;
  }

  double pooled_loss(const Values& x) {
    Values hidden = dense("pooler", "bert.pooler.dense", pooled(x));
    std::ranges::transform(hidden, hidden.begin(), [](float v) { return std::tanh(v); });
    const Values logits = dense("logits", "classifier", hidden);
    if (head_ == config::HeadKind::regressor)
      return compute::squared_error_forward(batch_.sequences(), logits.data(), batch_.targets.data());
    return cross_entropy(logits, batch_.classes);
  }

  double predicted_loss(const Values& x) {
    const std::int64_t p = std::ssize(batch_.masked_rows), h = model_.hidden;
    if (p == 0) return 0;
    Values rows(static_cast<std::size_t>(p * h));
    compute::gather_rows(p, h, batch_.masked_rows.data(), x.data(), rows.data());
    const std::string transform = "cls.predictions.transform.";
    Values hidden = gelu(h, dense("transform", transform + "dense", rows));
    hidden = norm(transform + "LayerNorm", {}, std::move(hidden));
    return cross_entropy(product("logits", "bert.embeddings.word_embeddings.weight", "cls.predictions.bias", hidden),
                         batch_.masked_labels);
  }

  static double cross_entropy(const Values& logits, const std::vector<std::int32_t>& labels) {
    const std::int64_t rows = std::ssize(labels);
    std::vector<double> losses(labels.size());
    Values log_sums(labels.size());
    std::vector<std::int32_t> hits(labels.size());
    compute::cross_entropy_forward(rows, std::ssize(logits) / rows, logits.data(), labels.data(), losses.data(),
                                   log_sums.data(), hits.data());
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }

  const config::ModelConfig& model_;
  config::HeadKind head_;
  const params::ParameterTable& table_;
  std::span<const float> values_;
  const batch::Batch& batch_;
  const Observer& observer_;
  compute::Gemm gemm_;
  std::int64_t layer_ = -1;  // under way
};

}  // namespace

double observe(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
               const params::ParameterTable& table, std::span<const float> values, const batch::Batch& batch,
               const Observer& observer) {
  const Capacity any{batch.tokens(), batch.sequences(), std::ssize(batch.masked_rows), batch.tokens()};
  check_batch(batch, model, head, num_labels, any);
  return Pass(model, head, table, values, batch, observer).run();
}

}  // namespace initlab::model
