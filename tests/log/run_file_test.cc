// What is written is read back; equal runs give equal files; files appear whole or not at all.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "sample.hpp"

namespace initlab::log {
namespace {

using record::State;

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void expect_equal(const record::RunHeader& a, const record::RunHeader& b) {
  EXPECT_EQ(a.run_id, b.run_id);
  EXPECT_EQ(a.experiment, b.experiment);
  EXPECT_EQ(a.arm, b.arm);
  EXPECT_EQ(a.replicate, b.replicate);
  EXPECT_EQ(a.settings, b.settings);
  EXPECT_EQ(a.command, b.command);
  EXPECT_EQ(a.spec, b.spec);
  EXPECT_EQ(a.plan, b.plan);
  EXPECT_EQ(a.checkpoint, b.checkpoint);
  EXPECT_EQ(a.checkpoint_sha256, b.checkpoint_sha256);
  EXPECT_EQ(a.checkpoint_run, b.checkpoint_run);
  EXPECT_EQ(a.checkpoint_replicate, b.checkpoint_replicate);
  ASSERT_EQ(a.checkpoint_unused.size(), b.checkpoint_unused.size());
  for (std::size_t i = 0; i < a.checkpoint_unused.size(); ++i) {
    EXPECT_EQ(a.checkpoint_unused[i].key, b.checkpoint_unused[i].key);
    EXPECT_EQ(a.checkpoint_unused[i].tensor, b.checkpoint_unused[i].tensor);
  }
  EXPECT_EQ(a.data_sha256, b.data_sha256);
  EXPECT_EQ(a.build, b.build);
  EXPECT_EQ(a.cpu, b.cpu);
  EXPECT_EQ(a.threads, b.threads);
  EXPECT_EQ(a.cores, b.cores);
  EXPECT_EQ(a.libraries, b.libraries);
  EXPECT_EQ(a.started, b.started);
  ASSERT_EQ(a.plugins.size(), b.plugins.size());
  for (std::size_t i = 0; i < a.plugins.size(); ++i) {
    EXPECT_EQ(a.plugins[i].name, b.plugins[i].name);
    EXPECT_EQ(a.plugins[i].version, b.plugins[i].version);
    EXPECT_EQ(a.plugins[i].file, b.plugins[i].file);
    EXPECT_EQ(a.plugins[i].sha256, b.plugins[i].sha256);
  }
  EXPECT_EQ(a.metric, b.metric);
  EXPECT_EQ(a.better, b.better);
  EXPECT_EQ(std::isnan(a.threshold), std::isnan(b.threshold));
  if (!std::isnan(a.threshold)) {
    EXPECT_EQ(a.threshold, b.threshold);
  }
  EXPECT_EQ(a.at, b.at);
  EXPECT_EQ(a.role, b.role);
  EXPECT_EQ(a.tuning, b.tuning);
  EXPECT_EQ(a.baseline, b.baseline);
  EXPECT_EQ(a.gain_from, b.gain_from);
  EXPECT_EQ(a.gain_to, b.gain_to);
  EXPECT_EQ(a.design, b.design);
  EXPECT_EQ(a.task, b.task);
  EXPECT_EQ(a.metric_names, b.metric_names);
  EXPECT_EQ(a.constant_class, b.constant_class);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.batch, b.batch);
}

void expect_equal(const std::vector<record::InitRecord>& a, const std::vector<record::InitRecord>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(b[i].name);
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_EQ(a[i].role, b[i].role);
    EXPECT_EQ(a[i].shape, b[i].shape);
    EXPECT_EQ(a[i].rule, b[i].rule);
    EXPECT_EQ(a[i].strategy, b[i].strategy);
    EXPECT_EQ(a[i].options, b[i].options);
    EXPECT_EQ(a[i].source_file, b[i].source_file);
    EXPECT_EQ(a[i].source_key, b[i].source_key);
    EXPECT_EQ(a[i].mean, b[i].mean);
    EXPECT_EQ(a[i].stddev, b[i].stddev);
    EXPECT_EQ(a[i].min, b[i].min);
    EXPECT_EQ(a[i].max, b[i].max);
    EXPECT_EQ(a[i].sha256, b[i].sha256);
    EXPECT_EQ(a[i].place, b[i].place);
    EXPECT_EQ(a[i].stream, b[i].stream);
    EXPECT_TRUE(same_number(a[i].requested_mean, b[i].requested_mean));
    EXPECT_TRUE(same_number(a[i].requested_stddev, b[i].requested_stddev));
    EXPECT_TRUE(same_number(a[i].zeros, b[i].zeros));
    EXPECT_TRUE(same_number(a[i].effective_rank, b[i].effective_rank));
    EXPECT_EQ(a[i].source_sha256, b[i].source_sha256);
    EXPECT_EQ(a[i].sha256_first_step, b[i].sha256_first_step);
    EXPECT_EQ(a[i].calibration_rounds, b[i].calibration_rounds);
    EXPECT_TRUE(same_number(a[i].calibrated_stddev, b[i].calibrated_stddev));
  }
}

void expect_equal(const record::StepRecord& a, const record::StepRecord& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.learning_rate, b.learning_rate);
  EXPECT_EQ(a.grad_norm, b.grad_norm);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.seconds, b.seconds);
}

void expect_equal(const record::EvalRecord& a, const record::EvalRecord& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.metrics, b.metrics);
  EXPECT_EQ(a.degenerate, b.degenerate);
  EXPECT_EQ(a.predictions, b.predictions);
  EXPECT_EQ(a.seconds, b.seconds);
}

void expect_equal(const record::PartDiagnosis& a, const record::PartDiagnosis& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.part, b.part);
  EXPECT_EQ(a.layer, b.layer);
  EXPECT_EQ(a.grad_norm, b.grad_norm);
  EXPECT_EQ(a.update_norm, b.update_norm);
  EXPECT_EQ(a.weight_norm, b.weight_norm);
  EXPECT_EQ(a.distance_initial, b.distance_initial);
  EXPECT_EQ(a.cosine_initial, b.cosine_initial);
  EXPECT_EQ(a.distance_pretrained, b.distance_pretrained);
  EXPECT_EQ(a.cosine_pretrained, b.cosine_pretrained);
  EXPECT_EQ(a.sign_flips, b.sign_flips);
}

void expect_equal(const record::LayerDiagnosis& a, const record::LayerDiagnosis& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.layer, b.layer);
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.stddev, b.stddev);
  EXPECT_EQ(a.attention_branch, b.attention_branch);
  EXPECT_EQ(a.ffn_branch, b.ffn_branch);
  EXPECT_EQ(a.cosine, b.cosine);
  EXPECT_EQ(a.entropy, b.entropy);
  EXPECT_EQ(a.entropy_share, b.entropy_share);
}

TEST(RunFile, DiagnosticsComeBack) {
  const Folder folder;
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_header(), sample_init());
  for (const std::int64_t step : {0, 1, 2, 4}) writer.diagnose(sample_diagnosis(step));
  writer.finish(State::finished, "");
  const record::Diagnosis read = read_run(folder / "run.h5").diagnostics;
  ASSERT_EQ(read.parts.size(), 12U);
  ASSERT_EQ(read.layers.size(), 8U);
  std::size_t part = 0, layer = 0;
  for (const std::int64_t step : {0, 1, 2, 4}) {
    const record::Diagnosis expected = sample_diagnosis(step);
    for (const auto& row : expected.parts) expect_equal(read.parts[part++], row);
    for (const auto& row : expected.layers) expect_equal(read.layers[layer++], row);
  }
}

TEST(RunFile, EveryFieldComesBack) {
  const Folder folder;
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_header(), sample_init());
  writer.eval(sample_eval(0));
  for (int i = 1; i <= 600; ++i) writer.step(sample_step(i));  // more rows than a chunk holds
  writer.eval(sample_eval(600));
  writer.finish(State::failed, "loss is not a number at step 601 (größe)");

  const record::Run run = read_run(folder / "run.h5", Detail::predictions);
  EXPECT_EQ(run.file, (folder / "run.h5").string());
  EXPECT_EQ(run.state, State::failed);
  EXPECT_EQ(run.reason, "loss is not a number at step 601 (größe)");
  expect_equal(run.header, sample_header());
  expect_equal(run.init, sample_init());
  EXPECT_TRUE(run.reads_checkpoint);
  ASSERT_EQ(run.steps.size(), 600U);
  for (int i = 1; i <= 600; ++i) expect_equal(run.steps[static_cast<std::size_t>(i - 1)], sample_step(i));
  ASSERT_EQ(run.evals.size(), 2U);
  expect_equal(run.evals[0], sample_eval(0));
  expect_equal(run.evals[1], sample_eval(600));
  EXPECT_EQ(folder.files(), 1U) << "no temporary file is left";
}

TEST(RunFile, SummaryLeavesOutPredictions) {
  const Folder folder;
  write_sample(folder / "run.h5", 20);
  const record::Run run = read_run(folder / "run.h5");
  ASSERT_EQ(run.evals.size(), 2U);
  EXPECT_TRUE(run.evals[1].predictions.empty());
  EXPECT_EQ(run.evals[1].metrics, sample_eval(20).metrics);
  EXPECT_EQ(run.header.outputs, 2);
}

TEST(RunFile, LanguageModelHasNoLabelsAndNoPredictions) {
  const Folder folder;
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_mlm_header(), {});
  writer.step({1, 5.9, 1e-3, 2.5, 480, 0.1, 1, {}});
  writer.eval({1, 5.5, {5.5}, false, {}, 0.2});
  writer.finish(State::finished, "");
  const record::Run run = read_run(folder / "run.h5", Detail::predictions);
  expect_equal(run.header, sample_mlm_header());  // empty texts, NaN threshold
  EXPECT_TRUE(run.init.empty());
  ASSERT_EQ(run.evals.size(), 1U);
  expect_equal(run.evals[0], {1, 5.5, {5.5}, false, {}, 0.2});
}

TEST(RunFile, PredictionsOfManyExamples) {
  const Folder folder;
  record::RunHeader header = sample_header();
  header.labels.assign(600'000, 1);  // more than one chunk an evaluation
  record::EvalRecord eval = sample_eval(1);
  eval.predictions.clear();
  for (int i = 0; i < 1'200'000; ++i) eval.predictions.push_back(static_cast<float>(i));
  RunWriter writer(folder / "run.h5");
  writer.begin(header, {});
  writer.eval(eval);
  writer.eval(eval);
  writer.finish(State::finished, "");
  const record::Run run = read_run(folder / "run.h5", Detail::predictions);
  ASSERT_EQ(run.evals.size(), 2U);
  EXPECT_TRUE(run.evals[1].predictions == eval.predictions);
}

TEST(RunFile, RunWithoutStepsOrEvaluations) {
  const Folder folder;
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_header(), sample_init());
  writer.finish(State::interrupted, "");
  const record::Run run = read_run(folder / "run.h5", Detail::predictions);
  EXPECT_EQ(run.state, State::interrupted);
  EXPECT_TRUE(run.steps.empty());
  EXPECT_TRUE(run.evals.empty());
  expect_equal(run.header, sample_header());
}

TEST(RunFile, NumbersThatAreNotNumbersComeBack) {
  const Folder folder;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_header(), {});
  writer.step({1, nan, 0, std::numeric_limits<double>::infinity(), 0, 0, 1, {}});
  writer.eval({1, nan, {nan, 0}, false, {}, 0});  // and an evaluation without predictions
  writer.finish(State::failed, "");
  const record::Run run = read_run(folder / "run.h5", Detail::predictions);
  EXPECT_TRUE(std::isnan(run.steps.at(0).loss));
  EXPECT_EQ(run.steps.at(0).grad_norm, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(run.evals.at(0).metrics.at(0)));
  ASSERT_EQ(run.evals.at(0).predictions.size(), 10U);
  EXPECT_TRUE(std::isnan(run.evals.at(0).predictions[9]));
}

TEST(RunFile, LongTexts) {
  const Folder folder;
  record::RunHeader header = sample_header();
  header.settings = std::string(100'000, 's');  // more than an object header holds
  header.spec = std::string(3'000'000, 'y');
  RunWriter writer(folder / "run.h5");
  writer.begin(header, sample_init());
  std::string reason(511, 'r');
  writer.finish(State::failed, reason + "ö and more");  // 512 bytes are kept, cut between characters
  const record::Run run = read_run(folder / "run.h5");
  expect_equal(run.header, header);
  EXPECT_EQ(run.reason, reason);
}

TEST(RunFile, BytesThatAreNotUtf8AreReplaced) {
  const Folder folder;
  record::RunHeader header = sample_header();
  header.command = "initlab run caf\xE9/\xF0\x9F.yaml ok";
  RunWriter writer(folder / "run.h5");
  writer.begin(header, {});
  writer.finish(State::finished, "");
  EXPECT_EQ(read_run(folder / "run.h5").header.command, "initlab run caf\xEF\xBF\xBD/\xEF\xBF\xBD\xEF\xBF\xBD.yaml ok");
}

TEST(RunFile, StatusAlone) {
  const Folder folder;
  write_sample(folder / "run.h5", 10);
  const RunStatus status = read_status(folder / "run.h5");
  EXPECT_EQ(status.run_id, sample_header().run_id);
  EXPECT_EQ(status.state, State::finished);
}

// HDF5 itself notes when it made the extension of the superblock: 16 bytes of times in a header at the address that
// stands at byte 20 (HDF5 file format specification), and the checksum at its end.
std::string without_creation_time(std::string bytes) {
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data() + 20, sizeof header);
  constexpr std::size_t kHeaderBytes = 60;
  return bytes.erase(header, kHeaderBytes);
}

TEST(RunFile, EqualRunsGiveEqualBytes) {
  const Folder folder;
  write_sample(folder / "a.h5", 700);
  write_sample(folder / "b.h5", 700);
  EXPECT_TRUE(without_creation_time(bytes_of(folder / "a.h5")) == without_creation_time(bytes_of(folder / "b.h5")));
}

TEST(RunFile, DifferenceIsOnlyInTimes) {
  if (shell("h5diff --version").status != 0) GTEST_SKIP() << "skipped: no h5diff (Debian: hdf5-tools)";
  const Folder folder;
  write_sample(folder / "a.h5", 700, 1, "2025-01-01T00:00:00Z");
  write_sample(folder / "b.h5", 700, 3, "2025-02-02T02:02:02Z");
  const std::string files = " '" + (folder / "a.h5").string() + "' '" + (folder / "b.h5").string() + "'";
  const Answer all = shell("h5diff -r" + files);
  EXPECT_EQ(all.status, 1) << all.text;
  const Answer rest = shell(
      "h5diff --exclude-path /train/seconds --exclude-path /eval/seconds --exclude-path /provenance/started "
      "--exclude-path /provenance/resumed" +
      files);
  EXPECT_EQ(rest.status, 0) << rest.text;
  write_sample(folder / "c.h5", 701, 1, "2025-01-01T00:00:00Z");
  const Answer other = shell("h5diff '" + (folder / "a.h5").string() + "' '" + (folder / "c.h5").string() + "'");
  EXPECT_EQ(other.status, 1) << "h5diff sees a run of another length: " << other.text;
}

TEST(RunFile, H5pyReadsItInThreeLines) {
  if (!has_h5py()) GTEST_SKIP() << "skipped: no h5py in " << python();
  const Folder folder;
  write_sample(folder / "run.h5", 30);
  const std::string script = R"(
import h5py
with h5py.File('FILE') as run:
    print(run['state'].asstr()[()], run.attrs['arm'].decode(), run['train/loss'][:].shape, run['eval/f1'][-1])
    assert run.attrs['schema'] == 1 and run.attrs['replicate'] == 3
    assert run['provenance/spec'].asstr()[()].startswith('experiment: größe')
    assert list(run['init/name'].asstr()[:2]) == ['bert.embeddings.word_embeddings.weight', 'bert.pooler.dense.bias']
    assert run['init/shape'][:].tolist() == [[377, 128], [128, -1], [-1, -1]]
    assert run['train/examples'].shape == (30, 4) and run['train/examples'][1].tolist() == [2, 4, 6, -1]
    assert run['eval/predictions'].shape == (3, 5, 2) and run['eval/predictions'][2, 1, 0] == 30.5
    assert run['eval/labels'][:].tolist() == [1, 0, 1, 1, 0] and run['whole'][:].tolist() == [30, 3]
    assert run['comparison/metric_names'].asstr()[:].tolist() == ['accuracy', 'f1']
    assert run['provenance/plugins/name'].asstr()[:].tolist() == ['builtin', 'mine']
    parts = run['diagnostics/parts']
    assert run['diagnostics/part_names'].asstr()[:][parts['part'][2]] == 'ffn' and parts['layer'][:].tolist() == [-1, 0, 1]
    assert parts['update_norm'][:].tolist() == [2, 2, 2] and run['diagnostics/layers/std'][1] == 0.2
)";
  std::string filled = script;
  filled.replace(filled.find("FILE"), 4, (folder / "run.h5").string());
  std::ofstream(folder / "read.py") << filled;
  const Answer answer = shell(python() + " '" + (folder / "read.py").string() + "'");
  EXPECT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.text, "finished 乱数 (30,) -30.0\n");
}

TEST(RunFile, UnfinishedWriterLeavesItsRowsAndRunning) {
  const Folder folder;
  try {
    RunWriter writer(folder / "run.h5");
    writer.begin(sample_header(), sample_init());
    for (int i = 1; i <= 7; ++i) writer.step(sample_step(i));
    throw std::runtime_error("the trainer fails");
  } catch (const std::runtime_error&) {
  }
  const record::Run run = read_run(folder / "run.h5");
  EXPECT_EQ(run.state, State::running);
  ASSERT_EQ(run.steps.size(), 7U);
  expect_equal(run.steps[6], sample_step(7));
}

TEST(RunFile, OldFileStandsUntilTheNewOneIsReady) {
  const Folder folder;
  write_sample(folder / "run.h5", 20);
  const std::string old = bytes_of(folder / "run.h5");
  record::RunHeader bad = sample_header();
  bad.metric_names = {"accuracy", "seconds"};
  RunWriter refused(folder / "run.h5");
  EXPECT_THROW(refused.begin(bad, {}), base::Error);
  EXPECT_TRUE(bytes_of(folder / "run.h5") == old);
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_header(), {});
  writer.finish(State::finished, "");
  EXPECT_TRUE(read_run(folder / "run.h5").steps.empty());
  EXPECT_EQ(folder.files(), 1U);
}

std::string message(const auto& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RunFile, FolderThatIsMissing) {
  const Folder folder;
  RunWriter writer(folder / "absent/run.h5");
  const std::string text = message([&] { writer.begin(sample_header(), {}); });
  EXPECT_EQ(text.find((folder / "absent/run.h5.tmp-").string()), 0U) << text;
  EXPECT_NE(
      text.find(
          ": cannot create the file: got No such file or directory\n  hint: check the folder, its permissions and the "
          "free space"),
      std::string::npos)
      << text;
  EXPECT_EQ(folder.files(), 0U);
}

TEST(RunFile, NameThatIsTakenByAFolder) {
  const Folder folder;
  std::filesystem::create_directories(folder / "run.h5/inside");
  RunWriter writer(folder / "run.h5");
  const std::string text = message([&] { writer.begin(sample_header(), {}); });
  EXPECT_EQ(text, (folder / "run.h5").string() +
                      ": cannot be written: got Is a directory\n  hint: choose another results folder");
  EXPECT_EQ(folder.files(), 1U) << "the temporary file is gone";
}

TEST(RunFile, WrongRecordsAreRefused) {
  const Folder folder;
  RunWriter writer(folder / "run.h5");
  writer.begin(sample_header(), {});
  record::StepRecord step = sample_step(1);
  step.examples.assign(5, 0);
  EXPECT_EQ(message([&] { writer.step(step); }),
            (folder / "run.h5").string() +
                ": /train/examples: expected at most 4 rows a step, each below 2^31, got 5 at step 1");
  record::EvalRecord eval = sample_eval(1);
  eval.metrics.pop_back();
  EXPECT_EQ(
      message([&] { writer.eval(eval); }),
      (folder / "run.h5").string() + ": evaluation at step 1: expected 2 metrics and 10 predictions, got 1 and 10");
  eval = sample_eval(1);
  eval.predictions.pop_back();
  EXPECT_NE(message([&] { writer.eval(eval); }).find("got 2 and 9"), std::string::npos);
}

}  // namespace
}  // namespace initlab::log
