// small_init, megatron, wang_init, ds_init, gpt2_depth_scaled: scales made for transformers, from the hidden size H,
// the number of layers L and a tensor's layer l, counted from 1.
//
//   small_init:        w ~ N(0, s^2),  s = sqrt(2 / (5 H))
//   megatron:          w ~ N(0, s^2),  s = sqrt(1 / (3 H))
//   wang_init:         w ~ N(0, s^2),  s = 2 / (L sqrt(H))
//   ds_init:           w ~ U[-a, a),   a = alpha * sqrt(6 / (fan_in + fan_out)) / sqrt(l);  l = 1 outside the stack
//   gpt2_depth_scaled: w ~ N(0, s^2),  s = stddev, and stddev / sqrt(2 L) where a layer writes to the residual stream
//
// s is a standard deviation, nothing is cut. The first three do not look at the tensor's shape: every matrix and
// embedding that the rule covers gets the same scale, as in cramming. GPT-NeoX uses wang_init only where a layer writes
// to the residual stream and small_init elsewhere:
//   [{match: "*.layer.*.output.dense.weight", use: wang_init}, {use: small_init}]
// (`*` runs across dots, so this is the output of the attention and of the feed-forward block.) L is the depth of the
// model, 2 L the number of its residual branches.
//
// Sources: Nguyen, Salazar 2019, "Transformers without Tears" (small_init); JonasGeiping/cramming, components.py, which
// names "megatron" so, and has "wang" from GPT-NeoX' init_functions.py, after Wang's mesh-transformer-jax; Zhang,
// Titov, Sennrich 2019, "Improving Deep Transformer with Depth-Scaled Initialization and Merged Attention"
// (ds_init); Radford et al. 2019, section 2.3 (GPT-2). Options: ds_init has alpha, gpt2_depth_scaled has stddev.
#include <cmath>

#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

constexpr std::uint32_t kWeights = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING;

double hidden_of(const il_param& param) {
  sdk::matrix_shape(param);
  if (param.hidden < 1) throw sdk::Refusal("the model has no hidden size");
  return static_cast<double>(param.hidden);
}

double layers_of(const il_param& param) {
  if (param.num_layers < 1) throw sdk::Refusal("the model has no layers");
  return param.num_layers;
}

class SmallInit : public sdk::DrawnFrom<SmallInit> {
 public:
  static constexpr sdk::Facts kFacts{.id = "small_init/1",
                                     .summary = "normal with standard deviation sqrt(2 / (5 H)), H the hidden size",
                                     .source = "Nguyen & Salazar 2019, Transformers without Tears",
                                     .natural_roles = kWeights};
  using Options = sdk::NoOptions;
  explicit SmallInit(const Options&) {}
  sdk::Normal distribution(const il_param& param) const { return {0, std::sqrt(2 / (5 * hidden_of(param)))}; }
};

class Megatron : public sdk::DrawnFrom<Megatron> {
 public:
  static constexpr sdk::Facts kFacts{.id = "megatron/1",
                                     .summary = "normal with standard deviation sqrt(1 / (3 H)), H the hidden size",
                                     .source = "JonasGeiping/cramming, architectures/components.py",
                                     .natural_roles = kWeights};
  using Options = sdk::NoOptions;
  explicit Megatron(const Options&) {}
  sdk::Normal distribution(const il_param& param) const { return {0, std::sqrt(1 / (3 * hidden_of(param)))}; }
};

class WangInit : public sdk::DrawnFrom<WangInit> {
 public:
  static constexpr sdk::Facts kFacts{.id = "wang_init/1",
                                     .summary = "normal with standard deviation 2 / (L sqrt(H)), L the layers",
                                     .source = "EleutherAI/gpt-neox, megatron/model/init_functions.py",
                                     .natural_roles = kWeights};
  using Options = sdk::NoOptions;
  explicit WangInit(const Options&) {}
  sdk::Normal distribution(const il_param& param) const {
    return {0, 2 / (layers_of(param) * std::sqrt(hidden_of(param)))};
  }
};

class DsInit : public sdk::DrawnFrom<DsInit> {
 public:
  static constexpr sdk::Facts kFacts{.id = "ds_init/1",
                                     .summary = "xavier_uniform times alpha / sqrt(layer), the first layer being 1",
                                     .source = "Zhang, Titov, Sennrich 2019, depth-scaled initialization",
                                     .natural_roles = kWeights};
  struct Options {
    double alpha = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("alpha", self.alpha, "factor on all bounds", sdk::at_least(0));
    }
  };
  explicit DsInit(const Options& options) : alpha_(options.alpha) {}

  sdk::Uniform distribution(const il_param& param) const {
    sdk::matrix_shape(param);
    const double fans = static_cast<double>(param.fan_in) + static_cast<double>(param.fan_out);
    const double layer = param.layer < 0 ? 1 : param.layer + 1.0;
    return {0, alpha_ * std::sqrt(6 / fans) / std::sqrt(layer)};
  }

 private:
  double alpha_;
};

class Gpt2DepthScaled : public sdk::DrawnFrom<Gpt2DepthScaled> {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "gpt2_depth_scaled/1",
      .summary = "normal; output projections of attention and feed-forward divided by sqrt(2 L)",
      .source = "Radford et al. 2019 (GPT-2), section 2.3",
      .natural_roles = kWeights};
  struct Options {
    double stddev = 0.02;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("stddev", self.stddev, "standard deviation before the division", sdk::at_least(0));
    }
  };
  explicit Gpt2DepthScaled(const Options& options) : stddev_(options.stddev) {}
  sdk::Normal distribution(const il_param& param) const {
    sdk::matrix_shape(param);
    return {0, sdk::writes_to_residual_stream(param) ? stddev_ / std::sqrt(2 * layers_of(param)) : stddev_};
  }

 private:
  double stddev_;
};

}  // namespace

const il_plugin* initlab_plugin() {
  return initlab::sdk::plugin<SmallInit, Megatron, WangInit, DsInit, Gpt2DepthScaled>("transformer", "1.0.0");
}
