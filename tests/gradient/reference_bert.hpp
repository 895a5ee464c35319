// The whole model as a scalar twin: a template on its scalar type, written from the equations and the twins of
// compute/reference. Slow; on Dual it gives exact derivatives along a direction.
#pragma once

#include <string>
#include <vector>

#include "batch/batch.hpp"
#include "compute/reference/attention.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/reference/gelu.hpp"
#include "compute/reference/loss.hpp"
#include "compute/reference/norm.hpp"
#include "compute/reference/residual.hpp"
#include "config/config.hpp"
#include "model/bert.hpp"
#include "params/params.hpp"

namespace initlab::gradient {

namespace twin = compute::reference;

template <class S>
struct ReferenceBert {
  using Row = std::vector<S>;
  using Rows = std::vector<Row>;

  const config::ModelConfig& model;
  config::HeadKind head;
  const params::ParameterTable& table;
  const std::vector<S>& values;  // laid out by the table
  const batch::Batch& batch;
  const model::Dropout& dropout;

  const S* at(const std::string& name) const { return values.data() + table.at(name).offset; }

  double factor(double probability, std::uint32_t site, std::int64_t slot, std::int64_t position,
                std::size_t feature) const {
    if (dropout.stream == nullptr) return 1;
    return twin::dropout_factor(probability,
                                {dropout.stream->key(), dropout.step, site, static_cast<std::uint32_t>(slot),
                                 static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(feature)});
  }

  Row dense(const std::string& name, const Row& x) const {
    const S* w = at(name + ".weight");
    const S* b = at(name + ".bias");
    Row y(static_cast<std::size_t>(table.at(name + ".bias").size), S(0));
    for (std::size_t o = 0; o < y.size(); ++o) {
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
      y[o] += b[o];
    }
    return y;
  }

  Row norm(const std::string& name, const Row& x) const {
    return twin::layer_norm(x, model.layer_norm_epsilon, at(name + ".weight"), at(name + ".bias"));
  }

  Row gelu(Row x) const {
    const auto kind = model.activation == "gelu_new" ? compute::Gelu::tanh : compute::Gelu::erf;
    for (S& v : x) v = twin::gelu(kind, v);
    return x;
  }

  // norm(scale residual + dropout(x)), or residual + scale dropout(x), of the row at `position` of slot `slot`
  Row join(const std::string& block, const Row& residual, Row x, std::uint32_t site, std::int64_t slot,
           std::size_t position) const {
    const bool normed = model.norm == "post";
    for (std::size_t i = 0; i < x.size(); ++i) {
      const S kept(factor(dropout.hidden, site, slot, static_cast<std::int64_t>(position), i));
      const S shortcut = model.trained_residual_scale ? at(block + "residual_scale")[i] : S(model.residual_scale);
      const S branch = normed ? S(1) : *at(block + "branch_scale");
      x[i] = twin::residual_sum(shortcut, residual[i], branch, kept, x[i], S(0));
    }
    return normed ? norm(block + "LayerNorm", x) : x;
  }

  // Hidden states of sequence b.
  Rows encode(std::size_t b) const {
    const auto first = static_cast<std::size_t>(batch.offsets[b]),
               length = static_cast<std::size_t>(batch.offsets[b + 1]) - first;
    const auto h = static_cast<std::size_t>(model.hidden), heads = static_cast<std::size_t>(model.heads), d = h / heads;
    Rows x;
    for (std::size_t t = 0; t < length; ++t) {
      Row row;
      for (std::size_t i = 0; i < h; ++i)
        row.push_back(
            at("bert.embeddings.word_embeddings.weight")[static_cast<std::size_t>(batch.ids[first + t]) * h + i] +
            at("bert.embeddings.position_embeddings.weight")[static_cast<std::size_t>(batch.positions[first + t]) * h +
                                                             i] +
            at("bert.embeddings.token_type_embeddings.weight")[static_cast<std::size_t>(batch.types[first + t]) * h +
                                                               i]);
      if (model.norm == "post") row = norm("bert.embeddings.LayerNorm", row);
      for (std::size_t i = 0; i < h; ++i)
        row[i] = row[i] * S(factor(dropout.hidden, 0, batch.slots[b], static_cast<std::int64_t>(t), i));
      x.push_back(row);
    }
    for (std::int64_t l = 0; l < model.layers; ++l) {
      const std::string layer = "bert.encoder.layer." + std::to_string(l) + ".";
      const auto site = static_cast<std::uint32_t>(2 + l * (model.heads + 2));
      Rows context(length, Row(h, S(0)));
      for (std::size_t a = 0; a < heads; ++a) {
        Row part[3];
        for (std::size_t t = 0; t < length; ++t) {
          const char* names[3] = {"query", "key", "value"};
          for (std::size_t which = 0; which < 3; ++which) {
            const Row all = dense(layer + "attention.self." + names[which], x[t]);
            part[which].insert(part[which].end(), all.begin() + static_cast<std::ptrdiff_t>(a * d),
                               all.begin() + static_cast<std::ptrdiff_t>((a + 1) * d));
          }
        }
        const Row out = twin::attention<S>(length, d, part[0], part[1], part[2], [&](std::size_t i, std::size_t j) {
          return factor(dropout.attention, site + 2 + static_cast<std::uint32_t>(a), batch.slots[b],
                        static_cast<std::int64_t>(i), j);
        });
        for (std::size_t t = 0; t < length; ++t)
          std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(t * d), d,
                      context[t].begin() + static_cast<std::ptrdiff_t>(a * d));
      }
      for (std::size_t t = 0; t < length; ++t) {
        const Row attended = join(layer + "attention.output.", x[t],
                                  dense(layer + "attention.output.dense", context[t]), site, batch.slots[b], t);
        x[t] = join(layer + "output.", attended,
                    dense(layer + "output.dense", gelu(dense(layer + "intermediate.dense", attended))), site + 1,
                    batch.slots[b], t);
      }
    }
    return x;
  }

  S pooled_loss(std::size_t b, const Rows& hidden) const {
    Row pooled(hidden[0].size(), S(0));
    const std::size_t count = model.pooling == "mean" ? hidden.size() : 1;
    for (std::size_t t = 0; t < count; ++t)
      for (std::size_t i = 0; i < pooled.size(); ++i) pooled[i] += hidden[t][i] / S(static_cast<double>(count));
    pooled = dense("bert.pooler.dense", pooled);
    using std::tanh;
    for (std::size_t i = 0; i < pooled.size(); ++i)
      pooled[i] = tanh(pooled[i]) * S(factor(dropout.hidden, 1, batch.slots[b], 0, i));
    const Row logits = dense("classifier", pooled);
    if (head == config::HeadKind::regressor)
      return twin::squared_error(logits[0], static_cast<double>(batch.targets[b]));
    return twin::cross_entropy(logits, static_cast<std::size_t>(batch.classes[b]));
  }

  S predicted_loss(const Row& hidden, std::size_t label) const {
    const Row t = norm("cls.predictions.transform.LayerNorm", gelu(dense("cls.predictions.transform.dense", hidden)));
    Row logits;
    for (std::size_t v = 0; v < static_cast<std::size_t>(model.vocabulary); ++v) {
      logits.push_back(at("cls.predictions.bias")[v]);
      for (std::size_t i = 0; i < t.size(); ++i)
        logits.back() += at("bert.embeddings.word_embeddings.weight")[v * t.size() + i] * t[i];
    }
    return twin::cross_entropy(logits, label);
  }

  // The sum of the losses.
  S loss() const {
    S sum(0);
    std::size_t predicted = 0;
    for (std::size_t b = 0; b + 1 < batch.offsets.size(); ++b) {
      const Rows hidden = encode(b);
      if (head != config::HeadKind::mlm) {
        sum += pooled_loss(b, hidden);
        continue;
      }
      for (; predicted < batch.masked_rows.size() && batch.masked_rows[predicted] < batch.offsets[b + 1]; ++predicted)
        sum += predicted_loss(hidden[static_cast<std::size_t>(batch.masked_rows[predicted] - batch.offsets[b])],
                              static_cast<std::size_t>(batch.masked_labels[predicted]));
    }
    return sum;
  }
};

}  // namespace initlab::gradient
