// xavier_uniform, xavier_normal: keep the variance of activations and of gradients from layer to layer.
//
//   xavier_uniform: w ~ U[-a, a),    a = gain * sqrt(6 / (fan_in + fan_out))
//   xavier_normal:  w ~ N(0, s^2),   s = gain * sqrt(2 / (fan_in + fan_out))   (s is a standard deviation; nothing is
//   cut)
//
// Both have standard deviation s. Source: Glorot, Bengio 2010, "Understanding the difficulty of training deep
// feedforward neural networks", eq. 16. Fans are torch.nn.init's: of a matrix (out, in) in and out, of an
// embedding (rows, width) width and rows. A vector of length n, where a rule names its role, has fans 1 and n (torch
// refuses it). Options: gain.
#include <cmath>

#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

constexpr const char* kSource = "Glorot & Bengio 2010, eq. 16";

struct GainOptions {
  double gain = 1;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("gain", self.gain, "factor on the standard deviation", sdk::at_least(0));
  }
};

double sum_of_fans(const il_param& param) {
  return static_cast<double>(param.fan_in) + static_cast<double>(param.fan_out);
}

class XavierUniform : public sdk::DrawnFrom<XavierUniform> {
 public:
  static constexpr sdk::Facts kFacts{.id = "xavier_uniform/1",
                                     .summary = "uniform in +-gain * sqrt(6 / (fan_in + fan_out))",
                                     .source = kSource,
                                     .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  using Options = GainOptions;
  explicit XavierUniform(const Options& options) : gain_(options.gain) {}
  sdk::Uniform distribution(const il_param& param) const { return {0, gain_ * std::sqrt(6 / sum_of_fans(param))}; }

 private:
  double gain_;
};

class XavierNormal : public sdk::DrawnFrom<XavierNormal> {
 public:
  static constexpr sdk::Facts kFacts{.id = "xavier_normal/1",
                                     .summary = "normal with standard deviation gain * sqrt(2 / (fan_in + fan_out))",
                                     .source = kSource,
                                     .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  using Options = GainOptions;
  explicit XavierNormal(const Options& options) : gain_(options.gain) {}
  sdk::Normal distribution(const il_param& param) const { return {0, gain_ * std::sqrt(2 / sum_of_fans(param))}; }

 private:
  double gain_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<XavierUniform, XavierNormal>("xavier", "1.0.0"); }
