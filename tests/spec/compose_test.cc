// extends, variables, --set and paths: what the composed document says, and where each value says it was written.
#include "spec/compose.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "spec/support.hpp"
#include "spec/yaml.hpp"

namespace initlab::spec {
namespace {

Node merged(const std::string& parent, const std::string& child) {
  return merge(parse_yaml(parent, "parent"), parse_yaml(child, "child"));
}

TEST(Merge, ChildWinsMapsMeetListsAreReplacedNullRemoves) {
  const Node root =
      merged("a: {x: 1, y: {p: 1, q: 2}}\nb: [1, 2]\nc: 3\nd: 4", "a: {y: {q: 5, r: 6}}\nb: [7]\nc: ~\ne: 8");
  EXPECT_EQ(to_flow(root), "{a: {x: 1, y: {p: 1, q: 5, r: 6}}, b: [7], d: 4, e: 8}");
  EXPECT_EQ(root.find("a")->find("x")->mark.text(), "parent:1:8");
  EXPECT_EQ(root.find("a")->find("y")->find("q")->mark.text(), "child:1:12");
}

TEST(Merge, ArmsMeetByNameAndKeepTheirOrder) {
  EXPECT_EQ(to_flow(merged("arms: {a: [{use: x}], b: [{use: y}]}", "arms: {c: [{use: z}], a: [{use: w}]}")),
            "{arms: {a: [{use: w}], b: [{use: y}], c: [{use: z}]}}");
  EXPECT_EQ(to_flow(merged("arms: {a: [{use: x}], b: [{use: y}]}", "arms: {a: ~}")), "{arms: {b: [{use: y}]}}");
}

TEST(Merge, ARuleIsReplacedWhole) {
  EXPECT_EQ(to_flow(merged("arms: {a: {use: constant, value: 3}}", "arms: {a: {use: zero}}")),
            "{arms: {a: {use: zero}}}");
  EXPECT_EQ(to_flow(merged("head: {use: normal, stddev: 3}", "head: {use: zero}")), "{head: {use: zero}}");
}

TEST(Merge, AnArmWithOnlyTrainingKeepsItsRules) {
  const std::string expected = "{arms: {a: {init: [{use: x}], training: {batch: 8}}}}";
  EXPECT_EQ(to_flow(merged("arms: {a: [{use: x}]}", "arms: {a: {training: {batch: 8}}}")), expected);
  EXPECT_EQ(to_flow(merged("arms: {a: {init: [{use: x}]}}", "arms: {a: {training: {batch: 8}}}")), expected);
  EXPECT_EQ(to_flow(merged("arms: {a: {use: x}}", "arms: {a: {init: {use: y}}}")), "{arms: {a: {init: {use: y}}}}");
}

TEST(Merge, ALengthDisplacesAnother) {
  EXPECT_EQ(to_flow(merged("training: {epochs: 3, batch: 8}", "training: {steps: 10}")),
            "{training: {batch: 8, steps: 10}}");
  EXPECT_EQ(to_flow(merged("training: {epochs: 3}", "training: {epochs: 4}")), "{training: {epochs: 4}}");
}

TEST(Variables, EnvironmentThenDefaultsAndEscapes) {
  ::setenv("INITLAB_TEST_SET", "from environment", 1);
  ::setenv("INITLAB_TEST_EMPTY", "", 1);
  const Variables defaults = {{"INITLAB_TEST_SET", "unused"}, {"INITLAB_TEST_EMPTY", "default"}};
  Node node =
      parse_yaml(R"({a: "${INITLAB_TEST_SET}", b: ["x${INITLAB_TEST_EMPTY}y"], c: "$${NOT}$$ $x", d: "$$${A}"})", "f");
  expand_variables(node, defaults);
  EXPECT_EQ(node.find("a")->text, "from environment");
  EXPECT_EQ(node.find("b")->items[0].text, "xdefaulty");
  EXPECT_EQ(node.find("c")->text, "${NOT}$$ $x");
  EXPECT_EQ(node.find("d")->text, "$${A}");
  Node again = parse_yaml(to_flow(node), "f");  // what was literal stays literal
  expand_variables(again, {});
  EXPECT_EQ(to_flow(again), to_flow(node));
}

TEST(Variables, ANumberMayComeFromAVariable) {
  const auto spec = from(kSmall + "training: {batch: \"${INITLAB_TEST_BATCH}\"}\n", {}, {{"INITLAB_TEST_BATCH", "16"}});
  EXPECT_EQ(spec.plans[0].training.batch, 16);
}

TEST(Override, ReachesEveryKindOfPath) {
  const std::string text =
      "experiment: e\nmodel: {checkpoint: {experiment: p.yaml, set: {seeds.base: 3}}}\ntask: {name: mrpc}\n"
      "arms:\n  a: [{use: x}, {use: y, stddev: 0.02}]\n  a.b: {use: z}\ngrid: {training.dropout: [0, 0.1]}\n";
  const auto spec = from(text, {{"arms.a[1].stddev", "0.5"},
                                {"arms.a.b.gain", "2"},
                                {"arms.new", "[{use: w}]"},
                                {"grid.training.dropout", "[0.3]"},
                                {"model.checkpoint.set.task.world", "7"},
                                {"training.evaluate.every", "4"},
                                {"compare", "{at: best}"}});
  ASSERT_EQ(spec.plans.size(), 3u);
  EXPECT_EQ(spec.plans[0].init[1].text, "{use: y, stddev: 0.5}");
  EXPECT_EQ(spec.plans[1].init[0].text, "{use: z, gain: 2}");
  EXPECT_EQ(spec.plans[2].arm, "new");
  EXPECT_EQ(spec.plans[0].training.dropout, 0.3);
  EXPECT_EQ(spec.plans[0].training.evaluate.every, 4);
  EXPECT_EQ(spec.plans[0].compare.at, "best");
  const std::vector<std::pair<std::string, std::string>> set = {{"seeds.base", "3"}, {"task.world", "7"}};
  EXPECT_EQ(spec.plans[0].model.experiment->set, set);
}

TEST(Override, NullRemovesAndALengthDisplacesAnother) {
  const std::string text = kSmall + "training: {epochs: 3, batch: 8}\n";
  EXPECT_EQ(from(text, {{"training.batch", "~"}}).plans[0].training.batch, 32);
  const auto training = from(text, {{"training.steps", "5"}}).plans[0].training;
  EXPECT_EQ(training.steps, 5);
  EXPECT_FALSE(training.epochs.has_value());
}

TEST(Override, ArgumentSplitsAtTheFirstEqualsSign) {
  const Override change = parse_override("a.b=c=d");
  EXPECT_EQ(change.path, "a.b");
  EXPECT_EQ(change.value, "c=d");
}

TEST(Extends, ChainsAcrossFoldersAndKeepsPlaces) {
  const Folder folder;
  folder.write("base/base.yaml",
               "experiment: base\nmodel: {checkpoint: ../weights, pooling: cls}\ntask: {name: mrpc, data: data}\n"
               "arms: {a: [{use: x}]}\ntraining: {batch: eight}\nplugins: [p.so]\n");
  folder.write("middle.yaml", "extends: base/base.yaml\nexperiment: middle\ntraining: {epochs: 1}\n");
  const auto file = folder.write("top.yaml", "extends: middle.yaml\nmodel: {pooling: mean}\ntask: {data: here}\n");
  const std::string at = folder.path().string();
  EXPECT_EQ(error_of([&] { read(file, {}, {}); }),
            at + "/base/base.yaml:5:19: training.batch: expected an integer from 1 to 1048576, got \"eight\"");
  const auto spec = read(file, {{"training.batch", "8"}}, {});
  const config::RunPlan& plan = spec.plans[0];
  EXPECT_EQ(spec.experiment, "middle");
  EXPECT_EQ(plan.model.checkpoint, at + "/weights");
  EXPECT_EQ(plan.model.pooling, "mean");
  EXPECT_EQ(plan.task.data, at + "/here");
  EXPECT_EQ(plan.plugins, std::vector<std::string>{at + "/base/p.so"});
  EXPECT_EQ(plan.training.epochs, 1.0);
  EXPECT_EQ(plan.task.place, at + "/base/base.yaml:3:7");
}

TEST(Extends, ErrorsNameTheLine) {
  const Folder folder;
  const std::string at = folder.path().string();
  const auto self = folder.write("self.yaml", "experiment: e\nextends: ./self.yaml\n");
  EXPECT_EQ(
      error_of([&] { read(self, {}, {}); }),
      self.string() + ":2:10: extends: expected files that do not extend each other in a circle, got \"./self.yaml\"");
  folder.write("a.yaml", "extends: b.yaml\n");
  const auto b = folder.write("b.yaml", "extends: a.yaml\n");
  EXPECT_EQ(error_of([&] { read(b, {}, {}); }),
            at + "/a.yaml:1:10: extends: expected files that do not extend each other in a circle, got \"b.yaml\"");
  const auto missing = folder.write("missing.yaml", "extends: none.yaml\n");
  EXPECT_EQ(error_of([&] { read(missing, {}, {}); }),
            missing.string() + ":1:10: extends: expected a spec file, got " + at +
                "/none.yaml: cannot be read: got No such file or directory\n  hint: the path is relative to this file");
  for (int i = 0; i < 20; ++i)
    folder.write("c" + std::to_string(i) + ".yaml", "extends: c" + std::to_string(i + 1) + ".yaml\n");
  EXPECT_EQ(error_of([&] { read(folder.path() / "c0.yaml", {}, {}); }),
            at + "/c15.yaml:1:10: extends: expected a chain of at most 16 files, got more");
  const auto list = folder.write("list.yaml", "extends: [[a.yaml]]\n");
  EXPECT_EQ(error_of([&] { read(list, {}, {}); }),
            list.string() + ":1:11: extends: expected the path of a spec file, got a list");
  const auto empty = folder.write("empty.yaml", "extends: []\n");
  EXPECT_EQ(error_of([&] { read(empty, {}, {}); }),
            empty.string() + ":1:10: extends: expected the path of a spec file, got an empty list");
  // Each file names the next one twice: 2^16 readings, were they not counted.
  for (int i = 0; i < 14; ++i) {
    const std::string next = "d" + std::to_string(i + 1) + ".yaml";
    folder.write("d" + std::to_string(i) + ".yaml", "extends: [" + next + ", " + next + "]\n");
  }
  folder.write("d14.yaml", kSmall);
  EXPECT_NE(
      error_of([&] { read(folder.path() / "d0.yaml", {}, {}); }).find("expected at most 64 files in all, got more"),
      std::string::npos);
}

TEST(Extends, AListLiesLayerByLayer) {
  const Folder folder;
  folder.write("base.yaml", kSmall + "training: {batch: 8, clip: 2}\n");
  folder.write("more.yaml", "arms: {one: [{use: one}]}\ntraining: {batch: 16}\n");
  const auto file = folder.write("top.yaml", "extends: [base.yaml, more.yaml]\nexperiment: top\n");
  const auto spec = read(file, {}, {});
  ASSERT_EQ(spec.plans.size(), 2u);
  EXPECT_EQ(spec.experiment, "top");
  EXPECT_EQ(spec.plans[0].arm, "zero");  // the first file's arms come first
  EXPECT_EQ(spec.plans[1].arm, "one");
  EXPECT_EQ(spec.plans[1].training.batch, 16);
  EXPECT_EQ(spec.plans[1].training.clip, 2.0);
}

TEST(Paths, RelativeToTheSpecFileButForVariablesAndSet) {
  const std::string here = std::filesystem::current_path().string();
  const std::string text =
      "experiment: e\nmodel: {checkpoint: {experiment: ../p.yaml, set: {task.data: d, model.shape: tiny}}}\n"
      "task: {name: mrpc, data: \"${INITLAB_TEST_DATA}/MRPC\"}\narms: {a: [{use: x}]}\n";
  const auto spec = from_text(text, "/specs/deep/s.yaml", {{"plugins", "[q.so]"}}, {{"INITLAB_TEST_DATA", "data"}});
  const config::RunPlan& plan = spec.plans[0];
  EXPECT_EQ(plan.model.experiment->file, "/specs/p.yaml");
  EXPECT_EQ(plan.model.experiment->set[0].second, "/specs/deep/d");
  EXPECT_EQ(plan.model.experiment->set[1].second, "tiny");
  EXPECT_EQ(plan.task.data, here + "/data/MRPC");
  EXPECT_EQ(plan.plugins[0], here + "/q.so");
  const auto words = from(kSmall);
  EXPECT_EQ(words.plans[0].model.vocabulary, "microworld");
  EXPECT_EQ(words.plans[0].task.data, "microworld");
  const auto grid = from_text(kSmall + "grid: {task.data: [x, microworld]}\n", "/specs/s.yaml", {}, {});
  EXPECT_EQ(grid.plans[0].task.data, "/specs/x");
  EXPECT_EQ(grid.plans[1].task.data, "microworld");
}

}  // namespace
}  // namespace initlab::spec
