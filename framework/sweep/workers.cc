#include "sweep/workers.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <map>

#include "base/error.hpp"
#include "compute/threads.hpp"
#include "sweep/execute.hpp"

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
  enum class Kind : std::int32_t { progress, end } kind = Kind::progress;
  record::State state = record::State::finished;
  train::Progress progress;
  char reason[512] = {};
};
static_assert(sizeof(Message) < 4096);

void send(int pipe, const Message& message) {
  while (::write(pipe, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

// The child: one run, then out. Never returns.
[[noreturn]] void work(const Prepared& prepared, const init::Catalog& catalog, const WorkerOptions& options, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // an orphan stops after its step,
  std::signal(SIGPIPE, SIG_IGN);       // and is not killed for reporting it to nobody
  Message end;
  end.kind = Message::Kind::end;
  const auto say = [&end](record::State state, const char* text) {
    end.state = state;
    std::strncpy(end.reason, text, sizeof end.reason - 1);
  };
  try {
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
    };
    const train::Outcome outcome = execute(prepared, catalog, options.threads, options.command, hooks);
    say(outcome.state, outcome.reason.c_str());
  } catch (const std::exception& error) {
    say(record::State::failed, error.what());
  }
  send(pipe, end);
  ::_exit(end.state == record::State::failed ? 1 : 0);
}

struct Worker {
  std::size_t run = 0;
  int pipe = -1;
  Clock::time_point start;
  bool ended = false;
  Message end;
};

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
      : runs_(runs), catalog_(catalog), options_(options), on_event_(on_event) {}

  Tally run() {
    const SignalScope signals;
    while (true) {
      if (g_stop.load() && !told_) tell_all();
      while (!g_stop.load() && next_ < runs_.size() && workers_.size() < static_cast<std::size_t>(options_.jobs))
        start(next_++);
      if (workers_.empty()) break;
      listen();
      reap();
    }
    tally_.not_started = static_cast<std::int64_t>(runs_.size() - next_);
    return tally_;
  }

 private:
  void start(std::size_t run) {
    int ends[2];
    if (::pipe(ends) != 0) throw base::Error({"", "a pipe for a worker", "", std::strerror(errno), ""});
    const pid_t pid = ::fork();
    if (pid < 0) throw base::Error({"", "a worker process", "", std::strerror(errno), ""});
    if (pid == 0) {
      ::close(ends[0]);
      for (const auto& [other, worker] : workers_) ::close(worker.pipe);
      work(*runs_[run], catalog_, options_, ends[1]);
    }
    ::close(ends[1]);
    Worker worker;
    worker.run = run;
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
    if (message.kind == Message::Kind::end) {
      worker.ended = true;
      worker.end = message;
    } else {
      emit(worker, Event::Kind::progress, message.progress);
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

  void settle(const Worker& worker, int status) {
    if (!worker.ended) {
      ++tally_.failed;
      emit(worker, Event::Kind::failed, {}, how_it_died(status));
    } else if (worker.end.state == record::State::finished) {
      ++tally_.finished;
      emit(worker, Event::Kind::finished);
    } else if (worker.end.state == record::State::interrupted) {
      ++tally_.interrupted;
      emit(worker, Event::Kind::interrupted, {}, worker.end.reason);
    } else {
      ++tally_.failed;
      emit(worker, Event::Kind::failed, {}, worker.end.reason);
    }
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
  std::size_t next_ = 0;
  bool told_ = false;
  Tally tally_;
};

}  // namespace

Tally run_workers(const std::vector<std::shared_ptr<const Prepared>>& runs, const init::Catalog& catalog,
                  const WorkerOptions& options, const std::function<void(const Event&)>& on_event) {
  return Pool(runs, catalog, options, on_event).run();
}

}  // namespace initlab::sweep
