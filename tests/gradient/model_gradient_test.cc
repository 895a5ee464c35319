// The whole model, with dropout on, against its scalar twin: the loss, and for every parameter tensor the derivative
// along random directions that move this tensor alone.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "compute/testing.hpp"
#include "gradient/reference_bert.hpp"
#include "model/bert.hpp"

namespace initlab::gradient {
namespace {

using compute::reference::Dual;
using config::HeadKind;

struct Setting {
  const char* name;
  HeadKind head;
  const char* activation;
  const char* pooling;
  double dropout;
  const char* residual_scale = "1";
  const char* norm = "post";
};

void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }

batch::Batch small_batch(HeadKind head) {
  batch::Batch b;
  b.offsets = {0};
  for (const int length : {6, 3, 8}) {
    for (int t = 0; t < length; ++t) {
      b.ids.push_back((7 * t + 5 * length) % 17);  // ids repeat
      b.types.push_back(t > length / 2 ? 1 : 0);
      b.positions.push_back(t);
    }
    b.offsets.push_back(b.offsets.back() + length);
    b.slots.push_back(static_cast<std::int32_t>(10 * b.slots.size()));
    b.examples.push_back(0);
    if (head == HeadKind::classifier) b.classes.push_back(length % 3);
    if (head == HeadKind::regressor) b.targets.push_back(0.3f * static_cast<float>(length));
  }
  if (head == HeadKind::mlm) {
    b.masked_rows = {1, 4, 7, 16};
    b.masked_labels = {3, 11, 3, 0};
  }
  return b;
}

config::ModelConfig small_model(const Setting& setting) {
  config::ModelConfig m;
  m.layers = 2;
  m.hidden = 12;
  m.heads = 3;
  m.intermediate = 20;
  m.vocabulary = 17;
  m.max_positions = 9;
  m.activation = setting.activation;
  m.pooling = setting.pooling;
  m.norm = setting.norm;
  EXPECT_TRUE(config::set_residual_scale(m, setting.residual_scale));
  return m;
}

void randomize(model::Bert& bert) {
  for (const params::Parameter& p : bert.parameters().all()) {
    const bool scale = p.role == params::Role::norm_scale || p.role == params::Role::residual_scale;
    const auto values = testing_tools::random_values(p.size, p.name, scale ? 0.2 : 0.4);
    for (std::int64_t i = 0; i < p.size; ++i)
      bert.values()[static_cast<std::size_t>(p.offset + i)] =
          values[static_cast<std::size_t>(i)] + (scale ? 1.0f : 0.0f);
  }
}

class ModelGradient : public testing::TestWithParam<Setting> {};

INSTANTIATE_TEST_SUITE_P(Heads, ModelGradient,
                         testing::Values(Setting{"classifier", HeadKind::classifier, "gelu", "cls", 0.2},
                                         Setting{"classifier_mean", HeadKind::classifier, "gelu_new", "mean", 0.2},
                                         Setting{"regressor", HeadKind::regressor, "gelu_new", "cls", 0.2},
                                         Setting{"mlm", HeadKind::mlm, "gelu", "cls", 0.2},
                                         Setting{"mlm_without_dropout", HeadKind::mlm, "gelu_new", "cls", 0.0}),
                         [](const auto& info) { return std::string(info.param.name); });

// Each in its own way of reading the top layer: one row, all rows, masked rows.
INSTANTIATE_TEST_SUITE_P(
    ResidualSums, ModelGradient,
    testing::Values(Setting{"deepnorm", HeadKind::classifier, "gelu", "cls", 0.2, "deepnorm"},
                    Setting{"trained_scale", HeadKind::mlm, "gelu", "cls", 0.2, "trained"},
                    Setting{"trained_scale_all_rows", HeadKind::classifier, "gelu", "mean", 0.2, "trained"},
                    Setting{"without_norm", HeadKind::classifier, "gelu", "cls", 0.2, "1", "none"},
                    Setting{"without_norm_all_rows", HeadKind::regressor, "gelu", "mean", 0.0, "1", "none"},
                    Setting{"without_norm_mlm", HeadKind::mlm, "gelu", "cls", 0.2, "1", "none"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_P(ModelGradient, EveryTensorIsTheTwins) {
  const Setting& setting = GetParam();
  const config::ModelConfig config = small_model(setting);
  const batch::Batch batch = small_batch(setting.head);
  model::Bert bert(config, setting.head, 3, {17, 3, 4, 8});
  randomize(bert);
  const base::Stream stream(3, "dropout");
  const model::Dropout dropout{setting.dropout, setting.dropout, &stream, 42};
  const double loss = bert.forward(batch, dropout);
  bert.backward(0.5f);

  std::vector<Dual> values;
  for (const float v : bert.values()) values.emplace_back(static_cast<double>(v));
  const ReferenceBert<Dual> twin{config, setting.head, bert.parameters(), values, batch, dropout};
  // Every tensor is the end of a chain of a few dozen layers' roundings, each about 10 eps of its own size.
  const double tolerance = 500 * testing_tools::kEps;
  for (const params::Parameter& p : bert.parameters().all()) {
    const auto first = static_cast<std::size_t>(p.offset), n = static_cast<std::size_t>(p.size);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) squares += std::pow(static_cast<double>(bert.gradients()[first + i]), 2);
    for (const char* name : {"one", "two"}) {
      const auto direction = testing_tools::random_values(p.size, p.name + name);
      double ours = 0;
      for (std::size_t i = 0; i < n; ++i) {
        values[first + i].slope = static_cast<double>(direction[i]);
        ours += static_cast<double>(direction[i]) * static_cast<double>(bert.gradients()[first + i]);
      }
      const Dual expected = twin.loss();
      for (std::size_t i = 0; i < n; ++i) values[first + i].slope = 0;
      EXPECT_NEAR(loss, expected.value, tolerance * std::fabs(expected.value));
      // A random direction of unit variance sees an error e of the gradient as about |e|.
      EXPECT_NEAR(ours, 0.5 * expected.slope, 4 * tolerance * std::sqrt(squares) + 1e-12) << p.name;
    }
  }
}

// What the loss cannot see has no gradient: the key bias (softmax ignores a shift), rows of unused tokens and
// positions.
TEST_P(ModelGradient, VanishesWhereTheLossCannotSee) {
  const Setting& setting = GetParam();
  const config::ModelConfig config = small_model(setting);
  model::Bert bert(config, setting.head, 3, {17, 3, 4, 8});
  randomize(bert);
  const batch::Batch batch = small_batch(setting.head);
  bert.forward(batch, {});
  bert.backward(1);
  const auto norm_of = [&](const std::string& name, std::int64_t first, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
      sum += std::fabs(static_cast<double>(
          bert.gradients()[static_cast<std::size_t>(bert.parameters().at(name).offset + first + i)]));
    return sum;
  };
  EXPECT_EQ(norm_of("bert.encoder.layer.0.attention.self.key.bias", 0, 12), 0);
  EXPECT_GT(norm_of("bert.encoder.layer.0.attention.self.query.bias", 0, 12), 0);
  EXPECT_EQ(norm_of("bert.embeddings.position_embeddings.weight", 8 * 12, 12), 0) << "the ninth position is unused";
  EXPECT_GT(norm_of("bert.embeddings.position_embeddings.weight", 7 * 12, 12), 0);
}

}  // namespace
}  // namespace initlab::gradient
