// Attention, forward and backward, against the equations in double, on every instruction set that this CPU has: every
// element within a tolerance computed from the sizes of the terms that went into it.
#include "compute/attention.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/attention.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/reference/element.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

constexpr double kSmallest = 2e-38;  // what fast_exp gives for anything smaller
constexpr double kExpEps = 2e-7;     // of fast_exp
constexpr double kBf16Eps = 0x1p-8;  // largest relative error of one rounding to bf16
constexpr float kUntouched = 77;     // between the rows; the same in bf16
constexpr std::uint64_t kKey = 5;
constexpr std::uint32_t kStep = 6, kSite = 10;

struct Case {
  std::int64_t heads = 2, d = 16;
  std::vector<std::int32_t> lengths = {};
  std::vector<std::vector<std::int32_t>> positions = {};  // of the queries of each sequence; empty: all rows ask
  double dropout = 0;
  Element element = Element::f32;
  double size = 1.5;  // of queries and keys
};

// Numbers in both forms.
struct Numbers {
  Numbers(std::vector<float> x, Element element) : element(element), f32(std::move(x)) {
    for (float& v : f32) {
      bf16.push_back(reference::round_to_bf16(v));
      if (element == Element::bf16) v = reference::widen(bf16.back());
    }
  }
  ConstCells cells() const { return element == Element::f32 ? ConstCells(f32.data()) : ConstCells(bf16.data()); }
  Cells cells() { return element == Element::f32 ? Cells(f32.data()) : Cells(bf16.data()); }
  float at(std::size_t i) const { return element == Element::f32 ? f32[i] : reference::widen(bf16[i]); }

  Element element;
  std::vector<float> f32;
  std::vector<Bf16> bf16;
};

// A batch with its results.
struct Attended {
  explicit Attended(const Case& c) : c(c) {
    std::int64_t longest = 0;
    for (std::size_t b = 0; b < c.lengths.size(); ++b) {
      offsets.push_back(offsets.back() + c.lengths[b]);
      slots.push_back(static_cast<std::int32_t>(3 * b + 1));
      longest = std::max<std::int64_t>(longest, c.lengths[b]);
      std::vector<std::int32_t> asked;
      if (!c.positions.empty()) asked = c.positions[b];
      for (std::int32_t t = 0; c.positions.empty() && t < c.lengths[b]; ++t) asked.push_back(t);
      positions.insert(positions.end(), asked.begin(), asked.end());
      query_offsets.push_back(static_cast<std::int32_t>(positions.size()));
    }
    shape = {.heads = c.heads, .head_size = c.d, .longest = longest, .threads = available_threads()};
    h = c.heads * c.d;
    query_row = h + 3;
    key_row = 2 * h + 5;
    const std::int64_t keys = offsets.back(), queries = query_offsets.back();
    q = Numbers(random_values(queries * query_row, "q", c.size), c.element);
    kv = Numbers(random_values(keys * key_row, "kv", c.size), c.element);
    dcontext = Numbers(random_values(queries * h, "dcontext"), c.element);
    context = untouched(queries * h);
    dq = untouched(queries * query_row);
    dkv = untouched(keys * key_row);
    log_sums.assign(static_cast<std::size_t>(queries * c.heads), kUntouched);

    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(shape)), NAN);
    const AttentionBatch batch{static_cast<std::int64_t>(c.lengths.size()), offsets.data(), slots.data(),
                               query_offsets.data(), positions.data()};
    const DropoutSite site = dropout_site(c.dropout, kKey, kStep, kSite);
    const Numbers& x = q;
    const Numbers& y = kv;
    const AttentionInput input{x.cells(), query_row, y.cells(), y.cells() + h, key_row};
    attention_forward(shape, batch, site, input, context.cells(), log_sums.data(), scratch.data());
    std::fill(scratch.begin(), scratch.end(), NAN);
    const Numbers& dy = dcontext;
    attention_backward(shape, batch, site, input, log_sums.data(), dy.cells(),
                       {dq.cells(), query_row, dkv.cells(), dkv.cells() + h, key_row}, scratch.data());
  }

  Numbers untouched(std::int64_t n) const {
    return {std::vector<float>(static_cast<std::size_t>(n), kUntouched), c.element};
  }

  Case c;
  AttentionShape shape;
  std::int64_t h = 0, query_row = 0, key_row = 0;
  std::vector<std::int32_t> offsets = {0}, query_offsets = {0}, slots, positions;
  Numbers q{{}, Element::f32}, kv = q, dcontext = q, context = q, dq = q, dkv = q;
  std::vector<float> log_sums;
};

// A number and how far a kernel's may be from it.
struct Near {
  double value = 0, tolerance = 0;
};
using Nears = std::vector<Near>;

// What the equations say of one sequence and head. An error of one score in a row, ds, changes a weight by 2 ds of its
// size; each sum of n terms adds n eps of the sum of their sizes.
struct Expected {
  Nears context, log_sums, dq, dk, dv;

  Expected(const Attended& run, std::size_t b, std::int64_t head) {
    const auto d = static_cast<std::size_t>(run.c.d);
    const auto first = static_cast<std::size_t>(run.offsets[b]),
               s = static_cast<std::size_t>(run.offsets[b + 1]) - first;
    const auto asked = static_cast<std::size_t>(run.query_offsets[b]),
               n = static_cast<std::size_t>(run.query_offsets[b + 1]) - asked;
    const auto column = static_cast<std::size_t>(head) * d;
    const auto h = static_cast<std::size_t>(run.h), query_row = static_cast<std::size_t>(run.query_row),
               key_row = static_cast<std::size_t>(run.key_row);
    std::vector<double> q, k, v, dy;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t f = 0; f < d; ++f) {
        q.push_back(static_cast<double>(run.q.at((asked + i) * query_row + column + f)));
        dy.push_back(static_cast<double>(run.dcontext.at((asked + i) * h + column + f)));
      }
    for (std::size_t j = 0; j < s; ++j)
      for (std::size_t f = 0; f < d; ++f) {
        k.push_back(static_cast<double>(run.kv.at((first + j) * key_row + column + f)));
        v.push_back(static_cast<double>(run.kv.at((first + j) * key_row + h + column + f)));
      }
    const auto factor = [&](std::size_t i, std::size_t j) {
      return reference::dropout_factor(
          run.c.dropout,
          {kKey, kStep, kSite + static_cast<std::uint32_t>(head), static_cast<std::uint32_t>(run.slots[b]),
           static_cast<std::uint32_t>(run.positions[asked + i]), static_cast<std::uint32_t>(j)});
    };
    const std::vector<double> values = reference::attention<double>(s, d, q, k, v, factor);

    context.resize(n * d), log_sums.resize(n), dq.resize(n * d), dk.resize(s * d), dv.resize(s * d);
    const double scale = 1 / std::sqrt(static_cast<double>(d));
    const auto terms = static_cast<double>(s + d);
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> score(s), p(s), dp(s), dp_size(s);
      double worst = 0, most = -1e300;  // error of a score
      for (std::size_t j = 0; j < s; ++j) {
        double size = 0;
        for (std::size_t f = 0; f < d; ++f) {
          score[j] += scale * q[i * d + f] * k[j * d + f];
          size += scale * std::fabs(q[i * d + f] * k[j * d + f]);
          dp[j] += factor(i, j) * dy[i * d + f] * v[j * d + f];
          dp_size[j] += factor(i, j) * std::fabs(dy[i * d + f] * v[j * d + f]);
        }
        worst = std::max(worst, static_cast<double>(d + 3) * kEps * size);
        most = std::max(most, score[j]);
      }
      double sum = 0, dot = 0, dot_size = 0;
      for (const double x : score) sum += std::exp(x - most);
      const double log_sum = most + std::log(sum);
      for (std::size_t j = 0; j < s; ++j) {
        p[j] = std::exp(score[j] - log_sum);
        dot += p[j] * dp[j];
        dot_size += p[j] * dp_size[j];
      }
      // of a weight, relatively: its score, the sum of exponentials and the logarithm that is kept of it
      const double relative =
          2 * worst + 2 * kExpEps + (static_cast<double>(s) + 8 + 4 * std::fabs(log_sum) + 2 * std::fabs(most)) * kEps;
      log_sums[i] = {log_sum, relative};
      for (std::size_t f = 0; f < d; ++f) context[i * d + f].value = values[i * d + f];
      for (std::size_t j = 0; j < s; ++j) {
        const double weight = p[j] * factor(i, j);
        const double ds = p[j] * scale * (dp[j] - dot);
        const double ds_error =
            scale * (dp_size[j] + dot_size) * (p[j] * (2 * relative + (terms + 8) * kEps) + kSmallest);
        for (std::size_t f = 0; f < d; ++f) {
          const std::size_t query = i * d + f, at = j * d + f;
          context[query].tolerance += std::fabs(v[at]) * (weight * (relative + (terms + 4) * kEps) + 2 * kSmallest);
          add(dv[at], weight * dy[query], relative + static_cast<double>(n + 4) * kEps);
          dv[at].tolerance += std::fabs(dy[query]) * 2 * kSmallest;
          add(dq[query], ds * k[at], (terms + 4) * kEps);
          add(dk[at], ds * q[query], static_cast<double>(n + 4) * kEps);
          dq[query].tolerance += ds_error * std::fabs(k[at]);
          dk[at].tolerance += ds_error * std::fabs(q[query]);
        }
      }
    }
    if (run.c.element == Element::bf16)
      for (Nears* all : {&context, &dq, &dk, &dv})
        for (Near& x : *all) x.tolerance += kBf16Eps * (std::fabs(x.value) + x.tolerance);
  }

  static void add(Near& sum, double term, double relative) {
    sum.value += term;
    sum.tolerance += std::fabs(term) * relative;
  }
};

void expect_all(const Attended& run) {
  const auto h = static_cast<std::size_t>(run.h), d = static_cast<std::size_t>(run.c.d);
  for (std::size_t b = 0; b < run.c.lengths.size(); ++b)
    for (std::int64_t head = 0; head < run.c.heads; ++head) {
      const Expected expected(run, b, head);
      const auto check = [&](const char* what, const Numbers& got, std::int32_t first, std::int64_t row,
                             std::size_t column, const Nears& nears) {
        for (std::size_t i = 0; i < nears.size(); ++i) {
          const std::size_t at = (static_cast<std::size_t>(first) + i / d) * static_cast<std::size_t>(row) + column +
                                 static_cast<std::size_t>(head) * d + i % d;
          ASSERT_NEAR(got.at(at), nears[i].value, nears[i].tolerance)
              << what << " of D " << d << " dropout " << run.c.dropout << " sequence " << b << " head " << head
              << " row " << i / d << " feature " << i % d;
        }
      };
      check("context", run.context, run.query_offsets[b], run.h, 0, expected.context);
      check("dquery", run.dq, run.query_offsets[b], run.query_row, 0, expected.dq);
      check("dkey", run.dkv, run.offsets[b], run.key_row, 0, expected.dk);
      check("dvalue", run.dkv, run.offsets[b], run.key_row, h, expected.dv);
      for (std::size_t i = 0; i < expected.log_sums.size(); ++i) {
        const std::size_t at =
            (static_cast<std::size_t>(run.query_offsets[b]) + i) * static_cast<std::size_t>(run.c.heads) +
            static_cast<std::size_t>(head);
        ASSERT_NEAR(run.log_sums[at], expected.log_sums[i].value, expected.log_sums[i].tolerance);
      }
    }
  for (std::size_t i = 0; i < run.dq.f32.size(); ++i)
    if (i % static_cast<std::size_t>(run.query_row) >= h) {
      ASSERT_EQ(run.dq.at(i), kUntouched) << "written between the rows";
    }
  for (std::size_t i = 0; i < run.dkv.f32.size(); ++i)
    if (i % static_cast<std::size_t>(run.key_row) >= 2 * h) {
      ASSERT_EQ(run.dkv.at(i), kUntouched) << "written between the rows";
    }
}

class AttentionTest : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, AttentionTest, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

// Head sizes that are and are not whole vectors; lengths of less and more than a vector, one of a single token.
TEST_P(AttentionTest, EqualsTheEquations) {
  for (const std::int64_t d : {4, 12, 16, 32, 64})
    for (const double dropout : {0.0, 0.3})
      for (const Element element : {Element::f32, Element::bf16})
        expect_all(Attended({.d = d, .lengths = {19, 1, 5, 33}, .dropout = dropout, .element = element}));
}

// More queries than one block of scores, more keys than one Philox call.
TEST_P(AttentionTest, EqualsTheEquationsForLongSequences) {
  for (const Element element : {Element::f32, Element::bf16})
    expect_all(Attended({.d = 8, .lengths = {200, 64, 129}, .dropout = 0.1, .element = element}));
}

// Only some rows ask: one a sequence, several, none.
TEST_P(AttentionTest, EqualsTheEquationsForSomeQueries) {
  for (const Element element : {Element::f32, Element::bf16})
    expect_all(Attended({.d = 16,
                         .lengths = {20, 7, 12, 70, 9},
                         .positions = {{0}, {1, 6}, {}, {3, 4, 9, 11, 50, 69}, {0, 1, 2, 3, 4, 5, 6, 7}},
                         .dropout = 0.2,
                         .element = element}));
}

// A score of a thousand leaves one weight of 1; nothing overflows.
TEST_P(AttentionTest, EqualsTheEquationsForLargeScores) {
  expect_all(Attended({.d = 16, .lengths = {30}, .dropout = 0.1, .size = 25}));
}

TEST_P(AttentionTest, ThreadsChangeNoBit) {
  const Case all{.d = 12, .lengths = {23, 80}, .dropout = 0.2};
  const Attended whole(all);
  const int before = omp_get_max_threads();
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    const Attended again(all);
    EXPECT_EQ(again.context.f32, whole.context.f32);
    EXPECT_EQ(again.log_sums, whole.log_sums);
    EXPECT_EQ(again.dq.f32, whole.dq.f32);
    EXPECT_EQ(again.dkv.f32, whole.dkv.f32);
  }
  omp_set_num_threads(before);
}

// A query's context has the same bits whoever asks beside it: a layer that computes only some rows computes the same.
TEST_P(AttentionTest, OtherQueriesChangeNoBitOfTheContext) {
  const std::int64_t s = 90, heads = 2, d = 16, h = heads * d;
  const AttentionShape shape{.heads = heads, .head_size = d, .longest = s, .threads = 1};
  const auto qkv = random_values(s * 3 * h, "qkv");
  std::vector<std::int32_t> positions(static_cast<std::size_t>(s));
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<std::int32_t> slots = {3}, offsets = {0, 90}, some = {0, 5};
  std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(shape)));
  const auto context = [&](std::int32_t first, const std::vector<std::int32_t>& query_offsets) {
    std::vector<float> y(static_cast<std::size_t>(query_offsets[1] * h)), log_sums(y.size());
    attention_forward(shape, {1, offsets.data(), slots.data(), query_offsets.data(), positions.data() + first},
                      dropout_site(0.2, kKey, kStep, kSite),
                      {qkv.data() + first * 3 * h, 3 * h, qkv.data() + h, qkv.data() + 2 * h, 3 * h}, y.data(),
                      log_sums.data(), scratch.data());
    return y;
  };
  const std::vector<float> all = context(0, offsets);
  for (const std::int32_t first : {0, 13, 62, 85}) {
    const auto begin = all.begin() + first * h;
    EXPECT_EQ(context(first, some), std::vector<float>(begin, begin + 5 * h)) << first;
  }
}

TEST_P(AttentionTest, NanReachesTheContextOfItsSequenceOnly) {
  const AttentionShape shape{.heads = 1, .head_size = 4, .longest = 3, .threads = 1};
  const std::vector<std::int32_t> offsets = {0, 3, 5}, slots = {0, 1}, positions = {0, 1, 2, 0, 1};
  auto qkv = random_values(5 * 12, "qkv");
  qkv[4] = NAN;  // a key of the first sequence
  std::vector<float> context(20), log_sums(5), scratch(static_cast<std::size_t>(attention_scratch(shape)));
  attention_forward(shape, {2, offsets.data(), slots.data(), offsets.data(), positions.data()}, {},
                    {qkv.data(), 12, qkv.data() + 4, qkv.data() + 8, 12}, context.data(), log_sums.data(),
                    scratch.data());
  for (std::size_t i = 0; i < 12; ++i) EXPECT_TRUE(std::isnan(context[i])) << i;
  for (std::size_t i = 12; i < 20; ++i) EXPECT_TRUE(std::isfinite(context[i])) << i;
}

}  // namespace
}  // namespace initlab::compute
