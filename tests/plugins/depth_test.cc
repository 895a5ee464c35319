// deepnorm, t_fixup, fixup, rezero: scales over more than a million draws and exact on every tensor of a BERT; which
// models they refuse.
#include "base/text.hpp"
#include "plugins/draws.hpp"

namespace initlab {
namespace {

using namespace draws;
using Options = std::vector<std::pair<std::string, std::string>>;

constexpr double kL = 3;  // layers

config::ModelConfig small_bert(const char* residual_scale, const char* norm) {
  config::ModelConfig model;
  model.layers = 3;
  model.hidden = 24;
  model.heads = 4;
  model.intermediate = 40;
  model.vocabulary = 50;
  model.max_positions = 16;
  model.norm = norm;
  EXPECT_TRUE(config::set_residual_scale(model, residual_scale));
  return model;
}
config::ModelConfig deep() { return small_bert("deepnorm", "post"); }
config::ModelConfig without_norm() { return small_bert("1", "none"); }

// One tensor of more than a million elements, named so that its place in a layer counts.
std::vector<float> draw_as(const std::string& name, params::Role role, std::int64_t layer, const std::string& use,
                           const config::ModelConfig& shape, const Options& options = {}) {
  params::ParameterTable table;
  table.add(name, role, {kRows, kWidth}, layer, false);
  config::RunPlan plan;
  plan.seeds.init = 2025;
  config::InitRule rule;
  rule.use = use;
  rule.options = options;
  plan.init = {rule};
  std::vector<float> values(static_cast<std::size_t>(table.size()));
  init::apply(catalog(), init::assign(catalog(), plan, table, nullptr, shape), plan, shape, nullptr, values);
  return values;
}

bool ends(const params::Parameter& p, const std::string& ending) { return p.layer >= 0 && p.name.ends_with(ending); }
bool is_output(const params::Parameter& p) { return ends(p, ".output.dense.weight"); }
// Value, output projection, and both matrices of the feed-forward block.
bool is_scaled(const params::Parameter& p) {
  return is_output(p) || ends(p, ".intermediate.dense.weight") || ends(p, ".self.value.weight");
}

// values[i] == scale * unit[i], rounded once.
void expect_scaled(std::span<const float> values, std::span<const float> unit, double scale, const std::string& name) {
  ASSERT_EQ(values.size(), unit.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_FLOAT_EQ(values[i], static_cast<float>(scale * static_cast<double>(unit[i]))) << name << " element " << i;
}

double xavier(const params::Parameter& p) { return std::sqrt(2.0 / static_cast<double>(p.shape[0] + p.shape[1])); }

// The factors of the papers, as numbers: L = 3.
TEST(Depth, DeepNormScalesWhatBoundsAUpdate) {
  EXPECT_NEAR(deep().residual_scale, 1.565085, 1e-6) << "(2 L)^(1/4)";
  const Model unit(deep(), "normal", {{"stddev", "1"}}), model(deep(), "deepnorm");
  int scaled = 0;
  for (const auto& p : model.parameters()) {
    if (p.role != params::Role::matrix) continue;
    scaled += is_scaled(p) ? 1 : 0;
    expect_scaled(model.of(p), unit.of(p), (is_scaled(p) ? 0.4518010018 : 1) * xavier(p), p.name);  // 24^(-1/4)
  }
  EXPECT_EQ(scaled, 3 * 4);
  for (const float x : model.of("bert.encoder.layer.0.output.LayerNorm.weight")) EXPECT_EQ(x, 1) << "bert_default";
}

TEST(Depth, DeepNormIsNormal) {
  const double s = std::sqrt(2.0 / (kRows + kWidth)), beta = std::pow(8 * kL, -0.25);
  const auto value =
      draw_as("bert.encoder.layer.1.attention.self.value.weight", params::Role::matrix, 1, "deepnorm", deep());
  expect_moments(value, 0, beta * s);
  expect_distribution(value, [&](double v) { return normal_cdf(v / (beta * s)); });
  const auto query =
      draw_as("bert.encoder.layer.1.attention.self.query.weight", params::Role::matrix, 1, "deepnorm", deep());
  expect_moments(query, 0, s);
  expect_distribution(query, [&](double v) { return normal_cdf(v / s); });
}

TEST(Depth, TFixupScalesMatricesAndEmbeddings) {
  const Model z(without_norm(), "normal", {{"stddev", "1"}}),
      u(without_norm(), "uniform", {{"low", "-1"}, {"high", "1"}}), model(without_norm(), "t_fixup", {{"gain", "2"}});
  for (const auto& p : model.parameters()) {
    if (p.role == params::Role::embedding)
      expect_scaled(model.of(p), z.of(p), 2 * std::pow(9 * kL, -0.25) / std::sqrt(24.0), p.name);
    if (p.role == params::Role::matrix)
      expect_scaled(model.of(p), u.of(p), (is_scaled(p) ? 0.67 * std::pow(kL, -0.25) : 1) * std::sqrt(3.0) * xavier(p),
                    p.name);
    if (p.role == params::Role::residual_scale) {
      for (const float x : model.of(p)) EXPECT_EQ(x, 1) << p.name << ": bert_default";
    }
  }
}

TEST(Depth, TFixupIsNormalInEmbeddingsAndUniformInMatrices) {
  const double e = std::pow(9 * kL, -0.25) / std::sqrt(24.0);
  const auto words = draw_as(kName, params::Role::embedding, -1, "t_fixup", without_norm());
  expect_moments(words, 0, e);
  expect_distribution(words, [&](double v) { return normal_cdf(v / e); });
  const double a = 0.67 * std::pow(kL, -0.25) * std::sqrt(6.0 / (kRows + kWidth));
  const auto matrix =
      draw_as("bert.encoder.layer.2.output.dense.weight", params::Role::matrix, 2, "t_fixup", without_norm());
  expect_moments(matrix, 0, a / std::sqrt(3.0));
  expect_distribution(matrix, [&](double v) { return (v / a + 1) / 2; });
}

TEST(Depth, FixupStartsEachBranchAtZero) {
  const Model unit(without_norm(), "normal", {{"stddev", "1"}}), model(without_norm(), "fixup");
  int closed = 0;
  for (const auto& p : model.parameters()) {
    if (p.role == params::Role::residual_scale) {
      for (const float x : model.of(p)) EXPECT_EQ(x, 1) << p.name;
    }
    if (p.role != params::Role::matrix) continue;
    closed += is_output(p) ? 1 : 0;
    const double scale = is_output(p) ? 0 : p.layer < 0 ? 1 : 1 / std::sqrt(2 * kL);
    expect_scaled(model.of(p), unit.of(p), scale / std::sqrt(static_cast<double>(p.shape[1])), p.name);
  }
  EXPECT_EQ(closed, 3 * 2);
  const double s = 1 / std::sqrt(2 * kL * kWidth);
  const auto matrix =
      draw_as("bert.encoder.layer.2.intermediate.dense.weight", params::Role::matrix, 2, "fixup", without_norm());
  expect_moments(matrix, 0, s);
  expect_distribution(matrix, [&](double v) { return normal_cdf(v / s); });
}

TEST(Depth, ReZeroClosesBranchesAndLeavesTheRest) {
  const config::ModelConfig shape = without_norm();
  const params::ParameterTable table = params::bert_parameters(shape, config::HeadKind::classifier, 3);
  config::RunPlan plan;
  config::InitRule rule;
  rule.use = "rezero";
  plan.init = {rule};
  std::vector<float> values(static_cast<std::size_t>(table.size()), -7.0f);
  init::apply(catalog(), init::assign(catalog(), plan, table, nullptr, shape), plan, shape, nullptr, values);
  int scales = 0;
  for (const auto& p : table.all()) {
    const float first = values[static_cast<std::size_t>(p.offset)];
    if (p.role == params::Role::residual_scale) {
      ++scales;
      EXPECT_EQ(first, 0) << p.name;
    } else if (p.role == params::Role::matrix) {
      EXPECT_NE(first, 0) << p.name;
      EXPECT_NE(first, -7) << p.name;
    }
  }
  EXPECT_EQ(scales, 3 * 2);
}

std::string refusal(const std::string& use, const config::ModelConfig& shape,
                    const std::vector<std::string>& roles = {}) {
  try {
    Model(shape, use, {}, roles);
  } catch (const base::Error& error) {
    return error.what();
  }
  return "accepted";
}

// Strategy, tensor, spec line, reason, and what to write.
TEST(Depth, AModelThatIsNotTheirsIsRefused) {
  const config::ModelConfig bert = small_bert("1", "post"), trained = small_bert("trained", "post"),
                            near = small_bert("1.56", "post");
  const auto expect = [](const std::string& text, const std::string& part) {
    EXPECT_TRUE(text.starts_with("x.yaml:7:5: strategy ")) << text;
    EXPECT_NE(text.find("tensor bert.encoder.layer.0.attention."), std::string::npos) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  const auto is_for = [](const char* got) {
    return std::string("deepnorm is for a model whose residual_scale is (2 L)^(1/4) = 1.565085, and this one's is ") +
           got + "; set model: {residual_scale: deepnorm}";
  };
  expect(refusal("deepnorm", bert), is_for("1"));
  expect(refusal("deepnorm", trained), is_for("trained"));
  expect(refusal("deepnorm", near), is_for("1.56"));
  expect(refusal("deepnorm", without_norm()), "LayerNorm after each residual sum, and this one has none");
  EXPECT_EQ(refusal("deepnorm", small_bert("1.565085", "post")), "accepted") << "the number that the message says";
  for (const char* use : {"t_fixup", "fixup", "rezero"})
    for (const config::ModelConfig& model : {deep(), trained}) {
      const std::string text = refusal(use, model, {"matrix"});
      expect(text, std::string(use) + " is for a model without LayerNorm, and this one has LayerNorm after each");
      EXPECT_TRUE(text.ends_with("set model: {norm: none}")) << text;
    }
  expect(refusal("rezero", without_norm(), {"matrix"}), "rezero sets branch scales only");
}

}  // namespace
}  // namespace initlab
