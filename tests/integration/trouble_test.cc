// What goes wrong around a sweep: a full disk, limits on files, signals, plugins that crash or never return, folders
// that cannot be written, files of a newer version, a spec that changes under a running sweep, clocks that jump. Each
// is said clearly, harms no other run, and the same command goes on when it is over.
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <set>
#include <thread>

#include "base/json.hpp"
#include "integration/attempts.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kSpec = R"(experiment: trouble
model: {layers: 1, hidden: 64, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 128}
training: {steps: 40, batch: 16, max_length: 64, optimizer: {learning_rate: 1e-3}, evaluate: {every: 10}}
arms: {truncated: [{use: truncated_normal, stddev: 0.02}], xavier: [{use: xavier_uniform}]}
seeds: {replicates: 2, base: 7}
resume: {every_steps: 10}
)";
// Of one arm and replicate, that lasts until something is done to it.
const std::vector<std::string> kLong = {"--set", "training.steps=1500",
                                        "--set", "seeds.replicates=1",
                                        "--set", "arms={truncated: [{use: truncated_normal, stddev: 0.02}]}"};

class Trouble : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    spec_ = folder_ / "trouble.yaml";
    write(spec_, kSpec);
  }
  std::vector<std::string> words(const fs::path& results, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {program(), "run", spec_.string(), "--results", results.string(), "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Said go(const fs::path& results, const std::vector<std::string>& more = {}) const {
    return command(words(results, more));
  }
  base::Json counts(const fs::path& results) const {
    return base::parse_json(initlab({"status", results.string(), "--json"}).out, "status")["experiments"][0]["counts"];
  }
  base::Json show(const fs::path& run) const {
    const Said said = initlab({"show", run.string(), "--json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "show");
  }
  bool all_whole(const fs::path& results) const {
    const Said said = initlab({"verify", results.string()});
    EXPECT_EQ(said.code, 0) << said.out << said.err;
    return said.code == 0;
  }
  // Runs of both folders are the same but for their times.
  void expect_same(const fs::path& a, const fs::path& b) const {
    const auto runs = run_files(a);
    ASSERT_FALSE(runs.empty());
    EXPECT_EQ(runs.size(), run_files(b).size());
    for (const fs::path& run : runs) EXPECT_EQ(h5diff(run, b / "trouble" / run.filename()).code, 0) << run;
  }
  std::vector<fs::path> files_with(const fs::path& results, const std::string& part) const {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(results / "trouble", error))
      if (entry.path().filename().string().find(part) != std::string::npos) files.push_back(entry.path());
    return files;
  }
  bool wait_for(const std::function<bool()>& what) const {
    for (const Clock::time_point until = Clock::now() + std::chrono::seconds(60); Clock::now() < until;) {
      if (what()) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    ADD_FAILURE() << "waited in vain: " << slurp(folder_ / "stderr");
    return false;
  }
  bool wait_for_state(const fs::path& results) const {
    return wait_for([&] { return !states(results).empty(); });
  }

  fs::path spec_;
};

// --- no space
// ---------------------------------------------------------------------------------------------------------------------

// A file system of 8 MiB in memory, that only this process and its children see.
class SmallDisk : public Trouble {
 protected:
  void SetUp() override {
    Trouble::SetUp();
    disk_ = folder_ / "disk";
    fs::create_directories(disk_);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=8m") != 0)
      GTEST_SKIP() << "skipped: no file system can be mounted here (" << std::strerror(errno) << ")";
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) {
      EXPECT_EQ(::umount2(disk_.c_str(), MNT_DETACH), 0);
    }
    Trouble::TearDown();
  }
  fs::path results() const { return disk_ / "results"; }
  // Takes all space but so much.
  void fill(std::size_t leave) const {
    std::ofstream ballast(disk_ / "ballast", std::ios::binary);
    const std::vector<char> page(4096, 'b');
    while (ballast.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
    ballast.close();
    fs::resize_file(disk_ / "ballast", fs::file_size(disk_ / "ballast") - leave);
  }
  void make_space() const { fs::remove(disk_ / "ballast"); }

  fs::path disk_;
  bool mounted_ = false;
};

TEST_F(SmallDisk, WhenFullStopsNoFinishedRunAndTheRestIsMadeLater) {
  ASSERT_EQ(go(folder_ / "whole").code, 0);
  ASSERT_EQ(go(results(), {"--set", "seeds.replicates=1"}).code, 0);
  const std::vector<fs::path> first = run_files(results());
  ASSERT_EQ(first.size(), 2U);
  const std::string before = slurp(first[0]) + slurp(first[1]);
  fill(64 << 10);  // less than a run file
  const Said said = go(results());
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("No space left on device"), std::string::npos) << said.err;
  EXPECT_EQ(slurp(first[0]) + slurp(first[1]), before);
  EXPECT_TRUE(all_whole(results()));
  EXPECT_TRUE(files_with(results(), ".tmp-").empty());
  make_space();
  const Said again = go(results());
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("2 to do"), std::string::npos) << again.err;
  for (const fs::path& run : run_files(results()))  // the first two were made by another command, which they record
    if (std::ranges::find(first, run) == first.end()) {
      EXPECT_EQ(h5diff(run, folder_ / "whole/trouble" / run.filename()).code, 0) << run;
    }
}

TEST_F(SmallDisk, WhenItGetsFullUnderARunTheFlushedRowsStandAndItGoesOn) {
  ASSERT_EQ(go(folder_ / "whole", kLong).code, 0);
  const pid_t pid = start(words(results(), kLong));
  ASSERT_TRUE(wait_for_state(results()));
  fill(0);
  const Said said = finish(pid);
  ASSERT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.err.find("No space left on device"), std::string::npos) << said.err;
  ASSERT_EQ(run_files(results()).size(), 1U);
  EXPECT_TRUE(all_whole(results()));
  EXPECT_GE(show(run_files(results())[0])["train"].size(), 10U) << "a state is after step 10 or later";
  // Still no space, and what the run gave back when it failed is taken too: nothing gets worse.
  make_space();
  fill(0);
  const std::string before = slurp(run_files(results())[0]);
  EXPECT_NE(go(results(), kLong).code, 0);
  EXPECT_EQ(slurp(run_files(results())[0]), before);
  // Mending needs space; where the run could still end its file, there is nothing to mend.
  const Said mending = initlab({"recover", results().string()});
  const bool ended = mending.out.find("needs no recovery") != std::string::npos;
  EXPECT_EQ(mending.code, ended ? 0 : 1) << mending.out << mending.err;
  EXPECT_EQ(slurp(run_files(results())[0]), before);
  make_space();
  ASSERT_EQ(go(results(), kLong).code, 0);
  EXPECT_EQ(show(run_files(results())[0])["resumed"].size(), 1U);
  expect_same(folder_ / "whole", results());
}

// Needs no permissions: a limit on the size of files, in blocks of 512 bytes, that run files pass but states do not.
TEST_F(Trouble, ALimitOnFilesIsSaidLikeAFullDisk) {
  const auto limited = [&](int blocks) {
    return command({"sh", "-c", "ulimit -f " + std::to_string(blocks) + " && exec \"$@\"", "sh", program(), "run",
                    spec_.string(), "--results", (folder_ / "limited").string(), "--threads", "1", "--set",
                    "seeds.replicates=1"});
  };
  for (const int blocks : {40, 600}) {
    SCOPED_TRACE(blocks);
    const Said said = limited(blocks);
    EXPECT_EQ(said.code, 1) << said.err;
    EXPECT_NE(said.err.find("File too large"), std::string::npos) << said.err;
    EXPECT_TRUE(files_with(folder_ / "limited", ".tmp-").empty());
  }
  EXPECT_TRUE(all_whole(folder_ / "limited"));
  ASSERT_EQ(go(folder_ / "limited", {"--set", "seeds.replicates=1"}).code, 0);
  ASSERT_EQ(go(folder_ / "whole", {"--set", "seeds.replicates=1"}).code, 0);
  expect_same(folder_ / "whole", folder_ / "limited");
}

// The run is done, only the log has no room left to say so.
TEST_F(Trouble, ARunWhoseEndCannotBeLoggedIsFinished) {
  const std::vector<std::string> one = {"--set", "seeds.replicates=1",
                                        "--set", "arms={truncated: [{use: truncated_normal, stddev: 0.02}]}",
                                        "--set", "resume.every_steps=~"};  // a state would pass the limit
  ASSERT_EQ(go(folder_ / "whole", one).code, 0);
  const std::string log = slurp(folder_ / "whole/trouble/attempts.jsonl");
  const std::size_t started = log.find('\n') + 1;
  // Room for that line and for half of the next one.
  constexpr std::size_t kLimit = 1024 * 512;
  fs::create_directories(folder_ / "limited/trouble");
  write(folder_ / "limited/trouble/attempts.jsonl", std::string(kLimit - started - started / 2, '\n'));
  std::vector<std::string> limited = {"sh", "-c", "ulimit -f 1024 && exec \"$@\"", "sh"};
  for (const std::string& word : words(folder_ / "limited", one)) limited.push_back(word);
  const Said said = command(limited);
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("finished in "), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("attempts.jsonl: cannot be written: got room for a part of a line"), std::string::npos)
      << said.err;
  EXPECT_EQ(said.err.find("diverged"), std::string::npos) << said.err;
  EXPECT_EQ(counts(folder_ / "limited")["finished"], 1);
  expect_same(folder_ / "whole", folder_ / "limited");
}

TEST_F(SmallDisk, AFolderThatCannotBeWrittenIsRefusedAndCanBeRead) {
  ASSERT_EQ(go(results()).code, 0);
  ASSERT_EQ(::mount("tmpfs", disk_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=8m"), 0) << std::strerror(errno);
  const Said said = go(results(), {"--set", "seeds.replicates=3"});
  EXPECT_EQ(said.code, 2) << said.err;
  EXPECT_NE(said.err.find("Read-only file system"), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("choose another"), std::string::npos) << said.err;
  EXPECT_EQ(go(disk_ / "new").code, 2);
  const Said done = go(results());
  EXPECT_EQ(done.code, 0) << "nothing is to do, so nothing is written: " << done.err;
  EXPECT_EQ(counts(results())["finished"], 4);
  EXPECT_TRUE(all_whole(results()));
  for (const char* verb : {"compare", "export", "recover"})
    EXPECT_EQ(initlab({verb, results().string()}).code, 0) << verb;
}

// --- signals
// ----------------------------------------------------------------------------------------------------------------------

// To the program alone, as `kill` and schedulers send them, while two runs are at work and others wait.
TEST_F(Trouble, SignalsStopASweepWithWholeFiles) {
  const std::vector<std::string> more = {"--set", "training.steps=400", "--jobs", "2"};
  ASSERT_EQ(go(folder_ / "whole", more).code, 0);
  for (const int signal : {SIGTERM, SIGINT}) {
    SCOPED_TRACE(::strsignal(signal));
    const fs::path results = folder_ / std::to_string(signal);
    const pid_t pid = start(words(results, more));
    ASSERT_TRUE(wait_for([&] { return run_files(results).size() >= 2 && !states(results).empty(); }));
    ::kill(pid, signal);
    const Said said = finish(pid);
    EXPECT_EQ(said.code, 130) << said.err;
    const base::Json after = counts(results);
    EXPECT_GE(after["interrupted"], 1) << said.err;
    EXPECT_EQ(after["running"].get<int>() + after["killed"].get<int>() + after["failed"].get<int>(), 0)
        << after << slurp(results / "trouble/attempts.jsonl");
    EXPECT_TRUE(all_whole(results));
    ASSERT_EQ(go(results, more).code, 0);
    expect_same(folder_ / "whole", results);
    expect_orderly(attempts_of(results / "trouble"));
  }
}

// --- plugins
// ----------------------------------------------------------------------------------------------------------------------

// Each of these would take the program down; it fails its own runs.
TEST_F(Trouble, ABrokenPluginFailsItsOwnRuns) {
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"aborts", "ended by signal 6"},
      {"crash", "ended by signal 11"},
      {"ends_the_process", "the worker ended with code 0"},
      {"never_returns", "took longer than its limit of 10 s"}};
  for (const auto& [fault, said_so] : faults) {
    SCOPED_TRACE(fault);
    const fs::path results = folder_ / ("results_" + fault), plugins = folder_ / fault;
    fs::create_directories(plugins);
    fs::copy_file(fs::path(INITLAB_BROKEN) / ("check_" + fault + ".so"), plugins / "broken.so");
    std::vector<std::string> all =
        words(results, {"--set", "arms.broken=[{use: broken}]", "--set", "seeds.replicates=1", "--most-seconds",
                        fault == "never_returns" ? "10" : "300"});
    all.insert(all.begin(), {"env", "INITLAB_PLUGIN_PATH=" + plugins.string()});
    const Said said = command(all);
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.err.find(said_so), std::string::npos) << said.err;
    EXPECT_EQ(counts(results)["finished"], 2) << said.err;
    EXPECT_TRUE(all_whole(results));
    std::set<std::string> died;
    for (const base::Json& life : attempts_of(results / "trouble"))
      if (life["event"] == "died") died.insert(life["run"]);
    EXPECT_EQ(died.size(), 1U);
  }
}

// --- other versions, other specs, other times
// -------------------------------------------------------------------------------------

TEST_F(Trouble, AFileOfANewerVersionIsNeverReplaced) {
  ASSERT_EQ(go(folder_ / "results").code, 0);
  const std::vector<fs::path> runs = run_files(folder_ / "results");
  const Said edited = command(
      {"/usr/bin/python3", "-c",
       "import h5py, sys\nwith h5py.File(sys.argv[1], 'a') as run: run.attrs.modify('schema', 99)", runs[0].string()});
  if (edited.code != 0) GTEST_SKIP() << "skipped: no h5py";
  const std::string before = slurp(runs[0]);
  for (const char* verb : {"run", "plan"}) {
    const Said said = initlab({verb, spec_.string(), "--results", (folder_ / "results").string()});
    EXPECT_EQ(said.code, 2) << verb;
    EXPECT_NE(said.err.find("schema: expected 1, got 99"), std::string::npos) << said.err;
    EXPECT_NE(said.err.find("newer"), std::string::npos) << said.err;
  }
  EXPECT_EQ(slurp(runs[0]), before);
  EXPECT_EQ(counts(folder_ / "results")["unreadable"], 1);
  EXPECT_EQ(counts(folder_ / "results")["finished"], 3);
  EXPECT_EQ(initlab({"verify", runs[0].string()}).code, 1);
  EXPECT_EQ(initlab({"verify", runs[1].string()}).code, 0);
  EXPECT_EQ(initlab({"recover", (folder_ / "results").string()}).code, 1) << "says so, and looks at the others";
}

// What runs is what was read at the start.
TEST_F(Trouble, ASpecThatChangesUnderASweepChangesNothing) {
  ASSERT_EQ(go(folder_ / "whole").code, 0);
  const pid_t pid = start(words(folder_ / "results", {"--jobs", "1"}));
  ASSERT_TRUE(wait_for([&] { return !run_files(folder_ / "results").empty(); }));
  write(spec_, "experiment: another\n# and no longer a spec: [");
  const Said said = finish(pid);
  ASSERT_EQ(said.code, 0) << said.err;
  write(spec_, kSpec);
  expect_same(folder_ / "whole", folder_ / "results");
  // And the next `run` makes what the changed spec asks for, beside what is there.
  const Said changed = go(folder_ / "results", {"--set", "training.steps=20"});
  ASSERT_EQ(changed.code, 0) << changed.err;
  EXPECT_EQ(counts(folder_ / "results")["finished"], 8);
}

// No decision looks at a time: files from tomorrow or from before the epoch's first days, and a log of the future.
TEST_F(Trouble, ClocksThatJumpChangeNothing) {
  ASSERT_EQ(go(folder_ / "whole", kLong).code, 0);
  const fs::path results = folder_ / "results";
  const pid_t pid = start(words(results, kLong));
  ASSERT_TRUE(wait_for([&] { return states(results).size() >= 2; }));
  ::kill(pid, SIGINT);
  ASSERT_EQ(finish(pid).code, 130);
  // The older state is the younger file.
  std::vector<fs::path> kept = states(results);
  ASSERT_EQ(kept.size(), 2U);
  const auto step_of = [](const fs::path& state) {
    const std::string name = state.filename().string();
    return std::stoi(name.substr(name.find(".state-") + 7));
  };
  std::ranges::sort(kept, {}, step_of);
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(kept[0], now + std::chrono::hours(24 * 365));
  fs::last_write_time(kept[1], now - std::chrono::hours(24 * 365 * 20));
  fs::last_write_time(run_files(results)[0], now + std::chrono::hours(48));
  const std::string name = run_files(results)[0].filename().string();
  std::ofstream(results / "trouble/attempts.jsonl", std::ios::app)
      << R"({"time":"2199-01-01T00:00:00Z","host":"elsewhere","pid":1,"run":")" << name
      << R"(","event":"started","reason":""})"
      << "\n";
  // A lock whose holder is dead, and says that it began next year.
  std::ofstream(fs::path(results / "trouble" / name).replace_extension(".lock"))
      << R"({"host":"elsewhere","pid":1,"since":"2199-01-01T00:00:00Z","step":1,"total":2,"loss":1,"tokens_per_second":1,"seconds_left":-5})"
      << "\n";
  EXPECT_EQ(counts(results)["interrupted"], 1);
  ASSERT_EQ(go(results, kLong).code, 0);
  const base::Json resumed = show(run_files(results)[0])["resumed"];
  ASSERT_EQ(resumed.size(), 1U);
  EXPECT_TRUE(resumed[0].get<std::string>().starts_with("after step " + std::to_string(step_of(kept[1])) + ","))
      << resumed;
  expect_same(folder_ / "whole", results);
  expect_orderly(attempts_of(results / "trouble"));
}

}  // namespace
}  // namespace initlab::integration
