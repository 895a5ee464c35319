// Doses: a checkpoint's tensor with a measured amount of damage. At one end of each axis the bits are the checkpoint's.
//
//   noise:       w' = w + lambda * s * u, u ~ U[-1/2, 1/2), s the standard deviation of W (divided by n - 1, as
//                torch.std; 0 for a single element); lambda 0: w
//   interpolate: w' = alpha * w + (1 - alpha) * r, r as bert_default draws it (matrices and embeddings truncated
//   normal,
//                biases and norm shifts 0, norm scales 1); alpha 1: w, alpha 0: bert_default's bits under the same seed
//   mask:        floor(sparsity * n) elements of W become 0: those of the smallest magnitude (ties: the first ones), or
//                random ones; sparsity 0: w
//   quantize:    w' = s * round(w / s), s = max |w| / (2^(bits-1) - 1), halves away from 0: symmetric, one step per
//                tensor
//
// Vectors (biases, LayerNorms): noise and interpolate treat them as all others. mask and quantize leave them as they
// are in the checkpoint, as the sources do.
//
// Sources: Wu et al. 2022, "NoisyTune", eq. 1; Hao et al. 2019, "Visualizing and understanding the effectiveness of
// BERT" and Frankle et al. 2020, "Linear mode connectivity" (interpolation); Chen et al. 2020, "The lottery ticket
// hypothesis for pre-trained BERT networks" (pruning; there over all matrices at once, here per tensor); Jacob et al.
// 2018, "Quantization and training of neural networks" (here the symmetric form). Options: lambda; alpha, stddev;
// sparsity, by; bits.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "sdk/distributions.hpp"
#include "sdk/draws.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

constexpr std::uint32_t kWeights = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING;

class Noise {
 public:
  static constexpr sdk::Facts kFacts{.id = "noise/1",
                                     .summary = "the checkpoint plus uniform noise in units of each tensor's deviation",
                                     .source = "Wu et al. 2022, NoisyTune, eq. 1",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    double lambda = 0.15;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("lambda", self.lambda, "width of the noise in standard deviations of the tensor", sdk::at_least(0));
    }
  };
  explicit Noise(const Options& options) : lambda_(options.lambda) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    const double width = lambda_ * sample_deviation(source);
    if (width == 0) {
      std::ranges::copy(source, values.begin());
      return;
    }
    host.uniform(param.name, 0, values);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(static_cast<double>(source[i]) + width * (static_cast<double>(values[i]) - 0.5));
  }

 private:
  static double sample_deviation(std::span<const float> values) {
    if (values.size() < 2) return 0;
    double sum = 0, squares = 0;
    for (const float x : values) sum += static_cast<double>(x);
    const double mean = sum / static_cast<double>(values.size());
    for (const float x : values) squares += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
    return std::sqrt(squares / static_cast<double>(values.size() - 1));
  }

  double lambda_;
};

class Interpolate {
 public:
  static constexpr sdk::Facts kFacts{.id = "interpolate/1",
                                     .summary = "between bert_default (alpha 0) and the checkpoint (alpha 1)",
                                     .source = "Hao et al. 2019; Frankle et al. 2020, Linear mode connectivity",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    double alpha = 0.5;
    double stddev = 0.02;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("alpha", self.alpha, "share of the checkpoint: 1 is the checkpoint, 0 is random", sdk::between(0, 1));
      visit("stddev", self.stddev, "standard deviation of the random end before its cut at two of them",
            sdk::at_least(0));
    }
  };
  explicit Interpolate(const Options& options) : alpha_(options.alpha), random_{0, options.stddev, 2} {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    if (alpha_ == 1) {
      std::ranges::copy(source, values.begin());
      return;
    }
    if ((param.role & kWeights) != 0) {
      random_.fill(param.name, host, values);
    } else {
      std::ranges::fill(values, sdk::neutral_value(param));
    }
    if (alpha_ == 0) return;
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] =
          static_cast<float>(alpha_ * static_cast<double>(source[i]) + (1 - alpha_) * static_cast<double>(values[i]));
  }

 private:
  double alpha_;
  sdk::TruncatedNormal random_;
};

class Mask {
 public:
  static constexpr sdk::Facts kFacts{.id = "mask/1",
                                     .summary = "the checkpoint with a share of each matrix and embedding set to 0",
                                     .source = "Chen et al. 2020, The lottery ticket hypothesis for pre-trained BERT",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    double sparsity = 0.5;
    std::string by = "magnitude";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("sparsity", self.sparsity, "share of a tensor's elements that become 0", sdk::between(0, 1));
      visit("by", self.by, "which ones: magnitude (the smallest) or random");
    }
  };
  explicit Mask(const Options& o)
      : sparsity_(o.sparsity), random_(sdk::one_of("by", o.by, {"magnitude", "random"}) == 1) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    std::ranges::copy(source, values.begin());
    if ((param.role & kWeights) == 0) return;
    const auto n = static_cast<std::uint32_t>(source.size());
    const auto removed = static_cast<std::size_t>(sparsity_ * static_cast<double>(n));
    if (removed == 0) return;
    std::vector<std::uint32_t> order;
    if (random_) {
      order = sdk::permutation(host, param.name, 0, n);
    } else {
      order.resize(n);
      std::iota(order.begin(), order.end(), 0u);
      std::ranges::nth_element(order, order.begin() + static_cast<std::ptrdiff_t>(removed - 1),
                               [&](std::uint32_t a, std::uint32_t b) {
                                 const float x = std::fabs(source[a]), y = std::fabs(source[b]);
                                 return x != y ? x < y : a < b;
                               });
    }
    for (std::size_t i = 0; i < removed; ++i) values[order[i]] = 0;
  }

 private:
  double sparsity_;
  bool random_;
};

class Quantize {
 public:
  static constexpr sdk::Facts kFacts{.id = "quantize/1",
                                     .summary = "the checkpoint's matrices and embeddings rounded to few levels",
                                     .source = "Jacob et al. 2018, Quantization and training of neural networks",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    std::int64_t bits = 8;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("bits", self.bits, "bits of a value: 2^bits - 1 levels, symmetric around 0", sdk::between(2, 16));
    }
  };
  explicit Quantize(const Options& options) : most_(static_cast<double>((std::int64_t{1} << (options.bits - 1)) - 1)) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    std::ranges::copy(source, values.begin());
    if ((param.role & kWeights) == 0) return;
    double largest = 0;
    for (const float x : source) largest = std::max(largest, std::fabs(static_cast<double>(x)));
    if (largest == 0) return;
    const double step = largest / most_;
    for (float& x : values) {
      const double level = std::min(std::floor(std::fabs(static_cast<double>(x)) / step + 0.5), most_);
      x = std::copysign(static_cast<float>(level == most_ ? largest : level * step), x);
    }
  }

 private:
  double most_;  // the highest level
};

}  // namespace

const il_plugin* initlab_plugin() {
  return initlab::sdk::plugin<Noise, Interpolate, Mask, Quantize>("perturb", "1.0.0");
}
