// kaiming_uniform, kaiming_normal, lecun_uniform, lecun_normal, torch_linear: scales from one fan.
//
//   kaiming_uniform: w ~ U[-a, a),   a = gain * sqrt(3 / fan)     kaiming_normal: w ~ N(0, s^2),  s = gain / sqrt(fan)
//   lecun_uniform:   w ~ U[-a, a),   a = sqrt(3 / fan_in)         lecun_normal:   w ~ N(0, s^2),  s = 1 / sqrt(fan_in)
//   torch_linear:    w ~ U[-a, a),   a = 1 / sqrt(fan_in); a bias the same with the fan_in of its weight
//
// s is a standard deviation and nothing is cut (Keras and JAX cut their lecun_normal at two of them). The fan is
// fan_in, which keeps the variance of activations, or fan_out, which keeps that of gradients; fans are torch.nn.init's.
// The gain of an activation f is 1 / sqrt(E f(z)^2), z ~ N(0, 1), so that the next layer's input has variance 1 again:
//
//   linear 1    relu sqrt(2)    leaky_relu sqrt(2 / (1 + slope^2))    gelu 1 / sqrt(1/3 + 1 / (2 sqrt(3) pi)) = 1.5335
//   tanh 5/3: torch's number, not this rule's
//
// torch has no gain for gelu; this one follows He's argument, with the exact (erf) gelu. torch_linear is what a plain
// torch.nn.Linear starts from: kaiming_uniform with leaky_relu and slope sqrt(5), which is a third of LeCun's variance.
// A bias without a weight of its own (cls.predictions.bias: the decoder is tied) is zero there, as in Hugging Face's
// BERT.
//
// Sources: He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers"; LeCun, Bottou, Orr, Mueller 1998, "Efficient
// BackProp"; torch.nn.Linear.reset_parameters. Options: kaiming_* have fan, activation, slope.
#include <cmath>
#include <numbers>

#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

constexpr std::uint32_t kWeights = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING;
constexpr const char* kHe = "He et al. 2015, eq. 10 and 14; torch.nn.init";
constexpr const char* kLeCun = "LeCun et al. 1998, Efficient BackProp";

double gain_of(const std::string& activation, double slope) {
  if (activation == "linear") return 1;
  if (activation == "relu") return std::sqrt(2.0);
  if (activation == "leaky_relu") return std::sqrt(2 / (1 + slope * slope));
  if (activation == "gelu") return 1 / std::sqrt(1.0 / 3 + 1 / (2 * std::sqrt(3.0) * std::numbers::pi));
  if (activation == "tanh") return 5.0 / 3;
  throw sdk::Refusal("option \"activation\": expected linear, relu, leaky_relu, gelu or tanh, got " +
                     sdk::detail::in_quotes(activation));
}

struct KaimingOptions {
  std::string fan = "in";
  std::string activation = "relu";
  double slope = 0.01;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("fan", self.fan, "in keeps activations, out keeps gradients");
    visit("activation", self.activation, "what follows: linear, relu, leaky_relu, gelu or tanh");
    visit("slope", self.slope, "of leaky_relu below 0");
  }
};

// The standard deviation gain / sqrt(fan).
class Kaiming {
 public:
  explicit Kaiming(const KaimingOptions& o) : gain_(gain_of(o.activation, o.slope)), out_(o.fan == "out") {
    if (o.fan != "in" && o.fan != "out")
      throw sdk::Refusal("option \"fan\": expected in or out, got " + sdk::detail::in_quotes(o.fan));
  }
  double stddev(const il_param& param) const {
    sdk::matrix_shape(param);
    return gain_ / std::sqrt(static_cast<double>(out_ ? param.fan_out : param.fan_in));
  }

 private:
  double gain_;
  bool out_;
};

class KaimingUniform : public sdk::DrawnFrom<KaimingUniform> {
 public:
  static constexpr sdk::Facts kFacts{.id = "kaiming_uniform/1",
                                     .summary = "uniform in +-gain * sqrt(3 / fan)",
                                     .source = kHe,
                                     .natural_roles = kWeights};
  using Options = KaimingOptions;
  explicit KaimingUniform(const Options& options) : scale_(options) {}
  sdk::Uniform distribution(const il_param& param) const { return {0, scale_.stddev(param) * std::sqrt(3.0)}; }

 private:
  Kaiming scale_;
};

class KaimingNormal : public sdk::DrawnFrom<KaimingNormal> {
 public:
  static constexpr sdk::Facts kFacts{.id = "kaiming_normal/1",
                                     .summary = "normal with standard deviation gain / sqrt(fan)",
                                     .source = kHe,
                                     .natural_roles = kWeights};
  using Options = KaimingOptions;
  explicit KaimingNormal(const Options& options) : scale_(options) {}
  sdk::Normal distribution(const il_param& param) const { return {0, scale_.stddev(param)}; }

 private:
  Kaiming scale_;
};

double lecun_stddev(const il_param& param) {
  sdk::matrix_shape(param);
  return 1 / std::sqrt(static_cast<double>(param.fan_in));
}

class LeCunUniform : public sdk::DrawnFrom<LeCunUniform> {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "lecun_uniform/1", .summary = "uniform in +-sqrt(3 / fan_in)", .source = kLeCun, .natural_roles = kWeights};
  using Options = sdk::NoOptions;
  explicit LeCunUniform(const Options&) {}
  static sdk::Uniform distribution(const il_param& param) { return {0, lecun_stddev(param) * std::sqrt(3.0)}; }
};

class LeCunNormal : public sdk::DrawnFrom<LeCunNormal> {
 public:
  static constexpr sdk::Facts kFacts{.id = "lecun_normal/1",
                                     .summary = "normal with standard deviation 1 / sqrt(fan_in), not cut",
                                     .source = kLeCun,
                                     .natural_roles = kWeights};
  using Options = sdk::NoOptions;
  explicit LeCunNormal(const Options&) {}
  static sdk::Normal distribution(const il_param& param) { return {0, lecun_stddev(param)}; }
};

class TorchLinear : public sdk::DrawnFrom<TorchLinear> {
 public:
  static constexpr sdk::Facts kFacts{.id = "torch_linear/1",
                                     .summary = "weights and biases uniform in +-1 / sqrt(fan_in of the weight)",
                                     .source = "torch.nn.Linear.reset_parameters",
                                     .natural_roles = IL_ROLE_MATRIX | IL_ROLE_BIAS};
  using Options = sdk::NoOptions;
  explicit TorchLinear(const Options&) {}
  static sdk::Uniform distribution(const il_param& param) {
    if (param.role != IL_ROLE_BIAS) return {0, lecun_stddev(param)};
    return {0, param.weight_fan_in > 0 ? 1 / std::sqrt(static_cast<double>(param.weight_fan_in)) : 0};
  }
};

}  // namespace

const il_plugin* initlab_plugin() {
  return initlab::sdk::plugin<KaimingUniform, KaimingNormal, LeCunUniform, LeCunNormal, TorchLinear>("kaiming",
                                                                                                     "1.0.0");
}
