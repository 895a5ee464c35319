// `initlab submit`: the missing runs of a spec as one Slurm job array.
//
// Every task of the array runs the same `initlab run`: the runs are claimed one by one (sweep/claim.hpp), so a task
// that is lost, late or started again needs no list of its own.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <iostream>
#include <iterator>

#include "app/common.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "model/bert.hpp"
#include "sweep/folder.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

namespace fs = std::filesystem;

// Short runs share a task until it lasts about so long, at a rate that a core reaches on most machines.
constexpr double kTaskSeconds = 900;
constexpr double kFlopsPerCore = 3e10;
constexpr std::size_t kMostTasks = 1000;  // Slurm's default MaxArraySize is 1001

using Runs = std::vector<std::shared_ptr<const sweep::Prepared>>;

struct Array {
  std::size_t tasks = 0, runs_per_task = 1;
};

// What is to do: the sweep's own runs, and those that have to be made before them.
struct Missing {
  Runs pretraining, tuning, runs;
  std::size_t count() const { return pretraining.size() + tuning.size() + runs.size(); }
};

Missing missing_of(const Sweep& sweep) {
  Missing missing;
  const auto add = [](const Runs& all, Runs& list) {
    std::ranges::copy_if(all, std::back_inserter(list), [](const auto& run) { return !is_done(*run); });
  };
  add(sweep.runs, missing.runs);
  add(sweep.tuning, missing.tuning);
  for (const Runs& makers : makers_of(sweep.runs)) add(makers, missing.pretraining);
  return missing;
}

double seconds_of(const sweep::Prepared& run, int threads) {
  if (run.plan.training.seconds) return *run.plan.training.seconds;
  const data::BatchStream batches = run.batches();
  const std::int64_t steps = train::total_steps(run.plan.training, batches.steps_per_epoch());
  if (steps == 0) return 0;
  const double flops = model::training_flops(run.model, run.data->info.head, run.num_labels, batches.train(0));
  return flops * static_cast<double>(steps) / (kFlopsPerCore * threads);
}

// A task first does its share of what all runs wait for, whatever its --most-runs is, and then so many runs.
Array array_of(const Missing& missing, int threads, std::optional<int> runs_per_task) {
  Array array;
  double longest = 1;
  for (const Runs* list : {&missing.pretraining, &missing.tuning, &missing.runs})
    for (const auto& run : *list) longest = std::max(longest, seconds_of(*run, threads));
  array.runs_per_task = runs_per_task ? static_cast<std::size_t>(*runs_per_task)
                                      : static_cast<std::size_t>(std::max(1.0, std::floor(kTaskSeconds / longest)));
  array.runs_per_task = std::max(array.runs_per_task, (missing.count() + kMostTasks - 1) / kMostTasks);
  array.tasks = (missing.count() + array.runs_per_task - 1) / array.runs_per_task;
  return array;
}

// "4 runs", "4 runs after 2 pre-training runs and 8 tuning runs"
std::string count_text(const Missing& missing) {
  const auto count = [](std::size_t n, const std::string& what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  std::vector<std::string> before;
  if (!missing.pretraining.empty()) before.push_back(count(missing.pretraining.size(), "pre-training run"));
  if (!missing.tuning.empty()) before.push_back(count(missing.tuning.size(), "tuning run"));
  return count(missing.runs.size(), "run") + (before.empty() ? "" : " after " + base::join(before, " and "));
}

// A value of an #SBATCH line: one word.
std::string word_option(const po::variables_map& values, const char* name) {
  const std::string word = values[name].as<std::string>();
  const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::strchr("_-.,:+@/", c) != nullptr;
  });
  if (!plain) throw base::Error({"command line", std::string("--") + name, "one word", base::quote(word), ""});
  return word;
}

// SIGTERM (preemption, scancel) goes on to initlab, which ends its run after the current step and keeps its state;
// Slurm itself requeues what it preempted. SIGUSR1 comes before the time limit: the task then queues itself once more.
constexpr const char* kBody = R"(
requeue=no
COMMAND &
child=$!
trap 'kill -TERM "$child"' TERM INT
trap 'requeue=yes; kill -TERM "$child"' USR1
while true; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
if [ "$requeue" = yes ] && [ "$code" -eq 130 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
)";

std::string script(const Sweep& sweep, const fs::path& folder, const Array& array, int threads,
                   const po::variables_map& values, const Context& context) {
  std::string text = "#!/bin/sh\n#SBATCH --job-name=initlab-" + sweep.spec.experiment + "\n#SBATCH --array=0-" +
                     std::to_string(array.tasks - 1) + "\n#SBATCH --cpus-per-task=" + std::to_string(threads) +
                     "\n#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:USR1@120\n#SBATCH --output=" +
                     (folder / "slurm-%A_%a.log").string() + "\n#SBATCH --chdir=" + fs::current_path().string() + "\n";
  for (const char* name : {"partition", "time", "mem", "account"})
    if (values.count(name) != 0) text += std::string("#SBATCH --") + name + "=" + word_option(values, name) + "\n";
  std::string command = shell_quote(context.program) + sweep.command.substr(std::string("initlab").size());
  command += " --results " + shell_quote(fs::absolute(sweep.results).lexically_normal().string()) + " --threads " +
             std::to_string(threads) + " --jobs 1 --no-wait --most-runs " + std::to_string(array.runs_per_task);
  std::string body = kBody;
  body.replace(body.find("COMMAND"), 7, command);
  return text + body;
}

// Runs a program and returns what it printed. Throws Error where it is absent or fails.
std::string output_of(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw base::Error({"", "a pipe", "", std::strerror(errno), ""});
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  if (failed == 0)
    for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) != 0;) {
      if (n < 0 && errno != EINTR) break;
      if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
    }
  ::close(ends[0]);
  if (failed != 0)
    throw base::Error(
        {words[0], "cannot be started", "", std::strerror(failed), "is Slurm installed on this machine?"});
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw base::Error({words[0], "exit code", "0", std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1),
                       "its own message stands above"});
  return text;
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("slurm", po::bool_switch(), "the scheduler; the only one so far, and required")         //
      ("partition", po::value<std::string>(), "Slurm's --partition")                                            //
      ("time", po::value<std::string>(), "Slurm's --time of a task; what is not done by then is queued again")  //
      ("mem", po::value<std::string>(), "Slurm's --mem of a task")                                              //
      ("account", po::value<std::string>(), "Slurm's --account")                                                //
      ("runs-per-task", po::value<int>(), "default: as many as take about 15 minutes")                          //
      ("print", po::bool_switch(), "print the job script and submit nothing");
}

int run(const po::variables_map& values, const Context& context) {
  if (!values["slurm"].as<bool>())
    throw base::Error({"command line", "the scheduler", "--slurm", "nothing", "initlab submit SPEC --slurm"});
  const Sweep sweep = open_sweep(values, context);
  const Missing missing = missing_of(sweep);
  if (missing.runs.empty()) {
    std::cout << "all " << sweep.runs.size() << " runs exist; nothing to submit\n";
    return kDone;
  }
  std::vector<std::string> names;
  for (const Runs* list : {&sweep.tuning, &sweep.runs})
    for (const auto& run : *list)
      if (!run->plan.awaits_tuning()) names.push_back(run->file.filename().string());
  const fs::path folder = fs::absolute(missing.runs.front()->file).lexically_normal().parent_path();
  const int threads =
      sweep::planned_threads(folder, count_option(values, "threads"), hardware_threads(*missing.runs.front()));
  const Array array = array_of(missing, threads, count_option(values, "runs-per-task"));
  const std::string text = script(sweep, folder, array, threads, values, context);
  if (values["print"].as<bool>()) {
    std::cout << text;
    return kDone;
  }
  base::make_folder(folder);
  sweep::fix_threads(folder, threads);
  sweep::note_planned(folder, names);
  const fs::path file = folder / "submit.sbatch";
  base::write_file(file, text);
  const std::string job(base::trim(output_of({"sbatch", "--parsable", file.string()})));
  std::cout << "job " << job << ": " << count_text(missing) << " in " << array.tasks << " tasks of up to "
            << array.runs_per_task << "; initlab status " << shell_quote(folder.string()) << "\n";
  return kDone;
}

}  // namespace

const Verb kSubmit = {
    "submit",
    "SPEC --slurm [--partition P] [--time T] [--mem M] [--account A] [--runs-per-task N] [--print]",
    "the missing runs as one Slurm job array",
    "Writes <results>/<experiment>/submit.sbatch and submits it. Every task claims runs one by one, so "
    "tasks may be lost,\n"
    "preempted or queued again: a run goes on from its last state. The results folder must be on a "
    "file system that\n"
    "all nodes share.",
    declare,
    run};

}  // namespace initlab::app
