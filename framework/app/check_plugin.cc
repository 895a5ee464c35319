#include "app/check_plugin.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace initlab::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = 1 << 20;  // that a child may say: a plugin may find the pipe

// Memory that a process may write to and shares with nobody, in MiB, touched or not; 0 where it cannot be read.
double mebibytes_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  double size = 0, resident = 0, shared = 0, text = 0, library = 0, data = 0;
  file >> size >> resident >> shared >> text >> library >> data;
  return file ? data * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20) : 0;
}

// --- the child: says a JSON array a line: ["at", what], ["finding", subject, expected, got], ["checked", id],
// ["no memory"], ["end"]

class Teller {
 public:
  explicit Teller(int pipe) : pipe_(pipe) {}
  void say(const std::vector<std::string>& words) const {
    const std::string text = base::json_text(words) + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::write(pipe_, text.data() + sent, text.size() - sent);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) ::_exit(3);
      sent += static_cast<std::size_t>(n);
    }
  }
  void report(const sdk::Finding& f) const { say({"finding", f.subject, f.expected, f.got}); }

 private:
  int pipe_;
};

int pipe_of_child = -1;  // a new-handler takes no argument

// Called where nothing may be allocated any more, so it says its line without an allocation.
[[noreturn]] void tell_of_no_memory() {
  constexpr std::string_view kLine = "[\"no memory\"]\n";
  const bool said = ::write(pipe_of_child, kLine.data(), kLine.size()) == static_cast<ssize_t>(kLine.size());
  ::_exit(said ? 0 : 1);
}

void check_in_child(const std::string& file, const std::map<std::string, sdk::OptionTexts>& options,
                    const Teller& teller, double most_mebibytes) {
  teller.say({"at", "loading"});
  void* library = ::dlopen(fs::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return teller.report(sdk::Finding{"file", "a shared library that can be opened", why == nullptr ? "none" : why});
  }
  const auto entry = reinterpret_cast<il_plugin_entry>(::dlsym(library, IL_ENTRY_SYMBOL));
  if (entry == nullptr) return teller.report(sdk::Finding{"file", "an exported function initlab_plugin()", "none"});
  teller.say({"at", "initlab_plugin()"});
  const il_plugin* plugin = entry();
  const std::vector<sdk::Finding> faults = sdk::check_descriptor(plugin);
  for (const sdk::Finding& fault : faults) teller.report(fault);
  if (!faults.empty()) return;
  for (std::uint32_t i = 0; i < plugin->num_strategies; ++i) {
    const std::string id = plugin->strategies[i]->id;
    teller.say({"at", "strategy " + id});
    const auto given = options.find(id.substr(0, id.find('/')));
    for (const sdk::Finding& finding :
         sdk::check_strategy(*plugin->strategies[i], given == options.end() ? sdk::OptionTexts{} : given->second))
      teller.report(finding);
    if (mebibytes_of(::getpid()) > most_mebibytes) tell_of_no_memory();  // what it keeps, the parent may not see
    teller.say({"checked", id});
  }
}

[[noreturn]] void be_child(const std::string& file, const std::map<std::string, sdk::OptionTexts>& options,
                           const CheckLimits& limits, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // The parent looks at our memory and says so. Should it look too late, this holds, and the handler says so.
  const auto most = static_cast<rlim_t>((mebibytes_of(::getpid()) + 2 * limits.mebibytes) * (1 << 20));
  const rlimit memory{most, most};
  ::setrlimit(RLIMIT_DATA, &memory);
  pipe_of_child = pipe;
  std::set_new_handler(tell_of_no_memory);
  if (const int null = ::open("/dev/null", O_WRONLY); null >= 0) ::dup2(null, STDOUT_FILENO);  // results are ours
  const Teller teller(pipe);
  try {
    check_in_child(file, options, teller, mebibytes_of(::getpid()) + limits.mebibytes);
  } catch (const std::bad_alloc&) {
    tell_of_no_memory();
  } catch (const std::exception& error) {
    teller.report(sdk::Finding{"the suite", "no exception", error.what()});
  }
  teller.say({"end"});
  ::_exit(0);
}

// --- the parent

enum class Heard { all, too_late, too_much_memory };

// Everything that stands in the pipe, or comes to an empty one within `wait` ms. Returns whether more may come.
bool hear(int pipe, int wait, std::string& heard) {
  pollfd waiting{pipe, POLLIN, 0};
  for (; heard.size() < kMostBytes && ::poll(&waiting, 1, wait) > 0; wait = 0) {
    char buffer[4096];
    const ssize_t n = ::read(pipe, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    heard.append(buffer, static_cast<std::size_t>(n));
  }
  return true;
}

// Everything that comes until the pipe closes or a limit is reached.
Heard listen(int pipe, pid_t process, const CheckLimits& limits, std::string& heard) {
  constexpr int kLook = 20;  // ms between looks at its memory: it cannot write more than 1 GiB or so in between
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits.seconds));
  const double at_start = mebibytes_of(::getpid());  // as the child's, which is a fork
  while (heard.size() < kMostBytes && Clock::now() < deadline) {
    const bool too_much = mebibytes_of(process) > at_start + limits.mebibytes;
    const bool open = hear(pipe, too_much ? 0 : kLook, heard);  // after the look: where it took the memory, it has said
    if (too_much) return Heard::too_much_memory;
    if (!open) return Heard::all;
  }
  return Heard::too_late;
}

// How far the child came.
struct Progress {
  std::string at = "its start";  // empty where it came to its end
  bool no_memory = false;        // an allocation failed there
};

// What the whole lines say; findings and strategies go into the verdict.
Progress take_lines(const std::string& heard, PluginVerdict& verdict) {
  Progress progress;
  const std::vector<std::string_view> lines = base::split(heard, '\n');
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    const base::Json line = base::parse_json(lines[i], "what the child says");
    const std::string kind = line.at(0);
    if (kind == "at") progress.at = line.at(1);
    if (kind == "finding") verdict.findings.push_back({line.at(1), line.at(2), line.at(3)});
    if (kind == "checked") ++verdict.strategies;
    if (kind == "no memory") progress.no_memory = true;
    if (kind == "end") {
      progress.at.clear();
      break;
    }
  }
  return progress;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return std::string("crashed (") + ::strsignal(WTERMSIG(status)) + ")";
  return "ended the process with code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

PluginVerdict check_plugin(const std::string& file, const std::map<std::string, sdk::OptionTexts>& options,
                           const CheckLimits& limits) {
  if (!fs::exists(file)) throw base::Error({file, "plugin", "a file", "nothing", ""});
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw base::Error({file, "a pipe", "", std::strerror(errno), ""});
  const pid_t pid = ::fork();
  if (pid < 0) throw base::Error({file, "a process", "", std::strerror(errno), ""});
  if (pid == 0) {
    ::close(ends[0]);
    be_child(file, options, limits, ends[1]);
  }
  ::close(ends[1]);
  std::string heard;
  const Heard outcome = listen(ends[0], pid, limits, heard);
  ::close(ends[0]);
  // A closed pipe is not yet an end: a plugin may close it and stay.
  int status = 0;
  pid_t ended = 0;
  for (int i = 0; outcome == Heard::all && ended == 0 && i < 100; ++i) {
    ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == 0) ::poll(nullptr, 0, 10);
  }
  if (ended == 0) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
  }
  PluginVerdict verdict;
  try {
    const auto [at, no_memory] = take_lines(heard, verdict);
    const std::string where = at.empty() ? "at its end" : at;
    if (outcome == Heard::too_much_memory || no_memory)
      verdict.fatal = where + ": took more than " + base::number_text(limits.mebibytes) + " MiB of memory";
    else if (ended == 0)
      verdict.fatal = where + ": did not return within " + base::number_text(limits.seconds) + " s";
    else if (!at.empty())
      verdict.fatal = at + ": " + how_it_ended(status);
    else if (status != 0)
      verdict.fatal = "at its end: " + how_it_ended(status);
  } catch (const std::exception&) {
    verdict.fatal = "it wrote into the suite's own pipe";
  }
  return verdict;
}

}  // namespace initlab::app
