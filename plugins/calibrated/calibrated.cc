// Data-driven strategies: the host shows what the model makes of the values on training batches, and they rescale.
//
// lsuv, layer-sequential unit variance. Each matrix starts with orthonormal columns (rows, where it is wide). Then, one
// after another in the order of the forward pass:
//
//   while |v - 1| > tolerance, at most `rounds` times:  W <- W / sqrt(v),   v = variance of x W^T + b
//
// over all tokens of the batches and all features. All singular values of W stay equal. Where the bias is 0 one
// division does it; a bias whose own variance is above 1 + tolerance cannot be scaled away, and that is refused (the
// paper gives up quietly after `rounds`). Source: Mishkin & Matas 2016, "All you need is a good init" (arXiv
// 1511.06422), algorithm 1, whose tolerance and rounds are the defaults. For dense layers: an embedding or a vector is
// refused.
//
// admin, adaptive model initialization. With trained residual scales a layer's sums are x_i = LN(omega_i x_(i-1) +
// f_i(x_(i-1))), i over attention and feed-forward of all layers. One after another, from what the pass shows:
//
//   omega_1 = 1,   omega_(i+1)^2 = var(omega_i x_(i-1)) + var(f_i(x_(i-1)))
//
// over all tokens and features. As each x has variance 1 after its LayerNorm, omega_i^2 = 1 + the sum of the branches'
// variances before i: each branch starts with the part in its sum that it would have without LayerNorms between.
// Source: Liu et al. 2020, "Understanding the Difficulty of Training Transformers" (arXiv 2004.08249), in the form of
// the authors' code (LiyuanLucasLiu/Transformer-Clinic), which starts at 1 and sets the scales one after another in a
// first pass. What the other tensors get is left to other rules; the authors use xavier_uniform. It needs a model whose
// residual scales are tensors (model: {residual_scale: trained}): dividing the branch's weights by omega would give the
// same function at first, but not Admin, since an update of Adam then moves the branch omega times as much as here.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "sdk/orthonormal.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

class Lsuv {
 public:
  static constexpr sdk::Facts kFacts{.id = "lsuv/1",
                                     .summary = "orthonormal, then scaled until a layer's output has variance 1",
                                     .source = "Mishkin, Matas 2016",
                                     .natural_roles = IL_ROLE_MATRIX};
  struct Options {
    double tolerance = 0.1;
    std::int64_t rounds = 10;
    std::int64_t batches = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("tolerance", self.tolerance, "largest distance of the variance from 1", sdk::positive());
      visit("rounds", self.rounds, "divisions at most", sdk::between(1, IL_MOST_CALIBRATION_ROUNDS - 1));
      visit("batches", self.batches, "training batches that the variance is over",
            sdk::between(1, IL_MOST_CALIBRATION_BATCHES));
    }
  };
  explicit Lsuv(const Options& options) : options_(options) {}

  void check(const il_param& param, const sdk::Sources&) const { dense_shape(param); }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const sdk::MatrixShape shape = dense_shape(param);
    host.normal(param.name, 0, values);
    sdk::make_orthonormal(shape, 1, values);
  }
  std::uint32_t batches() const { return static_cast<std::uint32_t>(options_.batches); }
  sdk::Round calibrate(const il_param& param, const sdk::Activations& seen, std::span<float> values) const {
    const double stddev = seen.output_or_refuse(param.name).stddev;
    const double variance = stddev * stddev;
    if (std::fabs(variance - 1) <= options_.tolerance) return sdk::Round::done;
    if (!(stddev > 0)) throw sdk::Refusal("its output is the same number everywhere: no scale gives it variance 1");
    if (seen.round() == static_cast<std::uint32_t>(options_.rounds))
      throw sdk::Refusal("after " + std::to_string(options_.rounds) + " divisions its output has variance " +
                         std::to_string(variance) + ", not 1: is its bias too large?");
    for (float& x : values) x = static_cast<float>(static_cast<double>(x) / stddev);
    return sdk::Round::another;
  }

 private:
  static sdk::MatrixShape dense_shape(const il_param& param) {
    if (param.role != IL_ROLE_MATRIX) throw sdk::Refusal("it scales the weights of dense layers, and this is none");
    return sdk::matrix_shape(param);
  }

  Options options_;
};

class Admin {
 public:
  static constexpr sdk::Facts kFacts{.id = "admin/1",
                                     .summary = "residual scales from the variances of the branches before them",
                                     .source = "Liu et al. 2020",
                                     .natural_roles = IL_ROLE_RESIDUAL_SCALE};
  struct Options {
    std::int64_t batches = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("batches", self.batches, "training batches that the variances are over",
            sdk::between(1, IL_MOST_CALIBRATION_BATCHES));
    }
  };
  explicit Admin(const Options& options) : batches_(options.batches) {}

  void check(const il_param& param, const sdk::Sources&) const { sum_of(param); }
  void fill(const il_param& param, const sdk::Host&, std::span<float> values) const {
    sum_of(param);
    std::ranges::fill(values, 1.0f);
  }
  std::uint32_t batches() const { return static_cast<std::uint32_t>(batches_); }
  sdk::Round calibrate(const il_param& param, const sdk::Activations& seen, std::span<float> values) const {
    const Sum sum = sum_of(param);
    double square = 1;  // of omega
    for (std::int32_t i = 0; i < sum.index; ++i) {
      const std::string weight =
          sum.stack + std::to_string(i / 2) + (i % 2 == 0 ? ".attention" : "") + ".output.dense.weight";
      const sdk::Activation branch = seen.output_or_refuse(weight.c_str());
      square = square * branch.residual_stddev * branch.residual_stddev + branch.stddev * branch.stddev;
    }
    std::ranges::fill(values, static_cast<float>(std::sqrt(square)));
    return sdk::Round::done;
  }

 private:
  // Which of the model's residual sums a scale belongs to, counted from 0.
  struct Sum {
    std::string stack;  // the layers' names up to their number
    std::int32_t index;
  };
  static Sum sum_of(const il_param& param) {
    const std::string name = param.name, mark = ".layer.";
    const std::size_t at = name.find(mark);
    if (param.role != IL_ROLE_RESIDUAL_SCALE || param.normed == 0 || at == std::string::npos)
      throw sdk::Refusal(
          "it fills the scales of residual sums before a LayerNorm (model: {residual_scale: trained}), "
          "and this is none");
    const bool attention = name.find(".attention.") != std::string::npos;
    return {name.substr(0, at + mark.size()), 2 * param.layer + (attention ? 0 : 1)};
  }

  std::int64_t batches_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Lsuv, Admin>("calibrated", "1.0.0"); }
