// Good specs: the runs they unfold to, in order, with their seeds; and the composed text reads back to the same runs.
#include "spec/plan.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/random.hpp"
#include "paths.hpp"
#include "spec/support.hpp"

namespace initlab::spec {
namespace {

// "The spec, by example" of the design document, whole.
const char kExample[] =
    "experiment: minilm_mrpc\n"
    "model: {checkpoint: \"${INITLAB_TEST_MODELS}/minilm\"}\n"
    "task:  {name: mrpc, data: \"${INITLAB_TEST_DATA}/MRPC\", train_size: 1000}\n"
    "training:\n"
    "  epochs: 3\n"
    "  batch: 32\n"
    "  max_length: 128\n"
    "  optimizer: {name: adamw, learning_rate: 5e-5, weight_decay: 0.01}\n"
    "  schedule: {name: linear, warmup: 0.1}\n"
    "  dropout: 0.1\n"
    "  clip: 1.0\n"
    "  evaluate: {every: 16}\n"
    "arms:\n"
    "  pretrained: [{use: pretrained}]\n"
    "  truncated:  [{use: truncated_normal, stddev: 0.02}]\n"
    "  xavier:     [{use: xavier_uniform}]\n"
    "  zero:       [{use: zero}]\n"
    "  top_again:  [{layers: top(2), use: truncated_normal, stddev: 0.02}, {use: pretrained}]\n"
    "  hot:        {init: [{use: truncated_normal, stddev: 0.02}], training: {optimizer: {learning_rate: 3e-4}}}\n"
    "head: {use: truncated_normal, stddev: 0.02}\n"
    "seeds: {replicates: 8, base: 2025}\n"
    "grid: {training.optimizer.learning_rate: [2e-5, 5e-5]}\n"
    "compare: {baseline: pretrained, metric: f1, better: higher, threshold: 0.85, at: last}\n";

const std::map<std::string, std::string> kDefaults = {{"INITLAB_TEST_MODELS", "/models"},
                                                      {"INITLAB_TEST_DATA", "/data"}};

// A plan without its places, as text: what must survive writing and reading.
std::string values_of(const config::RunPlan& plan) {
  base::Json json = base::Json::object();
  json["names"] = {plan.experiment, plan.arm, plan.replicate};
  json["settings"] = plan.settings;
  json["model"] = config::to_json(plan.model);
  json["checkpoint"] = plan.model.checkpoint.value_or("");
  if (plan.model.experiment) json["run"] = {plan.model.experiment->file, plan.model.experiment->set};
  json["task"] = config::to_json(plan.task);
  json["training"] = config::to_json(plan.training);
  for (const config::InitRule& rule : plan.init) json["init"].push_back({config::to_json(rule), rule.text});
  for (const config::InitRule& rule : plan.head) json["head"].push_back({config::to_json(rule), rule.text});
  json["seeds"] = config::to_json(plan.seeds);
  json["compare"] = config::to_json(plan.compare);
  json["keep"] = plan.keep.weights;
  json["log"] = config::to_json(plan.log);
  json["plugins"] = plan.plugins;
  json["text"] = plan.spec_text;
  return base::json_pretty(json);
}

void expect_round_trip(const ExperimentSpec& spec) {
  const ExperimentSpec again = from_text(spec.text, "/elsewhere/again.yaml", {}, {});
  ASSERT_EQ(again.plans.size(), spec.plans.size());
  for (std::size_t i = 0; i < spec.plans.size(); ++i) EXPECT_EQ(values_of(again.plans[i]), values_of(spec.plans[i]));
}

// The question that a spec asks is in it; a report shows it.
TEST(Plan, TheTextKeepsTheHeadComment) {
  const std::string head = "# Question: why?\n# Needs: nothing.\n";
  const ExperimentSpec spec = from(head + std::string(kExample), {}, kDefaults);
  EXPECT_TRUE(spec.text.starts_with(head)) << spec.text;
  EXPECT_EQ(spec.plans[0].spec_text, spec.text);
  EXPECT_EQ(from(spec.text).text, spec.text);
}

TEST(Plan, TheWholeExample) {
  const ExperimentSpec spec = from(kExample, {}, kDefaults);
  const std::vector<std::string> arms = {"pretrained", "truncated", "xavier", "zero", "top_again", "hot"};
  ASSERT_EQ(spec.plans.size(), 2u * 6u * 8u);
  for (std::size_t i = 0; i < spec.plans.size(); ++i) {
    const config::RunPlan& plan = spec.plans[i];
    const double rate = i < 48 ? 2e-5 : 5e-5;
    EXPECT_EQ(plan.experiment, "minilm_mrpc");
    EXPECT_EQ(plan.arm, arms[i / 8 % 6]);
    EXPECT_EQ(plan.replicate, static_cast<std::int64_t>(i % 8));
    ASSERT_EQ(plan.settings.size(), 1u);
    EXPECT_EQ(plan.settings[0].first, "training.optimizer.learning_rate");
    EXPECT_EQ(plan.settings[0].second, base::Json(rate));
    EXPECT_EQ(plan.training.optimizer.learning_rate, rate);  // the grid wins over the arm `hot`
    EXPECT_EQ(plan.model.checkpoint, "/models/minilm");
    EXPECT_EQ(plan.task.data, "/data/MRPC");
    EXPECT_EQ(plan.task.train_size, 1000);
    EXPECT_EQ(plan.training.epochs, 3.0);
    EXPECT_FALSE(plan.training.steps || plan.training.seconds);
    EXPECT_EQ(plan.training.schedule.warmup, 0.1);
    EXPECT_EQ(plan.training.evaluate.every, 16);
    ASSERT_EQ(plan.head.size(), 1u);
    EXPECT_EQ(plan.head[0].text, "{use: truncated_normal, stddev: 0.02}");
    EXPECT_EQ(plan.compare.baseline, "pretrained");
    EXPECT_EQ(plan.compare.threshold, 0.85);
    EXPECT_EQ(plan.spec_path, "s.yaml");
    EXPECT_EQ(plan.spec_text, spec.text);
  }
  const config::RunPlan& top = spec.plans[4 * 8];
  ASSERT_EQ(top.init.size(), 2u);
  EXPECT_EQ(top.init[0].use, "truncated_normal");
  EXPECT_EQ(top.init[0].layers->text, "top(2)");
  EXPECT_EQ(top.init[0].options, (std::vector<std::pair<std::string, std::string>>{{"stddev", "0.02"}}));
  EXPECT_EQ(top.init[0].place, "s.yaml:18:16");
  EXPECT_EQ(top.init[0].text, "{layers: top(2), use: truncated_normal, stddev: 0.02}");
  EXPECT_EQ(top.init[1].use, "pretrained");
  EXPECT_EQ(top.model.place, "s.yaml:2:8");
  expect_round_trip(spec);
}

TEST(Plan, AnArmOverridesTrainingWhereTheGridDoesNot) {
  const auto spec = from(kExample, {{"grid", "~"}, {"arms.hot.training.steps", "9"}}, kDefaults);
  ASSERT_EQ(spec.plans.size(), 48u);
  EXPECT_EQ(spec.plans[0].training.optimizer.learning_rate, 5e-5);
  EXPECT_EQ(spec.plans[0].training.epochs, 3.0);
  const config::TrainingConfig& hot = spec.plans[40].training;
  EXPECT_EQ(hot.optimizer.learning_rate, 3e-4);
  EXPECT_EQ(hot.optimizer.weight_decay, 0.01);  // the rest of the section stays
  EXPECT_EQ(hot.steps, 9);                      // and a length displaces the spec's
  EXPECT_FALSE(hot.epochs.has_value());
}

TEST(Plan, SmallestSpecHasTheDocumentedDefaults) {
  const auto spec = from(kSmall);
  ASSERT_EQ(spec.plans.size(), 1u);
  const config::RunPlan& plan = spec.plans[0];
  config::TrainingConfig training;
  training.epochs = 3;
  EXPECT_EQ(config::to_json(plan.training), config::to_json(training));
  EXPECT_EQ(plan.head[0].text, "{use: truncated_normal, stddev: 0.02}");
  EXPECT_EQ(plan.compare.baseline, "zero");
  EXPECT_EQ(plan.compare.at, "last");
  EXPECT_EQ(plan.log.diagnostics, "log2");
  EXPECT_EQ(from(kSmall + "log: {diagnostics: off}\n").plans[0].log.diagnostics, "off");
  EXPECT_TRUE(plan.keep.weights.empty() && plan.plugins.empty() && plan.settings.empty());
  EXPECT_EQ(plan.seeds.init, base::derive_seed(1, "init/0"));
  expect_round_trip(spec);
}

TEST(Plan, SeedsAreDerivedPairedAndSeparate) {
  const auto spec = from(kSmall + "  one: {use: one}\nseeds: {replicates: 3, base: 2025, order: 7}\n");
  ASSERT_EQ(spec.plans.size(), 6u);
  std::set<std::uint64_t> seen;
  for (std::size_t r = 0; r < 3; ++r) {
    const config::Seeds& seeds = spec.plans[r].seeds;
    const std::string suffix = "/" + std::to_string(r);
    EXPECT_EQ(seeds.init, base::derive_seed(2025, "init" + suffix));
    EXPECT_EQ(seeds.head, base::derive_seed(2025, "head" + suffix));
    EXPECT_EQ(seeds.mask, base::derive_seed(2025, "mask" + suffix));
    EXPECT_EQ(seeds.dropout, base::derive_seed(2025, "dropout" + suffix));
    EXPECT_EQ(seeds.order, base::derive_seed(7, "order"));
    EXPECT_EQ(seeds.subset, base::derive_seed(2025, "subset"));
    EXPECT_EQ(config::to_json(seeds), config::to_json(spec.plans[3 + r].seeds));  // every arm has the same
    seen.insert({seeds.init, seeds.head, seeds.mask, seeds.dropout});
  }
  EXPECT_EQ(seen.size(), 12u);
  expect_round_trip(spec);
}

TEST(Plan, GridIsACartesianProductWithTheLastKeyFastest) {
  const auto spec = from(
      kSmall + "grid:\n  model.shape: [tiny, mini]\n  arms.zero[0].stddev: [0.1, 2]\n  training.steps: [10, 20]\n");
  ASSERT_EQ(spec.plans.size(), 8u);
  const auto at = [&](std::size_t i) {
    const config::RunPlan& plan = spec.plans[i];
    return *plan.model.shape + " " + plan.init[0].options.at(0).second + " " + std::to_string(*plan.training.steps);
  };
  EXPECT_EQ(at(0), "tiny 0.1 10");
  EXPECT_EQ(at(1), "tiny 0.1 20");
  EXPECT_EQ(at(2), "tiny 2 10");
  EXPECT_EQ(at(4), "mini 0.1 10");
  EXPECT_EQ(at(7), "mini 2 20");
  EXPECT_FALSE(spec.plans[0].training.epochs.has_value());
  const auto& settings = spec.plans[6].settings;
  ASSERT_EQ(settings.size(), 3u);
  EXPECT_EQ(settings[0].second, base::Json("mini"));
  EXPECT_EQ(settings[1].second, base::Json(2));
  EXPECT_EQ(settings[2].second, base::Json(10));
  expect_round_trip(spec);
}

TEST(Plan, ClaimsAndAnchorsAreKept) {
  const auto spec = from(kSmall +
                         "  one: {use: one}\ncompare:\n  threshold: baseline\n  planned_seeds: 16\n  claims:\n"
                         "    - {equal: zero, to: constant_class, margin: 0.02}\n    - {better: one, than: zero}\n"
                         "    - {order: [one, zero, constant_class]}\n"
                         "  anchors: [{text: t, value: 0.5, source: s, arm: one, metric: f1}]\n");
  const config::CompareConfig& compare = spec.plans[0].compare;
  EXPECT_TRUE(compare.threshold_of_baseline);
  EXPECT_FALSE(compare.threshold.has_value());
  EXPECT_EQ(compare.planned_seeds, 16);
  ASSERT_EQ(compare.claims.size(), 3U);
  EXPECT_EQ(compare.claims[0].to, "constant_class");
  EXPECT_EQ(compare.claims[0].margin, 0.02);
  EXPECT_EQ(compare.claims[1].better, "one");
  EXPECT_EQ(compare.claims[2].order, (std::vector<std::string>{"one", "zero", "constant_class"}));
  ASSERT_EQ(compare.anchors.size(), 1U);
  EXPECT_EQ(compare.anchors[0].value, 0.5);
  EXPECT_EQ(compare.anchors[0].metric, "f1");
  expect_round_trip(spec);
}

TEST(Plan, AnArmOfNoStepsIsNotTuned) {
  const auto spec = from(kSmall +
                         "  still: {init: {use: one}, training: {epochs: 0}}\n  one: {use: one}\n"
                         "training: {epochs: 2, tune: {learning_rate: [1, 2]}}\n");
  ASSERT_EQ(spec.tuning.size(), 4U);
  for (const config::RunPlan& plan : spec.tuning) EXPECT_NE(plan.arm, "still");
  EXPECT_FALSE(spec.plans[1].awaits_tuning());
  EXPECT_EQ(spec.plans[1].training.epochs, 0);
  EXPECT_TRUE(spec.plans[2].awaits_tuning()) << "the arms around it are tuned";
}

TEST(Plan, TuningRunsStandBesideTheRunsThatAwaitThem) {
  const std::string text =
      kSmall +
      "  one: {use: one}\ngrid: {training.batch: [8, 16]}\nseeds: {replicates: 3, base: 2025, mask: "
      "9}\nkeep: {weights: final}\ntraining: {evaluate: {every: 5}, tune: {learning_rate: [1, 0.5], "
      "replicates: 2}}\n";
  const auto spec = from(text);
  ASSERT_EQ(spec.plans.size(), 2U * 2 * 3);
  ASSERT_EQ(spec.tuning.size(), 2U * 2 * 2 * 2);
  for (const config::RunPlan& plan : spec.plans) {
    EXPECT_EQ(plan.role, config::Role::run);
    EXPECT_TRUE(plan.awaits_tuning());
    EXPECT_EQ(plan.settings.size(), 1U);
    EXPECT_EQ(plan.training.evaluate.every, 5);
  }
  const config::RunPlan& tuning = spec.tuning[1];  // the first arm's first rate, replicate 1
  EXPECT_EQ(tuning.role, config::Role::tuning);
  EXPECT_FALSE(tuning.awaits_tuning());
  EXPECT_EQ(tuning.arm, "zero");
  EXPECT_EQ(tuning.replicate, 1);
  EXPECT_EQ(tuning.training.optimizer.learning_rate, 1);
  EXPECT_EQ(tuning.training.batch, 8);
  EXPECT_EQ(tuning.settings.back(), (std::pair<std::string, base::Json>{"training.optimizer.learning_rate", 1.0}));
  EXPECT_FALSE(tuning.training.evaluate.every.has_value());
  EXPECT_TRUE(tuning.keep.weights.empty());
  EXPECT_EQ(tuning.tune->share, 0.2);
  EXPECT_EQ(tuning.spec_text, spec.text);
  EXPECT_NE(spec.text.find("replicates: 2"), std::string::npos) << "the record says how the rate was chosen";
  EXPECT_EQ(spec.tuning[2].training.optimizer.learning_rate, 0.5);
  EXPECT_EQ(spec.tuning[4].arm, "one");
  EXPECT_EQ(config::to_json(spec.tuning[5].seeds), config::to_json(tuning.seeds)) << "every arm has the same";
  EXPECT_EQ(tuning.seeds.order, base::derive_seed(2025, "order/tuning/1")) << "and none that a run has";
  EXPECT_EQ(tuning.seeds.mask, spec.plans[0].seeds.mask) << "but what the spec fixes";
  EXPECT_EQ(tuning.seeds.subset, spec.plans[0].seeds.subset);
  EXPECT_EQ(from(spec.text).tuning.size(), spec.tuning.size());
  // Without tune, nothing of it is in a plan.
  const auto plain = from(text, {{"training.tune", "~"}});
  EXPECT_TRUE(plain.tuning.empty());
  EXPECT_FALSE(plain.plans[0].tune.has_value());
  EXPECT_EQ(config::to_json(plain.plans[0].training), config::to_json(spec.plans[0].training));
}

TEST(Plan, GridReachesTaskHeadAndOneArmsTraining) {
  const auto spec = from(
      "experiment: e\nmodel: {layers: 1, hidden: 8, heads: 2}\ntask: {name: cola}\n"
      "arms: {a: {init: {use: x}, training: {batch: 4}}, b: {use: x}}\n"
      "grid: {task.train_size: [10], head.stddev: [0.5], arms.a.training.batch: [2, 3]}\n");
  ASSERT_EQ(spec.plans.size(), 4u);
  EXPECT_EQ(spec.plans[0].task.train_size, 10);
  EXPECT_EQ(spec.plans[0].head[0].text, "{use: truncated_normal, stddev: 0.5}");
  EXPECT_EQ(spec.plans[0].training.batch, 2);
  EXPECT_EQ(spec.plans[2].training.batch, 3);
  EXPECT_EQ(spec.plans[1].training.batch, 32);  // arm b has no such override
  expect_round_trip(spec);
}

TEST(Plan, RulesReadEveryKey) {
  const auto spec = from(
      "experiment: e\nmodel: {shape: tiny}\ntask: {name: cola}\nplugins: [/p/x.so]\nkeep: {weights: [initial, final]}\n"
      "arms:\n  a:\n    - {use: constant/1, role: [bias, norm_shift], match: '*.output.*', layers: 1, value: -1e-3, "
      "mode: \"a b\"}\n"
      "    - {use: pretrained, role: matrix, layers: 0..1, missing: zero}\n");
  const auto& rules = spec.plans[0].init;
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].use, "constant/1");
  EXPECT_EQ(rules[0].roles, (std::vector<std::string>{"bias", "norm_shift"}));
  EXPECT_EQ(rules[0].match, "*.output.*");
  EXPECT_EQ(rules[0].options, (std::vector<std::pair<std::string, std::string>>{{"value", "-1e-3"}, {"mode", "a b"}}));
  EXPECT_EQ(
      rules[0].text,
      "{use: constant/1, role: [bias, norm_shift], match: \"*.output.*\", layers: 1, value: -1e-3, mode: \"a b\"}");
  EXPECT_TRUE(rules[0].layers->covers(1, 2));
  EXPECT_FALSE(rules[0].layers->covers(0, 2));
  EXPECT_EQ(rules[1].roles, std::vector<std::string>{"matrix"});
  EXPECT_EQ(rules[1].missing, "zero");
  EXPECT_EQ(spec.plans[0].keep.weights, (std::vector<std::string>{"initial", "final"}));
  EXPECT_EQ(spec.plans[0].plugins, std::vector<std::string>{"/p/x.so"});
  expect_round_trip(spec);
}

TEST(Plan, NumbersAreStrictAndIntegersFitWhereNumbersDo) {
  const auto spec = from(kSmall + "training: {clip: 5, dropout: 0, optimizer: {learning_rate: 1e-5}, epochs: 0.5}\n");
  EXPECT_EQ(spec.plans[0].training.clip, 5.0);
  EXPECT_EQ(spec.plans[0].training.optimizer.learning_rate, 1e-5);
  EXPECT_EQ(spec.plans[0].training.epochs, 0.5);
  EXPECT_TRUE(from(kSmall, {{"model.cased", "true"}}).plans[0].model.cased);
}

TEST(Plan, ACheckpointExperimentKeepsItsPlace) {
  const auto spec = from(
      "experiment: e\nmodel:\n  checkpoint: {experiment: /x/p.yaml, set: {training.steps: 5, model.vocabulary: /a "
      "b/$v}}\n"
      "  cased: true\ntask: {name: cola}\narms: {a: {use: pretrained}}\n");
  const config::ExperimentRef& ref = *spec.plans[0].model.experiment;
  EXPECT_EQ(ref.file, "/x/p.yaml");
  EXPECT_EQ(ref.place, "s.yaml:3:15");
  EXPECT_EQ(ref.set, (std::vector<std::pair<std::string, std::string>>{{"training.steps", "5"},
                                                                       {"model.vocabulary", "\"/a b/$v\""}}));
  EXPECT_TRUE(spec.plans[0].model.cased);
  EXPECT_FALSE(spec.plans[0].model.checkpoint.has_value());
  expect_round_trip(spec);
}

// Replicate r starts from model r mod K in every arm, in tuning runs too; more replicates change no pair.
TEST(Plan, ReplicatesArePairedWithPreTraining) {
  const auto pairs = [](const std::string& replicates) {
    const auto spec = from(
        "experiment: e\nmodel: {checkpoint: {experiment: /p.yaml, replicates: 3}}\ntask: {name: cola}\n"
        "training: {tune: {learning_rate: [1e-5, 1e-4], replicates: 4}}\n"
        "arms: {a: {use: pretrained}, b: {use: zero}}\nseeds: {replicates: " +
        replicates + "}\n");
    expect_round_trip(spec);
    std::vector<std::int64_t> models;
    for (const auto* plans : {&spec.plans, &spec.tuning})
      for (const config::RunPlan& plan : *plans) {
        EXPECT_EQ(plan.model.experiment->replicates, 3);
        EXPECT_EQ(plan.model.experiment->replicate, plan.replicate % 3);
        if (plan.arm == "a" && plan.role == config::Role::run) models.push_back(plan.model.experiment->replicate);
      }
    return models;
  };
  EXPECT_EQ(pairs("3"), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(pairs("5"), (std::vector<std::int64_t>{0, 1, 2, 0, 1}));
}

// A rule that ends a run is part of what it is; specs without one say nothing of it. Tuning runs look once, at the end.
TEST(Plan, StopIsInTheTrainingOfARun) {
  const auto spec = from(kSmall +
                         "training: {evaluate: {every: 10}, stop: {diverged: 4, hopeless: {after: 20, margin: 0.1}}, "
                         "tune: {learning_rate: [1e-5, 1e-4]}}\n");
  EXPECT_EQ(spec.plans[0].training.stop.diverged, 4);
  EXPECT_EQ(spec.plans[0].training.stop.hopeless.after, 20);
  EXPECT_EQ(spec.plans[0].training.stop.hopeless.margin, 0.1);
  EXPECT_TRUE(config::to_json(spec.plans[0].training).contains("stop"));
  EXPECT_EQ(spec.tuning[0].training.stop.diverged, 4);
  EXPECT_FALSE(spec.tuning[0].training.stop.hopeless.after.has_value());
  EXPECT_FALSE(config::to_json(from(kSmall).plans[0].training).contains("stop"));
}

// The specs that are shipped read, and so does what is recorded of them.
TEST(Plan, ShippedExperiments) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(initlab::paths::source_dir() + "/experiments")) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path().filename());
    const auto spec = read(entry.path(), {}, {{"INITLAB_DATA", "/data"}, {"INITLAB_MODELS", "/models"}});
    EXPECT_EQ(spec.experiment, entry.path().stem());
    expect_round_trip(spec);
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace initlab::spec
