// Scale families: uniform, kaiming, lecun, torch_linear, and the scales made for transformers. Distributions over more
// than a million draws, and, since all strategies of a seed see the same draws, exact ratios on every tensor of a BERT.
#include "base/text.hpp"
#include "plugins/draws.hpp"

namespace initlab {
namespace {

using namespace draws;
using Options = std::vector<std::pair<std::string, std::string>>;

config::ModelConfig small_bert() {
  config::ModelConfig model;
  model.layers = 3;
  model.hidden = 24;
  model.heads = 4;
  model.intermediate = 40;
  model.vocabulary = 50;
  model.max_positions = 16;
  return model;
}

bool is_weight(const params::Parameter& p) { return p.shape.size() == 2; }

bool is_residual_output(const params::Parameter& p) {
  return p.name.ends_with(".attention.output.dense.weight") ||
         (p.layer >= 0 && p.name.ends_with("." + std::to_string(p.layer) + ".output.dense.weight"));
}

// values[i] == scale * unit[i], rounded once.
void expect_scaled(std::span<const float> values, std::span<const float> unit, double scale, const std::string& name) {
  ASSERT_EQ(values.size(), unit.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(values[i], static_cast<float>(scale * static_cast<double>(unit[i]))) << name << " element " << i;
}

// 2 u - 1 and z of every tensor.
Model unit_uniform(config::HeadKind head = config::HeadKind::classifier) {
  return Model(small_bert(), "uniform", {{"low", "-1"}, {"high", "1"}}, {"matrix", "embedding", "bias"}, head);
}
Model unit_normal() { return Model(small_bert(), "normal", {{"stddev", "1"}}); }

// E f(z)^2 of a standard normal z, by Simpson's rule.
double second_moment(const std::function<double(double)>& f) {
  const int n = 20000;
  const double low = -12, step = 24.0 / n;
  double sum = 0;
  for (int i = 0; i <= n; ++i) {
    const double z = low + i * step, value = f(z);
    sum += (i == 0 || i == n ? 1 : i % 2 == 1 ? 4 : 2) * value * value * std::exp(-z * z / 2);
  }
  return sum * step / 3 / std::sqrt(2 * std::numbers::pi);
}

TEST(Scales, Uniform) {
  const auto x = draw("uniform", {{"low", "-1"}, {"high", "3"}});
  expect_moments(x, 1, 4 / std::sqrt(12.0));
  expect_distribution(x, [](double v) { return (v + 1) / 4; });
  const auto [least, most] = std::ranges::minmax(draw("uniform"));
  EXPECT_GE(least, -0.05f);
  EXPECT_LE(most, 0.05f);
}

TEST(Scales, KaimingUniformAndNormal) {
  const double s = std::sqrt(2.0 / kWidth), a = s * std::sqrt(3.0);
  const auto u = draw("kaiming_uniform"), z = draw("kaiming_normal");
  expect_moments(u, 0, s);
  expect_distribution(u, [a](double v) { return (v / a + 1) / 2; });
  expect_moments(z, 0, s);
  expect_distribution(z, [s](double v) { return normal_cdf(v / s); });
  expect_moments(draw("kaiming_normal", {{"fan", "out"}}), 0, std::sqrt(2.0 / kRows));
  expect_moments(draw("kaiming_uniform", {{"fan", "out"}, {"activation", "tanh"}}), 0, 5.0 / 3 / std::sqrt(kRows));
}

// The gain's claim: what the activation makes of unit variance comes out with variance 1 again.
TEST(Scales, KaimingGainsUndoTheirActivations) {
  const std::map<std::string, std::function<double(double)>> activations = {
      {"linear", [](double z) { return z; }},
      {"relu", [](double z) { return std::max(z, 0.0); }},
      {"leaky_relu", [](double z) { return z > 0 ? z : 0.3 * z; }},
      {"gelu", [](double z) { return z * normal_cdf(z); }},
  };
  for (const auto& [name, f] : activations) {
    const auto x = draw("kaiming_normal", {{"activation", name}, {"slope", "0.3"}});
    const Moments m = moments(x);
    const double relative_error = 5 * 2 * m.stddev_error / m.stddev + 1e-4;
    EXPECT_NEAR(m.stddev * m.stddev * kWidth * second_moment(f), 1, relative_error) << name;
  }
}

TEST(Scales, KaimingOfLeakySlopeRootFiveIsTorchLinear) {
  // Reset by torch: kaiming_uniform_(a = sqrt 5), which is 1 / sqrt(fan_in). Equal up to the last bits of the bound.
  const auto a = draw("kaiming_uniform", {{"activation", "leaky_relu"}, {"slope", "2.23606797749979"}});
  const auto b = draw("torch_linear", {}, params::Role::matrix);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-8);
}

TEST(Scales, LeCunUniformAndNormal) {
  const double s = 1 / std::sqrt(kWidth), a = s * std::sqrt(3.0);
  const auto u = draw("lecun_uniform"), z = draw("lecun_normal");
  expect_moments(u, 0, s);
  expect_distribution(u, [a](double v) { return (v / a + 1) / 2; });
  expect_moments(z, 0, s);
  expect_distribution(z, [s](double v) { return normal_cdf(v / s); });
  EXPECT_GT(std::ranges::max(z), static_cast<float>(4 * s)) << "nothing is cut";
}

TEST(Scales, KaimingTakesTorchsFansOnEveryTensor) {
  const Model unit = unit_normal();
  for (const bool out : {false, true}) {
    const Model model(small_bert(), "kaiming_normal", {{"fan", out ? "out" : "in"}, {"activation", "linear"}});
    for (const auto& p : model.parameters()) {
      if (!is_weight(p)) continue;
      const double fan = static_cast<double>(p.shape[out ? 0 : 1]);
      expect_scaled(model.of(p), unit.of(p), 1 / std::sqrt(fan), p.name);
    }
  }
}

TEST(Scales, TorchLinearGivesWeightAndBiasTheSameBound) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::mlm}) {
    const Model unit = unit_uniform(head), model(small_bert(), "torch_linear", {}, {}, head);
    int biases = 0;
    for (const auto& p : model.parameters()) {
      if (p.role == params::Role::matrix)
        expect_scaled(model.of(p), unit.of(p), 1 / std::sqrt(static_cast<double>(p.shape[1])), p.name);
      if (p.role != params::Role::bias) continue;
      ++biases;
      const bool wide = p.layer >= 0 && p.name.ends_with("." + std::to_string(p.layer) + ".output.dense.bias");
      const double bound = p.name == "cls.predictions.bias" ? 0 : 1 / std::sqrt(wide ? 40.0 : 24.0);
      expect_scaled(model.of(p), unit.of(p), bound, p.name);
    }
    EXPECT_EQ(biases, 3 * 6 + 2);
  }
}

TEST(Scales, FromTheHiddenSize) {
  const double h = kWidth;
  const std::map<std::string, double> stddev = {{"small_init", std::sqrt(2 / (5 * h))},
                                                {"megatron", std::sqrt(1 / (3 * h))},
                                                {"wang_init", 2 / (static_cast<double>(kLayers) * std::sqrt(h))}};
  for (const auto& [use, s] : stddev) {
    const auto x = draw(use);
    expect_moments(x, 0, s);
    expect_distribution(x, [s = s](double v) { return normal_cdf(v / s); });
  }
}

TEST(Scales, FromTheHiddenSizeWhateverTheTensorsShape) {
  const Model unit = unit_normal();
  const std::map<std::string, double> stddev = {{"small_init", std::sqrt(2 / (5 * 24.0))},
                                                {"megatron", std::sqrt(1 / (3 * 24.0))},
                                                {"wang_init", 2 / (3 * std::sqrt(24.0))}};
  for (const auto& [use, s] : stddev) {
    const Model model(small_bert(), use);
    for (const auto& p : model.parameters())
      if (is_weight(p)) expect_scaled(model.of(p), unit.of(p), s, use + " " + p.name);
  }
}

TEST(Scales, DsInitIsXavierOverTheRootOfTheLayer) {
  const Model unit = unit_uniform(), model(small_bert(), "ds_init", {{"alpha", "0.5"}});
  for (const auto& p : model.parameters()) {
    if (!is_weight(p)) continue;
    const double xavier = std::sqrt(6.0 / static_cast<double>(p.shape[0] + p.shape[1]));
    const double layer = p.layer < 0 ? 1 : static_cast<double>(p.layer) + 1;
    expect_scaled(model.of(p), unit.of(p), 0.5 * xavier / std::sqrt(layer), p.name);
  }
  const double a = std::sqrt(6.0 / (kRows + kWidth));
  expect_moments(draw("ds_init"), 0, a / std::sqrt(3.0));
}

TEST(Scales, Gpt2ShrinksWhatWritesToTheResidualStreamAndNothingElse) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::mlm}) {
    const Model unit(small_bert(), "normal", {{"stddev", "1"}}, {}, head);
    const Model model(small_bert(), "gpt2_depth_scaled", {}, {}, head);
    int shrunk = 0;
    for (const auto& p : model.parameters()) {
      if (!is_weight(p)) continue;
      if (is_residual_output(p)) ++shrunk;
      expect_scaled(model.of(p), unit.of(p), is_residual_output(p) ? 0.02 / std::sqrt(6.0) : 0.02, p.name);
    }
    EXPECT_EQ(shrunk, 2 * 3);
  }
  expect_moments(draw("gpt2_depth_scaled", {{"stddev", "0.1"}}), 0, 0.1);
}

std::string refusal(const std::string& use, const Options& options, const std::vector<std::string>& roles) {
  try {
    Model(small_bert(), use, options, roles);
  } catch (const base::Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Scales, AVectorIsRefusedWithStrategyTensorAndSpecLine) {
  for (const char* use :
       {"kaiming_uniform", "kaiming_normal", "lecun_uniform", "lecun_normal", "small_init", "megatron", "wang_init",
        "ds_init", "gpt2_depth_scaled", "orthogonal", "identity", "zero_ones"}) {
    const std::string text = refusal(use, {}, {"bias"});
    EXPECT_TRUE(text.starts_with("x.yaml:7:5")) << text;
    EXPECT_NE(text.find(use), std::string::npos) << text;
    EXPECT_NE(text.find("bert.encoder.layer.0.attention.self.query.bias"), std::string::npos) << text;
    EXPECT_NE(text.find("two dimensions, this one has 1"), std::string::npos) << text;
  }
}

TEST(Scales, OptionsThatMakeNoSenseAreRefused) {
  const auto expect = [](const std::string& text, const std::string& part) {
    EXPECT_TRUE(text.starts_with("x.yaml:7:5")) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(refusal("kaiming_normal", {{"fan", "sideways"}}, {}), "option \"fan\": expected in or out, got \"sideways\"");
  expect(refusal("kaiming_normal", {{"activation", "swish"}}, {}),
         "option \"activation\": expected linear, relu, leaky_relu, gelu or tanh, got \"swish\"");
  expect(refusal("uniform", {{"low", "0.1"}, {"high", "0.1"}}, {}), "option \"high\": expected a number above low");
  expect(refusal("orthogonal", {{"gain", "-1"}}, {}), "option \"gain\": expected a number of at least 0, got \"-1\"");
}

}  // namespace
}  // namespace initlab
