// Loading labelled tasks: the table of tasks, files, subsets, hashes, the constant prediction, and real GLUE data.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "data/data.hpp"
#include "paths.hpp"
#include "scratch.hpp"

namespace initlab::data {
namespace {

std::string word(int i) {
  std::string text = "w";  // "w" + ... trips a false warning of g++ 12
  return text += std::to_string(i);
}

text::WordPiece tokenizer() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (int i = 0; i < 200; ++i) tokens.push_back(word(i));
  return text::WordPiece::from_tokens(tokens, text::Casing::uncased, "test");
}

config::TaskConfig task_of(const std::string& name, const std::string& folder) {
  config::TaskConfig task;
  task.name = name;
  task.data = folder;
  task.place = "spec.yaml:4:9";
  return task;
}

// A sentiment-like table of n rows "w<i>", every third one labelled 1.
std::string sst2_rows(int n) {
  std::string text = "sentence\tlabel\n";
  for (int i = 0; i < n; ++i) text += word(i) + "\t" + (i % 3 == 0 ? "1" : "0") + "\n";
  return text;
}

std::vector<std::int32_t> second_ids(const std::vector<Example>& examples) {
  std::vector<std::int32_t> ids;
  for (const Example& example : examples) ids.push_back(example.ids[1]);
  return ids;
}

TEST(Tasks, TheTableSaysWhatExists) {
  std::vector<std::string> names;
  for (const TaskInfo& info : tasks()) {
    names.push_back(info.name);
    EXPECT_FALSE(info.metrics.empty()) << info.name;
    EXPECT_FALSE(info.summary.empty()) << info.name;
    EXPECT_EQ(info.label_names.size(), info.head == config::HeadKind::classifier ? 2U : 0U) << info.name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"cola", "sst2", "mrpc", "stsb", "rte", "sentiment", "acceptability",
                                             "paraphrase", "entailment", "mlm"}));
  EXPECT_EQ(task_info(task_of("cola", "")).metrics, (std::vector<std::string>{"mcc", "accuracy"}));
  EXPECT_EQ(task_info(task_of("mrpc", "")).metrics, (std::vector<std::string>{"accuracy", "f1"}));
  EXPECT_EQ(task_info(task_of("stsb", "")).head, config::HeadKind::regressor);
}

TEST(Tasks, UnknownName) {
  EXPECT_EQ(error_of([] { task_info(task_of("mprc", "")); }),
            "spec.yaml:4:9: task.name: expected a task, got \"mprc\"\n  hint: did you mean \"mrpc\"?");
}

TEST(Load, GlueWithoutItsFiles) {
  const Scratch scratch;
  config::TaskConfig task = task_of("mrpc", scratch.path("none"));
  EXPECT_EQ(error_of([&] { content_hash(task); }),
            "spec.yaml:4:9: task.data: expected a folder with train.tsv and dev.tsv, got " + base::quote(*task.data) +
                "\n  hint: there is no such folder; is INITLAB_DATA set as it should be?");
  task.data = scratch.path();
  EXPECT_EQ(error_of([&] { content_hash(task); }),
            scratch.path("train.tsv") + ": cannot be read: got No such file or directory");
  task.data.reset();
  EXPECT_EQ(error_of([&] { content_hash(task); }),
            "spec.yaml:4:9: task.data: expected the folder of mrpc's train.tsv and dev.tsv, got nothing\n"
            "  hint: only microworld's own tasks are generated");
  task.data = "microworld";
  EXPECT_NE(error_of([&] { content_hash(task); }).find("got \"microworld\""), std::string::npos);
}

TEST(Load, ABadRowIsReportedWithFileAndLine) {
  const Scratch scratch;
  scratch.write("train.tsv", sst2_rows(5));
  const std::string dev = scratch.write("dev.tsv", "sentence\tlabel\nw1\t1\nw2\tpositive\n");
  EXPECT_EQ(error_of([&] { load(task_of("sst2", scratch.path()), tokenizer(), 16, 1); }),
            dev + ":3: label: expected 0 or 1, got \"positive\"");
}

TEST(Load, SplitsKeepTheFilesOrder) {
  const Scratch scratch;
  scratch.write("train.tsv", sst2_rows(30));
  scratch.write("dev.tsv", sst2_rows(7));
  const TaskData data = load(task_of("sst2", scratch.path()), tokenizer(), 16, 1);
  ASSERT_EQ(data.train.size(), 30U);
  ASSERT_EQ(data.eval.size(), 7U);
  EXPECT_EQ(data.eval[3].ids, (std::vector<std::int32_t>{2, 8, 3}));
  EXPECT_EQ(data.eval[3].label, 1);
  EXPECT_EQ(data.train[29].ids[1], 34);
  EXPECT_EQ(data.vocabulary, 205);
  EXPECT_EQ(data.special.mask, 4);
}

TEST(Load, PairsHaveTwoSegmentsAndAreCut) {
  const Scratch scratch;
  const std::string rows = "index\tsentence1\tsentence2\tlabel\n0\tw1 w2 w3\tw4 w5\tnot_entailment\n";
  scratch.write("train.tsv", rows);
  scratch.write("dev.tsv", rows);
  const TaskData data = load(task_of("rte", scratch.path()), tokenizer(), 7, 1);
  EXPECT_EQ(data.train[0].ids, (std::vector<std::int32_t>{2, 6, 7, 3, 9, 10, 3}));
  EXPECT_EQ(data.train[0].types, (std::vector<std::int32_t>{0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(data.train[0].label, 1);
}

TEST(Load, TrainSizesAreNestedAndDrawn) {
  const Scratch scratch;
  scratch.write("train.tsv", sst2_rows(100));
  scratch.write("dev.tsv", sst2_rows(7));
  const auto of_size = [&](std::int64_t size, std::uint64_t seed) {
    config::TaskConfig task = task_of("sst2", scratch.path());
    task.train_size = size;
    return second_ids(load(task, tokenizer(), 16, seed).train);
  };
  const auto all = of_size(100, 1);
  EXPECT_EQ(std::set<std::int32_t>(all.begin(), all.end()).size(), 100U);
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  for (const std::int64_t size : {1, 10, 60})
    EXPECT_EQ(of_size(size, 1), std::vector<std::int32_t>(all.begin(), all.begin() + size));
  EXPECT_NE(of_size(60, 2), of_size(60, 1));
  EXPECT_EQ(error_of([&] { of_size(101, 1); }),
            "spec.yaml:4:9: task.train_size: expected at most 100, the training split, got 101\n"
            "  hint: leave train_size out to use all of it");
}

TEST(Load, TheHashFollowsTheContentAndNotThePath) {
  const Scratch scratch;
  const auto hash = [&](const std::string& folder, const std::string& train, const std::string& dev) {
    scratch.write(folder + "/train.tsv", train);
    scratch.write(folder + "/dev.tsv", dev);
    return content_hash(task_of("sst2", scratch.path(folder)));
  };
  const std::string one = hash("one", sst2_rows(9), sst2_rows(3));
  EXPECT_EQ(one.size(), 64U);
  EXPECT_EQ(hash("two", sst2_rows(9), sst2_rows(3)), one);
  EXPECT_NE(hash("three", sst2_rows(10), sst2_rows(3)), one);
  EXPECT_NE(hash("four", sst2_rows(3), sst2_rows(9)), one);
  config::TaskConfig small = task_of("sst2", scratch.path("one"));
  small.train_size = 2;
  EXPECT_EQ(load(small, tokenizer(), 16, 1).sha256, one);
}

TEST(Load, TheConstantClassIsTheTrainingMajority) {
  const Scratch scratch;
  const std::string header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";
  scratch.write("train.tsv", header + "1\t1\t2\tw1\tw2\n1\t1\t2\tw1\tw2\n0\t1\t2\tw1\tw2\n");
  scratch.write("dev.tsv", header + "1\t1\t2\tw1\tw2\n0\t1\t2\tw1\tw2\n0\t1\t2\tw1\tw2\n0\t1\t2\tw1\tw2\n");
  const TaskData data = load(task_of("mrpc", scratch.path()), tokenizer(), 16, 1);
  EXPECT_EQ(data.constant_class, (std::vector<double>{0.25, 0.4}));  // accuracy 1 of 4; F1 2*1/(4+1)
}

config::TuneConfig tune_of(double share) {
  config::TuneConfig tune;
  tune.share = share;
  tune.place = "spec.yaml:6:9";
  return tune;
}

TEST(HoldOut, CutsTheTrainingSetAndNothingElse) {
  const Scratch scratch;
  scratch.write("train.tsv", sst2_rows(90));  // 30 of label 1
  scratch.write("dev.tsv", sst2_rows(7));
  const config::TaskConfig task = task_of("sst2", scratch.path());
  const TaskData data = load(task, tokenizer(), 16, 1);
  const TaskData part = hold_out(data, task, tune_of(0.2), 1);
  EXPECT_EQ(part.train.size(), 72U);
  EXPECT_EQ(part.eval.size(), 18U);
  const auto ones = [](const std::vector<Example>& examples) {
    return std::count_if(examples.begin(), examples.end(), [](const Example& e) { return e.label == 1; });
  };
  EXPECT_EQ(ones(part.train), 24) << "a class keeps its share";
  EXPECT_EQ(ones(part.eval), 6);
  EXPECT_NEAR(part.constant_class[0], 12.0 / 18, 1e-12) << "scored on what is held out";
  const auto fit = second_ids(part.train), held_out = second_ids(part.eval);  // ids are different words
  EXPECT_TRUE(std::is_sorted(fit.begin(), fit.end()) && std::is_sorted(held_out.begin(), held_out.end()));
  std::set<std::int32_t> all(fit.begin(), fit.end());
  all.insert(held_out.begin(), held_out.end());
  EXPECT_EQ(all.size(), 90U) << "every training example is in exactly one part";
  EXPECT_EQ(second_ids(hold_out(data, task, tune_of(0.2), 1).eval), held_out);
  EXPECT_NE(second_ids(hold_out(data, task, tune_of(0.2), 2).eval), held_out) << "drawn, by the seed";
  const auto more = second_ids(hold_out(data, task, tune_of(0.5), 1).eval);
  EXPECT_EQ(more.size(), 45U);
  // The development split changes nothing, the training split does.
  scratch.write("dev.tsv", "sentence\tlabel\nw150\t1\nw151\t0\n");
  const TaskData other_dev = hold_out(load(task, tokenizer(), 16, 1), task, tune_of(0.2), 1);
  EXPECT_EQ(other_dev.sha256, part.sha256);
  EXPECT_EQ(other_dev.constant_class, part.constant_class);
  EXPECT_NE(hold_out(data, task, tune_of(0.2), 2).sha256, part.sha256);
  std::string flipped = sst2_rows(90);
  flipped[flipped.size() - 2] ^= 1;
  scratch.write("train.tsv", flipped);
  EXPECT_NE(hold_out(load(task, tokenizer(), 16, 1), task, tune_of(0.2), 1).sha256, part.sha256);
}

TEST(HoldOut, TooFewAreRefused) {
  const Scratch scratch;
  scratch.write("train.tsv", sst2_rows(45));
  scratch.write("dev.tsv", sst2_rows(7));
  const config::TaskConfig task = task_of("sst2", scratch.path());
  const TaskData data = load(task, tokenizer(), 16, 1);
  EXPECT_EQ(error_of([&] { hold_out(data, task, tune_of(0.2), 1); }),
            "spec.yaml:6:9: training.tune.share: expected 10 held-out examples or more, got 9 of the 45 training "
            "examples\n  hint: so few cannot tell rates apart; raise share or task.train_size");
  EXPECT_EQ(hold_out(data, task, tune_of(0.25), 1).eval.size(), 12U);
}

TEST(HoldOut, LanguageModelsHaveOneClass) {
  config::TaskConfig task;
  task.name = "mlm";
  task.data = "microworld";
  task.tokens = 4000;
  const auto words = text::WordPiece::from_tokens(microworld_vocabulary(1), text::Casing::uncased, "microworld");
  const TaskData data = load(task, words, 64, 1);
  const TaskData part = hold_out(data, task, tune_of(0.25), 1);
  EXPECT_EQ(part.eval.size(), static_cast<std::size_t>(std::llround(0.25 * static_cast<double>(data.train.size()))));
  EXPECT_EQ(part.train.size() + part.eval.size(), data.train.size());
  EXPECT_GT(part.constant_class[0], 0);
}

TEST(Load, GeneratedTasksHaveTheirSizesAndKnownWords) {
  for (const char* name : {"sentiment", "acceptability", "paraphrase", "entailment"}) {
    config::TaskConfig task;
    task.name = name;
    const auto words = text::WordPiece::from_tokens(microworld_vocabulary(1), text::Casing::uncased, "microworld");
    const TaskData data = load(task, words, 64, 1);
    EXPECT_EQ(data.train.size(), 4096U) << name;
    EXPECT_EQ(data.eval.size(), 500U) << name;
    EXPECT_EQ(data.constant_class, std::vector<double>{0.5}) << name;
    EXPECT_EQ(data.sha256, content_hash(task)) << name;
    for (const auto* split : {&data.train, &data.eval})
      for (const Example& example : *split)
        ASSERT_EQ(std::count(example.ids.begin(), example.ids.end(), data.special.unk), 0) << name;
    task.world = 2;
    EXPECT_NE(content_hash(task), data.sha256) << name;
    task.data = "microworld";
    task.world = 1;
    EXPECT_EQ(content_hash(task), data.sha256) << name;
  }
}

// Counts and label shares as published; the constant class of MRPC is known as 68.4 / 81.2.
TEST(Load, RealGlueDataHasThePublishedCounts) {
  const std::string root = base::environment("INITLAB_DATA", initlab::paths::source_dir() + "/../shared/data");
  if (!std::filesystem::exists(root + "/MRPC")) GTEST_SKIP() << "skipped: no data at " << root;
  const auto words = text::WordPiece::load(root + "/vocab/bert-base-uncased/vocab.txt", text::Casing::uncased);
  const auto read = [&](const char* name, const char* folder) {
    return load(task_of(name, root + "/" + folder), words, 128, 1);
  };
  const auto ones = [](const std::vector<Example>& examples) {
    return std::count_if(examples.begin(), examples.end(), [](const Example& e) { return e.label == 1; });
  };
  const TaskData cola = read("cola", "CoLA"), sst2 = read("sst2", "SST-2"), mrpc = read("mrpc", "MRPC"),
                 stsb = read("stsb", "STS-B");
  EXPECT_EQ(cola.train.size(), 8551U);
  EXPECT_EQ(cola.eval.size(), 1043U);
  EXPECT_EQ(ones(cola.train), 6023);
  EXPECT_EQ(ones(cola.eval), 721);
  EXPECT_EQ(cola.constant_class[0], 0);
  EXPECT_EQ(sst2.train.size(), 67349U);
  EXPECT_EQ(sst2.eval.size(), 872U);
  EXPECT_EQ(ones(sst2.train), 37569);
  EXPECT_EQ(mrpc.train.size(), 3668U);
  EXPECT_EQ(mrpc.eval.size(), 408U);
  EXPECT_NEAR(mrpc.constant_class[0], 279.0 / 408, 1e-12);
  EXPECT_NEAR(mrpc.constant_class[1], 2.0 * 279 / (408 + 279), 1e-12);
  EXPECT_EQ(stsb.train.size(), 5749U);
  EXPECT_EQ(stsb.eval.size(), 1500U);
  EXPECT_EQ(stsb.constant_class, (std::vector<double>{0, 0}));
  double sum = 0;
  for (const Example& example : stsb.train) sum += example.target;
  EXPECT_NEAR(sum / 5749, 2.7010, 5e-5);
}

}  // namespace
}  // namespace initlab::data
