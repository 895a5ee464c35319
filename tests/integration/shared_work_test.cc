// Several `initlab run` on one folder, killed at random: each run is finished once and never has two owners. And what
// becomes of runs that fail, take too long or too much memory.
#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "base/json.hpp"
#include "integration/attempts.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using std::chrono::milliseconds;

constexpr const char* kSpec = R"(experiment: shared
model: {layers: 1, hidden: 64, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 128}
training: {steps: 60, batch: 16, max_length: 64, optimizer: {learning_rate: 1e-3}, evaluate: {every: 20}}
arms: {truncated: [{use: truncated_normal, stddev: 0.02}], xavier: [{use: xavier_uniform}]}
seeds: {replicates: 6, base: 7}
resume: {every_steps: 10}
)";

class SharedWork : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    spec_ = folder_ / "shared.yaml";
    write(spec_, kSpec);
  }
  std::vector<std::string> words(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {program(),   "run", spec_.string(), "--results", (folder_ / "results").string(),
                                    "--threads", "1",   "--jobs",       "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<base::Json> attempts() const { return attempts_of(folder_ / "results/shared"); }
  base::Json counts() const {
    const Said said = initlab({"status", (folder_ / "results").string(), "--json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "status")["experiments"][0]["counts"];
  }
  fs::path spec_;
};

std::vector<pid_t> family_of(pid_t parent) {
  std::vector<pid_t> all{parent};
  std::istringstream children(
      slurp("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children"));
  for (pid_t child = 0; children >> child;) all.push_back(child);
  return all;
}

TEST_F(SharedWork, EachRunIsFinishedOnceHoweverManyWorkAndDie) {
  std::mt19937 random(11);
  std::vector<pid_t> processes;
  int kills = 0;
  const auto running = [](pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  };
  const auto all_done = [&] {
    if (!fs::exists(folder_ / "results/shared/planned.txt")) return false;
    const base::Json now = counts();
    return now["finished"] == 12;
  };
  for (int round = 0; round < 200 && !all_done(); ++round) {
    while (processes.size() < 3) processes.push_back(start(words(), "", "worker"));
    std::this_thread::sleep_for(milliseconds(100 + random() % 400));
    if (kills < 12) {
      const std::size_t victim = random() % processes.size();
      const std::vector<pid_t> family = family_of(processes[victim]);
      // Worker alone, parent alone, or both.
      const auto how = random() % 3;
      if (how != 0) ::kill(family[0], SIGKILL);
      if (how != 1)
        for (std::size_t i = 1; i < family.size(); ++i) ::kill(family[i], SIGKILL);
      ++kills;
    }
    std::erase_if(processes, [&](pid_t pid) { return !running(pid) && ::waitpid(pid, nullptr, 0) == pid; });
  }
  for (const pid_t pid : processes) ::waitpid(pid, nullptr, 0);
  const Said last = command(words());
  EXPECT_EQ(last.code, 0) << last.err;
  EXPECT_EQ(counts()["finished"], 12);
  EXPECT_GE(kills, 3);
  expect_orderly(attempts());
  for (const auto& entry : fs::directory_iterator(folder_ / "results/shared"))
    EXPECT_EQ(entry.path().string().find(".tmp-"), std::string::npos) << entry.path();
  // The same as alone.
  std::vector<std::string> alone = words();
  alone[4] = (folder_ / "alone").string();
  ASSERT_EQ(command(alone).code, 0);
  for (const fs::path& run : run_files(folder_ / "alone")) {
    const fs::path other = folder_ / "results/shared" / run.filename();
    EXPECT_EQ(h5diff(run, other).code, 0) << run;
  }
}

TEST_F(SharedWork, WhatTakesTooLongOrTooMuchIsKilledAndNamed) {
  const std::vector<std::string> slow = {"--set", "training.steps=1000000", "--set", "seeds.replicates=1"};
  std::vector<std::string> by_time = slow, by_memory = slow;
  by_time.insert(by_time.end(), {"--most-seconds", "1"});
  by_memory.insert(by_memory.end(), {"--most-memory", "5"});
  const Said timed = command(words(by_time));
  EXPECT_EQ(timed.code, 1);
  EXPECT_NE(timed.err.find("took longer than its limit of 1 s"), std::string::npos) << timed.err;
  const Said large = command(words(by_memory));
  EXPECT_EQ(large.code, 1);
  EXPECT_NE(large.err.find("took more memory than its limit of 5 MiB"), std::string::npos) << large.err;
  for (const char* option : {"--most-seconds", "--most-memory"}) {
    const Said said = command(words({option, "0"}));
    EXPECT_EQ(said.code, 2);
    EXPECT_NE(said.err.find("a number above 0"), std::string::npos) << said.err;
  }
}

// A learning rate that no training survives.
TEST_F(SharedWork, AFailureStopsTheOthersOnlyWhereAsked) {
  const std::vector<std::string> bad = {"--set",
                                        "arms.truncated={init: [{use: truncated_normal}], training: {clip: 0, "
                                        "optimizer: {learning_rate: 1e30}}}",
                                        "--set", "seeds.replicates=2"};
  const Said goes_on = command(words(bad));
  EXPECT_EQ(goes_on.code, 1);
  EXPECT_EQ(counts()["failed"], 2);
  EXPECT_EQ(counts()["finished"], 2);
  fs::remove_all(folder_ / "results");
  std::vector<std::string> fast = bad;
  fast.push_back("--fail-fast");
  const Said stops = command(words(fast));
  EXPECT_NE(stops.code, 0);
  EXPECT_EQ(counts()["failed"], 1);
  EXPECT_EQ(counts()["finished"], 0);
  EXPECT_EQ(counts()["planned"], 3);
  fs::remove_all(folder_ / "results");
  std::vector<std::string> again = bad;
  again.insert(again.end(), {"--retry", "2"});
  EXPECT_EQ(command(words(again)).code, 1);
  const auto log = attempts();
  EXPECT_EQ(std::ranges::count_if(log, [](const base::Json& life) { return life["event"] == "failed"; }), 6);
}

}  // namespace
}  // namespace initlab::integration
