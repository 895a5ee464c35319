// The observed pass: the fast model's numbers, every site in order, and every row of every layer.
#include "model/observe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "compute/reference/gemm.hpp"
#include "model/small.hpp"

namespace initlab::model {
namespace {

// An activation that outlives the call.
struct Seen {
  std::string site, weight;
  std::int32_t layer;
  std::int64_t rows, columns;
  std::vector<float> values;
};

struct Case {
  HeadKind head;
  std::string pooling;
  const char* residual_scale = "1";
  const char* norm = "post";
};

std::string name_of(const Case& c) {
  return std::string(config::to_text(c.head)) + "_" + c.pooling + "_" + c.residual_scale + "_" + c.norm;
}

class Observed : public testing::TestWithParam<Case> {
 protected:
  Observed()
      : shape_(shape()), bert_(shape_, GetParam().head, 2, kCapacity), batch_(batch_of(GetParam().head, {0, 3, 1, 6})) {
    randomize(bert_);
  }
  static config::ModelConfig shape() {
    config::ModelConfig m = model_with(GetParam().residual_scale, GetParam().norm);
    m.pooling = GetParam().pooling;
    return m;
  }
  double look() {
    seen_.clear();
    return observe(shape_, GetParam().head, 2, bert_.parameters(), bert_.values(), batch_, [this](const Activation& a) {
      seen_.push_back(
          {std::string(a.site), std::string(a.weight), a.layer, a.rows, a.columns, {a.values.begin(), a.values.end()}});
    });
  }
  std::vector<float> logits() const {
    if (GetParam().head != HeadKind::mlm) return {bert_.logits().begin(), bert_.logits().end()};
    std::vector<float> all(batch_.masked_rows.size() * kVocabulary);
    bert_.copy_mlm_logits(all);
    return all;
  }

  config::ModelConfig shape_;
  Bert bert_;
  batch::Batch batch_;
  std::vector<Seen> seen_;
};

INSTANTIATE_TEST_SUITE_P(Heads, Observed,
                         testing::Values(Case{HeadKind::classifier, "cls"}, Case{HeadKind::classifier, "mean"},
                                         Case{HeadKind::regressor, "cls"}, Case{HeadKind::mlm, "cls"},
                                         Case{HeadKind::classifier, "mean", "deepnorm"},
                                         Case{HeadKind::mlm, "cls", "trained"},
                                         Case{HeadKind::classifier, "mean", "1", "none"}),
                         [](const auto& info) { return name_of(info.param); });

// One rounding error for each term of a product (at most I of them) and one for each of a dozen steps a layer, of
// numbers of size 1. Mean pooling reads every row of the top layer, so there it holds every row.
TEST_P(Observed, LossAndLogitsAreTheModels) {
  const double loss = bert_.forward(batch_, {});
  const auto roundings = static_cast<double>(shape_.layers * (shape_.intermediate + 12));
  const double tolerance = roundings * testing_tools::kEps;
  EXPECT_NEAR(look(), loss, tolerance * std::fabs(loss));
  const std::vector<float> expected = logits();
  ASSERT_EQ(seen_.back().values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(seen_.back().values[i], expected[i], tolerance) << i;
}

TEST_P(Observed, EverySiteInOrderWithEveryRow) {
  look();
  const std::int64_t t = batch_.tokens(), h = shape_.hidden, i = shape_.intermediate, b = batch_.sequences();
  std::vector<Seen> expected = {{"embeddings", "", -1, t, h, {}}};
  for (std::int32_t l = 0; l < 2; ++l) {
    const std::string layer = "bert.encoder.layer." + std::to_string(l) + ".";
    for (const std::string part : {"query", "key", "value"})
      expected.push_back({"attention." + part, layer + "attention.self." + part + ".weight", l, t, h, {}});
    for (std::size_t s = 0; s < 4; ++s)
      for (int head = 0; head < 2; ++head) {
        const std::int64_t length = batch_.offsets[s + 1] - batch_.offsets[s];
        expected.push_back({"attention.probabilities", "", l, length, length, {}});
      }
    expected.push_back({"attention.context", "", l, t, h, {}});
    expected.push_back({"attention.branch", layer + "attention.output.dense.weight", l, t, h, {}});
    expected.push_back({"attention.output", "", l, t, h, {}});
    expected.push_back({"ffn.intermediate", layer + "intermediate.dense.weight", l, t, i, {}});
    expected.push_back({"ffn.activation", "", l, t, i, {}});
    expected.push_back({"ffn.branch", layer + "output.dense.weight", l, t, h, {}});
    expected.push_back({"ffn.output", "", l, t, h, {}});
  }
  if (GetParam().head == HeadKind::mlm) {
    const std::int64_t p = std::ssize(batch_.masked_rows);
    expected.push_back({"transform", "cls.predictions.transform.dense.weight", -1, p, h, {}});
    expected.push_back({"logits", "bert.embeddings.word_embeddings.weight", -1, p, kVocabulary, {}});
  } else {
    const std::int64_t outputs = GetParam().head == HeadKind::regressor ? 1 : 2;
    expected.push_back({"pooler", "bert.pooler.dense.weight", -1, b, h, {}});
    expected.push_back({"logits", "classifier.weight", -1, b, outputs, {}});
  }
  ASSERT_EQ(seen_.size(), expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    SCOPED_TRACE(expected[k].site + " of layer " + std::to_string(expected[k].layer));
    EXPECT_EQ(seen_[k].site, expected[k].site);
    EXPECT_EQ(seen_[k].weight, expected[k].weight);
    EXPECT_EQ(seen_[k].layer, expected[k].layer);
    EXPECT_EQ(seen_[k].rows, expected[k].rows);
    EXPECT_EQ(seen_[k].columns, expected[k].columns);
    EXPECT_EQ(std::ssize(seen_[k].values), expected[k].rows * expected[k].columns);
  }
}

TEST_P(Observed, EveryQueryOfTheTopLayerHasWeightsThatSumToOne) {
  look();
  for (const Seen& s : seen_) {
    if (s.site != "attention.probabilities") continue;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      double sum = 0;
      for (std::int64_t c = 0; c < s.columns; ++c)
        sum += static_cast<double>(s.values[static_cast<std::size_t>(r * s.columns + c)]);
      EXPECT_NEAR(sum, 1, static_cast<double>(2 * s.columns) * testing_tools::kEps);
    }
  }
}

// What stands under a weight's name is the product of the activation before it with that weight, plus its bias.
TEST_P(Observed, AWeightIsNamedBesideItsProduct) {
  look();
  const auto find = [this](const std::string& site) {
    return std::ranges::find_if(seen_, [&](const Seen& s) { return s.site == site && s.layer == 1; });
  };
  for (const auto& [before, after] : {std::pair<std::string, std::string>{"attention.context", "attention.branch"},
                                      {"attention.output", "ffn.intermediate"},
                                      {"ffn.activation", "ffn.branch"}}) {
    const auto x = find(before), y = find(after);
    const params::Parameter& weight = bert_.parameters().at(y->weight);
    std::string bias_name = y->weight;
    bias_name.replace(bias_name.rfind("weight"), 6, "bias");
    const params::Parameter& bias = bert_.parameters().at(bias_name);
    const auto widened = [](std::span<const float> v) { return std::vector<double>(v.begin(), v.end()); };
    const auto a = widened(x->values);
    const auto w =
        widened(bert_.values().subspan(static_cast<std::size_t>(weight.offset), static_cast<std::size_t>(weight.size)));
    const auto c =
        widened(bert_.values().subspan(static_cast<std::size_t>(bias.offset), static_cast<std::size_t>(bias.size)));
    const compute::Product product{
        .m = y->rows, .n = y->columns, .k = x->columns, .b = compute::Stored::transposed, .bias = true};
    for (std::int64_t r = 0; r < y->rows; ++r)
      for (std::int64_t n = 0; n < y->columns; ++n)
        EXPECT_NEAR(static_cast<double>(y->values[static_cast<std::size_t>(r * y->columns + n)]),
                    compute::reference::product_element<double>(product, r, n, a.data(), w.data(), c.data(), nullptr),
                    static_cast<double>(x->columns + 1) * testing_tools::kEps * 4)
            << after;
  }
}

TEST_P(Observed, RepeatsItsBitsAndNeedsNoObserver) {
  const double loss = look();
  const std::vector<Seen> first = seen_;
  EXPECT_EQ(look(), loss);
  for (std::size_t k = 0; k < first.size(); ++k) EXPECT_EQ(seen_[k].values, first[k].values);
  EXPECT_EQ(observe(shape_, GetParam().head, 2, bert_.parameters(), bert_.values(), batch_, {}), loss);
}

TEST(ObservedBatch, ABatchThatDoesNotFitTheModelIsRefused) {
  Bert bert(small_model(), HeadKind::classifier, 2, kCapacity);
  batch::Batch batch = batch_of(HeadKind::classifier, {0, 1});
  batch.ids[3] = kVocabulary;
  EXPECT_THROW(observe(small_model(), HeadKind::classifier, 2, bert.parameters(), bert.values(), batch, {}),
               base::Error);
}

TEST(ObservedBatch, WithoutPredictionsHasNoLossAndNoLogits) {
  Bert bert(small_model(), HeadKind::mlm, 0, kCapacity);
  randomize(bert);
  batch::Batch batch = batch_of(HeadKind::mlm, {0, 1});
  batch.masked_rows.clear();
  batch.masked_labels.clear();
  std::string last;
  EXPECT_EQ(observe(small_model(), HeadKind::mlm, 0, bert.parameters(), bert.values(), batch,
                    [&](const Activation& a) { last = a.site; }),
            0);
  EXPECT_EQ(last, "ffn.output");
}

}  // namespace
}  // namespace initlab::model
