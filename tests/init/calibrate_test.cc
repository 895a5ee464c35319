// Calibration: which tensors, in which order, on which values; what the records say; a faulty strategy is named and
// nothing of it reaches the model. The model is a stub: each matrix's product has twice the standard deviation that its
// values have about 0.
#include <cmath>
#include <map>

#include "fixture.hpp"
#include "init/audit.hpp"
#include "paths.hpp"
#include "sdk/plugin.hpp"

namespace initlab::init {
namespace {

constexpr double kGain = 2;

double rms(std::span<const float> values) {
  double squares = 0;
  for (const float x : values) squares += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

// Fills with 1, divides by its output's standard deviation once, and keeps what it saw.
struct Divider {
  static constexpr sdk::Facts kFacts{.id = "divider/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX};
  struct Options {
    std::string how = "well";
    std::int64_t batches = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("how", self.how, "well, or the fault");
      visit("batches", self.batches, "of a pass");
    }
  };
  explicit Divider(const Options& given) : options(given) {}
  void fill(const il_param&, const sdk::Host&, std::span<float> values) const { std::ranges::fill(values, 1.0f); }
  std::uint32_t batches() const { return static_cast<std::uint32_t>(options.batches); }
  sdk::Moments moments(const il_param&) const { return {.mean = 1, .stddev = 0, .low = 1, .high = 1}; }
  sdk::Round calibrate(const il_param& param, const sdk::Activations& seen, std::span<float> values) const {
    const double stddev = seen.output_or_refuse(param.name).stddev;
    calls.push_back({param.name, seen.round(), stddev});
    if (options.how == "late") values.data()[values.size()] = 1;
    if (options.how == "early") *(values.data() - 1) = 1;
    if (options.how == "nan") values[3] = std::numeric_limits<float>::quiet_NaN();
    if (options.how == "refuse") throw sdk::Refusal("not this layer");
    if (options.how == "never") return sdk::Round::another;
    if (seen.round() == 1) return sdk::Round::done;
    for (float& x : values) x = static_cast<float>(static_cast<double>(x) / stddev);
    return sdk::Round::another;
  }
  struct Call {
    std::string tensor;
    std::uint32_t round;
    double stddev;
  };
  Options options;
  static inline std::vector<Call> calls;
};

class Calibrate : public InitTest {
 protected:
  void SetUp() override {
    Divider::calls.clear();
    catalog_.load(initlab::paths::binary_dir() + "/plugins/normal.so");
    catalog_.add(sdk::plugin<Divider>("divider", "1"), "divider.so");
  }
  ForwardPass forward() {
    return [this](std::span<const float> values, std::int64_t batches) {
      ++passes_[batches];
      std::vector<Output> outputs;
      for (const params::Parameter& p : table_.all())
        if (p.role == params::Role::matrix)
          outputs.push_back({.weight = p.name,
                             .count = 7,
                             .stddev = kGain * rms(values.subspan(static_cast<std::size_t>(p.offset),
                                                                  static_cast<std::size_t>(p.size)))});
      return outputs;
    };
  }
  std::vector<record::InitRecord> calibrated(std::vector<float>& values, const ForwardPass& forward) {
    values.assign(static_cast<std::size_t>(table_.size()), -7.0f);
    return apply(catalog_, assign(catalog_, plan_, table_, nullptr, model_), plan_, model_, nullptr, values, forward);
  }
  std::string fault(const ForwardPass& forward) {
    try {
      calibrated(values_, forward);
    } catch (const base::Error& error) {
      return error.what();
    }
    return "accepted";
  }

  Catalog catalog_;
  std::vector<float> values_;
  std::map<std::int64_t, int> passes_;  // by number of batches
};

TEST_F(Calibrate, EachTensorInTurnOnWhatTheOnesBeforeItBecame) {
  plan_.init = {rule("divider")};
  plan_.init[0].match = "bert.encoder.*";
  const auto records = calibrated(values_, forward());
  std::vector<std::string> matrices;
  for (const params::Parameter& p : table_.all())
    if (p.layer >= 0 && p.role == params::Role::matrix) matrices.push_back(p.name);
  ASSERT_EQ(Divider::calls.size(), 2 * matrices.size());
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const Divider::Call &first = Divider::calls[2 * i], &second = Divider::calls[2 * i + 1];
    EXPECT_EQ(first.tensor, matrices[i]);
    EXPECT_EQ(first.round, 0u);
    EXPECT_EQ(first.stddev, kGain);  // of ones
    EXPECT_EQ(second.tensor, matrices[i]);
    EXPECT_EQ(second.round, 1u);
    EXPECT_EQ(second.stddev, 1);
  }
  // One pass before all, and one after each change: what satisfies a tensor is what the next one sees.
  EXPECT_EQ(passes_, (std::map<std::int64_t, int>{{1, 1 + static_cast<int>(matrices.size())}}));
  for (const record::InitRecord& r : records) {
    const bool covered = std::ranges::find(matrices, r.name) != matrices.end();
    EXPECT_EQ(r.calibration_rounds, covered ? 2 : 0) << r.name;
    if (!covered) {
      EXPECT_TRUE(std::isnan(r.calibrated_stddev)) << r.name;
      continue;
    }
    // The record is of the values as they are now, and what fill alone promises is not judged.
    EXPECT_EQ(r.calibrated_stddev, 1) << r.name;
    for (const float x : slice(values_, r.name)) ASSERT_EQ(x, 0.5f) << r.name;
    EXPECT_EQ(r.mean, 0.5) << r.name;
    EXPECT_TRUE(std::isnan(r.requested_mean)) << r.name;
  }
  for (const Finding& finding : audit(records, {})) EXPECT_NE(finding.severity, Severity::error) << finding.text;
  const auto words = explain(records, {}, "");
  EXPECT_TRUE(std::ranges::any_of(words, [](const std::string& line) {
    return line ==
           "Rescaled by what the first training batches showed: divider/1 (12 tensors); afterwards the standard "
           "deviations of these layers' outputs are 1 to 1.";
  })) << words.back();
}

TEST_F(Calibrate, TheStrategySaysOnHowManyBatches) {
  plan_.init = {rule("divider", {{"batches", "3"}})};
  plan_.init[0].match = "*query.weight";
  plan_.init.push_back(rule("divider"));
  plan_.init[1].match = "*key.weight";
  calibrated(values_, forward());
  EXPECT_EQ(passes_.size(), 2u);
  EXPECT_EQ(passes_.count(3), 1u);
  plan_.init = {rule("divider", {{"batches", "101"}})};
  EXPECT_NE(fault(forward()).find("expected a calibration on 1 to 100 batches, got 101"), std::string::npos);
}

TEST_F(Calibrate, WithoutAStrategyThatAsksNothingRuns) {
  plan_.init = {rule("normal")};
  for (const auto& r : calibrated(values_, forward())) EXPECT_EQ(r.calibration_rounds, 0);
  EXPECT_TRUE(passes_.empty());
}

TEST_F(Calibrate, AFaultNamesPluginStrategyTensorAndRule) {
  const std::string start = "x.yaml:7:5: strategy divider/1 of divider.so: tensor bert.pooler.dense.weight: ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"late", "expected nothing written outside the buffer, got a write beyond its end"},
      {"early", "expected nothing written outside the buffer, got a write beyond its end"},
      {"nan", "expected finite values, got nan at element 3 of 64"},
      {"refuse", "not this layer"},
      {"never", "expected an end within 100 rounds, got a wish for another one"}};
  for (const auto& [how, text] : cases) {
    plan_.init = {rule("divider", {{"how", how}})};
    plan_.init[0].match = "bert.pooler.*";
    EXPECT_EQ(fault(forward()).substr(0, start.size() + text.size()), start + text);
    for (const float x : slice(values_, "bert.pooler.dense.weight")) ASSERT_EQ(x, 1.0f) << how;
  }
}

TEST_F(Calibrate, APassThatOverflowsIsSaidToHave) {
  plan_.init = {rule("divider")};
  const auto overflowing = [&](std::span<const float> values, std::int64_t batches) {
    auto outputs = forward()(values, batches);
    outputs[1].stddev = std::numeric_limits<double>::infinity();
    return outputs;
  };
  EXPECT_NE(fault(overflowing)
                .find("expected a forward pass with finite activations, got inf as standard deviation of "
                      "the product of bert.encoder.layer.0.attention.self.key.weight"),
            std::string::npos)
      << fault(overflowing);
}

TEST_F(Calibrate, WithoutAModelItIsRefused) {
  plan_.init = {rule("divider")};
  EXPECT_NE(fault({}).find("expected a model and data to calibrate on, got none"), std::string::npos);
}

}  // namespace
}  // namespace initlab::init
