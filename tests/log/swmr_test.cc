// A run file while it grows, after SIGKILL, and on a disk that is full. Writers live in forked children.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "base/error.hpp"
#include "sample.hpp"

namespace initlab::log {
namespace {

// A number that parent and child share.
class Shared {
 public:
  Shared()
      : value_(static_cast<std::atomic<std::int64_t>*>(::mmap(
            nullptr, sizeof(std::atomic<std::int64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    new (value_) std::atomic<std::int64_t>(0);
  }
  ~Shared() { ::munmap(value_, sizeof *value_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  std::atomic<std::int64_t>& operator*() { return *value_; }

 private:
  std::atomic<std::int64_t>* value_;
};

template <class Work>
pid_t start(Work work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    work();
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Writes steps without end; an evaluation, and so a flush, after each tenth. `flushed` is the last step that is
// certainly safe.
void write_forever(const std::filesystem::path& path, std::atomic<std::int64_t>& flushed) {
  RunWriter writer(path);
  writer.begin(sample_header(), sample_init());
  for (std::int64_t i = 1;; ++i) {
    writer.step(sample_step(i));
    if (i % 10 != 0) continue;
    writer.diagnose(sample_diagnosis(i));
    writer.eval(sample_eval(i));
    flushed = i;
  }
}

// Every row is the row that was written, and at least those that were flushed are there.
void expect_whole(const record::Run& run, std::int64_t flushed, std::int64_t every = 10) {
  EXPECT_EQ(run.state, record::State::running);
  EXPECT_EQ(run.header.run_id, sample_header().run_id);
  EXPECT_EQ(run.init.size(), sample_init().size());
  EXPECT_GE(static_cast<std::int64_t>(run.steps.size()), flushed);
  EXPECT_GE(static_cast<std::int64_t>(run.evals.size()), flushed / every);
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const record::StepRecord expected = sample_step(static_cast<std::int64_t>(i) + 1);
    ASSERT_EQ(run.steps[i].step, expected.step);
    ASSERT_EQ(run.steps[i].loss, expected.loss);
    ASSERT_EQ(run.steps[i].tokens, expected.tokens);
  }
  for (std::size_t i = 0; i < run.evals.size(); ++i) {
    const record::EvalRecord expected = sample_eval(every * (static_cast<std::int64_t>(i) + 1));
    ASSERT_EQ(run.evals[i].step, expected.step);
    ASSERT_EQ(run.evals[i].metrics, expected.metrics);
    ASSERT_EQ(run.evals[i].predictions, expected.predictions);
  }
  if (run.diagnostics.parts.empty()) return;  // of a writer that makes none
  const record::Diagnosis& d = run.diagnostics;
  EXPECT_GE(static_cast<std::int64_t>(d.parts.size()), 3 * (flushed / every));
  EXPECT_GE(static_cast<std::int64_t>(d.layers.size()), 2 * (flushed / every));
  for (std::size_t i = 0; i < d.parts.size(); ++i) {
    const auto x = static_cast<double>(every * (static_cast<std::int64_t>(i / 3) + 1));
    ASSERT_EQ(static_cast<double>(d.parts[i].step), x);
    ASSERT_EQ(d.parts[i].sign_flips, x + 8);
  }
}

TEST(Swmr, GrowingFileIsReadable) {
  const Folder folder;
  Shared flushed;
  const pid_t child = start([&] { write_forever(folder / "run.h5", *flushed); });
  std::size_t last = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  int reads = 0;
  while (std::chrono::steady_clock::now() < until || reads < 10) {
    const std::int64_t safe = *flushed;
    if (safe == 0) continue;
    const record::Run run = read_run(folder / "run.h5", Detail::predictions);
    expect_whole(run, safe);
    EXPECT_GE(run.steps.size(), last);
    last = run.steps.size();
    ++reads;
    EXPECT_EQ(read_status(folder / "run.h5").state, record::State::running);
    if (HasFailure()) break;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_GE(last, 100U);
  RecordProperty("reads", reads);
}

TEST(Swmr, KilledAtAnyMomentTheFlushedRowsAreThere) {
  const Folder folder;
  int existing = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto path = folder / ("run" + std::to_string(round) + ".h5");
    Shared flushed;
    const pid_t child = start([&] { write_forever(path, *flushed); });
    std::this_thread::sleep_for(std::chrono::microseconds(round * round * 60));  // 0 to 209 ms
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    if (!std::filesystem::exists(path)) {
      EXPECT_EQ(*flushed, 0) << "rows were written to a file that has no name";
      continue;
    }
    ++existing;
    expect_whole(read_run(path, Detail::predictions), *flushed);
  }
  EXPECT_GE(existing, 10);
}

TEST(Swmr, H5pyReadsAfterKill) {
  if (!has_h5py()) GTEST_SKIP() << "skipped: no h5py in " << python();
  const Folder folder;
  Shared flushed;
  const pid_t child = start([&] {
    RunWriter writer(folder / "run.h5");
    writer.begin(sample_header(), sample_init());
    for (std::int64_t i = 1; i <= 40; ++i) writer.step(sample_step(i));
    writer.eval(sample_eval(40));
    for (std::int64_t i = 41; i <= 50; ++i) writer.step(sample_step(i));  // stays in memory
    *flushed = 40;
    pause_ms(60'000);
  });
  while (*flushed == 0) pause_ms(1);
  std::ofstream(folder / "read.py")
      << "import h5py\nrun = h5py.File('" << (folder / "run.h5").string()
      << "', 'r', swmr=True)\n"
         "print(run['state'].asstr()[()], len(run['train/step']), run['train/step'][-1], "
         "run['train/examples'].shape, run['eval/predictions'][0, 4, 1], run['whole'][:])\n";
  const std::string command = python() + " '" + (folder / "read.py").string() + "'";
  const std::string expected = "running 40 40 (40, 4) 42.25 [40  1]\n";
  EXPECT_EQ(shell(command).text, expected) << "while it grows";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(shell(command).text, expected) << "after SIGKILL";
  expect_whole(read_run(folder / "run.h5", Detail::predictions), 40, 40);
}

TEST(Swmr, RowsReachTheFileWithoutAnEvaluation) {
  const Folder folder;
  Shared written;
  const pid_t child = start([&] {
    RunWriter writer(folder / "run.h5");
    writer.begin(sample_header(), sample_init());
    for (std::int64_t i = 1;; ++i) {
      writer.step(sample_step(i));
      *written = i;
      pause_ms(20);
    }
  });
  pause_ms(6000);  // a flush is due after 5 seconds
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const record::Run run = read_run(folder / "run.h5");
  expect_whole(run, 100, 1000);
  EXPECT_LE(static_cast<std::int64_t>(run.steps.size()), *written);
}

// A limit on the size of files stands for a full disk: writes fail in the middle of a run.
TEST(Swmr, FullDiskIsAnErrorAndTheFlushedRowsStand) {
  const Folder folder;
  Shared flushed, message_ok;
  const pid_t child = start([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200'000, 200'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_forever(folder / "run.h5", *flushed);
    } catch (const base::Error& error) {
      *message_ok = std::string(error.what()).find("File too large") != std::string::npos ? 1 : 2;
    }
    write_sample(folder / "small.h5", 20);  // the next run in the same process
    std::exit(0);                           // with everything that libraries do at exit
  });
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(*message_ok, 1);
  ASSERT_GE(*flushed, 10);
  expect_whole(read_run(folder / "run.h5", Detail::predictions), *flushed);
  EXPECT_EQ(read_run(folder / "small.h5").steps.size(), 20U);
}

TEST(Swmr, WriterThatFailedSaysSo) {
  const Folder folder;
  RunWriter writer(folder / "absent/run.h5");
  EXPECT_THROW(writer.begin(sample_header(), {}), base::Error);
  EXPECT_THROW(writer.eval(sample_eval(1)), base::Error);
  EXPECT_THROW(writer.finish(record::State::failed, "the disk is full"), base::Error);
}

TEST(Swmr, FullDiskAtTheBeginningLeavesNothing) {
  const Folder folder;
  Shared thrown;
  const pid_t child = start([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{6'000, 6'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    RunWriter writer(folder / "run.h5");
    try {
      writer.begin(sample_header(), sample_init());
    } catch (const base::Error&) {
      *thrown = 1;
    }
  });
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(*thrown, 1);
  EXPECT_EQ(folder.files(), 0U);
}

}  // namespace
}  // namespace initlab::log
