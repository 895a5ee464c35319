// Runs side by side, each in a process of its own: a crash of one fails that run only.
//
// Workers are forked from a parent that has opened the data and never computed: thread pools do not survive a fork.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "init/init.hpp"
#include "sweep/prepare.hpp"
#include "train/trainer.hpp"

namespace initlab::sweep {

// What happened to a run, for whoever shows progress.
struct Event {
  // elsewhere: another process has the run; it is tried again later. exists: another process has finished it. again: it
  // failed and is tried again.
  enum class Kind {
    started,
    progress,
    finished,
    diverged,  // a tuning run, which is an answer
    failed,
    interrupted,
    elsewhere,
    exists,
    again
  } kind = Kind::started;
  std::size_t run = 0;       // index into the list
  train::Progress progress;  // kind progress
  // kind diverged, failed, interrupted, again; finished: where it stopped early, or what failed after it
  std::string reason;
  double seconds = 0;  // since the run started
};

struct WorkerOptions {
  int jobs = 1;
  int threads = 1;                      // of each run
  std::vector<std::vector<int>> cores;  // for each of the jobs, which its runs are bound to; empty: to none
  std::string command;                  // goes into each birth certificate
  int retries = 0;                      // of a run that fails
  bool fail_fast = false;               // the first failure stops the others after their current step
  bool wait = true;                     // for runs that another process has; else they are left to it
  std::optional<int> most_runs;         // end after so many
  std::optional<double> most_seconds;   // a run that takes longer is killed and has failed
  std::optional<double> most_memory;    // MiB of resident memory, likewise
};

struct Tally {
  // not_started: because of a stop. left: to other processes, or to another time (most_runs).
  std::int64_t finished = 0, failed = 0, interrupted = 0, not_started = 0, exists = 0, left = 0;
};

// Executes the runs in order, `jobs` at a time. Other processes may do the same on the same folder: each run is claimed
// (claim.hpp), and what another process has is waited for and looked at again. SIGINT and SIGTERM stop all workers
// after their current step; their files are whole. A failed run does not stop the others, unless fail_fast says so.
Tally run_workers(const std::vector<std::shared_ptr<const Prepared>>& runs, const init::Catalog& catalog,
                  const WorkerOptions& options, const std::function<void(const Event&)>& on_event);

}  // namespace initlab::sweep
