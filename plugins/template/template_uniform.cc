// template_uniform: the smallest plugin. Copy this folder and change what you need; README.md says how.
//
//   w ~ U[-bound, bound), standard deviation bound / sqrt(3)
//
// Source: put the paper here. Options: bound.
#include <cmath>

#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

class TemplateUniform {
 public:
  static constexpr sdk::Facts kFacts{.id = "template_uniform/1",
                                     .summary = "uniform in +-bound",
                                     .source = "an example",
                                     .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  struct Options {
    double bound = 0.05;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("bound", self.bound, "largest distance from 0", sdk::positive());
    }
  };
  explicit TemplateUniform(const Options& options) : bound_(options.bound) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    host.uniform(param.name, 0, values);  // draws in [0, 1)
    for (float& x : values) x = static_cast<float>(bound_ * (2 * static_cast<double>(x) - 1));
  }

  sdk::Moments moments(const il_param&) const {
    return {.mean = 0, .stddev = bound_ / std::sqrt(3.0), .low = -bound_, .high = bound_};
  }

 private:
  double bound_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<TemplateUniform>("template", "1.0.0"); }
