// Nothing C++ crosses the boundary: exceptions become statuses and texts, and outputs stay as they were.
#include "sdk/plugin.hpp"

#include <gtest/gtest.h>

#include "sdk/synthetic.hpp"

namespace initlab::sdk {
namespace {

struct Thrower {
  static constexpr Facts kFacts{.id = "thrower/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_ALL};
  struct Options {
    std::string how = "nothing";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("how", self.how, "what fill throws");
    }
  };
  explicit Thrower(const Options& options) : how(options.how) {
    if (how == "early") throw Refusal("no such way");
  }
  void fill(const il_param& param, const Host& host, std::span<float>) const {
    if (how == "refusal") throw Refusal(std::string(600, 'a'));
    if (how == "utf8") throw Refusal(std::string(506, 'a') + "\xc3\xa4");
    if (how == "number") throw 42;
    if (how == "source") host.source_like(param);
  }
  std::string how;
};

class Boundary : public testing::Test {
 protected:
  int create(const char* how) {
    const il_option option{"how", how};
    return strategy_->create(&option, 1, &self_, &error_);
  }
  int fill(std::uint64_t n) {
    const il_param param = parameters_[8].param();
    const il_host host = host_.host();
    float dst[2] = {};
    return strategy_->fill(self_, &param, &host, dst, n, &error_);
  }
  void TearDown() override {
    if (self_ != nullptr) strategy_->destroy(self_);
  }

  const il_strategy* strategy_ = strategy<Thrower>();
  std::vector<SyntheticParameter> parameters_ = small_parameters();
  SyntheticHost host_{1, SyntheticHost::Checkpoint::none, parameters_};
  void* self_ = nullptr;
  il_error error_{sizeof(il_error), {}};
};

TEST_F(Boundary, AFailedCreateLeavesSelfAlone) {
  EXPECT_NE(create("early"), 0);
  EXPECT_EQ(self_, nullptr);
  EXPECT_STREQ(error_.text, "no such way");
}

TEST_F(Boundary, ALongTextIsCutAndEndsWithZero) {
  ASSERT_EQ(create("refusal"), 0);
  EXPECT_NE(fill(1), 0);
  EXPECT_EQ(std::string(error_.text), std::string(507, 'a'));
}

TEST_F(Boundary, ATextIsNotCutInsideACharacter) {
  ASSERT_EQ(create("utf8"), 0);
  EXPECT_NE(fill(1), 0);
  EXPECT_EQ(std::string(error_.text), std::string(506, 'a'));
}

TEST_F(Boundary, AnyExceptionIsCaught) {
  ASSERT_EQ(create("number"), 0);
  EXPECT_NE(fill(1), 0);
  EXPECT_STREQ(error_.text, "an exception of an unknown type");
}

TEST_F(Boundary, AMissingCheckpointIsARefusal) {
  ASSERT_EQ(create("source"), 0);
  EXPECT_NE(fill(1), 0);
  EXPECT_STREQ(error_.text, "there is no checkpoint, or it has no such tensor");
}

TEST_F(Boundary, ABufferOfAnotherLengthIsRefused) {
  ASSERT_EQ(create("nothing"), 0);
  EXPECT_EQ(fill(1), 0);
  EXPECT_NE(fill(2), 0);
  EXPECT_STREQ(error_.text, "the buffer's length differs from the parameter's shape");
}

TEST_F(Boundary, ASmallerErrorOfAnOlderHostIsNotOverrun) {
  ASSERT_EQ(create("refusal"), 0);
  error_.size = offsetof(il_error, text) + 8;
  error_.text[8] = 'x';
  EXPECT_NE(fill(1), 0);
  EXPECT_STREQ(error_.text, "aaaaaaa");
  EXPECT_EQ(error_.text[8], 'x');
}

// Rescales to what it is told, and tells what it was told.
struct Scaler : Thrower {
  using Thrower::Thrower;
  Round calibrate(const il_param& param, const Activations& seen, std::span<float> values) const {
    if (how == "number") throw 42;
    const Activation own = seen.output_or_refuse(param.name);
    values[0] = static_cast<float>(own.stddev);
    return seen.round() == 0 ? Round::another : Round::done;
  }
};

TEST(Calibration, CrossesTheBoundary) {
  const auto* extension = static_cast<const il_calibrate*>(strategy<Scaler>()->extension(IL_EXT_CALIBRATE));
  ASSERT_NE(extension, nullptr);
  EXPECT_EQ(strategy<Thrower>()->extension(IL_EXT_CALIBRATE), nullptr);
  void* self = nullptr;
  il_error error{sizeof(il_error), {}};
  ASSERT_EQ(strategy<Scaler>()->create(nullptr, 0, &self, &error), 0);
  EXPECT_EQ(extension->batches(self), 1u);
  const SyntheticParameter matrix("bert.pooler.dense.weight", IL_ROLE_MATRIX, {1, 2}, -1);
  const SyntheticParameter bias("bert.pooler.dense.bias", IL_ROLE_BIAS, {2}, -1);
  float values[2] = {3, 3};
  const SyntheticActivations pass(matrix, values, 0.5, 0.25);
  const auto calibrate = [&](const SyntheticParameter& p, std::uint32_t round, int& again) {
    const il_param param = p.param();
    const il_activations activations = pass.round(round);
    return extension->calibrate(self, &param, &activations, values, 2, &again, &error);
  };
  int again = 0;
  EXPECT_EQ(calibrate(matrix, 0, again), 0);
  EXPECT_EQ(again, 1);
  EXPECT_EQ(values[0], 1.75f);  // 0.5 * 3 + 0.25
  EXPECT_EQ(calibrate(matrix, 1, again), 0);
  EXPECT_EQ(again, 0);
  EXPECT_NE(calibrate(bias, 0, again), 0);
  EXPECT_STREQ(error.text, "the forward pass has no product of bert.pooler.dense.bias");
  strategy<Scaler>()->destroy(self);
}

TEST(Plugin, TheTableIsStatic) {
  const il_plugin* a = plugin<Thrower>("p", "1");
  EXPECT_EQ(a, (plugin<Thrower>("p", "1")));
  EXPECT_EQ(a->num_strategies, 1u);
  EXPECT_EQ(a->strategies[0], strategy<Thrower>());
  EXPECT_EQ(strategy<Thrower>()->extension("anything"), nullptr);
}

}  // namespace
}  // namespace initlab::sdk
