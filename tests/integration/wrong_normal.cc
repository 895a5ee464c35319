// The plugin `normal` with one fault that theory sees: truncated_normal is not truncated. For `initlab selftest`.
#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

struct Scale {
  double stddev = 0.02;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("stddev", self.stddev, "standard deviation", sdk::at_least(0));
  }
};

class Drawn {
 public:
  using Options = Scale;
  explicit Drawn(const Options& options) : stddev_(options.stddev) {}
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    if ((param.role & (IL_ROLE_MATRIX | IL_ROLE_EMBEDDING)) == 0) {
      std::ranges::fill(values, param.role == IL_ROLE_NORM_SCALE ? 1.0f : 0.0f);
      return;
    }
    host.normal(param.name, 0, values);
    for (float& x : values) x *= static_cast<float>(stddev_ * shrink());
  }
  virtual double shrink() const { return 1; }
  virtual ~Drawn() = default;

 private:
  double stddev_;
};

struct Normal : Drawn {
  static constexpr sdk::Facts kFacts{
      .id = "normal/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  using Drawn::Drawn;
};
struct Truncated : Drawn {
  static constexpr sdk::Facts kFacts{
      .id = "truncated_normal/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  using Drawn::Drawn;
};
struct BertDefault : Drawn {
  static constexpr sdk::Facts kFacts{
      .id = "bert_default/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_ALL};
  using Drawn::Drawn;
  double shrink() const override { return 0.8796257; }
};

}  // namespace

const il_plugin* initlab_plugin() { return sdk::plugin<Normal, Truncated, BertDefault>("normal", "1.0.0"); }
