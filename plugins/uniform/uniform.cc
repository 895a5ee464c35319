// uniform: w ~ U[low, high), mean (low + high) / 2, standard deviation (high - low) / sqrt(12).
//
// Source: torch.nn.init.uniform_; the default bounds are Keras' RandomUniform. Options: low, high.
#include <limits>

#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

class Uniform : public sdk::DrawnFrom<Uniform> {
 public:
  static constexpr sdk::Facts kFacts{.id = "uniform/1",
                                     .summary = "uniform from low to high",
                                     .source = "torch.nn.init.uniform_; bounds of Keras' RandomUniform",
                                     .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  struct Options {
    double low = -0.05;
    double high = 0.05;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      constexpr double kMost = std::numeric_limits<float>::max();
      visit("low", self.low, "smallest value", sdk::between(-kMost, kMost));
      visit("high", self.high, "end of the values, above low", sdk::between(-kMost, kMost));
    }
  };
  explicit Uniform(const Options& o) : distribution_{(o.low + o.high) / 2, (o.high - o.low) / 2} {
    if (!(o.low < o.high)) throw sdk::Refusal("option \"high\": expected a number above low");
  }
  sdk::Uniform distribution(const il_param&) const { return distribution_; }

 private:
  sdk::Uniform distribution_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Uniform>("uniform", "1.0.0"); }
