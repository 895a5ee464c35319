// The suite finds what it says it finds: one deliberately broken strategy per promise, and a good one.
#include "sdk/conformance.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "sdk/plugin.hpp"

namespace initlab::sdk {
namespace {

// A good strategy; each broken one below changes one thing.
struct Good {
  static constexpr Facts kFacts{.id = "good/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX};
  struct Options {
    double bound = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("bound", self.bound, "half width", positive());
    }
  };
  explicit Good(const Options& options) : bound(options.bound) {}
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    host.uniform(param.name, 0, values);
    for (float& x : values) x = static_cast<float>(bound * (2 * static_cast<double>(x) - 1));
  }
  Moments moments(const il_param&) const {
    return {.mean = 0, .stddev = bound / std::sqrt(3.0), .low = -bound, .high = bound};
  }
  double bound;
};

struct WritesTooLittle : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    Good::fill(param, host, values.first(values.size() - values.size() / 2));
  }
};
struct WritesPastTheEnd : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    Good::fill(param, host, values);
    values.data()[values.size()] = 0;
  }
};
struct WritesBeforeTheStart : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    Good::fill(param, host, values);
    *(values.data() - 1) = 0;
  }
};
struct WritesNan : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    Good::fill(param, host, values);
    values.back() = std::numeric_limits<float>::quiet_NaN();
  }
};
struct OtherBitsEachTime : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    Good::fill(param, host, values);
    values[0] = static_cast<float>(++calls);
  }
  static inline std::atomic<int> calls = 0;
};
struct ReadsTheBuffer : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    const bool one = std::bit_cast<std::uint32_t>(values[0]) == 0x3f9d70a4;
    Good::fill(param, host, values);
    if (one) values[0] = 0.5f;
  }
};
struct RemembersTheLastTensor : Good {  // repeats are equal, other orders are not
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    Good::fill(param, host, values);
    const std::uint64_t id = std::hash<std::string_view>()(param.name);
    if (last != id) previous = last.exchange(id);
    values[0] = static_cast<float>(previous % 1024) * 0x1p-10f;
  }
  mutable std::atomic<std::uint64_t> last = 0, previous = 0;
};
struct IgnoresTheHost : Good {
  using Good::Good;
  void fill(const il_param&, const Host&, std::span<float> values) const {
    for (std::size_t i = 0; i < values.size(); ++i)  // a permutation of an even grid: moments are right
      values[i] = static_cast<float>(
          bound * ((static_cast<double>(i * 7919 % values.size()) + 0.5) * 2 / static_cast<double>(values.size()) - 1));
  }
};
struct LiesAboutTheMean : Good {
  using Good::Good;
  Moments moments(const il_param& p) const {
    Moments m = Good::moments(p);
    m.mean = 0.01;
    return m;
  }
};
struct LiesAboutTheStddev : Good {  // a variance where a standard deviation belongs
  using Good::Good;
  Moments moments(const il_param& p) const {
    Moments m = Good::moments(p);
    m.stddev *= m.stddev;
    return m;
  }
};
struct LiesAboutTheBounds : Good {
  using Good::Good;
  Moments moments(const il_param& p) const {
    Moments m = Good::moments(p);
    m.high *= 0.999;
    return m;
  }
};
struct HidesItsNeed : Good {
  using Good::Good;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    std::ranges::copy(host.source_like(param).values, values.begin());
  }
};
struct NeedsNothing : Good {
  using Good::Good;
  static constexpr bool kNeedsSource = true;
};

// A good data-driven strategy; each broken one below changes one thing.
struct Calibrated : Good {
  using Good::Good;
  Round calibrate(const il_param& param, const Activations& seen, std::span<float> values) const {
    const double stddev = seen.output_or_refuse(param.name).stddev;
    if (std::fabs(stddev - 1) < 1e-3) return Round::done;
    if (seen.round() == 5) throw Refusal("nothing helps");
    for (float& x : values) x = static_cast<float>(static_cast<double>(x) / stddev);
    return Round::another;
  }
};
struct CalibratesToNan : Calibrated {
  using Calibrated::Calibrated;
  Round calibrate(const il_param&, const Activations&, std::span<float> values) const {
    values[values.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    return Round::done;
  }
};
struct CalibratesPastTheEnd : Calibrated {
  using Calibrated::Calibrated;
  Round calibrate(const il_param&, const Activations&, std::span<float> values) const {
    values.data()[values.size()] = 0;
    return Round::done;
  }
};
struct NeverSatisfied : Calibrated {
  using Calibrated::Calibrated;
  Round calibrate(const il_param&, const Activations&, std::span<float>) const { return Round::another; }
};
struct RefusesGoodStatistics : Calibrated {
  using Calibrated::Calibrated;
  Round calibrate(const il_param& param, const Activations& seen, std::span<float>) const {
    if (seen.output_or_refuse(param.name).stddev > 0) throw Refusal("not today");
    return Round::done;
  }
};
struct CalibratesByMood : Calibrated {
  using Calibrated::Calibrated;
  Round calibrate(const il_param&, const Activations&, std::span<float> values) const {
    values[0] = static_cast<float>(++calls);
    return Round::done;
  }
  static inline std::atomic<int> calls = 0;
};
struct AsksForNoBatch : Calibrated {
  using Calibrated::Calibrated;
  std::uint32_t batches() const { return 0; }
};

// Every finding as one text.
template <class S>
std::string findings_of() {
  std::string text;
  for (const Finding& finding : check_strategy(*strategy<S>())) text += to_text(finding) + "\n";
  return text;
}
// The same for a table that is changed by hand.
template <class Change>
std::string findings_of_changed(Change change) {
  il_strategy changed = *strategy<Good>();
  change(changed);
  std::string text;
  for (const Finding& finding : check_strategy(changed)) text += to_text(finding) + "\n";
  return text;
}
void expect_found(const std::string& findings, const char* text) {
  EXPECT_NE(findings.find(text), std::string::npos) << "wanted: " << text << "\ngot: " << findings;
}

TEST(Conformance, AGoodStrategyPasses) { EXPECT_EQ(findings_of<Good>(), ""); }

TEST(Conformance, FindsUnwrittenElements) {
  expect_found(findings_of<WritesTooLittle>(), "expected every element written");
}
TEST(Conformance, FindsWritesOutsideTheBuffer) {
  expect_found(findings_of<WritesPastTheEnd>(), "nothing written outside the buffer");
  expect_found(findings_of<WritesBeforeTheStart>(), "nothing written outside the buffer");
}
TEST(Conformance, FindsValuesThatAreNotFinite) { expect_found(findings_of<WritesNan>(), "expected finite values"); }
TEST(Conformance, FindsBitsThatChange) {
  expect_found(findings_of<OtherBitsEachTime>(), "the same bits on repeat");
  expect_found(findings_of<ReadsTheBuffer>(), "the same bits on repeat");
  expect_found(findings_of<RemembersTheLastTensor>(), "the same bits");
}
TEST(Conformance, FindsRandomnessThatIsNotTheHosts) {
  expect_found(findings_of<IgnoresTheHost>(), "other bits from another seed of the host");
}
TEST(Conformance, FindsLiesAboutMoments) {
  expect_found(findings_of<LiesAboutTheMean>(), "declared mean of");
  expect_found(findings_of<LiesAboutTheStddev>(), "declared standard deviation of");
  expect_found(findings_of<LiesAboutTheBounds>(), "declared bounds of");
}
TEST(Conformance, FindsWrongWordsAboutTheCheckpoint) {
  expect_found(findings_of<HidesItsNeed>(), IL_EXT_NEEDS_SOURCE);
  expect_found(findings_of<NeedsNothing>(), "an error, as it says that it needs one");
}

TEST(Conformance, AGoodDataDrivenStrategyPasses) { EXPECT_EQ(findings_of<Calibrated>(), ""); }
TEST(Conformance, FindsBrokenCalibrations) {
  expect_found(findings_of<CalibratesToNan>(), "calibration of classifier.weight: expected finite values");
  expect_found(findings_of<CalibratesPastTheEnd>(),
               "calibration of classifier.weight: expected nothing written outside the buffer");
  expect_found(findings_of<NeverSatisfied>(),
               "calibration of classifier.weight: expected an end within 100 rounds, got a wish for another one");
  expect_found(findings_of<RefusesGoodStatistics>(), "expected success, got error \"not today\"");
  expect_found(findings_of<CalibratesByMood>(), "expected the same bits from the same statistics");
  expect_found(findings_of<AsksForNoBatch>(), "batches of a calibration: expected 1 to 100, got 0");
}
int fail_without_a_word(const void*, const il_param*, const il_activations*, float*, std::uint64_t, int*, il_error*) {
  return 1;
}
const void* silent_calibration(const char* id) {
  static il_calibrate silent = *static_cast<const il_calibrate*>(strategy<Calibrated>()->extension(IL_EXT_CALIBRATE));
  silent.calibrate = fail_without_a_word;
  return std::strcmp(id, IL_EXT_CALIBRATE) == 0 ? &silent : nullptr;
}
TEST(Conformance, FindsACalibrationThatFailsWithoutAWord) {
  expect_found(findings_of_changed([](il_strategy& s) { s.extension = silent_calibration; }),
               "expected a text where it fails");
}

int accept_anything(const il_option*, std::uint32_t, void** self, il_error*) {
  *self = new Good(Good::Options{});
  return 0;
}
int refuse_without_the_key(const il_option* options, std::uint32_t n, void** self, il_error* error) {
  il_error own{sizeof(il_error), {}};
  const int status = strategy<Good>()->create(options, n, self, &own);
  if (status != 0) detail::set_error(error, "something is wrong");
  return status;
}
int touch_self(const il_option* options, std::uint32_t n, void** self, il_error* error) {
  const int status = strategy<Good>()->create(options, n, self, error);
  if (status != 0) *self = nullptr;
  return status;
}
const void* everything(const char* id) {
  if (std::strcmp(id, IL_EXT_MOMENTS) == 0 || std::strcmp(id, IL_EXT_NEEDS_SOURCE) == 0) return nullptr;
  return id;
}

struct PromisesTooMuch : Good {
  using Good::Good;
  void check(const il_param&, const Sources&) const {}
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    if (param.rank == 2 && param.dims[0] == 1) throw Refusal("too small");
    Good::fill(param, host, values);
  }
};
struct PromisesTooLittle : Good {
  using Good::Good;
  void check(const il_param&, const Sources& sources) const {
    if (sources.shape("classifier.weight")) throw Refusal("never");
  }
};

TEST(Conformance, FindsWrongWordsBeforeARun) {
  expect_found(findings_of<PromisesTooMuch>(),
               "check of classifier.weight: expected a refusal, as of fill: too small, got success");
  expect_found(findings_of<PromisesTooLittle>(), "expected success, as of fill, got a refusal: never");
}

TEST(Conformance, FindsLaxOptions) {
  const std::string findings = findings_of_changed([](il_strategy& s) { s.create = accept_anything; });
  expect_found(findings, "unknown option no_such_option");
  expect_found(findings, "malformed option bound=\"12abc\": expected a refusal");
  expect_found(findings_of_changed([](il_strategy& s) { s.create = refuse_without_the_key; }),
               "an error that names the key");
  expect_found(findings_of_changed([](il_strategy& s) { s.create = touch_self; }),
               "the output left alone where it fails");
}

// A strategy for models of another kind is checked in such a model, and its faults are found there.
struct ForModelsWithoutNorm : Good {
  static constexpr Facts kFacts{
      .id = "without_norm/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX | IL_ROLE_RESIDUAL_SCALE};
  using Good::Good;
  void check(const il_param& param, const Sources&) const {
    if (param.normed != 0) throw Refusal("it has norms");
  }
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    check(param, Sources(nullptr));
    Good::fill(param, host, values);
  }
};
struct ForNoModel : ForModelsWithoutNorm {
  using ForModelsWithoutNorm::ForModelsWithoutNorm;
  void check(const il_param&, const Sources&) const { throw Refusal("not this one"); }
  void fill(const il_param&, const Host&, std::span<float>) const { throw Refusal("not this one"); }
};
struct WritesNanInItsModel : ForModelsWithoutNorm {
  using ForModelsWithoutNorm::ForModelsWithoutNorm;
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    ForModelsWithoutNorm::fill(param, host, values);
    values.back() = std::numeric_limits<float>::quiet_NaN();
  }
};

TEST(Conformance, ChecksAStrategyInTheModelThatItIsFor) {
  for (const Finding& finding : check_strategy(*strategy<ForModelsWithoutNorm>())) ADD_FAILURE() << to_text(finding);
  const auto none = check_strategy(*strategy<ForNoModel>());
  ASSERT_FALSE(none.empty());
  EXPECT_NE(to_text(none.front()).find("expected success, got error \"not this one\""), std::string::npos)
      << to_text(none.front());
  const auto nan = check_strategy(*strategy<WritesNanInItsModel>());
  ASSERT_FALSE(nan.empty());
  EXPECT_NE(to_text(nan.back()).find("branch_scale: expected finite values"), std::string::npos) << to_text(nan.back());
}

TEST(Conformance, FindsAnExtensionThatAnswersToAnything) {
  expect_found(findings_of_changed([](il_strategy& s) { s.extension = everything; }), "null for an unknown id");
}

std::string first_descriptor_fault(const il_plugin& plugin) {
  const auto findings = check_descriptor(&plugin);
  return findings.empty() ? "" : to_text(findings.front());
}

TEST(Descriptor, EveryFaultHasItsOwnText) {
  const il_plugin good = *plugin<Good>("good", "1");
  EXPECT_EQ(first_descriptor_fault(good), "");
  EXPECT_EQ(to_text(check_descriptor(nullptr).front()), "initlab_plugin(): expected a table, got null");
  il_plugin p = good;
  p.abi_major = 2;
  p.size = 12;  // another version's table may be smaller; its version is still what counts
  EXPECT_EQ(first_descriptor_fault(p), "plugin boundary: expected version 1, got 2");
  p = good;
  p.size = 16;
  EXPECT_EQ(first_descriptor_fault(p), "table: expected a size of at least 40 bytes, got 16");
  p = good;
  p.num_strategies = 0;
  EXPECT_EQ(first_descriptor_fault(p), "table: expected at least one strategy, got none");
  p = good;
  p.version = nullptr;
  EXPECT_EQ(first_descriptor_fault(p), "table: expected a version, got null");
}

std::string first_strategy_fault(const il_strategy& s) {
  const il_strategy* const list[] = {&s};
  il_plugin p = *plugin<Good>("good", "1");
  p.strategies = list;
  return first_descriptor_fault(p);
}

TEST(Descriptor, FaultsOfAStrategy) {
  il_strategy s = *strategy<Good>();
  for (const char* id : {"", "good", "/1", "good/", "good/0", "good/01", "good/1.0", "Good/1", "go od/1", "good/1/1"}) {
    s.id = id;
    expect_found(first_strategy_fault(s),
                 "strategy 0: expected an id like \"xavier_uniform/1\" (name, slash, revision)");
  }
  s = *strategy<Good>();
  s.size = 8;
  EXPECT_EQ(first_strategy_fault(s), "strategy 0: expected a size of at least 80 bytes, got 8");
  s = *strategy<Good>();
  s.fill = nullptr;
  EXPECT_EQ(first_strategy_fault(s), "strategy \"good/1\": expected a fill function, got null");
  s = *strategy<Good>();
  s.natural_roles = 64;
  EXPECT_EQ(first_strategy_fault(s), "strategy \"good/1\": expected natural roles out of IL_ROLE_, got 64");
  const il_option_info twice[] = {{"a", "number", "1", "s"}, {"a", "nummer", "1", "s"}};
  s = *strategy<Good>();
  s.num_options = 2;
  s.options = twice;
  EXPECT_EQ(first_strategy_fault(s), "strategy \"good/1\", option 1: expected a key of its own, got \"a\" again");
}

TEST(Descriptor, TheSameIdTwiceInOneTable) {
  const il_strategy* const list[] = {strategy<Good>(), strategy<Good>()};
  il_plugin p = *plugin<Good>("good", "1");
  p.strategies = list;
  p.num_strategies = 2;
  EXPECT_EQ(first_descriptor_fault(p), "strategy 1: expected an id of its own, got \"good/1\" again");
}

}  // namespace
}  // namespace initlab::sdk
