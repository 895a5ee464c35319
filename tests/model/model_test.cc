// What the model promises beside its numbers: repeatability, independence of packing, accumulation, theory's zeros,
// refusals. The numbers themselves are held by tests/gradient and tests/golden.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "compute/gemm.hpp"
#include "compute/testing.hpp"
#include "model/bert.hpp"
#include "model/small.hpp"

namespace initlab::model {
namespace {

std::vector<float> copy(std::span<const float> x) { return {x.begin(), x.end()}; }
void clear(std::span<float> x) { std::fill(x.begin(), x.end(), 0.0f); }

double distance(std::span<const float> x, std::span<const float> y) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    size += std::pow(static_cast<double>(y[i]), 2);
  }
  return std::sqrt(difference / size);
}

const base::Stream& stream() {
  static const base::Stream the_stream(5, "dropout");
  return the_stream;
}
Dropout dropout_at(std::uint32_t step) { return {0.2, 0.2, &stream(), step}; }

class Model : public testing::TestWithParam<HeadKind> {
 protected:
  Model() : bert_(small_model(), GetParam(), 2, kCapacity) { randomize(bert_); }
  Bert bert_;
};

INSTANTIATE_TEST_SUITE_P(Heads, Model, testing::Values(HeadKind::classifier, HeadKind::regressor, HeadKind::mlm),
                         [](const auto& info) { return std::string(config::to_text(info.param)); });

TEST_P(Model, RepeatsItsBits) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2, 3});
  const double loss = bert_.forward(batch, dropout_at(7));
  bert_.backward(0.25f);
  const auto gradients = copy(bert_.gradients());
  clear(bert_.gradients());
  // A larger batch in between leaves its values in the rows that pad the small one.
  const batch::Batch larger = batch_of(GetParam(), {5, 6, 7, 8, 9, 4});
  bert_.forward(larger, dropout_at(8));
  bert_.backward(1);
  clear(bert_.gradients());
  EXPECT_EQ(bert_.forward(batch, dropout_at(7)), loss);
  bert_.backward(0.25f);
  EXPECT_EQ(copy(bert_.gradients()), gradients);
}

TEST_P(Model, BackwardAddsAndScales) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2});
  bert_.forward(batch, dropout_at(1));
  bert_.backward(1);
  const auto once = copy(bert_.gradients());
  bert_.forward(batch, dropout_at(1));
  bert_.backward(2);
  std::vector<float> three;
  for (const float g : once) three.push_back(3 * g);
  EXPECT_LT(distance(bert_.gradients(), three), 1e-6);
}

// With dropout on, a step in one piece, in micro-batches, and in another order are the same step: any bit that depended
// on the row or the batch would move the loss by far more than rounding.
TEST_P(Model, SplittingAndReorderingAStepChangesNoDropoutBit) {
  const batch::Batch whole = batch_of(GetParam(), {0, 1, 2, 3, 4});
  const double loss = bert_.forward(whole, dropout_at(3));
  bert_.backward(1);
  const auto gradients = copy(bert_.gradients());
  for (const std::vector<std::vector<std::int32_t>>& parts :
       {std::vector<std::vector<std::int32_t>>{{0, 1}, {2, 3, 4}}, {{0}, {1}, {2}, {3}, {4}}, {{4, 2, 0, 3, 1}}}) {
    clear(bert_.gradients());
    double sum = 0;
    for (const auto& part : parts) {
      const batch::Batch micro = batch_of(GetParam(), part);
      sum += bert_.forward(micro, dropout_at(3));
      bert_.backward(1);
    }
    EXPECT_NEAR(sum, loss, 1e-5 * loss) << parts.size() << " parts";
    EXPECT_LT(distance(bert_.gradients(), gradients), 1e-5) << parts.size() << " parts";
  }
  clear(bert_.gradients());
  EXPECT_GT(std::fabs(bert_.forward(whole, dropout_at(4)) - loss), 1e-3 * loss) << "another step has other bits";
}

TEST_P(Model, EvaluationHasNoDropout) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2});
  const double loss = bert_.forward(batch, {});
  EXPECT_NE(bert_.forward(batch, dropout_at(1)), loss);
  bert_.backward(1);
  EXPECT_EQ(bert_.forward(batch, {0.2, 0.2, nullptr, 1}), loss) << "no stream, no dropout";
  EXPECT_EQ(bert_.forward(batch, {0, 0, &stream(), 1}), loss) << "probability 0";
}

TEST_P(Model, ThreadsChangeRoundingAtMost) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2, 3});
  const int before = omp_get_max_threads();
  std::vector<double> losses;
  std::vector<std::vector<float>> gradients;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    Bert bert(small_model(), GetParam(), 2, kCapacity);
    randomize(bert);
    losses.push_back(bert.forward(batch, dropout_at(2)));
    bert.backward(1);
    gradients.push_back(copy(bert.gradients()));
  }
  omp_set_num_threads(before);
  EXPECT_NEAR(losses[0], losses[1], 1e-6 * losses[0]);
  EXPECT_LT(distance(gradients[0], gradients[1]), 1e-6);
}

TEST_P(Model, ANanWeightBecomesANanLoss) {
  bert_.values()[static_cast<std::size_t>(
      bert_.parameters().at("bert.encoder.layer.0.intermediate.dense.weight").offset)] =
      std::numeric_limits<float>::quiet_NaN();
  const batch::Batch batch = batch_of(GetParam(), {0, 1});
  EXPECT_TRUE(std::isnan(bert_.forward(batch, {})));
}

// All matrices, embeddings and biases 0, norms 1 and 0: every hidden state is 0.
void make_zero(Bert& bert) {
  clear(bert.values());
  for (const params::Parameter& p : bert.parameters().all())
    if (p.role == params::Role::norm_scale) std::fill_n(bert.values().begin() + p.offset, p.size, 1.0f);
}

std::set<std::string> tensors_with_gradient(Bert& bert) {
  std::set<std::string> names;
  for (const params::Parameter& p : bert.parameters().all()) {
    const auto g = bert.gradients().subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
    if (std::any_of(g.begin(), g.end(), [](float x) { return x != 0; })) names.insert(p.name);
  }
  return names;
}

// All logits are 0, so every class is equally likely. Only the last bias can move: the gradient of the matrix above it
// is an outer product with a hidden state of 0, and everything below is behind a matrix of 0.
TEST(ZeroModel, MlmLossIsLnVAndOnlyTheLastBiasMoves) {
  Bert bert(small_model(), HeadKind::mlm, 0, kCapacity);
  make_zero(bert);
  const batch::Batch batch = batch_of(HeadKind::mlm, {0, 1, 2});
  const double p = static_cast<double>(batch.masked_rows.size());
  // Sums of ones are exact; what is left are a double logarithm and the sum over P.
  const double tolerance = p * std::log(50.0) * (p + 2) * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(bert.forward(batch, {}), p * std::log(50.0), tolerance);
  EXPECT_NEAR(bert.forward(batch, dropout_at(1)), p * std::log(50.0), tolerance) << "dropout of zeros changes nothing";
  bert.backward(1);
  EXPECT_EQ(tensors_with_gradient(bert), std::set<std::string>{"cls.predictions.bias"});
  // d loss / d bias_v = P / V - (how often v is the label)
  const auto first = static_cast<std::size_t>(bert.parameters().at("cls.predictions.bias").offset);
  for (std::int32_t v = 0; v < kVocabulary; ++v) {
    const auto labels = std::count(batch.masked_labels.begin(), batch.masked_labels.end(), v);
    EXPECT_NEAR(bert.gradients()[first + static_cast<std::size_t>(v)], p / 50 - static_cast<double>(labels), 1e-5);
  }
}

TEST(ZeroModel, ClassifierLossIsLnCAndOnlyTheLastBiasMoves) {
  Bert bert(small_model(), HeadKind::classifier, 3, kCapacity);
  make_zero(bert);
  const batch::Batch batch = batch_of(HeadKind::classifier, {0, 1, 2});
  EXPECT_NEAR(bert.forward(batch, {}), 3 * std::log(3.0), 1e-14);
  bert.backward(1);
  EXPECT_EQ(tensors_with_gradient(bert), std::set<std::string>{"classifier.bias"});
}

TEST(ZeroModel, RegressorLossIsTheTargetsAndOnlyTheLastBiasMoves) {
  Bert bert(small_model(), HeadKind::regressor, 1, kCapacity);
  make_zero(bert);
  const batch::Batch batch = batch_of(HeadKind::regressor, {0, 1, 2});
  EXPECT_DOUBLE_EQ(bert.forward(batch, {}), 0.25 + 1);
  bert.backward(1);
  EXPECT_EQ(tensors_with_gradient(bert), std::set<std::string>{"classifier.bias"});
}

TEST(Mlm, CountsCorrectPredictionsAndCopiesLogits) {
  Bert bert(small_model(), HeadKind::mlm, 0, kCapacity);
  randomize(bert);
  batch::Batch batch = batch_of(HeadKind::mlm, {0, 1, 2});
  bert.forward(batch, {});
  std::vector<float> logits(batch.masked_rows.size() * 50);
  bert.copy_mlm_logits(logits);
  for (std::size_t p = 0; p < batch.masked_rows.size(); ++p) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(p * 50);
    batch.masked_labels[p] = static_cast<std::int32_t>(std::max_element(row, row + 50) - row);
  }
  bert.forward(batch, {});
  EXPECT_EQ(bert.correct_predictions(), 6);
  batch.masked_labels[2] = (batch.masked_labels[2] + 1) % 50;
  bert.forward(batch, {});
  EXPECT_EQ(bert.correct_predictions(), 5);
  EXPECT_TRUE(bert.logits().empty());
}

// A vocabulary of several pieces, the last one short.
TEST(Mlm, StreamedLossIsTheKeptOnes) {
  config::ModelConfig model = small_model();
  model.vocabulary = 5000;
  Bert streamed(model, HeadKind::mlm, 0, kCapacity, {.kept_logits = 0});
  Bert kept(model, HeadKind::mlm, 0, kCapacity, {.streamed_loss = false});
  randomize(streamed);
  randomize(kept);
  batch::Batch batch = batch_of(HeadKind::mlm, {0, 1, 2});
  batch.masked_labels.back() = 4999;
  batch.masked_labels.front() = 2048;
  const double loss = kept.forward(batch, dropout_at(1));
  EXPECT_NEAR(streamed.forward(batch, dropout_at(1)), loss, 100 * testing_tools::kEps * loss);
  EXPECT_EQ(streamed.correct_predictions(), kept.correct_predictions());
  std::vector<float> one(batch.masked_rows.size() * 5000), other(one.size());
  streamed.copy_mlm_logits(one);
  kept.copy_mlm_logits(other);
  EXPECT_LT(distance(one, other), 100 * testing_tools::kEps);
  streamed.backward(1);
  kept.backward(1);
  EXPECT_LT(distance(streamed.gradients(), kept.gradients()), 500 * testing_tools::kEps);
}

TEST(Mlm, ABatchWithoutPredictionsHasNoLossAndNoGradient) {
  Bert bert(small_model(), HeadKind::mlm, 0, kCapacity);
  randomize(bert);
  batch::Batch batch = batch_of(HeadKind::mlm, {0, 1});
  batch.masked_rows.clear();
  batch.masked_labels.clear();
  EXPECT_EQ(bert.forward(batch, {}), 0);
  bert.backward(1);
  EXPECT_TRUE(tensors_with_gradient(bert).empty());
  EXPECT_EQ(bert.correct_predictions(), 0);
}

std::string refusal(const batch::Batch& batch, HeadKind head) {
  Bert bert(small_model(), head, 2, kCapacity);
  try {
    bert.forward(batch, {});
  } catch (const base::Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Refusals, ABatchThatDoesNotFitTheModel) {
  const batch::Batch good = batch_of(HeadKind::classifier, {0, 1});
  EXPECT_EQ(refusal(good, HeadKind::classifier), "accepted");
  const auto changed = [&](auto change) {
    batch::Batch bad = good;
    change(bad);
    return refusal(bad, HeadKind::classifier);
  };
  EXPECT_TRUE(
      changed([](batch::Batch& b) { b.ids[2] = 50; }).starts_with("batch: token ids: expected 0 to 49, got 50"));
  EXPECT_TRUE(
      changed([](batch::Batch& b) { b.ids[2] = -1; }).starts_with("batch: token ids: expected 0 to 49, got -1"));
  EXPECT_TRUE(
      changed([](batch::Batch& b) { b.types[0] = 2; }).starts_with("batch: segment ids: expected 0 to 1, got 2"));
  EXPECT_TRUE(
      changed([](batch::Batch& b) { b.positions[1] = 16; }).starts_with("batch: positions: expected 0 to 15, got 16"));
  EXPECT_TRUE(changed([](batch::Batch& b) { b.classes[1] = 2; }).starts_with("batch: classes: expected 0 to 1, got 2"));
  EXPECT_TRUE(changed([](batch::Batch& b) {
                b.slots[1] = 1 << 20;
              }).starts_with("batch: slots: expected 0 to 1048575, got 1048576"));
  EXPECT_TRUE(
      changed([](batch::Batch& b) { b.classes.pop_back(); }).starts_with("batch: classes: expected 2 values, got 1"));
  EXPECT_TRUE(changed([](batch::Batch& b) {
                b.offsets[1] = 0;
              }).starts_with("batch: length of a sequence: expected 1 to 16 tokens, got 0"));
  EXPECT_TRUE(changed([](batch::Batch& b) {
                b.offsets[2] -= 1;
              }).starts_with("batch: offsets: expected an end at row 13, got 12"));
  EXPECT_TRUE(
      refusal(batch::Batch{}, HeadKind::classifier).starts_with("batch: offsets: expected a first sequence at row 0"));
  EXPECT_TRUE(refusal(batch_of(HeadKind::classifier, {0, 1, 2, 3, 4, 5, 6, 7, 8}), HeadKind::classifier)
                  .starts_with("batch: tokens: expected at most 64, got "));
  batch::Batch mlm = batch_of(HeadKind::mlm, {0, 1});
  mlm.masked_rows[3] = 13;
  EXPECT_TRUE(refusal(mlm, HeadKind::mlm).starts_with("batch: masked rows: expected 0 to 12, got 13"));
}

TEST(Refusals, AHiddenSizeThatHeadsDoNotDivide) {
  config::ModelConfig model = small_model();
  model.heads = 3;
  try {
    Bert bert(model, HeadKind::mlm, 0, kCapacity);
    FAIL() << "accepted";
  } catch (const base::Error& error) {
    EXPECT_STREQ(error.what(), "model: model.hidden: expected a multiple of model.heads (3), got 32");
  }
}

// Each product's operands carry a relative rounding error of at most 2^-9. The chain of a few dozen of them, with
// residuals and norms between, stays within a few percent of the f32 gradient, and points the same way.
class Precision : public testing::TestWithParam<HeadKind> {
 protected:
  void SetUp() override {
    if (!compute::has_bf16_products()) GTEST_SKIP() << "skipped: this CPU has no bf16 products";
  }
};

INSTANTIATE_TEST_SUITE_P(Heads, Precision, testing::Values(HeadKind::classifier, HeadKind::regressor, HeadKind::mlm),
                         [](const auto& info) { return std::string(config::to_text(info.param)); });

TEST_P(Precision, Bf16GradientsAreTheF32OnesRounded) {
  for (const config::ModelConfig& model : residual_sums())
    for (const bool cut : {true, false}) {
      Bert exact(model, GetParam(), 2, kCapacity);
      Bert narrow(model, GetParam(), 2, kCapacity, {.products = compute::Element::bf16, .last_layer_rows = cut});
      randomize(exact);
      randomize(narrow);
      const batch::Batch batch = batch_of(GetParam(), {0, 1, 2});
      const double loss = exact.forward(batch, dropout_at(3));
      EXPECT_NEAR(narrow.forward(batch, dropout_at(3)), loss, 0x1p-6 * std::fabs(loss));
      exact.backward(1);
      narrow.backward(1);
      const double error = distance(narrow.gradients(), exact.gradients());
      EXPECT_LT(error, 24 * 0x1p-9);
      EXPECT_GT(error, 0x1p-12) << "nothing was rounded";
    }
}

TEST_P(Precision, Bf16RepeatsItsBits) {
  Bert bert(small_model(), GetParam(), 2, kCapacity, {.products = compute::Element::bf16});
  randomize(bert);
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2});
  const double loss = bert.forward(batch, dropout_at(3));
  bert.backward(1);
  const std::vector<float> first = copy(bert.gradients());
  clear(bert.gradients());
  EXPECT_EQ(bert.forward(batch, dropout_at(3)), loss);
  bert.backward(1);
  EXPECT_EQ(copy(bert.gradients()), first);
}

// A fixed factor of 1 is BERT's own path; a tensor of ones goes the other one.
TEST_P(Model, ATrainedScaleOfOnesIsBertBitByBit) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2, 3});
  Bert scaled(model_with("trained"), GetParam(), 2, kCapacity);
  std::int64_t ones = 0;
  for (const params::Parameter& p : scaled.parameters().all()) {
    const auto to = scaled.values().begin() + p.offset;
    if (p.role == params::Role::residual_scale) {
      std::fill_n(to, p.size, 1.0f);
      ones += p.size;
    } else {
      std::copy_n(bert_.values().begin() + bert_.parameters().at(p.name).offset, p.size, to);
    }
  }
  EXPECT_EQ(ones, 2 * 2 * 32);
  EXPECT_EQ(scaled.forward(batch, dropout_at(7)), bert_.forward(batch, dropout_at(7)));
  scaled.backward(0.5f);
  bert_.backward(0.5f);
  for (const params::Parameter& p : bert_.parameters().all()) {
    const auto ours = bert_.gradients().subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
    const auto theirs = scaled.gradients().subspan(static_cast<std::size_t>(scaled.parameters().at(p.name).offset),
                                                   static_cast<std::size_t>(p.size));
    EXPECT_EQ(copy(theirs), copy(ours)) << p.name;
  }
}

// ReZero's claim: with closed branches the stack is the identity, and only the scales can move at first.
TEST_P(Model, ClosedBranchesMakeTheStackTheIdentity) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2, 3});
  Bert bert(model_with("1", "none"), GetParam(), 2, kCapacity);
  randomize(bert);
  for (const params::Parameter& p : bert.parameters().all())
    if (p.role == params::Role::residual_scale) std::fill_n(bert.values().begin() + p.offset, p.size, 0.0f);
  const double loss = bert.forward(batch, dropout_at(7));
  bert.backward(1);
  for (const std::string& name : tensors_with_gradient(bert))
    EXPECT_TRUE(!name.starts_with("bert.encoder.") || name.ends_with(".branch_scale")) << name;
  EXPECT_EQ(std::ranges::count_if(tensors_with_gradient(bert),
                                  [](const std::string& name) { return name.ends_with(".branch_scale"); }),
            4);
  for (const params::Parameter& p : bert.parameters().all())
    if (p.layer >= 0 && p.role != params::Role::residual_scale)
      for (float& v : bert.values().subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size)))
        v *= 3;
  EXPECT_EQ(bert.forward(batch, dropout_at(7)), loss) << "what a layer computes goes nowhere";
}

// Whatever the residual sums: the same bits again, few threads or many, and the same numbers without the shortcut for
// the rows that the head reads.
TEST_P(Model, EveryResidualSumRepeatsAndIsWholeInTheTopLayer) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2, 3}), larger = batch_of(GetParam(), {5, 6, 7, 8, 9, 4});
  const int before = omp_get_max_threads();
  for (const config::ModelConfig& model : residual_sums()) {
    Bert bert(model, GetParam(), 2, kCapacity), whole(model, GetParam(), 2, kCapacity, {.last_layer_rows = false});
    randomize(bert);
    randomize(whole);
    const double loss = bert.forward(batch, dropout_at(7));
    bert.backward(0.25f);
    const auto gradients = copy(bert.gradients());
    bert.forward(larger, dropout_at(8));
    bert.backward(1);
    clear(bert.gradients());
    EXPECT_EQ(bert.forward(batch, dropout_at(7)), loss);
    bert.backward(0.25f);
    EXPECT_EQ(copy(bert.gradients()), gradients);
    omp_set_num_threads(3);
    EXPECT_NEAR(whole.forward(batch, dropout_at(7)), loss, 100 * testing_tools::kEps * std::fabs(loss));
    whole.backward(0.25f);
    EXPECT_LT(distance(whole.gradients(), gradients), 500 * testing_tools::kEps);
    omp_set_num_threads(before);
  }
}

// The loss of one step with dropout is the same whatever is switched off: were a single bit of dropout another, it
// would move by far more than rounding.
TEST_P(Model, OptimizationsChangeNoDropoutBit) {
  const batch::Batch batch = batch_of(GetParam(), {0, 1, 2});
  const double loss = bert_.forward(batch, dropout_at(3));
  bert_.backward(1);
  const double other = bert_.forward(batch, dropout_at(4));
  ASSERT_GT(std::fabs(other - loss), 1e-3 * std::fabs(loss)) << "dropout does not show in the loss";
  std::vector<Options> all(4);
  all[3].streamed_loss = false;
  all[0].last_layer_rows = false;
  all[1].packed_weights = false;
  all[2].huge_pages = false;
  for (const Options& options : all) {
    Bert bert(small_model(), GetParam(), 2, kCapacity, options);
    randomize(bert);
    EXPECT_NEAR(bert.forward(batch, dropout_at(3)), loss, 100 * testing_tools::kEps * std::fabs(loss));
    bert.backward(1);
    EXPECT_LT(distance(bert.gradients(), bert_.gradients()), 500 * testing_tools::kEps);
  }
}

// A layer costs 72 H^2 a token and 12 S H for its attention, 6 H^2 + 6 H V a predicted position. The top layer needs
// keys and values of all tokens, 12 H^2 each, and the rest only for the rows that the head reads.
TEST(TrainingFlops, AreThoseOfTheProducts) {
  config::ModelConfig model = small_model();
  model.intermediate = 4 * model.hidden;
  batch::Batch batch;
  append(batch, HeadKind::mlm, 1);
  const double h = 32, t = static_cast<double>(batch.tokens()), p = 2;
  ASSERT_EQ(batch.masked_rows.size(), 2u);
  const double whole = t * 72 * h * h + 12 * t * t * h;
  const auto top = [&](double read) { return t * 12 * h * h + read * 60 * h * h + 12 * read * t * h; };
  EXPECT_DOUBLE_EQ(training_flops(model, HeadKind::mlm, 0, batch), whole + top(p) + p * (6 * h * h + 6 * h * 50));
  EXPECT_DOUBLE_EQ(training_flops(model, HeadKind::classifier, 2, batch), whole + top(1) + 6 * h * h + 6 * h * 2);
  model.pooling = "mean";
  EXPECT_DOUBLE_EQ(training_flops(model, HeadKind::classifier, 2, batch), 2 * whole + 6 * h * h + 6 * h * 2);
}

}  // namespace
}  // namespace initlab::model
