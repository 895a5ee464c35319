// `initlab submit` on a real Slurm: one node, started by the test on loopback (Debian: slurm-wlm, munge; scripts/setup
// --slurm). Tasks of an array are killed, requeued, cancelled and told of their time limit; in the end all runs are
// there, to the bits of runs that nothing happened to.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "base/json.hpp"
#include "integration/attempts.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr const char* kSpec = R"(experiment: array
model: {layers: 1, hidden: 64, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 256}
training: {steps: 6000, batch: 16, max_length: 64, optimizer: {learning_rate: 1e-3}, evaluate: {every: 500}}
arms: {truncated: [{use: truncated_normal, stddev: 0.02}], xavier: [{use: xavier_uniform}]}
seeds: {replicates: 6, base: 7}
resume: {every_steps: 100}
)";

bool wait_for(const std::function<bool()>& what, seconds most) {
  for (const Clock::time_point until = Clock::now() + most; Clock::now() < until;) {
    if (what()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return what();
}

// A port of this machine that nobody has. Whoever takes it in the next moment makes the test skip.
int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

std::string host() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return std::string(name).substr(0, std::string(name).find('.'));
}

// Of a task of the array that has a run.
struct Task {
  std::string run;
  pid_t worker = -1;
  std::string job;  // as Slurm names it: 12_3
};

class Slurm : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    ::setenv("PATH", (std::string(std::getenv("PATH")) + ":/usr/sbin:/sbin").c_str(), 1);
    for (const char* name : {"munged", "slurmctld", "slurmd", "sbatch", "scontrol"})
      if (command({"sh", "-c", std::string("command -v ") + name}).code != 0)
        GTEST_SKIP() << "skipped: no " << name << " (scripts/setup --slurm installs slurm-wlm and munge)";
    write_configuration();
    ::setenv("SLURM_CONF", (folder_ / "slurm.conf").c_str(), 1);
    const std::string at = folder_.string();
    daemons_ = {start(
        {"munged", "--foreground", "--force", "--key-file=" + at + "/munge.key", "--socket=" + at + "/munge.socket",
         "--pid-file=" + at + "/munged.pid", "--log-file=" + at + "/munged.log", "--seed-file=" + at + "/munged.seed"},
        "", "munged")};
    wait_for([&] { return fs::exists(folder_ / "munge.socket"); }, seconds(20));
    daemons_.push_back(start({"slurmctld", "-D"}, "", "slurmctld"));
    daemons_.push_back(start({"slurmd", "-D"}, "", "slurmd"));
    if (!wait_for([&] { return command({"sinfo", "-h", "-o", "%T"}).out == "idle\n"; }, seconds(60)))
      GTEST_SKIP() << "skipped: Slurm does not start here:\n"
                   << slurp(folder_ / "slurmctld.log") << slurp(folder_ / "slurmd.log");
    spec_ = folder_ / "array.yaml";
    write(spec_, kSpec);
  }
  void TearDown() override {
    if (daemons_.size() == 3) {
      command({"scancel", "--me"});
      wait_for([&] { return queue().empty(); }, seconds(30));
    }
    std::ranges::reverse(daemons_);
    for (const pid_t daemon : daemons_) {
      ::kill(daemon, SIGTERM);
      ::waitpid(daemon, nullptr, 0);
    }
    ProgramTest::TearDown();
  }

  // One node of two places, whatever the machine has; no cgroups, no accounting.
  void write_configuration() const {
    for (const char* name : {"state", "spool"}) fs::create_directories(folder_ / name);
    const std::string at = folder_.string();
    write(folder_ / "munge.key", std::string(1024, 'k'));
    fs::permissions(folder_ / "munge.key", fs::perms::owner_read);
    write(folder_ / "slurm.conf",
          "ClusterName=initlab\nSlurmctldHost=" + host() + "(127.0.0.1)\nSlurmctldPort=" + std::to_string(free_port()) +
              "\nSlurmdPort=" + std::to_string(free_port()) + "\nSlurmUser=" + user() + "\nSlurmdUser=" + user() +
              "\nAuthType=auth/munge\nAuthInfo=socket=" + at +
              "/munge.socket\nCredType=cred/munge\nStateSaveLocation=" + at + "/state\nSlurmdSpoolDir=" + at +
              "/spool\nSlurmctldPidFile=" + at + "/slurmctld.pid\nSlurmdPidFile=" + at +
              "/slurmd.pid\nSlurmctldLogFile=" + at + "/slurmctld.log\nSlurmdLogFile=" + at +
              "/slurmd.log\nProctrackType=proctrack/pgid\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n"
              "MpiDefault=none\nSwitchType=switch/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n"
              "SlurmdParameters=config_overrides\nSchedulerParameters=batch_sched_delay=0\nReturnToService=2\nMailProg="
              "/bin/true\n"
              "NodeName=" +
              host() +
              " NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n"
              "PartitionName=main Nodes=" +
              host() + " Default=YES MaxTime=INFINITE State=UP\n");
  }
  std::string user() const {
    const std::string name = command({"id", "-un"}).out;
    return name.substr(0, name.find('\n'));
  }

  fs::path results() const { return folder_ / "results"; }
  Said submit() const {
    return initlab({"submit", spec_.string(), "--results", results().string(), "--slurm", "--runs-per-task", "1",
                    "--threads", "1"});
  }
  base::Json experiment() const {
    const Said said = initlab({"status", results().string(), "--json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "status")["experiments"][0];
  }
  int finished() const { return experiment()["counts"]["finished"]; }
  std::string queue() const { return command({"squeue", "-h", "-r", "-o", "%i %T"}).out; }

  // A task whose run has a state to go on from, neither of which anything has happened to yet.
  Task some_task() {
    Task task;
    const auto found = [&] {
      const base::Json now = experiment();
      for (const base::Json& run : now["runs"]) {
        const std::string name = run["run"];
        if (!run.contains("owner") || touched_.contains(name) || !has_state(name)) continue;
        if (run["owner"]["step"] > 3000) continue;  // it could end before anything happens to it
        const auto worker = run["owner"]["pid"].get<pid_t>();
        task = {name, worker, variable(worker, "SLURM_ARRAY_JOB_ID") + "_" + variable(worker, "SLURM_ARRAY_TASK_ID")};
        if (task.job.size() > 1 && !is_touched(task.job)) return true;  // else it has just ended
      }
      return false;
    };
    EXPECT_TRUE(wait_for(found, seconds(120))) << queue();
    touched_[task.run] = task;
    return task;
  }
  bool is_touched(const std::string& job) const {
    return std::ranges::any_of(touched_, [&job](const auto& entry) { return entry.second.job == job; });
  }
  bool has_state(const std::string& run) const {
    const std::string prefix = run.substr(0, run.size() - 3) + ".state-";
    for (const auto& entry : fs::directory_iterator(results() / "array"))
      if (entry.path().filename().string().starts_with(prefix) && entry.path().extension() == ".safetensors")
        return true;
    return false;
  }
  // Of another process's environment.
  static std::string variable(pid_t process, const std::string& name) {
    std::istringstream all(slurp("/proc/" + std::to_string(process) + "/environ"));
    for (std::string one; std::getline(all, one, '\0');)
      if (one.starts_with(name + "=")) return one.substr(name.size() + 1);
    return {};
  }
  static pid_t parent_of(pid_t process) {
    std::istringstream status(slurp("/proc/" + std::to_string(process) + "/status"));
    for (std::string word; status >> word;)
      if (word == "PPid:") return status >> word ? std::stoi(word) : -1;
    return -1;
  }
  std::string job_state(const std::string& job) const {
    const std::string shown = command({"scontrol", "-o", "show", "job", job}).out;
    const std::size_t at = shown.find("JobState=");
    return at == std::string::npos ? std::string() : shown.substr(at + 9, shown.find(' ', at) - at - 9);
  }
  // Slurm lets what was queued again wait for two minutes.
  void no_delay(const std::string& job) const {
    EXPECT_TRUE(wait_for([&] { return job_state(job) == "PENDING"; }, seconds(60))) << job << " " << job_state(job);
    EXPECT_EQ(command({"scontrol", "update", "JobId=" + job, "StartTime=now"}).code, 0);
  }

  fs::path spec_;
  std::vector<pid_t> daemons_;
  std::map<std::string, Task> touched_;  // runs whose task something happened to
};

// A short name: the folder is called after it, and the paths of Slurm's sockets may have 108 bytes.
TEST_F(Slurm, TasksMayDie) {
  const Said said = submit();
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("12 runs in 12 tasks of up to 1"), std::string::npos) << said.out;

  // The processes die; Slurm sees a failed task, and somebody queues it again.
  const Task killed = some_task();
  ASSERT_FALSE(HasFailure());
  const pid_t program = parent_of(killed.worker);
  ASSERT_GT(program, 1);
  ::kill(killed.worker, SIGKILL);
  ::kill(program, SIGKILL);
  EXPECT_TRUE(wait_for([&] { return job_state(killed.job) == "FAILED"; }, seconds(60))) << job_state(killed.job);
  EXPECT_EQ(command({"scontrol", "requeue", killed.job}).code, 0);
  no_delay(killed.job);

  // Preempted: SIGTERM, and queued again by Slurm.
  const Task preempted = some_task();
  ASSERT_FALSE(HasFailure());
  EXPECT_EQ(command({"scontrol", "requeue", preempted.job}).code, 0);
  no_delay(preempted.job);

  // Near its time limit Slurm signals the batch shell alone; the task queues itself again. (Slurm 22.05's `scancel
  // --batch
  // --signal` does so too, but takes an array's task for one in transition, and tries again for a minute.)
  const Task late = some_task();
  ASSERT_FALSE(HasFailure());
  const pid_t shell = parent_of(parent_of(late.worker));
  ASSERT_GT(shell, 1);
  ::kill(shell, SIGUSR1);
  no_delay(late.job);

  // Cancelled by its user: stopped, and not queued again.
  const Task cancelled = some_task();
  ASSERT_FALSE(HasFailure());
  EXPECT_EQ(command({"scancel", cancelled.job}).code, 0);

  EXPECT_TRUE(wait_for([&] { return queue().empty(); }, seconds(600))) << queue();
  EXPECT_EQ(finished(), 11) << "a task for each run, but for the one that was cancelled";
  for (const Task& task : {killed, preempted, late}) EXPECT_EQ(job_state(task.job), "COMPLETED") << task.job;
  EXPECT_EQ(job_state(cancelled.job), "CANCELLED");

  const Said rest = submit();
  EXPECT_NE(rest.out.find(": 1 run in 1 task"), std::string::npos) << rest.out << rest.err;
  EXPECT_TRUE(wait_for([&] { return queue().empty(); }, seconds(120))) << queue();
  EXPECT_EQ(finished(), 12);
  EXPECT_NE(submit().out.find("all 12 runs exist"), std::string::npos);

  // Nobody ever had a run twice, and what was done is what it says.
  const std::vector<base::Json> log = attempts_of(results() / "array");
  expect_orderly(log);
  const auto events = [&](const Task& task, const char* event) {
    return std::ranges::count_if(
        log, [&](const base::Json& life) { return life["run"] == task.run && life["event"] == event; });
  };
  const auto lives = [&](const Task& task) {
    std::string text = task.job + " " + task.run;
    for (const base::Json& life : log)
      if (life["run"] == task.run) text += "\n" + life.dump();
    return text;
  };
  EXPECT_EQ(events(killed, "died"), 1) << lives(killed);
  for (const Task& task : {preempted, late, cancelled}) EXPECT_EQ(events(task, "interrupted"), 1) << lives(task);

  // To the same bits as alone.
  const Said alone = initlab({"run", spec_.string(), "--results", (folder_ / "alone").string(), "--threads", "1"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  for (const fs::path& run : run_files(folder_ / "alone"))
    EXPECT_EQ(h5diff(run, results() / "array" / run.filename()).code, 0) << run;
  for (const auto& [run, task] : touched_) {
    const Said shown = initlab({"show", (results() / "array" / run).string(), "--json"});
    EXPECT_GE(base::parse_json(shown.out, "show")["resumed"].size(), 1U) << run << " went on from its state";
  }
}

}  // namespace
}  // namespace initlab::integration
