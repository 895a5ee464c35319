// Masking: rates within binomial bounds, purity, and that a sequence always has something to predict.
#include "data/masking.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace initlab::data {
namespace {

constexpr text::SpecialIds kSpecial{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
constexpr std::int32_t kVocabulary = 1000;

std::vector<std::int32_t> sequence(int words) {
  std::vector<std::int32_t> ids{kSpecial.cls};
  for (int i = 0; i < words; ++i) ids.push_back(5 + i % (kVocabulary - 5));
  ids.push_back(kSpecial.sep);
  return ids;
}

// A share of n draws with probability p lies within five standard deviations: a false alarm once in 1.7 million seeds.
void expect_share(std::int64_t count, std::int64_t n, double p, const char* what) {
  const double bound = 5 * std::sqrt(p * (1 - p) / static_cast<double>(n));
  EXPECT_NEAR(static_cast<double>(count) / static_cast<double>(n), p, bound) << what << " of " << n;
}

TEST(Masking, SharesAreThoseOfBert) {
  const Masker masker(kSpecial, kVocabulary, 0.15);
  const auto ids = sequence(126);
  const base::Stream stream(7, "test");
  std::int64_t tokens = 0, chosen = 0, masked = 0, replaced = 0, kept = 0;
  for (std::int64_t row = 0; row < 4000; ++row) {
    tokens += 126;
    for (const Prediction& p : masker.predict(ids, stream, row)) {
      ++chosen;
      const std::int32_t original = ids[static_cast<std::size_t>(p.position)];
      masked += p.shown == kSpecial.mask;
      kept += p.shown == original;
      replaced += p.shown != kSpecial.mask && p.shown != original;
    }
  }
  const double same = 0.1 / static_cast<double>(kVocabulary - 5);  // a random token may be the original
  expect_share(chosen, tokens, 0.15, "predicted");
  expect_share(masked, chosen, 0.8, "shown as [MASK]");
  expect_share(replaced, chosen, 0.1 - same, "random");
  expect_share(kept, chosen, 0.1 + same, "kept");
}

TEST(Masking, PositionsAreIndependentOfEachOther) {
  const Masker masker(kSpecial, kVocabulary, 0.15);
  const auto ids = sequence(40);
  const base::Stream stream(7, "test");
  std::int64_t pairs = 0, both = 0;
  std::vector<std::int64_t> by_position(ids.size(), 0);
  constexpr std::int64_t kRows = 20000;
  for (std::int64_t row = 0; row < kRows; ++row) {
    const auto predictions = masker.predict(ids, stream, row);
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      ++by_position[static_cast<std::size_t>(predictions[i].position)];
      both += i > 0 && predictions[i].position == predictions[i - 1].position + 1;
    }
    pairs += 39;
  }
  // The chance that all 40 draws fail and one position is chosen instead adds less than 0.85^40 / 40 to each.
  for (std::size_t position = 1; position <= 40; ++position)
    expect_share(by_position[position], kRows, 0.15, "position");
  expect_share(both, pairs, 0.15 * 0.15, "neighbours");
}

TEST(Masking, SpecialTokensAreNeverPredictedNorShownAtRandom) {
  const Masker masker(kSpecial, 8, 1.0);  // three ordinary ids
  const std::vector<std::int32_t> ids = {2, 5, 1, 6, 3, 7, 4, 0, 3};
  std::set<std::int32_t> shown;
  for (std::int64_t row = 0; row < 500; ++row) {
    const auto predictions = masker.predict(ids, base::Stream(1, "test"), row);
    ASSERT_EQ(predictions.size(), 3U);
    EXPECT_EQ(predictions[0].position, 1);
    EXPECT_EQ(predictions[1].position, 3);
    EXPECT_EQ(predictions[2].position, 5);
    for (const Prediction& p : predictions) shown.insert(p.shown);
  }
  EXPECT_EQ(shown, (std::set<std::int32_t>{4, 5, 6, 7}));
}

TEST(Masking, EverySequenceHasAPrediction) {
  const Masker masker(kSpecial, kVocabulary, 1e-9);
  std::set<std::int32_t> positions;
  for (std::int64_t row = 0; row < 200; ++row) {
    const auto predictions = masker.predict(sequence(3), base::Stream(3, "test"), row);
    ASSERT_EQ(predictions.size(), 1U);
    positions.insert(predictions[0].position);
  }
  EXPECT_EQ(positions, (std::set<std::int32_t>{1, 2, 3}));
  EXPECT_TRUE(masker.predict({2, 1, 3}, base::Stream(3, "test"), 0).empty());  // [UNK] alone
  EXPECT_EQ(masker.most_predictions({2, 1, 3}), 0);
}

TEST(Masking, APredictionDependsOnRowPositionAndStreamAlone) {
  const Masker masker(kSpecial, kVocabulary, 0.15);
  const auto longer = sequence(100);
  auto shorter = sequence(50);
  const base::Stream stream(9, "test");
  const auto a = masker.predict(longer, stream, 3), b = masker.predict(shorter, stream, 3);
  ASSERT_FALSE(b.empty());
  ASSERT_LE(b.size(), a.size());
  for (std::size_t i = 0; i < b.size(); ++i) {  // same ids in the first 50 positions: same masks
    EXPECT_EQ(a[i].position, b[i].position);
    EXPECT_EQ(a[i].shown, b[i].shown);
  }
  const auto differs = [&](const std::vector<Prediction>& other) {
    return other.size() != a.size() || !std::equal(a.begin(), a.end(), other.begin(), [](const auto& x, const auto& y) {
             return x.position == y.position && x.shown == y.shown;
           });
  };
  EXPECT_FALSE(differs(masker.predict(longer, stream, 3)));
  EXPECT_TRUE(differs(masker.predict(longer, stream, 4)));
  EXPECT_TRUE(differs(masker.predict(longer, base::Stream(10, "test"), 3)));
}

TEST(Masking, TheBoundHoldsAndIsFarFromTheMean) {
  for (const int words : {1, 5, 13, 126, 510}) {
    const Masker masker(kSpecial, kVocabulary, 0.15);
    const auto ids = sequence(words);
    std::size_t most = 0;
    for (std::int64_t row = 0; row < 2000; ++row)
      most = std::max(most, masker.predict(ids, base::Stream(5, "test"), row).size());
    const auto bound = static_cast<std::size_t>(masker.most_predictions(ids));
    EXPECT_LE(most, bound) << words;
    if (words >= 13) {
      EXPECT_LT(most, bound) << "the cut shows in 2000 sequences of " << words;
    }
    EXPECT_LE(bound, static_cast<std::size_t>(words));
  }
}

}  // namespace
}  // namespace initlab::data
