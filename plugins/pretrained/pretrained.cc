// pretrained: w = the checkpoint's tensor of the same name and shape, bit for bit (F16 and BF16 widened to f32).
//
// Source: Devlin, Chang, Lee, Toutanova 2018, "BERT: Pre-training of Deep Bidirectional Transformers". Options: none.
#include <algorithm>

#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

class Pretrained {
 public:
  static constexpr sdk::Facts kFacts{.id = "pretrained/1",
                                     .summary = "the checkpoint's values",
                                     .source = "Devlin et al. 2018, BERT",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  using Options = sdk::NoOptions;

  explicit Pretrained(const Options&) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    std::ranges::copy(host.source_like(param).values, values.begin());
  }
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Pretrained>("pretrained", "1.0.0"); }
