// Runs that are killed, stopped, or find damaged states: whatever happened, the same command ends with the bits of the
// run that nothing happened to, and what was flushed before a kill can be read after it.
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "base/json.hpp"
#include "integration/h5py.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Some hundreds of steps of a few milliseconds; a state every seven.
constexpr const char* kSpec = R"(experiment: killed
model: {layers: 1, hidden: 64, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 256}
training: {steps: 240, batch: 16, max_length: 64, optimizer: {learning_rate: 1e-3}, evaluate: {every: 20}}
arms: {truncated: [{use: truncated_normal, stddev: 0.02}]}
seeds: {replicates: 1, base: 7}
keep: {weights: final}
resume: {every_steps: 7}
)";

class Resume : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    spec_ = folder_ / "killed.yaml";
    write(spec_, kSpec);
  }
  std::vector<std::string> words(const std::string& results, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"run", spec_.string(), "--results", (folder_ / results).string(), "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Said go(const std::string& results, const std::vector<std::string>& more = {}) const {
    return initlab(words(results, more));
  }
  pid_t begin(const std::string& results) const {
    std::vector<std::string> command = words(results);
    command.insert(command.begin(), program());
    return start(command);
  }
  fs::path file(const std::string& results) const {
    const auto files = run_files(folder_ / results);
    return files.size() == 1 ? files[0] : fs::path();
  }
  // Files of the run's folder with this in their names.
  std::vector<fs::path> files_with(const std::string& results, const std::string& part) const {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_ / results / "killed", error))
      if (entry.path().filename().string().find(part) != std::string::npos) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }
  base::Json show(const fs::path& run) const {
    const Said said = initlab({"show", run.string(), "--json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "show");
  }
  // Same records but for times, and same weights.
  void expect_same_run(const std::string& a, const std::string& b) const {
    ASSERT_FALSE(file(a).empty());
    ASSERT_FALSE(file(b).empty());
    const Said said = h5diff(file(a), file(b));
    EXPECT_EQ(said.code, 0) << said.out << said.err;
    const auto weights = [this](const std::string& results) {
      return slurp(file(results).replace_extension(".final") / "model.safetensors");
    };
    EXPECT_FALSE(weights(a).empty());
    EXPECT_EQ(weights(a), weights(b));
  }

  // The run file opens and has its flushed rows, or does not exist yet. What is mended is a copy, for the run goes on.
  void expect_survived(const std::string& results) {
    const fs::path run = file(results);
    if (run.empty()) return;
    // A state is written after the records up to it.
    std::int64_t flushed = 0;
    for (const fs::path& state : states(folder_ / results)) flushed = std::max(flushed, step_of(state));
    // "finished": the signal came between the last write and the end of the process.
    const std::set<std::string> states{"running", "finished"};
    if (const base::Json seen = h5py_.look_at(run.string()); !seen.is_null()) {
      ASSERT_FALSE(seen.contains("error")) << seen;
      EXPECT_TRUE(states.contains(seen["state"])) << seen["state"];
      ASSERT_GE(seen["rows"], flushed);
      for (std::int64_t i = 0; i < seen["rows"]; ++i) ASSERT_EQ(seen["steps"][static_cast<std::size_t>(i)], i + 1);
      EXPECT_GE(std::ssize(seen["evals"]), (flushed - 1) / 20);
    } else {
      std::cout << "not opened with h5py: absent\n";
    }
    EXPECT_EQ(initlab({"verify", run.string()}).code, 0);
    const fs::path copy = folder_ / "copy.h5";
    fs::copy_file(run, copy, fs::copy_options::overwrite_existing);
    const Said recovered = initlab({"recover", copy.string()});
    ASSERT_EQ(recovered.code, 0) << recovered.err;
    const Said verified = initlab({"verify", copy.string()});
    EXPECT_EQ(verified.code, 0) << verified.out;
    const base::Json shown = show(copy);
    EXPECT_TRUE(shown["state"] == "interrupted" || shown["state"] == "finished") << shown["state"];
    EXPECT_GE(std::ssize(shown["train"]), flushed);
  }
  static std::int64_t step_of(const fs::path& state) {
    const std::string name = state.filename().string();
    return std::stoll(name.substr(name.find(".state-") + 7));
  }

  fs::path spec_;
  H5py h5py_;
};

// The worker of a sweep's process; -1 before there is one.
pid_t worker_of(pid_t parent) {
  std::istringstream children(
      slurp("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children"));
  pid_t child = -1;
  return children >> child ? child : -1;
}

bool alive(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

// Kills at moments that matter: once there is a state to go on from (first, so that one run does), just after the
// start, while a file has its temporary name, and anywhere.
TEST_F(Resume, AKilledRunEndsAsOneThatWasNot) {
  const Clock::time_point started = Clock::now();
  ASSERT_EQ(go("whole").code, 0);
  const auto length = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started).count();
  std::mt19937 random(2026);
  int kills = 0, continued = 0, attempts = 0, sweeps = 0;
  std::string results = "killed_0";
  while (kills < INITLAB_KILLS && ++attempts < 40 * INITLAB_KILLS) {
    const pid_t parent = begin(results);
    const int moment = static_cast<int>(random() % 3);
    const auto wait = std::chrono::microseconds(moment == 0 ? random() % 20'000 : random() % length);
    pid_t worker = -1;
    while (alive(parent) && (worker = worker_of(parent)) < 0) std::this_thread::sleep_for(milliseconds(1));
    const Clock::time_point until = Clock::now() + wait;
    if (kills == 0) {
      while (alive(parent) && states(folder_ / results).empty()) std::this_thread::yield();
    } else {
      while (alive(parent) && Clock::now() < until) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (kills > 0 && moment == 1)
      while (alive(parent) && files_with(results, ".tmp-").empty()) std::this_thread::yield();
    const bool killed = alive(parent) && worker > 0 && ::kill(worker, SIGKILL) == 0;
    const Said said = finish(parent);
    if (killed && said.code == 1) {
      ++kills;
      EXPECT_NE(said.err.find("ended by signal 9"), std::string::npos) << said.err;
      expect_survived(results);
      if (HasFailure()) return;
      continue;
    }
    // It was over before the signal came: compare, and begin another.
    ASSERT_EQ(said.code, 0) << said.err;
    continued += static_cast<int>(!show(file(results))["resumed"].empty());
    expect_same_run("whole", results);
    EXPECT_TRUE(files_with(results, ".state-").empty());
    results = "killed_" + std::to_string(++sweeps);
  }
  EXPECT_EQ(kills, INITLAB_KILLS);
  const Said said = go(results);
  ASSERT_EQ(said.code, 0) << said.err;
  expect_same_run("whole", results);
  continued += static_cast<int>(!show(file(results))["resumed"].empty());
  EXPECT_GT(continued, 0) << "no run had a state to go on from";
  for (const char* left : {".state-", ".tmp-"}) EXPECT_TRUE(files_with(results, left).empty()) << left;
}

TEST_F(Resume, CtrlCKeepsTheStateAndTheSameCommandGoesOn) {
  ASSERT_EQ(go("whole").code, 0);
  const pid_t parent = begin("stopped");
  while (alive(parent) && states(folder_ / "stopped").empty()) std::this_thread::sleep_for(milliseconds(1));
  ::kill(parent, SIGINT);
  EXPECT_EQ(finish(parent).code, 130);
  EXPECT_EQ(show(file("stopped"))["state"], "interrupted");
  EXPECT_FALSE(files_with("stopped", ".state-").empty());
  ASSERT_EQ(go("stopped").code, 0);
  expect_same_run("whole", "stopped");
  const base::Json resumed = show(file("stopped"))["resumed"];
  ASSERT_EQ(resumed.size(), 1u);
  EXPECT_NE(resumed[0].get<std::string>().find("after step "), std::string::npos) << resumed;
}

class Interrupted : public Resume {
 protected:
  void SetUp() override {
    Resume::SetUp();
    ASSERT_EQ(go("whole").code, 0);
    const pid_t parent = begin("stopped");
    while (alive(parent) && states(folder_ / "stopped").size() < 2) std::this_thread::sleep_for(milliseconds(1));
    ::kill(parent, SIGINT);
    ASSERT_EQ(finish(parent).code, 130);
    states_ = states(folder_ / "stopped");
    ASSERT_EQ(states_.size(), 2u) << "the last two are kept";
  }
  std::int64_t resumed_after() const {
    const base::Json resumed = show(file("stopped"))["resumed"];
    if (resumed.empty()) return -1;
    return std::stoll(resumed[0].get<std::string>().substr(std::string("after step ").size()));
  }
  std::vector<fs::path> states_;
};

// A damaged state is not believed: the one before it, and then the beginning.
TEST_F(Interrupted, ADamagedStateIsPassedOver) {
  std::ranges::sort(states_, {}, step_of);
  std::string bytes = slurp(states_[1]);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write(states_[1], bytes);
  ASSERT_EQ(go("stopped").code, 0);
  EXPECT_EQ(resumed_after(), step_of(states_[0]));
  expect_same_run("whole", "stopped");
}

TEST_F(Interrupted, WithoutAWholeStateTheRunBeginsAnew) {
  for (const fs::path& state : states_) write(state, slurp(state).substr(0, 1000));
  ASSERT_EQ(go("stopped").code, 0);
  EXPECT_EQ(resumed_after(), -1);
  expect_same_run("whole", "stopped");
}

TEST_F(Interrupted, AStateWithoutItsRecordsIsOfNoUse) {
  fs::remove(file("stopped"));
  ASSERT_EQ(go("stopped").code, 0);
  EXPECT_EQ(resumed_after(), -1);
  expect_same_run("whole", "stopped");
}

TEST_F(Interrupted, AnotherKindOfCpuIsRefusedUnlessAllowed) {
  for (const fs::path& state : states_) {
    std::string bytes = slurp(state);
    const std::size_t at = bytes.find("\"cpu\":\"") + 7;
    bytes[at] = bytes[at] == 'X' ? 'Y' : 'X';
    write(state, bytes);
  }
  const std::string before = slurp(file("stopped"));
  const Said refused = go("stopped");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--allow-other-cpu"), std::string::npos) << refused.err;
  EXPECT_EQ(slurp(file("stopped")), before);
  const Said allowed = go("stopped", {"--allow-other-cpu"});
  EXPECT_EQ(allowed.code, 0) << allowed.err;
  EXPECT_GT(resumed_after(), 0);
}

TEST_F(Interrupted, StatesStayWhereTheSpecSaysSo) {
  ASSERT_EQ(go("stopped", {"--set", "resume.keep=true"}).code, 0);
  EXPECT_EQ(files_with("stopped", ".state-").size(), 2u);
  ASSERT_EQ(go("stopped").code, 0);
  EXPECT_TRUE(files_with("stopped", ".state-").empty()) << "a run that is done loses them with the next command";
}

}  // namespace
}  // namespace initlab::integration
