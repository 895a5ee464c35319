// deepnorm, t_fixup, fixup, rezero: initializations that belong to a model with other residual sums than BERT's. Each
// refuses a model that is not its own. L layers, 2 L residual sums; H the hidden size; xavier_normal(gain): N(0, s^2),
// s = gain sqrt(2 / (fan_in + fan_out)); xavier_uniform: the same s, U(-s sqrt 3, s sqrt 3).
//
//   deepnorm  y = LayerNorm(alpha x + f(x)), alpha = (2 L)^(1/4)               model: {residual_scale: deepnorm}
//             value, both output projections, intermediate: xavier_normal(beta), beta = (8 L)^(-1/4); all else
//             xavier_normal(1).
//   t_fixup   y = x + f(x), no LayerNorm                                       model: {norm: none}
//             embeddings N(0, s^2), s = gain (9 L)^(-1/4) / sqrt(H); matrices xavier_uniform, those that deepnorm
//             scales times 0.67 L^(-1/4).
//   fixup     y = x + b f(x), no LayerNorm, b trained from 1                   model: {norm: none}
//             the last matrix of each branch 0; the others of a branch kaiming_normal (linear gain) times
//             (2 L)^(-1/2), which is their number^(-1/(2 m - 2)) for m = 2 matrices in a row; matrices outside the
//             layers kaiming_normal.
//   rezero    y = x + b f(x), no LayerNorm, b trained from 0                   model: {norm: none}
//             b = 0; says nothing of matrices, so another rule does.
//
// Sources: Wang et al. 2022 (arXiv 2203.00555), figure 2, a model that is all encoder; Huang, Perez, Ba, Volkovs 2020,
// "Improving Transformer Optimization Through Better Initialization", section 3.2 (the paper's model has a decoder too;
// these are its encoder's factors); Zhang, Dauphin, Ma 2019 (arXiv 1901.09321), section 3; Bachlechner et al. 2020
// (arXiv 2003.04887), section 2. What differs here: t_fixup's paper has no b, so freeze it (training: {freeze:
// ["*.branch_scale"]}), and Vaswani's model, which it starts from, multiplies embeddings by sqrt(H), so there `gain` is
// sqrt(H); fixup's scalar biases are left out, since BERT's bias vectors start at 0 and can be any of them, and its
// rule for the classifier is `head: {use: zero}`; rezero's paper has one b a layer, this model one a residual sum.
#include <cmath>
#include <string>
#include <string_view>

#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

double layers_of(const il_param& param) {
  if (param.num_layers < 1) throw sdk::Refusal("the model has no layers");
  return param.num_layers;
}

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
}

void require_no_norm(const il_param& param, const char* name) {
  if (param.normed == 0) return;
  throw sdk::Refusal(std::string(name) +
                     " is for a model without LayerNorm, and this one has LayerNorm after each residual sum: it would "
                     "undo the scales; set model: {norm: none}");
}

bool ends_with(const il_param& param, const char* ending) { return std::string_view(param.name).ends_with(ending); }

// Matrices whose product bounds how much a layer changes its input, to first order: queries and keys only choose among
// values.
bool is_on_the_way(const il_param& param) {
  return param.layer >= 0 && (sdk::writes_to_residual_stream(param) || ends_with(param, ".intermediate.dense.weight") ||
                              ends_with(param, ".attention.self.value.weight"));
}

double xavier_stddev(const il_param& param) {
  sdk::matrix_shape(param);
  return std::sqrt(2 / (static_cast<double>(param.fan_in) + static_cast<double>(param.fan_out)));
}

class DeepNorm : public sdk::DrawnFrom<DeepNorm> {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "deepnorm/1",
      .summary = "xavier_normal, value, output and feed-forward matrices times (8 L)^(-1/4); needs residual_scale",
      .source = "Wang et al. 2022, DeepNet: scaling transformers to 1,000 layers, figure 2",
      .natural_roles = IL_ROLE_MATRIX};
  using Options = sdk::NoOptions;
  explicit DeepNorm(const Options&) {}

  sdk::Normal distribution(const il_param& param) const {
    const double layers = layers_of(param), alpha = std::sqrt(std::sqrt(2 * layers));
    if (param.normed == 0)
      throw sdk::Refusal(
          "deepnorm is for a model with LayerNorm after each residual sum, and this one has none; leave "
          "model.norm away");
    if (!(std::fabs(param.residual_scale - alpha) <= 1e-5 * alpha))
      throw sdk::Refusal("deepnorm is for a model whose residual_scale is (2 L)^(1/4) = " + number(alpha) +
                         ", and this one's is " +
                         (param.residual_scale == 0 ? "trained" : number(param.residual_scale)) +
                         "; set model: {residual_scale: deepnorm}");
    const double beta = 1 / std::sqrt(std::sqrt(8 * layers));
    return {0, (is_on_the_way(param) ? beta : 1) * xavier_stddev(param)};
  }
};

class TFixup {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "t_fixup/1",
      .summary = "xavier_uniform, value, output and feed-forward matrices times 0.67 L^(-1/4); needs norm: none",
      .source = "Huang, Perez, Ba, Volkovs 2020 (T-Fixup), section 3.2, encoder",
      .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  struct Options {
    double gain = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("gain", self.gain, "factor on the embeddings", sdk::at_least(0));
    }
  };
  explicit TFixup(const Options& options) : gain_(options.gain) {}

  void check(const il_param& param, const sdk::Sources&) const { require(param); }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    require(param);
    if (param.role == IL_ROLE_EMBEDDING) return embedding(param).fill(param.name, host, values);
    matrix(param).fill(param.name, host, values);
  }
  sdk::Moments moments(const il_param& param) const {
    return param.role == IL_ROLE_EMBEDDING ? embedding(param).moments() : matrix(param).moments();
  }

 private:
  static void require(const il_param& param) {
    require_no_norm(param, "t_fixup");
    sdk::matrix_shape(param);
    layers_of(param);
  }
  sdk::Normal embedding(const il_param& param) const {
    return {0, gain_ / (std::sqrt(std::sqrt(9 * layers_of(param))) * std::sqrt(static_cast<double>(param.hidden)))};
  }
  static sdk::Uniform matrix(const il_param& param) {
    const double scale = is_on_the_way(param) ? 0.67 / std::sqrt(std::sqrt(layers_of(param))) : 1;
    return {0, scale * std::sqrt(3.0) * xavier_stddev(param)};
  }

  double gain_;
};

class Fixup : public sdk::DrawnFrom<Fixup> {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "fixup/1",
      .summary =
          "the last matrix of each branch 0, its others kaiming_normal / sqrt(2 L), branch scales 1; needs norm: none",
      .source = "Zhang, Dauphin, Ma 2019, Fixup initialization, section 3",
      .natural_roles = IL_ROLE_MATRIX | IL_ROLE_RESIDUAL_SCALE};
  using Options = sdk::NoOptions;
  explicit Fixup(const Options&) {}

  sdk::Normal distribution(const il_param& param) const {
    require_no_norm(param, "fixup");
    if (param.role == IL_ROLE_RESIDUAL_SCALE) return {1, 0};
    sdk::matrix_shape(param);
    if (sdk::writes_to_residual_stream(param)) return {0, 0};
    const double kaiming = 1 / std::sqrt(static_cast<double>(param.fan_in));
    return {0, param.layer < 0 ? kaiming : kaiming / std::sqrt(2 * layers_of(param))};
  }
};

class ReZero {
 public:
  static constexpr sdk::Facts kFacts{.id = "rezero/1",
                                     .summary = "branch scales 0: each layer starts as the identity; needs norm: none",
                                     .source = "Bachlechner et al. 2020, ReZero is all you need, section 2",
                                     .natural_roles = IL_ROLE_RESIDUAL_SCALE};
  using Options = sdk::NoOptions;
  explicit ReZero(const Options&) {}

  void check(const il_param& param, const sdk::Sources&) const {
    require_no_norm(param, "rezero");
    if (param.role != IL_ROLE_RESIDUAL_SCALE)
      throw sdk::Refusal("rezero sets branch scales only; give this tensor another rule");
  }
  void fill(const il_param& param, const sdk::Host&, std::span<float> values) const {
    check(param, sdk::Sources(nullptr));
    std::ranges::fill(values, 0.0f);
  }
  sdk::Moments moments(const il_param&) const { return {.mean = 0, .stddev = 0, .low = 0, .high = 0}; }
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<DeepNorm, TFixup, Fixup, ReZero>("depth", "1.0.0"); }
