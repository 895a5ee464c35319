// What a person reads and what a program parses: whole tables, sentences, JSON keys, CSV rows.
#include "report/report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compare/runs.hpp"

namespace initlab::report {
namespace {

using compare::compare;
using testing::eight_pairs;
using testing::run;
using Runs = std::vector<record::Run>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Table, WholeText) {
  EXPECT_EQ(table(compare(eight_pairs(), {})),
            R"(why: accuracy at the last evaluation, higher is better; differences to pretrained, paired by replicate

arm             n  failed    mean     std  difference             95 % CI       p  steps to 0.8
pretrained      8       0  0.9350  0.0245    baseline                              10 (8/8 reached)
zero            8       0  0.5000  0.0000     -0.4350  [-0.4555, -0.4145]  0.0078  never (0/8 reached)
constant class             0.5000

* pretrained beats zero by 43.5 points of accuracy (95 % CI 41.5 to 45.5, 8 paired seeds, p = 0.0078) and
  reaches 80 % after 10 steps; zero never did

notes
- 8 of 8 runs of zero predict one class
- no run of zero beats the constant-class baseline (0.5000)
)");
}

TEST(Table, OneBlockAGridPoint) {
  Runs runs;
  for (const char* settings : {R"({"training.rate":0.5,"task":"a"})", R"({"training.rate":2e-05,"task":"a"})"})
    for (int r = 0; r < 2; ++r)
      for (const char* arm : {"pretrained", "zero"})
        runs.push_back(run(arm, r, {{5, std::string(arm) == "zero" ? 0.5 + 0.1 * r : 0.9}}, settings));
  runs[3].state = record::State::failed;
  for (record::Run& one : runs) one.header.threshold = kNaN, one.header.constant_class.clear();
  EXPECT_EQ(table(compare(runs, {})),
            R"(why: accuracy at the last evaluation, higher is better; differences to pretrained, paired by replicate

training.rate = 2e-05, task = a
arm         n  failed    mean     std  difference             95 % CI       p
pretrained  2       0  0.9000  0.0000    baseline
zero        2       0  0.5500  0.0707     -0.3500  [-0.9853, +0.2853]  0.5000

* cannot tell zero from pretrained: difference -35.0 points of accuracy (95 % CI -98.5 to +28.5, 2 paired
  seeds, p = 0.5000); 2 paired seeds cannot show p < 0.05, 6 can

training.rate = 0.5, task = a
arm         n  failed    mean     std  difference  95 % CI       p
pretrained  2       0  0.9000  0.0000    baseline
zero        1       1  0.5000       -     -0.4000        -  1.0000

* cannot tell zero from pretrained: one pair (-40.0 points of accuracy) says nothing about its spread

notes
- 1 of 2 runs of zero (rate = 0.5, task = a) failed: its mean speaks of the others only
- 1 pair: p cannot fall below 1
- 2 pairs: p cannot fall below 0.5
)");
}

TEST(Table, SaysWhereItLooked) {
  EXPECT_TRUE(table(compare(eight_pairs(), {.metric = "loss", .at = "best"}))
                  .starts_with("why: loss at each run's best evaluation, lower is better; "));
  EXPECT_TRUE(
      table(compare(eight_pairs(), {.at = "step:10"})).starts_with("why: accuracy at step 10, higher is better; "));
}

// A verdict of made-up numbers.
std::string say(std::int64_t n, double difference, std::optional<compare::Interval> ci, double p,
                const std::string& better = "higher") {
  compare::Comparison comparison;
  comparison.metric = better == "higher" ? "accuracy" : "loss";
  comparison.better = better;
  comparison.baseline = "pretrained";
  compare::Pair pair;
  pair.arm = "xavier";
  pair.n = pair.replicates = n;
  pair.difference = difference;
  pair.ci95 = ci;
  pair.p_sign_flip = pair.p_holm = p;
  return verdict(comparison, pair);
}

TEST(Verdict, NamesTheWinner) {
  using compare::Interval;
  EXPECT_EQ(say(8, -0.1, Interval{-0.2, -0.05}, 0.0078),
            "pretrained beats xavier by 10.0 points of accuracy (95 % CI 5.0 to 20.0, 8 paired seeds, p = 0.0078)");
  EXPECT_EQ(say(8, 0.1, Interval{0.05, 0.2}, 0.0078),
            "xavier beats pretrained by 10.0 points of accuracy (95 % CI 5.0 to 20.0, 8 paired seeds, p = 0.0078)");
  EXPECT_EQ(say(20, 0.1, Interval{0.05, 0.2}, 1e-6, "lower"),
            "pretrained beats xavier by 0.1000 loss (95 % CI 0.0500 to 0.2000, 20 paired seeds, p < 0.0001)");
}

TEST(Verdict, CannotTellUnlessTestAndIntervalAgree) {
  using compare::Interval;
  EXPECT_EQ(
      say(8, 0.002, Interval{-0.01, 0.014}, 0.5469),
      "cannot tell xavier from pretrained: difference +0.2 points of accuracy (95 % CI -1.0 to +1.4, 8 paired seeds, "
      "p = 0.5469)");
  EXPECT_EQ(
      say(8, 0.01, Interval{0.001, 0.02}, 0.0625),
      "cannot tell xavier from pretrained: difference +1.0 points of accuracy (95 % CI +0.1 to +2.0, 8 paired seeds, "
      "p = 0.0625)");
  EXPECT_EQ(
      say(8, 0.01, Interval{-0.001, 0.02}, 0.04),
      "cannot tell xavier from pretrained: difference +1.0 points of accuracy (95 % CI -0.1 to +2.0, 8 paired seeds, "
      "p = 0.0400)");
}

TEST(Verdict, FewPairs) {
  using compare::Interval;
  EXPECT_EQ(
      say(5, -0.4, Interval{-0.5, -0.3}, 0.0625),
      "cannot tell yet: pretrained leads xavier by 40.0 points of accuracy (95 % CI 30.0 to 50.0, 5 paired seeds, p = "
      "0.0625); 5 paired seeds cannot show p < 0.05, 6 can");
  EXPECT_EQ(say(1, -0.4, std::nullopt, 1),
            "cannot tell xavier from pretrained: one pair (-40.0 points of accuracy) says nothing about its spread");
  EXPECT_EQ(say(0, kNaN, std::nullopt, 1), "cannot tell xavier from pretrained: no replicate has a value in both");
  EXPECT_EQ(say(8, 0, Interval{0, 0}, 1), "xavier and pretrained gave equal values with all 8 paired seeds");
}

TEST(Verdict, OneOfManyNeedsMore) {
  compare::Comparison comparison = compare::Comparison();
  comparison.metric = "f1";
  comparison.better = "higher";
  comparison.baseline = "pretrained";
  for (int i = 0; i < 9; ++i) {
    compare::Pair pair;
    pair.arm = "xavier";
    pair.n = pair.replicates = 6;
    pair.difference = -0.112;
    pair.ci95 = compare::Interval{-0.126, -0.098};
    pair.p_sign_flip = 0.03125;
    pair.p_holm = i < 8 ? 0.28125 : 0.02;
    comparison.pairs.push_back(pair);
  }
  const std::string by = "xavier by 11.2 points of f1 (95 % CI 9.8 to 12.6, 6 paired seeds, p = 0.0312, Holm ";
  EXPECT_EQ(
      verdict(comparison, comparison.pairs[0]),
      "cannot tell yet: pretrained leads " + by + "0.2812); alone that would do, but not as one of 9 comparisons");
  comparison.pairs[0].seeds_needed = 9;
  EXPECT_TRUE(verdict(comparison, comparison.pairs[0])
                  .ends_with("as one of 9 comparisons; about 9 seeds would tell, were the difference as seen"));
  comparison.pairs[0].n = comparison.pairs[0].replicates = 5;
  comparison.pairs[0].p_sign_flip = 0.0625;
  EXPECT_TRUE(verdict(comparison, comparison.pairs[0])
                  .ends_with("5 paired seeds cannot show p < 0.05, 6 can, 9 as one of 9 comparisons"));
  comparison.pairs[0].n = comparison.pairs[0].replicates = 6;
  comparison.pairs[0].p_sign_flip = 0.03125;
  comparison.pairs[0].seeds_needed = 0;
  EXPECT_EQ(verdict(comparison, comparison.pairs[8]), "pretrained beats " + by + "0.0200)");
  comparison.pairs[8].seeds_needed = 14;
  comparison.pairs[8].ci95 = compare::Interval{-0.126, 0.01};
  EXPECT_TRUE(verdict(comparison, comparison.pairs[8])
                  .ends_with("Holm 0.0200); about 14 seeds would tell, were the difference as seen"));
  comparison.at = "best";
  EXPECT_EQ(
      verdict(comparison, comparison.pairs[0]),
      "no verdict on xavier and pretrained: each run's best evaluation was chosen on the data that it is measured on; "
      "difference -11.2 points of f1 (95 % CI -12.6 to -9.8, 6 paired seeds, p = 0.0312, Holm 0.2812)");
}

TEST(Verdict, SaysWhoReachesTheThreshold) {
  // The sentence behind the evidence, for steps of the winner and of the loser; -1 never got there.
  const auto clause = [](const std::vector<int>& winner, const std::vector<int>& loser) {
    Runs runs;
    for (std::size_t r = 0; r < 6; ++r) {
      const auto accuracy = [&](const std::vector<int>& steps, int at) {
        return steps[r] >= 0 && at >= steps[r] ? 0.85 : 0.5;
      };
      runs.push_back(run("pretrained", static_cast<std::int64_t>(r),
                         {{10, accuracy(winner, 10)}, {20, accuracy(winner, 20)}, {30, 0.79}}));
      runs.push_back(
          run("zero", static_cast<std::int64_t>(r), {{10, accuracy(loser, 10)}, {20, accuracy(loser, 20)}, {30, 0.4}}));
    }
    const compare::Comparison comparison = compare(runs, {});
    const std::string text = verdict(comparison, comparison.pairs.at(0));
    EXPECT_TRUE(text.starts_with("pretrained beats zero by 39.0 points of accuracy (")) << text;
    return text.substr(text.find(')') + 1);
  };
  const std::vector<int> early(6, 10), late(6, 20), never(6, -1);
  EXPECT_EQ(clause(early, never), " and reaches 80 % after 10 steps; zero never did");
  EXPECT_EQ(clause(early, late), " and reaches 80 % after 10 steps, zero after 20 steps");
  EXPECT_EQ(clause(never, never), "; neither reaches 80 %");
  EXPECT_EQ(clause(never, late), "; it never reaches 80 %, zero does after 20 steps");
  EXPECT_EQ(clause({10, 10, 10, 20, -1, -1}, never), " and reaches 80 % after 10 steps in 4 of 6 runs; zero never did");
  EXPECT_EQ(clause({10, 10, -1, -1, -1, -1}, never), " and reaches 80 % in 2 of 6 runs; zero never did");
}

TEST(ClaimVerdict, SaysTheNumbersAndWhy) {
  using Outcome = compare::ClaimVerdict::Outcome;
  compare::Comparison comparison;
  comparison.metric = "accuracy";
  compare::ClaimVerdict claim;
  claim.kind = compare::ClaimVerdict::Kind::equal;
  claim.outcome = Outcome::reproduced;
  claim.ends = {"zero", "constant_class"};
  claim.margin = 0.02;
  claim.links = {{8, 8, 0.001, compare::Interval{-0.005, 0.007}, 0.5}};
  claim.ci90 = compare::Interval{-0.004, 0.006};
  claim.p = 0.0003;
  claim.p_holm = 0.0018;
  comparison.claims = {claim, claim};
  EXPECT_EQ(
      verdict(comparison, claim),
      "reproduced: zero equals the constant class within 2.0 points of accuracy: difference +0.1 (90 % CI -0.4 to "
      "+0.6, 8 seeds); p = 0.0003, Holm 0.0018");
  claim.kind = compare::ClaimVerdict::Kind::order;
  claim.outcome = Outcome::cannot_tell;
  claim.ends = {"a", "b", "c"};
  claim.ci90.reset();
  claim.links.push_back(claim.links[0]);
  claim.reason = "the interval holds 0, or p is too large";
  claim.seeds_needed = 30;
  EXPECT_EQ(
      verdict(comparison, claim),
      "cannot tell: a > b > c: a - b +0.1 (95 % CI -0.5 to +0.7, 8 seeds), b - c +0.1 (95 % CI -0.5 to +0.7, 8 seeds); "
      "p = 0.0003, Holm 0.0018; the interval holds 0, or p is too large; about 30 seeds would tell, were the "
      "difference as seen");
  for (compare::PairedMean& link : claim.links) link.n = 2;
  EXPECT_NE(verdict(comparison, claim).find("2 pre-training replicates)"), std::string::npos);
  EXPECT_EQ(verdict(comparison, claim).find("seeds"), std::string::npos) << "more seeds would not tell";
  claim.links.clear();
  claim.reason = "no run of b";
  EXPECT_EQ(verdict(comparison, claim), "cannot tell: a > b > c; no run of b");
}

TEST(Table, ClaimsAndAnchorsStandInIt) {
  Runs runs = eight_pairs();
  for (record::Run& one : runs)
    one.header.design =
        R"({"claims":[{"equal":"zero","to":"constant_class","margin":0.02,"better":null,"than":null,"order":[]}],)"
        R"("anchors":[{"text":"BERT-base","value":0.683,"source":"K 2019","arm":"zero","metric":null}],"planned_seeds":null})";
  const std::string text = table(compare(runs, {}));
  EXPECT_NE(text.find("\n  [1]                      0.6830\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\npublished, not measured here\n- [1] 0.6830: BERT-base; K 2019\n"), std::string::npos) << text;
  EXPECT_NE(
      text.find("\nclaims, as the spec stated them before the runs\n* reproduced: zero equals the constant class "),
      std::string::npos)
      << text;
  const base::Json json = to_json(compare(runs, {}));
  EXPECT_EQ(json["claims"][0]["outcome"], "reproduced");
  EXPECT_EQ(json["claims"][0]["margin"], 0.02);
  EXPECT_EQ(json["anchors"][0]["value"], 0.683);
}

TEST(Table, MarkdownAndLatex) {
  Runs runs = eight_pairs();
  for (record::Run& one : runs)
    if (one.header.arm == "zero") one.header.arm = "all_zero";
  compare::Comparison comparison = compare(runs, {});
  comparison.anchors = {{"two\nlines", "A 2019", "all_zero", "accuracy", 0.823}};
  const std::string markdown = table(comparison, {.format = Format::markdown});
  EXPECT_TRUE(markdown.starts_with("## why: accuracy at the last evaluation")) << markdown;
  EXPECT_NE(markdown.find("\n| arm | n | failed | mean | std | difference | 95 % CI | p | steps to 0.8 |\n"
                          "|---|---:|---:|---:|---:|---:|---:|---:|---|\n| pretrained | 8 | 0 | 0.9350 |"),
            std::string::npos)
      << markdown;
  EXPECT_NE(markdown.find("\n- pretrained beats all\\_zero by 43.5 points"), std::string::npos) << markdown;
  const std::string latex = table(comparison, {.format = Format::latex});
  EXPECT_NE(
      latex.find("\n\\begin{tabular}{lrrrrrrrl}\n\\toprule\narm & n & failed & mean & std & difference & 95 \\% CI & "
                 "p & steps to 0.8 \\\\\n\\midrule\n"),
      std::string::npos)
      << latex;
  EXPECT_NE(latex.find("\nall\\_zero & 8 & 0 & 0.5000 &"), std::string::npos) << latex;
  EXPECT_NE(latex.find("\\bottomrule\n\\end{tabular}\n"), std::string::npos);
  EXPECT_NE(latex.find("\n  {[}1] &  &  & 0.8230 &"), std::string::npos) << "no argument of the row before: " << latex;
  EXPECT_NE(latex.find("% [1] 0.8230: two lines; A 2019\n"), std::string::npos) << latex;
  for (std::size_t at = 0; at < latex.size(); at = latex.find('\n', at) + 1) {
    const std::string line = latex.substr(at, latex.find('\n', at) - at);
    EXPECT_TRUE(line.empty() || line[0] == '%' || line[0] == '\\' || line.ends_with("\\\\")) << line;
  }
}

TEST(Table, ColourChangesNoLetter) {
  const compare::Comparison comparison = compare(eight_pairs(), {});
  std::string coloured = table(comparison, {.colour = true});
  EXPECT_NE(coloured.find("\x1b[32m beats \x1b[0m"), std::string::npos);
  for (std::size_t at = coloured.find('\x1b'); at != std::string::npos; at = coloured.find('\x1b'))
    coloured.erase(at, coloured.find('m', at) + 1 - at);
  EXPECT_EQ(coloured, table(comparison));
}

TEST(Table, Details) {
  const std::string text = table(compare(eight_pairs(), {}), {.details = true});
  for (const char* part :
       {"over seeds\narm ", "against pretrained\narm ", "to 80 %\narm ", "IQM", "log-rank p", "[0.9145, 0.9555]"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("over seeds and evaluation examples"), std::string::npos) << "no predictions were read";
}

TEST(CurveTable, ArmsOverAGridAxis) {
  Runs runs;
  for (const int size : {1000, 100})
    for (int r = 0; r < 2; ++r)
      for (const char* arm : {"pretrained", "zero"})
        if (size == 100 || std::string(arm) != "zero")
          runs.push_back(run(arm, r, {{5, size == 100 ? 0.5 + 0.1 * r : 0.9}},
                             R"({"task.train_size":)" + std::to_string(size) + "}"));
  EXPECT_EQ(curve_table(compare(runs, {}), "task.train_size"),
            R"(accuracy over task.train_size: mean [95 % CI] (seeds)
arm                                  100                         1000
pretrained  0.5500 [-0.0853, 1.1853] (2)  0.9000 [0.9000, 0.9000] (2)
zero        0.5500 [-0.0853, 1.1853] (2)                            -
)");
}

TEST(TuningSentences, ASentenceForEachWay) {
  compare::Comparison comparison;
  const auto arm = [&](const std::string& name, double share, double rate, const compare::Settings& settings) {
    compare::ArmSummary summary;
    summary.arm = name;
    summary.settings = settings;
    summary.tuning = compare::Tuning{"f1", "higher", share, {{1e-4, {0.5, 0.7}, 0.6}, {0.5, {kNaN, 0.5}, kNaN}}, rate};
    comparison.arms.push_back(summary);
  };
  arm("random", 0.29, 1e-4, {});
  arm("pretrained", 0.29, 0.5, {});
  arm("elsewhere", 0.29, 0.5, {{"batch", 8}});
  EXPECT_EQ(tuning_sentences(comparison, {}),
            (std::vector<std::string>{"each arm's learning rate was chosen on 29 % of the training set, held out, from "
                                      "{1e-04, 0.5} by mean f1 (2 runs a rate): random 1e-04, pretrained 0.5"}));
  comparison.arms[1].tuning->share = 0.125;
  comparison.arms.push_back({});
  const std::vector<std::string> two = tuning_sentences(comparison, {});
  ASSERT_EQ(two.size(), 2U);
  EXPECT_NE(two[1].find("12.5 % of"), std::string::npos) << two[1];
  EXPECT_TRUE(tuning_sentences(comparison, {{"batch", 16}}).empty());
  const base::Json json = to_json(comparison);
  EXPECT_EQ(json["arms"][0]["tuning"]["learning_rate"], 1e-4);
  EXPECT_TRUE(json["arms"][0]["tuning"]["trials"][1]["mean"].is_null());
  EXPECT_TRUE(json["arms"][3]["tuning"].is_null());
}

compare::Comparison of_gain() {
  compare::Comparison comparison;
  comparison.experiment = "why";
  comparison.gain = compare::Gain{"random", "pretrained"};
  return comparison;
}

// A share's verdict, of made-up numbers.
std::string say_share(std::int64_t n, double share, std::optional<compare::RatioSet> set, double gain = 0.4,
                      std::optional<compare::Interval> gain_ci = compare::Interval{0.3, 0.5}) {
  return verdict(of_gain(), compare::Share{"shuffled", {}, n, n, share, set, gain, gain_ci});
}

TEST(ShareVerdict, SaysHowMuchOrThatItCannot) {
  using Kind = compare::RatioSet::Kind;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string unknown = "cannot tell what share of the gain from random to pretrained shuffled keeps: ";
  const std::string doubt = "the gain itself may be 0 (+0.0100, 95 % CI -0.0100 to +0.0300, 6 replicates)";
  const compare::Interval small{-0.01, 0.03};
  EXPECT_EQ(say_share(6, 0.041, compare::RatioSet{Kind::interval, -0.02, 0.103}),
            "shuffled keeps 4.1 % of the gain from random to pretrained (95 % CI -2.0 % to 10.3 %, 6 replicates)");
  EXPECT_EQ(say_share(6, 0.5, compare::RatioSet{Kind::interval, -0.2, 1.2}),
            unknown + "50.0 % (95 % CI -20.0 % to 120.0 %, 6 replicates) may be nothing and may be all");
  EXPECT_EQ(say_share(6, 0.5, compare::RatioSet{}, 0.01, small), unknown + doubt + ", and no share is excluded");
  EXPECT_EQ(say_share(6, 0.5, compare::RatioSet{Kind::outside, -0.5, -0.25}, 0.01, small),
            unknown + doubt + "; only shares between -50.0 % and -25.0 % are excluded");
  EXPECT_EQ(say_share(6, 0.5, compare::RatioSet{Kind::outside, -kInfinity, 0.25}, 0.01, small),
            unknown + doubt + "; only shares below 25.0 % are excluded");
  EXPECT_EQ(say_share(6, 0.5, compare::RatioSet{Kind::outside, 0.75, kInfinity}, 0.01, small),
            unknown + doubt + "; only shares above 75.0 % are excluded");
  EXPECT_EQ(say_share(1, 0.5, std::nullopt, 0.4, std::nullopt),
            unknown + "one replicate (50.0 %) says nothing about its spread");
  EXPECT_EQ(say_share(0, kNaN, std::nullopt, kNaN, std::nullopt), unknown + "no replicate has a value in all three");
}

Runs gained() {
  Runs runs;
  for (int r = 0; r < 6; ++r) {
    runs.push_back(run("pretrained", r, {{5, 0.9 + (r % 2 == 0 ? 0.01 : -0.01)}}));
    runs.push_back(run("zero", r, {{5, 0.5}}));
    runs.push_back(run("half", r, {{5, 0.7}}));
  }
  for (record::Run& one : runs) {
    one.header.threshold = kNaN;
    one.header.constant_class.clear();
  }
  return runs;
}

TEST(Table, ShowsTheShareOfTheGain) {
  const std::string text = table(compare(gained(), {.gain = compare::Gain{"zero", "pretrained"}}));
  EXPECT_TRUE(text.starts_with(
      R"(why: accuracy at the last evaluation, higher is better; differences to pretrained, paired by replicate
gain kept: (arm - zero) / (pretrained - zero), paired by replicate

arm         n  failed    mean     std  difference             95 % CI       p    Holm  gain kept           95 % CI
pretrained  6       0  0.9000  0.0110    baseline                                             to
zero        6       0  0.5000  0.0000     -0.4000  [-0.4115, -0.3885]  0.0312  0.0625       from
half        6       0  0.7000  0.0000     -0.2000  [-0.2115, -0.1885]  0.0312  0.0625     50.0 %  [48.6 %, 51.5 %]
)")) << text;
  EXPECT_NE(text.find("\n* half keeps 50.0 % of the gain from zero to pretrained (95 % CI 48.6 % to 51.5 %, 6 "
                      "replicates)\n"),
            std::string::npos)
      << text;
}

TEST(Json, SharesOfTheGain) {
  const base::Json json = to_json(compare(gained(), {.gain = compare::Gain{"zero", "pretrained"}}));
  EXPECT_EQ(json["gain"], (base::Json{{"from", "zero"}, {"to", "pretrained"}}));
  ASSERT_EQ(json["shares"].size(), 1u);
  const base::Json& share = json["shares"][0];
  EXPECT_EQ(share["arm"], "half");
  EXPECT_EQ(share["settings"], base::Json::object());
  EXPECT_EQ(share["n"], 6);
  EXPECT_NEAR(share["share"].get<double>(), 0.5, 1e-12);
  EXPECT_EQ(share["ci95_kind"], "interval");
  EXPECT_LT(share["ci95"][0], share["ci95"][1]);
  EXPECT_NEAR(share["gain"].get<double>(), 0.4, 1e-12);
  EXPECT_LT(share["gain_ci95"][0], 0.4);
  EXPECT_TRUE(share["verdict"].get<std::string>().starts_with("half keeps 50.0 %"));
  EXPECT_TRUE(to_json(compare(gained(), {}))["gain"].is_null());
}

TEST(Csv, SharesStandBehindTheRuns) {
  compare::Comparison comparison = of_gain();
  compare::Share share{"half", {{"lr", 2e-5}},
                       6,      6,
                       0.5,    compare::RatioSet{compare::RatioSet::Kind::interval, 0.25, 0.75},
                       0.4,    compare::Interval{0.3, 0.5}};
  comparison.shares = {share};
  share.arm = "lost";
  share.ci95 = compare::RatioSet{compare::RatioSet::Kind::outside, -1, -0.5};
  comparison.shares.push_back(share);
  const std::string half = R"(,why,half,"{""lr"":2e-05}",,,gain_share)",
                    lost = R"(,why,lost,"{""lr"":2e-05}",,,gain_share)";
  EXPECT_EQ(to_csv({}, std::span(&comparison, 1)), "run_id,experiment,arm,settings,replicate,step,metric,value\n" +
                                                       half + ",0.5\n" + half + "_low,0.25\n" + half + "_high,0.75\n" +
                                                       lost + ",0.5\n" + lost + "_low,-inf\n" + lost + "_high,inf\n");
}

TEST(StepsText, ShowsMisses) {
  compare::ArmSummary arm;
  arm.last_step = 500;
  EXPECT_EQ(steps_text(arm), "-");
  arm.steps_to_threshold = {120, 100, 140};
  EXPECT_EQ(steps_text(arm), "120 (3/3 reached)");
  arm.steps_to_threshold = {120, 100, 140, std::nullopt, std::nullopt};
  EXPECT_EQ(steps_text(arm), "140 (3/5 reached)");
  arm.steps_to_threshold = {120, std::nullopt, std::nullopt};
  EXPECT_EQ(steps_text(arm), "> 500 (1/3 reached)");
  arm.steps_to_threshold = {std::nullopt, std::nullopt};
  EXPECT_EQ(steps_text(arm), "never (0/2 reached)");
}

TEST(Numbers, Texts) {
  EXPECT_EQ(number(0.68382), "0.6838");
  EXPECT_EQ(number(-0.00001), "0.0000");
  EXPECT_EQ(number(kNaN), "-");
  EXPECT_EQ(signed_number(0.00001), "0.0000");
  EXPECT_EQ(signed_number(0.5), "+0.5000");
  EXPECT_EQ(signed_number(-0.5), "-0.5000");
  EXPECT_EQ(p_text(0.00781), "0.0078");
  EXPECT_EQ(p_text(0.00001), "<0.0001");
  EXPECT_EQ(percent(0.0414), "4.1 %");
  EXPECT_EQ(percent(-0.0001), "0.0 %");
  EXPECT_EQ(percent(kNaN), "-");
}

TEST(Align, CountsCharactersAndLeavesNoTrailingSpace) {
  EXPECT_EQ(align({{"a", "1"}, {"\xc3\xa9\xc3\xa9", "22"}, {"bbb"}}, {false, true}),
            "a     1\n\xc3\xa9\xc3\xa9   22\nbbb\n");
  EXPECT_EQ(align({}, {}), "");
  EXPECT_EQ(align({{""}, {"x"}}, {}), "\nx\n");
}

TEST(Json, KeysAndNulls) {
  Runs runs = eight_pairs();
  runs.resize(2);  // one pair: no interval, no standard deviation
  const base::Json json = base::parse_json(base::json_text(to_json(compare(runs, {}))), "test");
  const auto keys = [](const base::Json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items()) names.push_back(name);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(keys(json),
            (Names{"experiment", "metric", "better", "at", "baseline", "constant_class", "threshold", "gain", "arms",
                   "pairs", "shares", "threshold_of_baseline", "alpha", "claims", "anchors", "notes"}));
  const base::Json& arm = json["arms"][0];
  EXPECT_EQ(keys(arm), (Names{"arm",
                              "settings",
                              "n",
                              "failed",
                              "mean",
                              "std",
                              "values",
                              "replicates",
                              "steps_to_threshold",
                              "last_step",
                              "unfinished",
                              "missing",
                              "degenerate",
                              "stopped",
                              "median",
                              "iqm",
                              "min",
                              "max",
                              "best_of",
                              "ci95",
                              "sign_flip_ci95",
                              "bootstrap_ci95",
                              "threshold",
                              "steps",
                              "tokens",
                              "seconds",
                              "ways",
                              "mean_heights",
                              "tuning"}));
  EXPECT_EQ(arm["settings"], base::Json::object());
  EXPECT_EQ(arm["values"], (base::Json{0.9}));
  EXPECT_TRUE(arm["std"].is_null());
  EXPECT_EQ(json["arms"][1]["steps_to_threshold"], (base::Json{nullptr}));
  const base::Json& pair = json["pairs"][0];
  EXPECT_EQ(keys(pair), (Names{"arm",
                               "settings",
                               "n",
                               "replicates",
                               "difference",
                               "deviation",
                               "ci95",
                               "p_sign_flip",
                               "p_holm",
                               "p_bh",
                               "differences",
                               "sign_flip_ci95",
                               "bootstrap_ci95",
                               "wilcoxon",
                               "d_z",
                               "probability_of_improvement",
                               "correlation",
                               "pairing_seeds_factor",
                               "almost_stochastic_order",
                               "seeds_needed",
                               "convergence",
                               "off_plateau",
                               "mean_height",
                               "examples",
                               "verdict"}));
  EXPECT_EQ(pair["ci95"], (base::Json{nullptr, nullptr}));
  EXPECT_EQ(pair["p_sign_flip"], 1.0);
  EXPECT_EQ(json["constant_class"], 0.5);
}

TEST(Json, SettingsAreAnObjectAndIntervalsTwoNumbers) {
  Runs runs;
  for (int r = 0; r < 6; ++r)
    for (const char* arm : {"pretrained", "zero"})
      runs.push_back(run(arm, r, {{5, std::string(arm) == "zero" ? 0.5 : 0.9 + 0.01 * r}}, R"({"a.b":1,"c":"x"})"));
  const base::Json json = to_json(compare(runs, {.metric = "loss"}));
  EXPECT_EQ(json["arms"][0]["settings"], (base::Json{{"a.b", 1}, {"c", "x"}}));
  EXPECT_TRUE(json["constant_class"].is_null());
  EXPECT_TRUE(json["threshold"].is_null());
  EXPECT_EQ(json["pairs"][0]["p_sign_flip"], 0.03125);
  EXPECT_LT(json["pairs"][0]["ci95"][0], json["pairs"][0]["ci95"][1]);
}

TEST(Csv, OneRowANumber) {
  Runs runs = {run("pretrained", 3, {{0, 0.5}}, R"({"lr":2e-05,"name":"a \"b\""})")};
  runs[0].header.run_id = "id";
  runs[0].header.experiment = "why, then";
  runs[0].state = record::State::failed;
  runs[0].steps = {
      {.step = 1, .loss = kNaN, .learning_rate = 2e-5, .grad_norm = 1.5, .tokens = 9, .seconds = 0, .examples = {}}};
  const std::string front = R"(id,"why, then",pretrained,"{""lr"":2e-05,""name"":""a \""b\""""}",3,)";
  EXPECT_EQ(to_csv(runs), "run_id,experiment,arm,settings,replicate,step,metric,value\n" + front + "0,loss,0.5\n" +
                              front + "0,accuracy,0.5\n" + front + "0,f1,0.25\n" + front + "1,train_loss,nan\n" +
                              front + "1,learning_rate,2e-05\n" + front + "1,grad_norm,1.5\n");
}

TEST(Csv, KeepsEveryDigitAndQuotesLineBreaks) {
  Runs runs = {run("line\nbreak", 0, {{0, 1.0 / 3}})};
  const std::string csv = to_csv(runs);
  EXPECT_NE(csv.find("\"line\nbreak\""), std::string::npos);
  EXPECT_NE(csv.find(",accuracy,0.3333333333333333\n"), std::string::npos) << "every digit is kept";
  EXPECT_EQ(to_csv({}), "run_id,experiment,arm,settings,replicate,step,metric,value\n");
}

}  // namespace
}  // namespace initlab::report
