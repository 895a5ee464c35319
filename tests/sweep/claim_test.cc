// Locks on runs: one holder at a time, released by death, and the log of who had what.
#include "sweep/claim.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "sweep/folder.hpp"

namespace initlab::sweep {
namespace {

namespace fs = std::filesystem;

class Claims : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("initlab_claims_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    run_ = folder_ / "arm,r0-0123456789.h5";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<base::Json> attempts() const {
    std::vector<base::Json> all;
    std::ifstream file(folder_ / "attempts.jsonl");
    for (std::string line; std::getline(file, line);) all.push_back(base::parse_json(line, "attempts"));
    return all;
  }
  // Another process that takes the run, says so, and waits to be killed.
  pid_t holder() const {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      const auto claim = Claim::take(run_);
      if (claim) claim->report({7, 30, 0.5, 1000, 2.5});
      const char taken = claim ? 'y' : 'n';
      (void)!::write(ends[1], &taken, 1);
      ::pause();
      ::_exit(0);
    }
    char taken = 0;
    EXPECT_EQ(::read(ends[0], &taken, 1), 1);
    EXPECT_EQ(taken, 'y');
    ::close(ends[0]);
    ::close(ends[1]);
    return pid;
  }
  static void end(pid_t pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  fs::path folder_, run_;
};

TEST_F(Claims, AreHeldByOneProcessAtATime) {
  const pid_t other = holder();
  EXPECT_FALSE(Claim::take(run_).has_value());
  const auto owner = owner_of(run_);
  ASSERT_TRUE(owner.has_value());
  EXPECT_EQ(owner->pid, other);
  EXPECT_FALSE(owner->host.empty());
  EXPECT_FALSE(owner->since.empty());
  EXPECT_EQ(owner->progress.step, 7);
  EXPECT_EQ(owner->progress.total, 30);
  EXPECT_EQ(owner->progress.loss, 0.5);
  EXPECT_EQ(owner->progress.seconds_left, 2.5);
  end(other);
}

TEST_F(Claims, EndWithTheirHolderHoweverItDies) {
  const pid_t other = holder();
  end(other);
  EXPECT_FALSE(owner_of(run_).has_value());
  {
    const auto claim = Claim::take(run_);
    ASSERT_TRUE(claim.has_value());
    EXPECT_EQ(owner_of(run_)->pid, ::getpid());
    const auto log = attempts();
    ASSERT_EQ(log.size(), 1u) << "who takes over says that the last one died";
    EXPECT_EQ(log[0]["event"], "died");
    EXPECT_EQ(log[0]["pid"], other);
    EXPECT_EQ(log[0]["run"], run_.filename().string());
  }
  EXPECT_FALSE(owner_of(run_).has_value());
  EXPECT_TRUE(Claim::take(run_).has_value());
  EXPECT_EQ(attempts().size(), 1u) << "one that was released is no death";
}

TEST_F(Claims, LeaveNoFile) {
  { const auto claim = Claim::take(run_); }
  EXPECT_TRUE(fs::is_empty(folder_));
}

// Seconds of all attempts that a run goes on from; where one died, nobody knows.
TEST_F(Claims, AttemptsKnowWhatARunTook) {
  EXPECT_TRUE(worked_seconds(folder_).empty());
  for (const auto& [event, seconds] :
       std::vector<std::pair<std::string, double>>{{"interrupted", 2.5}, {"finished", 4}}) {
    log_attempt(run_, "started");
    log_attempt(run_, event, "", seconds);
  }
  const fs::path killed = folder_ / "killed.h5";
  log_attempt(killed, "started");
  log_attempt(killed, "died");
  log_attempt(killed, "finished", "", 1.0);
  std::ofstream(folder_ / "attempts.jsonl", std::ios::app) << "{\"run\": \"cut.h5\", \"eve";
  EXPECT_EQ(worked_seconds(folder_), (std::map<std::string, double>{{run_.filename().string(), 6.5}}));
}

// What was thrown away is not part of what a run took.
TEST_F(Claims, ARunThatBeginsAnewIsCountedAnew) {
  const auto attempt = [](const fs::path& run, const std::string& event, std::optional<double> seconds) {
    log_attempt(run, "started");
    log_attempt(run, event, "", seconds);
  };
  const fs::path again = folder_ / "again.h5", killed = folder_ / "killed.h5", begun = folder_ / "begun.h5";
  attempt(run_, "interrupted", 1.0);
  attempt(run_, "failed", 2.0);
  attempt(run_, "interrupted", 4.0);
  attempt(run_, "finished", 8.0);
  attempt(again, "finished", 16.0);  // its file was removed
  attempt(again, "finished", 32.0);
  log_attempt(again, "died");  // all had been said
  attempt(killed, "died", {});
  attempt(killed, "failed", 64.0);
  EXPECT_EQ(worked_seconds(folder_).count("killed.h5"), 0u);
  attempt(killed, "finished", 128.0);
  log_attempt(begun, "started");
  EXPECT_EQ(worked_seconds(folder_), (std::map<std::string, double>{
                                         {run_.filename().string(), 12.0}, {"again.h5", 32.0}, {"killed.h5", 128.0}}));
}

// What a full disk has cut is one lost line; the next one stands alone.
TEST_F(Claims, AnAttemptAfterACutLineIsReadable) {
  log_attempt(run_, "started");
  std::ofstream(folder_ / "attempts.jsonl", std::ios::app) << "{\"run\": \"cut.h5\", \"eve";
  log_attempt(run_, "finished", "", 2.0);
  log_attempt(folder_ / "b.h5", "started");
  std::vector<std::string> lines;
  std::ifstream file(folder_ / "attempts.jsonl");
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(base::parse_json(lines[0], "attempts")["event"], "started");
  EXPECT_EQ(lines[1], "{\"run\": \"cut.h5\", \"eve");
  EXPECT_EQ(base::parse_json(lines[2], "attempts")["event"], "finished");
  EXPECT_EQ(base::parse_json(lines[3], "attempts")["run"], "b.h5");
  EXPECT_EQ(worked_seconds(folder_), (std::map<std::string, double>{{run_.filename().string(), 2.0}}));
}

TEST_F(Claims, ALongerReportIsReplacedByAShorterOne) {
  const auto claim = Claim::take(run_);
  claim->report({1'000'000'000, 2'000'000'000, 0.123456789, 123456.789, 9876.54321});
  claim->report({1, 2, 1, 1, 1});
  EXPECT_EQ(owner_of(run_)->progress.step, 1);
  EXPECT_EQ(owner_of(run_)->progress.seconds_left, 1);
}

// Many processes want one run at the same moment: each gets it once, never two together.
TEST_F(Claims, AreNotSharedInARace) {
  const fs::path counter = folder_ / "inside";
  constexpr int kProcesses = 8, kTimes = 50;
  std::vector<pid_t> all;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      int clashes = 0;
      for (int i = 0; i < kTimes;) {
        const auto claim = Claim::take(run_);
        if (!claim) continue;
        std::error_code error;
        if (!fs::create_directory(counter, error)) ++clashes;  // made by one who is inside
        fs::remove(counter, error);
        ++i;
      }
      ::_exit(clashes == 0 ? 0 : 1);
    }
    all.push_back(pid);
  }
  for (const pid_t pid : all) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(attempts().empty()) << "nobody died";
}

TEST_F(Claims, TheFolderKnowsPlannedAndRunningRuns) {
  note_planned(folder_, {"a.h5", run_.filename().string()});
  note_planned(folder_, {"a.h5", "b.h5"});
  const auto claim = Claim::take(run_);
  const auto runs = runs_on_disk(folder_);
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].name, "a.h5");
  EXPECT_EQ(runs[0].state, RunState::planned);
  EXPECT_EQ(runs[1].state, RunState::running);
  EXPECT_EQ(runs[1].owner->pid, ::getpid());
  EXPECT_EQ(runs[2].state, RunState::planned);
  std::ofstream(folder_ / "b.h5") << "no HDF5";
  EXPECT_EQ(runs_on_disk(folder_)[2].state, RunState::unreadable);
}

TEST_F(Claims, TheFirstFixesTheThreads) {
  fix_threads(folder_, 2);
  fix_threads(folder_, 1);
  EXPECT_EQ(planned_threads(folder_, std::nullopt, 7), 2);
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 1u) << "nothing is left of the second";
}

}  // namespace
}  // namespace initlab::sweep
