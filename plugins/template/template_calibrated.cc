// template_calibrated: the smallest data-driven plugin. README.md says how.
//
//   w ~ N(0, 1), then scaled once so that the layer's output has standard deviation `target` on training batches
//
// Source: put the paper here. Options: target.
#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

class TemplateCalibrated {
 public:
  static constexpr sdk::Facts kFacts{.id = "template_calibrated/1",
                                     .summary = "normal, scaled to a standard deviation of the layer's output",
                                     .source = "an example",
                                     .natural_roles = IL_ROLE_MATRIX};
  struct Options {
    double target = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("target", self.target, "standard deviation of the output", sdk::positive());
    }
  };
  explicit TemplateCalibrated(const Options& options) : target_(options.target) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    host.normal(param.name, 0, values);
  }

  // Called after all tensors are filled, in the order of the forward pass. `seen` is a pass on the present values.
  sdk::Round calibrate(const il_param& param, const sdk::Activations& seen, std::span<float> values) const {
    const double stddev = seen.output_or_refuse(param.name).stddev;
    if (!(stddev > 0)) throw sdk::Refusal("the layer's output is the same number everywhere");
    for (float& x : values) x = static_cast<float>(target_ / stddev * static_cast<double>(x));
    return sdk::Round::done;  // Round::another: come back with a pass on the new values
  }

 private:
  double target_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<TemplateCalibrated>("template_calibrated", "1.0.0"); }
