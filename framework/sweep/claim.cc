#include "sweep/claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "sweep/machine.hpp"

namespace initlab::sweep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAttemptsFile = "attempts.jsonl";
constexpr std::size_t kMostText = 1 << 12;  // bytes of a lock file

fs::path lock_file(const fs::path& run_file) { return fs::path(run_file).replace_extension(".lock"); }

std::string host() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

int lock(int descriptor, int how) {
  int result = 0;
  while ((result = ::flock(descriptor, how)) != 0 && errno == EINTR) {
  }
  return result;
}

// Whether the open file is still the one of that name: its holder may have removed it before we got the lock.
bool is_the_file(int descriptor, const fs::path& file) {
  struct stat open {
  }, named{};
  return ::fstat(descriptor, &open) == 0 && ::stat(file.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

base::Json finite(double value) { return std::isfinite(value) ? base::Json(value) : base::Json(nullptr); }
double number(const base::Json& json, const char* key) {
  return json.contains(key) && json[key].is_number() ? json[key].get<double>() : 0.0;
}
std::string text(const base::Json& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
}

// Whether the file ends within a line: a full disk has cut the last one.
bool ends_cut(int descriptor) {
  struct stat file {};
  char last = '\n';
  return ::fstat(descriptor, &file) == 0 && file.st_size > 0 && ::pread(descriptor, &last, 1, file.st_size - 1) == 1 &&
         last != '\n';
}

// Lines of one write each: many processes append to one file.
void append_attempt(const fs::path& run_file, const std::string& host_name, std::int64_t pid, const std::string& event,
                    const std::string& reason, std::optional<double> seconds) {
  const fs::path file = run_file.parent_path() / kAttemptsFile;
  const base::Json json = {{"time", utc_now()},
                           {"host", host_name},
                           {"pid", pid},
                           {"run", run_file.filename().string()},
                           {"event", event},
                           {"reason", reason},
                           {"seconds", seconds ? base::Json(*seconds) : base::Json()}};
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0)
    throw base::Error({file.string(), "cannot be written", "", std::strerror(errno), "choose another results folder"});
  const std::string line = (ends_cut(descriptor) ? "\n" : "") + base::json_text(json) + "\n";
  const ssize_t written = ::write(descriptor, line.data(), line.size());
  const std::string why = written < 0 ? std::strerror(errno) : "room for a part of a line";
  ::close(descriptor);
  if (written != static_cast<ssize_t>(line.size()))
    throw base::Error({file.string(), "cannot be written", "", why, "check free space"});
}

// What the holder of a lock file wrote; an owner without a host where that is not whole.
Owner read_owner(const fs::path& file) {
  Owner owner;
  try {
    std::string line = base::read_file(file, kMostText);
    line.resize(std::min(line.size(), line.find('\n')));
    const base::Json json = base::parse_json(line, file.string());
    owner.host = text(json, "host");
    owner.pid = static_cast<std::int64_t>(number(json, "pid"));
    owner.since = text(json, "since");
    owner.progress = {static_cast<std::int64_t>(number(json, "step")), static_cast<std::int64_t>(number(json, "total")),
                      number(json, "loss"), number(json, "tokens_per_second"), number(json, "seconds_left")};
  } catch (const base::Error&) {  // just made, or just removed
  }
  return owner;
}

}  // namespace

Claim::Claim(fs::path file, int descriptor) : file_(std::move(file)), descriptor_(descriptor), since_(utc_now()) {
  report({});
}

Claim::Claim(Claim&& other) noexcept
    : file_(std::move(other.file_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      since_(std::move(other.since_)) {}

Claim::~Claim() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());  // before the lock goes, so that nobody can take a file without a name
  ::close(descriptor_);
}

std::optional<Claim> Claim::take(const fs::path& run_file) {
  const fs::path file = lock_file(run_file);
  while (true) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
      throw base::Error(
          {file.string(), "cannot be written", "", std::strerror(errno), "choose another results folder"});
    if (lock(descriptor, LOCK_EX | LOCK_NB) == 0) {
      if (is_the_file(descriptor, file)) {
        if (const Owner dead = read_owner(file); !dead.host.empty())
          append_attempt(run_file, dead.host, dead.pid, "died", "", {});
        return Claim(file, descriptor);
      }
      ::close(descriptor);
      continue;
    }
    const int reason = errno;
    ::close(descriptor);
    if (reason == EWOULDBLOCK) return std::nullopt;
    throw base::Error({file.string(), "cannot be locked", "", std::strerror(reason),
                       "choose a results folder on a file system with locks"});
  }
}

void Claim::report(const train::Progress& progress) const {
  base::Json json = {{"host", host()},
                     {"pid", ::getpid()},
                     {"since", since_},
                     {"step", progress.step},
                     {"total", progress.total},
                     {"loss", finite(progress.loss)},
                     {"tokens_per_second", finite(progress.tokens_per_second)},
                     {"seconds_left", finite(progress.seconds_left)}};
  const std::string line = base::json_text(json) + "\n";
  // One write, then the rest is cut: a reader sees this line, or the end of an older, longer one behind it.
  if (::pwrite(descriptor_, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size()))
    (void)!::ftruncate(descriptor_, static_cast<off_t>(line.size()));
}

std::optional<Owner> owner_of(const fs::path& run_file) {
  const fs::path file = lock_file(run_file);
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  const bool held = lock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  if (!held) return std::nullopt;
  return read_owner(file);
}

void log_attempt(const fs::path& run_file, const std::string& event, const std::string& reason,
                 std::optional<double> seconds) {
  append_attempt(run_file, host(), ::getpid(), event, reason, seconds);
}

std::map<std::string, double> worked_seconds(const fs::path& folder) {
  struct Work {
    double seconds = 0;
    int ends = 0;
    bool known = true;   // of all attempts
    bool ended = false;  // what starts now begins anew
  };
  std::map<std::string, Work> runs;
  std::ifstream file(folder / kAttemptsFile);
  for (std::string line; std::getline(file, line);) {
    base::Json json;
    try {
      json = base::parse_json(line, kAttemptsFile);
    } catch (const base::Error&) {  // cut by a full disk
      continue;
    }
    if (!json.is_object()) continue;
    const std::string event = text(json, "event");
    Work& work = runs[text(json, "run")];
    if (event == "started") {
      if (work.ended) work = {};
      continue;
    }
    if (event == "died" && work.ended) continue;  // between the log of its end and the removal of its lock
    work.ended = event == "finished" || event == "failed";
    work.known = work.known && json.contains("seconds") && json["seconds"].is_number();
    work.seconds += number(json, "seconds");
    ++work.ends;
  }
  std::map<std::string, double> worked;
  for (const auto& [run, work] : runs)
    if (work.known && work.ends > 0) worked[run] = work.seconds;
  return worked;
}

}  // namespace initlab::sweep
