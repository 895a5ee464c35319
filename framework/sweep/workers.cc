#include "sweep/workers.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "sweep/binding.hpp"
#include "sweep/claim.hpp"
#include "sweep/execute.hpp"
#include "sweep/folder.hpp"

namespace initlab::sweep {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> g_stop{false};  // written by the signal handler alone
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int) { g_stop.store(true); }

// Installs the handler for the time of a sweep.
class SignalScope {
 public:
  SignalScope() {
    g_stop.store(false);
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
  }
  ~SignalScope() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
  }
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

 private:
  struct sigaction interrupt_ {
  }, terminate_{};
};

// What a worker writes into its pipe: fixed size, well under PIPE_BUF, so each write is whole.
struct Message {
  // elsewhere: another process has the run. exists: another process has finished it.
  enum class Kind : std::int32_t { progress, end, elsewhere, exists } kind = Kind::progress;
  record::State state = record::State::finished;
  train::Progress progress;
  char reason[512] = {};
};
static_assert(sizeof(Message) < 4096);

void send(int pipe, const Message& message) {
  while (::write(pipe, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

// One run that is ours. What becomes of it is logged while it still is.
train::Outcome attempt(const Prepared& prepared, const init::Catalog& catalog, const WorkerOptions& options, int pipe,
                       const std::vector<int>& cores, const Claim& claim) {
  log_attempt(prepared.file, "started");
  const Clock::time_point start = Clock::now();
  train::Outcome outcome;
  try {
    if (!cores.empty()) bind_to(cores);
    compute::set_threads(options.threads);
    train::Hooks hooks;
    hooks.stop = &g_stop;
    Clock::time_point last;
    hooks.progress = [&](const train::Progress& progress) {
      if (Clock::now() - last < std::chrono::milliseconds(200)) return;
      last = Clock::now();
      Message message;
      message.progress = progress;
      send(pipe, message);
      claim.report(progress);
    };
    outcome = execute(prepared, catalog, {options.threads, options.command, cores}, hooks);
  } catch (const std::exception& error) {
    outcome = {record::State::failed, error.what()};
  }
  log_attempt(prepared.file, record::to_text(outcome.state), outcome.reason,
              std::chrono::duration<double>(Clock::now() - start).count());
  return outcome;
}

// The child: one run, then out. Never returns.
[[noreturn]] void work(const Prepared& prepared, const init::Catalog& catalog, const WorkerOptions& options, int pipe,
                       const std::vector<int>& cores) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // an orphan stops after its step,
  std::signal(SIGPIPE, SIG_IGN);       // and is not killed for reporting it to nobody
  std::signal(SIGXFSZ, SIG_IGN);       // a limit on the size of files is an error, as a full disk is
  Message end;
  end.kind = Message::Kind::end;
  const auto say = [&end](record::State state, const char* text) {
    end.state = state;
    std::strncpy(end.reason, text, sizeof end.reason - 1);
  };
  try {
    const std::optional<Claim> claim = Claim::take(prepared.file);
    if (!claim) {
      end.kind = Message::Kind::elsewhere;
    } else if (is_done(prepared.file, prepared.run_id, prepared.plan)) {
      end.kind = Message::Kind::exists;
    } else {
      const train::Outcome outcome = attempt(prepared, catalog, options, pipe, cores, *claim);
      say(outcome.state, outcome.reason.c_str());
    }
  } catch (const std::exception& error) {
    say(record::State::failed, error.what());
  }
  send(pipe, end);
  ::_exit(end.state == record::State::failed ? 1 : 0);
}

struct Worker {
  std::size_t run = 0;
  std::size_t job = 0;  // from 0, below options.jobs; no other worker has it
  int pipe = -1;
  Clock::time_point start;
  bool ended = false;
  Message end;
  std::string killed_for;  // a limit that it passed
};

// A run that waits for its turn.
struct Waiting {
  std::size_t run = 0;
  Clock::time_point not_before;
};

constexpr std::chrono::seconds kLookAgain{1};  // at a run that another process has

// MiB; 0 where the process is gone.
double resident_memory(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return file ? resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20) : 0;
}

std::string how_it_died(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const std::string text =
        "the worker was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
    return signal == SIGKILL ? text + ", which is what a system out of memory sends; fewer --jobs need less" : text;
  }
  return "the worker ended with code " + std::to_string(WEXITSTATUS(status));
}

class Pool {
 public:
  Pool(const std::vector<std::shared_ptr<const Prepared>>& runs, const init::Catalog& catalog,
       const WorkerOptions& options, const std::function<void(const Event&)>& on_event)
      : runs_(runs), catalog_(catalog), options_(options), on_event_(on_event), tries_(runs.size(), 0) {
    for (std::size_t run = 0; run < runs.size(); ++run) waiting_.push_back({run, {}});
  }

  Tally run() {
    const SignalScope signals;
    while (true) {
      if (stopping() && !told_) tell_all();
      if (!stopping()) start_some();
      if (workers_.empty() && (stopping() || waiting_.empty() || !more_allowed())) break;
      listen();
      hold_to_limits();
      reap();
    }
    (stopping() ? tally_.not_started : tally_.left) += static_cast<std::int64_t>(waiting_.size());
    return tally_;
  }

 private:
  bool stopping() const { return g_stop.load() || (options_.fail_fast && tally_.failed > 0); }

  // Runs that are at work count as made: what turns out to be another process's gives its place back.
  bool more_allowed() const { return !options_.most_runs || made_ < *options_.most_runs; }

  // The first in line whose time has come, as often as there is room.
  void start_some() {
    while (workers_.size() < static_cast<std::size_t>(options_.jobs) && more_allowed()) {
      const auto ready = std::ranges::find_if(
          waiting_, [now = Clock::now()](const Waiting& waiting) { return waiting.not_before <= now; });
      if (ready == waiting_.end()) return;
      const std::size_t run = ready->run;
      waiting_.erase(ready);
      ++made_;
      start(run);
    }
  }

  void hold_to_limits() {
    for (auto& [pid, worker] : workers_) {
      const double seconds = std::chrono::duration<double>(Clock::now() - worker.start).count();
      if (!worker.killed_for.empty() || worker.ended) continue;
      if (options_.most_seconds && seconds > *options_.most_seconds)
        worker.killed_for = "took longer than its limit of " + base::number_text(*options_.most_seconds) + " s";
      else if (options_.most_memory && resident_memory(pid) > *options_.most_memory)
        worker.killed_for = "took more memory than its limit of " + base::number_text(*options_.most_memory) + " MiB";
      if (!worker.killed_for.empty()) ::kill(pid, SIGKILL);
    }
  }

  std::size_t free_job() const {
    std::size_t job = 0;
    while (std::ranges::any_of(workers_, [job](const auto& entry) { return entry.second.job == job; })) ++job;
    return job;
  }

  void start(std::size_t run) {
    const std::size_t job = free_job();
    int ends[2];
    if (::pipe(ends) != 0) throw base::Error({"", "a pipe for a worker", "", std::strerror(errno), ""});
    const pid_t pid = ::fork();
    if (pid < 0) throw base::Error({"", "a worker process", "", std::strerror(errno), ""});
    if (pid == 0) {
      ::close(ends[0]);
      for (const auto& [other, worker] : workers_) ::close(worker.pipe);
      work(*runs_[run], catalog_, options_, ends[1], options_.cores.empty() ? std::vector<int>{} : options_.cores[job]);
    }
    ::close(ends[1]);
    Worker worker;
    worker.run = run;
    worker.job = job;
    worker.pipe = ends[0];
    worker.start = Clock::now();
    workers_[pid] = worker;
    emit(worker, Event::Kind::started);
  }

  // Waits for messages, at most a short while, and passes them on.
  void listen() {
    std::vector<pollfd> polls;
    std::vector<Worker*> order;
    for (auto& [pid, worker] : workers_) {
      polls.push_back({worker.pipe, POLLIN, 0});
      order.push_back(&worker);
    }
    if (::poll(polls.data(), polls.size(), 200) <= 0) return;
    for (std::size_t i = 0; i < polls.size(); ++i)
      if ((polls[i].revents & POLLIN) != 0) read_one(*order[i]);
  }

  void read_one(Worker& worker) {
    Message message;
    if (::read(worker.pipe, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) return;
    if (message.kind == Message::Kind::progress) {
      emit(worker, Event::Kind::progress, message.progress);
    } else {
      worker.ended = true;
      worker.end = message;
    }
  }

  void reap() {
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
      const auto found = workers_.find(pid);
      if (found == workers_.end()) continue;
      Worker& worker = found->second;
      pollfd rest{worker.pipe, POLLIN, 0};
      while (!worker.ended && ::poll(&rest, 1, 0) > 0 && (rest.revents & POLLIN) != 0) read_one(worker);
      settle(worker, status);
      ::close(worker.pipe);
      workers_.erase(found);
    }
  }

  // Logs that a run's worker died, and removes its lock. A full disk must not end the sweep here: whoever next takes
  // the run does it then.
  static void release(const std::filesystem::path& run_file) {
    try {
      Claim::take(run_file);
    } catch (const base::Error&) {
    }
  }

  // Whether the run is done although its attempt failed: a tuning run that diverged, or a run that was done when its
  // end could not be logged.
  static bool is_answered(const Prepared& run) {
    try {
      return is_done(run.file, run.run_id, run.plan);
    } catch (const base::Error&) {  // of this run alone
      return false;
    }
  }

  void settle(const Worker& worker, int status) {
    if (!worker.ended) {
      release(runs_[worker.run]->file);
      fail(worker, worker.killed_for.empty() ? how_it_died(status) : worker.killed_for);
    } else if (worker.end.kind == Message::Kind::elsewhere) {
      --made_;
      if (seen_elsewhere_.insert(worker.run).second) emit(worker, Event::Kind::elsewhere);
      if (options_.wait)
        waiting_.push_back({worker.run, Clock::now() + kLookAgain});
      else
        ++tally_.left;
    } else if (worker.end.kind == Message::Kind::exists) {
      --made_;
      ++tally_.exists;
      emit(worker, Event::Kind::exists);
    } else if (worker.end.state == record::State::finished) {
      ++tally_.finished;
      emit(worker, Event::Kind::finished, {}, worker.end.reason);
    } else if (worker.end.state == record::State::interrupted) {
      ++tally_.interrupted;
      emit(worker, Event::Kind::interrupted, {}, worker.end.reason);
    } else if (is_answered(*runs_[worker.run])) {
      ++tally_.finished;  // no second try would change that
      const bool tuning = runs_[worker.run]->plan.role == config::Role::tuning;
      emit(worker, tuning ? Event::Kind::diverged : Event::Kind::finished, {}, worker.end.reason);
    } else {
      fail(worker, worker.end.reason);
    }
  }

  void fail(const Worker& worker, const std::string& reason) {
    if (tries_[worker.run]++ < options_.retries) {
      emit(worker, Event::Kind::again, {}, reason);
      waiting_.push_back({worker.run, {}});
      return;
    }
    ++tally_.failed;
    emit(worker, Event::Kind::failed, {}, reason);
  }

  // A signal that reached only the parent: pass it on.
  void tell_all() {
    told_ = true;
    for (const auto& [pid, worker] : workers_) ::kill(pid, SIGTERM);
  }

  void emit(const Worker& worker, Event::Kind kind, const train::Progress& progress = {},
            const std::string& reason = {}) {
    Event event;
    event.kind = kind;
    event.run = worker.run;
    event.progress = progress;
    event.reason = reason;
    event.seconds = std::chrono::duration<double>(Clock::now() - worker.start).count();
    on_event_(event);
  }

  const std::vector<std::shared_ptr<const Prepared>>& runs_;
  const init::Catalog& catalog_;
  const WorkerOptions& options_;
  const std::function<void(const Event&)>& on_event_;
  std::map<pid_t, Worker> workers_;
  std::deque<Waiting> waiting_;
  std::vector<int> tries_;                // of each run
  std::set<std::size_t> seen_elsewhere_;  // runs that another process had
  int made_ = 0;                          // runs that this process has started and keeps
  bool told_ = false;
  Tally tally_;
};

}  // namespace

Tally run_workers(const std::vector<std::shared_ptr<const Prepared>>& runs, const init::Catalog& catalog,
                  const WorkerOptions& options, const std::function<void(const Event&)>& on_event) {
  return Pool(runs, catalog, options, on_event).run();
}

}  // namespace initlab::sweep
