// normal, truncated_normal, bert_default: what BERT starts from.
//
//   normal:           w = mean + stddev * z,  z ~ N(0, 1)              (stddev, not variance; nothing is cut)
//   truncated_normal: the same given |z| <= cut_sigmas                  (sdk/distributions.hpp)
//   bert_default:     matrices and embeddings truncated_normal(0, stddev, 2 sigmas), biases 0, LayerNorm scale 1 and
//   shift 0, residual scales 1
//
// Sources: Devlin et al. 2018 and google-research/bert, modeling.py (initializer_range 0.02, truncated at two standard
// deviations); Hugging Face's _init_weights draws the same without a cut (`normal`). Options: mean, stddev, cut_sigmas.
#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

constexpr std::uint32_t kWeights = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING;

class Normal : public sdk::DrawnFrom<Normal> {
 public:
  static constexpr sdk::Facts kFacts{.id = "normal/1",
                                     .summary = "normal with mean and standard deviation",
                                     .source = "Hugging Face transformers, BertPreTrainedModel._init_weights",
                                     .natural_roles = kWeights};
  struct Options {
    double mean = 0;
    double stddev = 0.02;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("mean", self.mean, "centre of the distribution");
      visit("stddev", self.stddev, "standard deviation", sdk::at_least(0));
    }
  };
  explicit Normal(const Options& options) : distribution_{options.mean, options.stddev} {}
  sdk::Normal distribution(const il_param&) const { return distribution_; }

 private:
  sdk::Normal distribution_;
};

class Truncated : public sdk::DrawnFrom<Truncated> {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "truncated_normal/1",
      .summary = "normal, redrawn beyond cut_sigmas standard deviations (at 2: the result's are 0.8796 * stddev)",
      .source = "google-research/bert, modeling.py, create_initializer",
      .natural_roles = kWeights};
  struct Options {
    double mean = 0;
    double stddev = 0.02;
    double cut_sigmas = 2;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("mean", self.mean, "centre of the distribution");
      visit("stddev", self.stddev, "standard deviation before the cut", sdk::at_least(0));
      // Below 0.1 sigmas more than 92 of 100 draws are thrown away.
      visit("cut_sigmas", self.cut_sigmas, "largest distance from the mean, in units of stddev", sdk::at_least(0.1));
    }
  };
  explicit Truncated(const Options& o) : distribution_{o.mean, o.stddev, o.cut_sigmas} {}
  sdk::TruncatedNormal distribution(const il_param&) const { return distribution_; }

 private:
  sdk::TruncatedNormal distribution_;
};

class BertDefault {
 public:
  static constexpr sdk::Facts kFacts{.id = "bert_default/1",
                                     .summary = "matrices and embeddings truncated normal, biases 0, LayerNorm 1 and 0",
                                     .source = "Devlin et al. 2018; google-research/bert, modeling.py",
                                     .natural_roles = IL_ROLE_ALL};
  struct Options {
    double stddev = 0.02;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("stddev", self.stddev, "standard deviation before the cut at two of them", sdk::at_least(0));
    }
  };
  explicit BertDefault(const Options& options) : weights_{0, options.stddev, 2} {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    if ((param.role & kWeights) != 0) return weights_.fill(param.name, host, values);
    std::ranges::fill(values, sdk::neutral_value(param));
  }
  sdk::Moments moments(const il_param& param) const {
    if ((param.role & kWeights) != 0) return weights_.moments();
    const double value = static_cast<double>(sdk::neutral_value(param));
    return {.mean = value, .stddev = 0, .low = value, .high = value};
  }

 private:
  sdk::TruncatedNormal weights_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Normal, Truncated, BertDefault>("normal", "1.0.0"); }
