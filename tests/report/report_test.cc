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

* pretrained beats zero by 0.4350 accuracy (95 % CI 0.4145 to 0.4555, 8 pairs, p = 0.0078); steps to 0.8:
  pretrained 10, zero never

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

* cannot tell zero from pretrained: difference -0.3500 (95 % CI -0.9853 to +0.2853, 2 pairs, p = 0.5000); 2
  pairs cannot show p < 0.05, 6 can

training.rate = 0.5, task = a
arm         n  failed    mean     std  difference  95 % CI       p
pretrained  2       0  0.9000  0.0000    baseline
zero        1       1  0.5000       -     -0.4000        -  1.0000

* cannot tell zero from pretrained: one pair (-0.4000) says nothing about its spread

notes
- 1 of 2 runs of zero (rate = 0.5, task = a) failed: its mean speaks of the others only
- 1 pair: p cannot fall below 1
- 2 pairs: p cannot fall below 0.5
- 2 comparisons: p values and intervals are not adjusted for their number
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
  pair.p_sign_flip = p;
  return verdict(comparison, pair);
}

TEST(Verdict, NamesTheWinner) {
  using compare::Interval;
  EXPECT_EQ(say(8, -0.1, Interval{-0.2, -0.05}, 0.0078),
            "pretrained beats xavier by 0.1000 accuracy (95 % CI 0.0500 to 0.2000, 8 pairs, p = 0.0078)");
  EXPECT_EQ(say(8, 0.1, Interval{0.05, 0.2}, 0.0078),
            "xavier beats pretrained by 0.1000 accuracy (95 % CI 0.0500 to 0.2000, 8 pairs, p = 0.0078)");
  EXPECT_EQ(say(20, 0.1, Interval{0.05, 0.2}, 1e-6, "lower"),
            "pretrained beats xavier by 0.1000 loss (95 % CI 0.0500 to 0.2000, 20 pairs, p < 0.0001)");
}

TEST(Verdict, CannotTellUnlessTestAndIntervalAgree) {
  using compare::Interval;
  EXPECT_EQ(say(8, 0.002, Interval{-0.01, 0.014}, 0.5469),
            "cannot tell xavier from pretrained: difference +0.0020 (95 % CI -0.0100 to +0.0140, 8 pairs, p = 0.5469)");
  EXPECT_EQ(say(8, 0.01, Interval{0.001, 0.02}, 0.0625),
            "cannot tell xavier from pretrained: difference +0.0100 (95 % CI +0.0010 to +0.0200, 8 pairs, p = 0.0625)");
  EXPECT_EQ(say(8, 0.01, Interval{-0.001, 0.02}, 0.04),
            "cannot tell xavier from pretrained: difference +0.0100 (95 % CI -0.0010 to +0.0200, 8 pairs, p = 0.0400)");
}

TEST(Verdict, FewPairs) {
  using compare::Interval;
  EXPECT_EQ(
      say(5, -0.4, Interval{-0.5, -0.3}, 0.0625),
      "cannot tell yet: pretrained leads xavier by 0.4000 accuracy (95 % CI 0.3000 to 0.5000, 5 pairs, p = 0.0625); "
      "5 pairs cannot show p < 0.05, 6 can");
  EXPECT_EQ(say(1, -0.4, std::nullopt, 1),
            "cannot tell xavier from pretrained: one pair (-0.4000) says nothing about its spread");
  EXPECT_EQ(say(0, kNaN, std::nullopt, 1), "cannot tell xavier from pretrained: no replicate has a value in both");
  EXPECT_EQ(say(8, 0, Interval{0, 0}, 1), "xavier and pretrained gave equal values in all 8 pairs");
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

arm         n  failed    mean     std  difference             95 % CI       p  gain kept           95 % CI
pretrained  6       0  0.9000  0.0110    baseline                                     to
zero        6       0  0.5000  0.0000     -0.4000  [-0.4115, -0.3885]  0.0312       from
half        6       0  0.7000  0.0000     -0.2000  [-0.2115, -0.1885]  0.0312     50.0 %  [48.6 %, 51.5 %]
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
  EXPECT_EQ(share["replicates"], 6);
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
  EXPECT_EQ(keys(json), (Names{"experiment", "metric", "better", "at", "baseline", "constant_class", "threshold",
                               "gain", "arms", "pairs", "shares", "notes"}));
  const base::Json& arm = json["arms"][0];
  EXPECT_EQ(keys(arm),
            (Names{"arm", "settings", "n", "failed", "mean", "std", "values", "replicates", "steps_to_threshold",
                   "last_step", "unfinished", "missing", "degenerate", "stopped", "tuning"}));
  EXPECT_EQ(arm["settings"], base::Json::object());
  EXPECT_EQ(arm["values"], (base::Json{0.9}));
  EXPECT_TRUE(arm["std"].is_null());
  EXPECT_EQ(json["arms"][1]["steps_to_threshold"], (base::Json{nullptr}));
  const base::Json& pair = json["pairs"][0];
  EXPECT_EQ(keys(pair),
            (Names{"arm", "settings", "n", "replicates", "difference", "deviation", "ci95", "p_sign_flip", "verdict"}));
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
