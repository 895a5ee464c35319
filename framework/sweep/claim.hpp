// Who works on a run. Any number of processes may share one results folder; each run is claimed by a lock on a file
// beside it, <run>.lock, which the system releases when its holder dies, however it dies. The file's text says who
// holds it and how far the run is. Its holder removes it; one without a holder tells of a process that died. What
// happened when is appended to attempts.jsonl: between the "started" of one process and that of the next there is an
// end.
//
// flock(2): on NFS too (Linux turns it into a lock of the server), where all machines mount it with locks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "train/trainer.hpp"

namespace initlab::sweep {

struct Owner {
  std::string host;
  std::int64_t pid = 0;
  std::string since;  // ISO 8601, UTC
  train::Progress progress;
};

class Claim {
 public:
  // Nothing where another live process has the run. Where the last one died, logs that. Throws Error where the file
  // cannot be made.
  static std::optional<Claim> take(const std::filesystem::path& run_file);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&&) = delete;
  ~Claim();  // removes the file and releases the run

  // Writes how far the run is.
  void report(const train::Progress& progress) const;

 private:
  Claim(std::filesystem::path file, int descriptor);
  std::filesystem::path file_;
  int descriptor_ = -1;
  std::string since_;
};

// The live process that has the run; nothing where there is none.
std::optional<Owner> owner_of(const std::filesystem::path& run_file);

// Appends a line to attempts.jsonl in the run's folder: {"time", "host", "pid", "run", "event", "reason", "seconds"}.
// Events: started, finished, failed, interrupted, died. The last is logged by who finds the dead process's lock; pid
// and host are the dead one's. seconds: since this process's "started", by a clock that does not jump; null where there
// is none.
void log_attempt(const std::filesystem::path& run_file, const std::string& event, const std::string& reason = {},
                 std::optional<double> seconds = {});

// Seconds that were worked on each run of a folder, as attempts.jsonl has them: of its last attempt and of those that
// this one goes on from, which were interrupted. What is started after it has finished or failed is taken to begin
// anew, and what was worked before is not counted. Left out: runs of which a counted attempt has no seconds, since its
// process died.
std::map<std::string, double> worked_seconds(const std::filesystem::path& folder);

}  // namespace initlab::sweep
