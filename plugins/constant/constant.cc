// zero, one, constant: every element has the same value.
//
//   zero: w = 0    one: w = 1    constant: w = value
//
// All rows of a matrix are then equal, and gradients keep them equal: the symmetry that random initialization breaks.
// Source: Rumelhart, Hinton, Williams 1986, "Learning internal representations by error propagation" (symmetry
// breaking). Options: constant has `value`, which must be given.
#include <algorithm>
#include <limits>

#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;

constexpr const char* kSource = "Rumelhart, Hinton, Williams 1986 (why weights must not start equal)";
constexpr std::uint32_t kRoles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING;

// What the three have in common.
class Same {
 public:
  explicit Same(double value) : value_(value) {}
  void fill(const il_param&, const sdk::Host&, std::span<float> values) const {
    std::ranges::fill(values, static_cast<float>(value_));
  }
  sdk::Moments moments(const il_param&) const { return {.mean = value_, .stddev = 0, .low = value_, .high = value_}; }

 private:
  double value_;
};

class Zero : public Same {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "zero/1", .summary = "every element 0", .source = kSource, .natural_roles = kRoles};
  using Options = sdk::NoOptions;
  explicit Zero(const Options&) : Same(0) {}
};

class One : public Same {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "one/1", .summary = "every element 1", .source = kSource, .natural_roles = kRoles};
  using Options = sdk::NoOptions;
  explicit One(const Options&) : Same(1) {}
};

class Constant : public Same {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "constant/1", .summary = "every element `value`", .source = kSource, .natural_roles = kRoles};
  struct Options {
    std::optional<double> value;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      constexpr double kMost = std::numeric_limits<float>::max();
      visit("value", self.value, "the value of every element", sdk::between(-kMost, kMost));
    }
  };
  explicit Constant(const Options& options) : Same(*options.value) {}
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Zero, One, Constant>("constant", "1.0.0"); }
