// What a report's figures hold: the numbers of the comparison, curves at exact steps, and what thinning may leave out.
#include <gtest/gtest.h>

#include <cmath>

#include "../compare/runs.hpp"
#include "report/gnuplot.hpp"
#include "report/study.hpp"

namespace initlab::report {
namespace {

using initlab::testing::eight_pairs;
using initlab::testing::run;

Study study_of(std::vector<record::Run> runs, const compare::Options& options = {}) {
  Study study;
  study.comparison = compare::compare(runs, options);
  for (record::Run& run : runs) study.observed.emplace(run.file, thin(run));
  study.runs = std::move(runs);
  study.part_names = {"embeddings", "attention", "ffn"};
  return study;
}

const Figure* find(const std::vector<Figure>& figures, const std::string& id) {
  for (const Figure& figure : figures)
    if (legend_of(figure).id == id) return &figure;
  return nullptr;
}

template <class Kind>
Kind the(const std::vector<Figure>& figures, const std::string& id) {
  const Figure* found = find(figures, id);
  if (found == nullptr) throw std::runtime_error("no figure " + id);
  return std::get<Kind>(*found);
}

const std::vector<Figure>& results(const Chapter& chapter) { return chapter.results.at(0).figures; }

TEST(Thinning, KeepsEachStepTo100ThenEveryFifthToAThousandAndSoOn) {
  for (const std::int64_t shown : {1, 2, 99, 100, 105, 995, 1000, 1050, 9950, 10000, 10500, 100000})
    EXPECT_TRUE(is_shown_step(shown)) << shown;
  for (const std::int64_t hidden : {101, 104, 999, 1001, 1005, 1049, 9999, 10050, 100001})
    EXPECT_FALSE(is_shown_step(hidden)) << hidden;
  std::int64_t shown = 0;
  for (std::int64_t step = 1; step <= 10000; ++step) shown += is_shown_step(step) ? 1 : 0;
  EXPECT_EQ(shown, 100 + 180 + 180);
  EXPECT_FALSE(is_shown_step(std::numeric_limits<std::int64_t>::max())) << "ends";
}

TEST(Thinning, CountsOverAllStepsBeforeItDropsSome) {
  record::Run run = initlab::testing::run("a", 0, {{0, 0.5}});
  for (std::int64_t step = 1; step <= 1003; ++step)
    run.steps.push_back({.step = step, .loss = 1, .grad_norm = 2, .examples = {}});
  run.steps[501].loss = 9;  // step 502 is not shown
  run.steps[600].loss = std::nan("");
  run.steps[700].grad_norm = std::numeric_limits<double>::infinity();
  run.evals[0].predictions = {1, 2, 3};
  const Observed seen = thin(run);
  EXPECT_EQ(seen.steps, 1003);
  EXPECT_EQ(seen.most_loss, 9);
  EXPECT_EQ(seen.most_loss_step, 502);
  EXPECT_EQ(seen.most_grad_norm, 2);
  EXPECT_EQ(seen.not_finite, 2);
  EXPECT_EQ(run.steps.size(), 281U) << "280 up to 1,000, and the last";
  EXPECT_EQ(run.steps.back().step, 1003);
  EXPECT_TRUE(run.evals[0].predictions.empty());
}

// 8 runs of 130 steps; "pretrained" reaches 0.8 at step 123, which is not shown.
TEST(Thinning, KeepsTheTokensAndSecondsToTheThreshold) {
  std::vector<record::Run> runs;
  for (std::int64_t r = 0; r < 8; ++r)
    for (const char* arm : {"pretrained", "zero"})
      runs.push_back(run(arm, r, {{0, 0.5}, {123, std::string(arm) == "zero" ? 0.5 : 0.9}, {130, 0.6}}));
  for (record::Run& one : runs)
    for (std::int64_t step = 1; step <= 130; ++step)
      one.steps.push_back({.step = step, .loss = 1, .tokens = 10, .seconds = 0.5, .examples = {}});
  const compare::Comparison whole = compare::compare(runs, {});
  for (record::Run& one : runs) thin(one);
  EXPECT_LT(runs[0].steps.size(), 130U);
  const compare::Comparison thinned = compare::compare(runs, {});
  for (const compare::Comparison* of : {&whole, &thinned}) {
    EXPECT_EQ(of->arms[0].tokens_reach.median.time, 1230);
    EXPECT_EQ(of->arms[0].seconds_reach.median.time, 61.5);
    EXPECT_EQ(of->arms[1].tokens[0].time, 1300) << "censored at its last evaluation";
  }
  const Curves training = the<Curves>(results(chapter(study_of(runs), 1, 0)), "1-training-loss");
  for (const auto& point : training.series[0].points)
    EXPECT_TRUE(is_shown_step(static_cast<std::int64_t>(point.x))) << point.x;
}

TEST(Thinning, LimitsTheStepsOfDiagnostics) {
  record::Run run = initlab::testing::run("a", 0, {{0, 0.5}});
  for (std::int64_t step = 0; step < 1000; ++step) run.diagnostics.layers.push_back({.step = step, .layer = 0});
  thin(run);
  EXPECT_EQ(run.diagnostics.layers.size(), kMostDiagnosed);
  EXPECT_EQ(run.diagnostics.layers.front().step, 0);
  EXPECT_EQ(run.diagnostics.layers.back().step, 999);
}

TEST(Results, HaveADotForEveryRunAndTheComparisonsMeans) {
  const Study study = study_of(eight_pairs());
  const DotPlot plot = the<DotPlot>(results(chapter(study, 1, 0)), "1-metric");
  ASSERT_EQ(plot.rows.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const compare::ArmSummary& arm = study.comparison.arms[i];
    ASSERT_EQ(plot.rows[i].dots.size(), arm.values.size());
    for (std::size_t r = 0; r < arm.values.size(); ++r) EXPECT_EQ(plot.rows[i].dots[r].value, arm.values[r]);
    EXPECT_EQ(plot.rows[i].mean, arm.mean);
    const compare::Interval interval = compare::student_t_interval(arm.values, 0.95);
    EXPECT_EQ(plot.rows[i].low, interval.low);
    EXPECT_EQ(plot.rows[i].high, interval.high);
  }
  ASSERT_EQ(plot.references.size(), 2U);
  EXPECT_EQ(plot.references[0].value, 0.8);
  EXPECT_EQ(plot.references[1].value, 0.5);
}

TEST(Results, PairDifferencesByReplicate) {
  std::vector<record::Run> runs = eight_pairs();
  runs.erase(runs.begin());  // pretrained, replicate 0: its partner has no pair
  const Study study = study_of(std::move(runs));
  const DotPlot plot = the<DotPlot>(results(chapter(study, 1, 0)), "1-differences");
  ASSERT_EQ(plot.rows.size(), 1U);
  ASSERT_EQ(plot.rows[0].dots.size(), 7U);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(plot.rows[0].dots[i].name, "replicate " + std::to_string(i + 1));
    EXPECT_NEAR(plot.rows[0].dots[i].value, 0.5 - (0.9 + 0.01 * static_cast<double>(i + 1)), 1e-12);
  }
  EXPECT_EQ(plot.rows[0].mean, study.comparison.pairs[0].difference);
  EXPECT_EQ(plot.rows[0].low, study.comparison.pairs[0].ci95->low);
}

TEST(Results, DrawCurvesAtExactStepsWithTheRunsThatHaveThem) {
  std::vector<record::Run> runs = {run("a", 0, {{0, 0.5}, {10, 0.6}, {20, 0.8}}), run("a", 1, {{0, 0.5}, {10, 0.8}})};
  for (record::Run& run : runs) run.header.baseline = "a";
  const Curves curves = the<Curves>(results(chapter(study_of(std::move(runs)), 1, 0)), "1-evaluation");
  ASSERT_EQ(curves.series.size(), 1U);
  const std::vector<CurvePoint>& points = curves.series[0].points;
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[1].x, 10);
  EXPECT_NEAR(points[1].y, 0.7, 1e-12);
  EXPECT_EQ(points[1].n, 2);
  const compare::Interval interval = compare::student_t_interval(std::vector<double>{0.6, 0.8}, 0.95);
  EXPECT_NEAR(points[1].low, interval.low, 1e-12);
  EXPECT_EQ(points[2].n, 1);
  EXPECT_TRUE(std::isnan(points[2].low)) << "one run has no spread";
}

TEST(Results, ThinCurvesToABudgetKeepTheLastPointAndSaySo) {
  std::vector<record::Run> runs = eight_pairs();
  for (record::Run& run : runs)
    for (std::int64_t step = 1; step <= 100; ++step) run.steps.push_back({.step = step, .loss = 1, .examples = {}});
  const Study study = study_of(std::move(runs));
  const Curves whole = the<Curves>(results(chapter(study, 1, 100000)), "1-training-loss");
  EXPECT_EQ(whole.series[0].points.size(), 100U);
  EXPECT_EQ(whole.legend.caption.find("Thinned"), std::string::npos);
  const Curves thinned = the<Curves>(results(chapter(study, 1, 50)), "1-training-loss");
  EXPECT_LE(thinned.series[0].points.size(), 26U);
  EXPECT_EQ(thinned.series[0].points.back().x, 100);
  EXPECT_NE(thinned.legend.caption.find("Thinned for display: 1 of 5 points"), std::string::npos)
      << thinned.legend.caption;
}

TEST(Results, CountRunsThatNeverReachTheThresholdAsCensored) {
  // 5 of 8 reach 0.8 at step 10, the others at 20; "zero" never does.
  const Curves curves = the<Curves>(results(chapter(study_of(eight_pairs()), 1, 0)), "1-threshold");
  ASSERT_EQ(curves.series.size(), 2U);
  const auto& reached = curves.series[0].points;
  ASSERT_EQ(reached.size(), 3U);
  EXPECT_EQ(reached[0].y, 0);
  EXPECT_EQ(reached[1].x, 10);
  EXPECT_NEAR(reached[1].y, 5.0 / 8, 1e-12);
  EXPECT_LT(reached[1].low, 5.0 / 8);
  EXPECT_GT(reached[1].high, 5.0 / 8);
  EXPECT_EQ(reached[2].y, 1);
  EXPECT_EQ(curves.series[1].points.back().x, 20);
  EXPECT_EQ(curves.series[1].points.back().y, 0);
}

// eight_pairs: 0.5 is the constant class; "pretrained" is at 0.7 or more from step 10 on, "zero" stays.
TEST(Results, ShowWhenMaskedLanguageModelsLeaveTheUnigramPlateau) {
  std::vector<record::Run> runs = eight_pairs();
  const auto plateau = [](const std::vector<record::Run>& of) {
    std::vector<Figure> figures = results(chapter(study_of(of), 1, 0));
    std::erase_if(figures, [](const Figure& figure) { return legend_of(figure).id != "1-plateau"; });
    return figures;
  };
  EXPECT_TRUE(plateau(runs).empty()) << "another task";
  for (record::Run& run : runs) run.header.task = "mlm";
  ASSERT_EQ(plateau(runs).size(), 1U);
  const auto& curves = std::get<Curves>(plateau(runs)[0]);
  ASSERT_EQ(curves.series.size(), 2U);
  EXPECT_EQ(curves.series[0].points[1].x, 10);
  EXPECT_EQ(curves.series[0].points[1].y, 1);
  EXPECT_EQ(curves.series[1].points.back().y, 0);
}

TEST(Statistics, AreTheTablesOfCompareDetails) {
  const std::vector<Grid> grids = chapter(study_of(eight_pairs()), 1, 0).statistics;
  std::vector<std::string> titles;
  for (const Grid& grid : grids) {
    titles.push_back(grid.title);
    EXPECT_EQ(grid.right.size(), grid.head.size()) << grid.title;
    EXPECT_FALSE(grid.rows.empty()) << grid.title;
    for (const auto& row : grid.rows) EXPECT_EQ(row.size(), grid.head.size()) << grid.title;
  }
  EXPECT_EQ(titles, (std::vector<std::string>{"over seeds", "against pretrained", "to 80 %",
                                              "mean height of the accuracy curve, against pretrained"}));
  EXPECT_EQ(grids[2].rows[0][1], "8/8");
  EXPECT_EQ(grids[2].rows[1][2], "not reached by half");
}

TEST(Results, AFailedRunIsNoneOfThoseThatReachTheThresholdAsInTheTable) {
  std::vector<record::Run> runs = eight_pairs();
  for (record::Run& run : runs)
    if (run.header.arm == "pretrained" && run.header.replicate == 7) {
      run.state = record::State::failed;
      run.evals.clear();
    }
  const Curves curves = the<Curves>(results(chapter(study_of(std::move(runs)), 1, 0)), "1-threshold");
  EXPECT_NEAR(curves.series[0].points[1].y, 5.0 / 7, 1e-12);
  EXPECT_EQ(curves.series[0].points.back().y, 1);
}

TEST(Verdicts, HoldTheClaimsAndThePublishedNumbers) {
  std::vector<record::Run> runs = eight_pairs();
  for (record::Run& run : runs)
    run.header.design =
        R"({"claims":[{"equal":null,"to":null,"margin":null,"better":"pretrained","than":"zero","order":[]}],)"
        R"("anchors":[{"arm":"zero","text":"elsewhere","value":0.5,"source":"A 2019","metric":null}],)"
        R"("planned_seeds":null})";
  const std::vector<std::string> verdicts = chapter(study_of(std::move(runs)), 1, 0).verdicts;
  const auto has = [&](const std::string& part) {
    return std::ranges::any_of(verdicts, [&](const auto& one) { return one.find(part) != std::string::npos; });
  };
  EXPECT_TRUE(has("claim reproduced: pretrained is better than zero"));
  EXPECT_TRUE(has("published, not measured here: [1] 0.5000: elsewhere; A 2019"));
}

TEST(Sensitivity, ShowsAnArmOverANumericAxis) {
  std::vector<record::Run> runs;
  for (std::int64_t r = 0; r < 3; ++r)
    for (const int size : {100, 400, 1600})
      runs.push_back(run("pretrained", r, {{10, 0.5 + size / 10000.0 + 0.01 * static_cast<double>(r)}},
                         "{\"task.train_size\": " + std::to_string(size) + "}"));
  const Chapter made = chapter(study_of(std::move(runs)), 2, 0);
  ASSERT_EQ(made.results.size(), 3U);
  EXPECT_EQ(made.results[0].title, "train_size = 100");
  const Curves axis = the<Curves>(made.sensitivity, "2-axis-1");
  EXPECT_EQ(axis.x_label, "train_size");
  EXPECT_TRUE(axis.log_x) << "100 to 1600";
  ASSERT_EQ(axis.series.size(), 1U);
  ASSERT_EQ(axis.series[0].points.size(), 3U);
  EXPECT_EQ(axis.series[0].points[1].x, 400);
  EXPECT_NEAR(axis.series[0].points[1].y, 0.55, 1e-12);
  EXPECT_EQ(axis.series[0].points[1].n, 3);
}

TEST(Sensitivity, TabulatesAnAxisOfWords) {
  std::vector<record::Run> runs;
  for (std::int64_t r = 0; r < 2; ++r)
    for (const char* name : {"linear", "constant"})
      runs.push_back(run("pretrained", r, {{10, 0.5}}, "{\"training.schedule.name\": \"" + std::string(name) + "\"}"));
  const Chapter made = chapter(study_of(std::move(runs)), 1, 0);
  EXPECT_TRUE(made.sensitivity.empty());
  ASSERT_EQ(made.tables.size(), 1U);
  EXPECT_EQ(made.tables[0].head, (std::vector<std::string>{"arm", "constant", "linear"}));
  EXPECT_EQ(made.tables[0].rows[0][1], "0.5000 [0.5000, 0.5000]");
}

TEST(Sensitivity, ShowsTriedRatesAndNamesThoseThatDiverged) {
  std::vector<record::Run> runs = {run("pretrained", 0, {{10, 0.5}})};
  runs[0].header.tuning =
      R"({"learning_rate": 0.001, "metric": "accuracy", "better": "higher", "share": 0.2, "trials": [
    {"learning_rate": 0.001, "values": [0.7, 0.74], "mean": 0.72}, {"learning_rate": 0.1, "values": [null], "mean": null}]})";
  const Chapter made = chapter(study_of(std::move(runs)), 1, 0);
  const Curves rates = the<Curves>(made.sensitivity, "1-rates-1");
  ASSERT_EQ(rates.series.at(0).points.size(), 1U);
  EXPECT_EQ(rates.series[0].points[0].y, 0.72);
  EXPECT_NE(rates.legend.caption.find("Chosen: pretrained 0.001"), std::string::npos) << rates.legend.caption;
  EXPECT_NE(rates.legend.caption.find("Diverged, and not shown: pretrained at 0.1"), std::string::npos);
}

TEST(Diagnostics, AverageOverRunsByLayerAndArm) {
  std::vector<record::Run> runs = eight_pairs();
  for (record::Run& run : runs)
    for (std::int64_t layer = -1; layer < 2; ++layer)
      for (const std::int64_t step : {0, 1})
        run.diagnostics.layers.push_back(
            {.step = step,
             .layer = layer,
             .stddev = static_cast<double>(run.header.replicate) + (run.header.arm == "zero" ? 10 : 0)});
  for (record::Run& run : runs)
    run.diagnostics.parts.push_back(
        {.step = 1, .part = 2, .layer = 0, .grad_norm = 3, .update_norm = 1, .weight_norm = 4});
  const Chapter made = chapter(study_of(std::move(runs)), 1, 0);
  const HeatMap start = the<HeatMap>(made.diagnostics, "1-start-1-std");
  EXPECT_EQ(start.columns, (std::vector<std::string>{"pretrained", "zero"}));
  EXPECT_EQ(start.rows, (std::vector<std::string>{"embeddings", "layer 0", "layer 1"}));
  EXPECT_NEAR(start.values[2][0], 3.5, 1e-12);
  EXPECT_NEAR(start.values[2][1], 13.5, 1e-12);
  const HeatMap gradient = the<HeatMap>(made.diagnostics, "1-start-1-gradient");
  EXPECT_EQ(gradient.rows, (std::vector<std::string>{"layer 0 ffn"}));
  EXPECT_EQ(gradient.values[0][0], 3);
}

TEST(Failures, NameEveryRunWithoutAValue) {
  std::vector<record::Run> runs = eight_pairs();
  runs[2].state = record::State::failed;
  runs[2].reason = "the loss is not a number";
  runs[5].state = record::State::interrupted;
  const Chapter made = chapter(study_of(std::move(runs)), 1, 0);
  const Grid& lost = made.failures.at(0);
  ASSERT_EQ(lost.rows.size(), 2U);
  EXPECT_EQ(lost.rows[0][0], "pretrained");
  EXPECT_EQ(lost.rows[0][3], "the loss is not a number");
  EXPECT_EQ(lost.rows[1][2], "interrupted");
  EXPECT_EQ(chapter(study_of(eight_pairs()), 1, 0).failures.at(0).caption, "None: every run has its value.");
}

TEST(Provenance, GivesEachNumberItsCommand) {
  std::vector<record::Run> runs = eight_pairs();
  for (record::Run& run : runs)
    run.header.command = run.header.arm == "zero" ? "initlab run b.yaml" : "initlab run a.yaml";
  const Chapter made = chapter(study_of(std::move(runs)), 1, 0);
  const Grid& commands = made.provenance.at(1);
  ASSERT_EQ(commands.rows.size(), 2U);
  EXPECT_EQ(commands.rows[1], (std::vector<std::string>{"2", "initlab run b.yaml", "8"}));
  const Grid& all = made.provenance.at(2);
  ASSERT_EQ(all.rows.size(), 16U);
  EXPECT_EQ(all.rows[0][4], "0.9000");
  EXPECT_EQ(all.rows[0][6], "1");
  EXPECT_EQ(all.rows[15][6], "2");
}

TEST(Audit, ShowsAnInitializationOnceAndCountsFindings) {
  std::vector<record::Run> runs = eight_pairs();
  for (record::Run& run : runs) {
    record::InitRecord tensor;
    tensor.name = "bert.pooler.dense.weight";
    tensor.shape = {4, 4};
    tensor.strategy = run.header.arm + "/1";
    tensor.sha256 = "00";
    tensor.sha256_first_step = run.header.arm == "zero" ? "11" : "00";
    run.init = {tensor};
  }
  Study study = study_of(std::move(runs));
  for (auto& [file, seen] : study.observed)
    if (file.find("zero") != std::string::npos) seen.findings = {"error: bert.pooler.dense.weight: changed"};
  const Chapter made = chapter(study, 1, 0);
  ASSERT_EQ(made.audit.size(), 4U) << "findings, what filled it, and tensors of two arms";
  EXPECT_EQ(made.audit[0].rows,
            (std::vector<std::vector<std::string>>{{"zero", "error: bert.pooler.dense.weight: changed", "8 of 8"}}));
  EXPECT_EQ(made.audit[1].rows[0], (std::vector<std::string>{"pretrained", "pretrained/1", "", "", "1", "16"}));
  EXPECT_EQ(made.audit[2].rows[0].back(), "same bits");
  EXPECT_EQ(made.audit[3].rows[0].back(), "CHANGED");
}

TEST(Gnuplot, KeepsForeignTextInSingleQuotes) {
  Curves curves;
  curves.legend = {"1-x", "a 'title' `touch x`\nunset output", "caption\nexit"};
  curves.x_label = "it's";
  curves.series.push_back({"`touch y`", 0, {{1, 2, 1, 3, 4}}});
  const std::string script = gnuplot_script(curves);
  EXPECT_NE(script.find("set title 'a \u2019title\u2019 `touch x` unset output' noenhanced\n"), std::string::npos)
      << script;
  EXPECT_NE(script.find("set xlabel 'it\u2019s'"), std::string::npos);
  EXPECT_NE(script.find("title '`touch y`'"), std::string::npos);
  EXPECT_EQ(script.find("\nexit"), std::string::npos);
  EXPECT_EQ(script.find("\nunset output"), std::string::npos);
  EXPECT_NE(script.find("set output '1-x.svg'"), std::string::npos);
  EXPECT_NE(script.find("set output '1-x.pdf'"), std::string::npos);

  DotPlot dots;
  dots.rows.push_back({"100 %", 0, {{1, "r"}}, 1, 0, 2, {}});
  EXPECT_NE(gnuplot_script(dots).find("('100 %%' 1)"), std::string::npos) << gnuplot_script(dots);
}

TEST(Gnuplot, DrawsStairsAsStairs) {
  Curves curves;
  curves.legend.id = "x";
  curves.stairs = true;
  curves.series.push_back({"a", 0, {{0, 0, kNoNumber, kNoNumber, 1}, {10, 0.5, 0.25, 0.75, 1}}});
  EXPECT_NE(gnuplot_script(curves).find("0 0 NaN NaN\n10 0 NaN NaN\n10 0.5 0.25 0.75\n"), std::string::npos)
      << gnuplot_script(curves);
}

TEST(Ranges, HoldEverythingButBandsThatWouldFlattenTheLines) {
  Curves curves;
  curves.series.push_back({"a", 0, {{0, 0.5, -50, 51, 2}, {1, 0.9, 0.8, 1.0, 8}}});
  const Range range = range_of(curves);
  EXPECT_LT(range.low, 0.5);
  EXPECT_GT(range.low, 0.3);
  EXPECT_GE(range.high, 1.0);
  EXPECT_LT(range.high, 1.1);
  Curves level;
  level.series.push_back({"a", 0, {{0, 3, kNoNumber, kNoNumber, 1}}});
  EXPECT_LT(range_of(level).low, 3);
  EXPECT_GT(range_of(level).high, 3);
  EXPECT_EQ(range_of(Curves{}).low, 0);
  EXPECT_EQ(range_of(Curves{}).high, 1);
}

}  // namespace
}  // namespace initlab::report
