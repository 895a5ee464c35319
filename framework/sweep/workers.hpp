// Runs side by side, each in a process of its own: a crash of one fails that run only.
//
// Workers are forked from a parent that has opened the data and never computed: thread pools do not survive a fork.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "init/init.hpp"
#include "sweep/prepare.hpp"
#include "train/trainer.hpp"

namespace initlab::sweep {

// What happened to a run, for whoever shows progress.
struct Event {
  enum class Kind { started, progress, finished, failed, interrupted } kind = Kind::started;
  std::size_t run = 0;       // index into the list
  train::Progress progress;  // kind progress
  std::string reason;        // kind failed, interrupted
  double seconds = 0;        // since the run started
};

struct WorkerOptions {
  int jobs = 1;
  int threads = 1;      // of each run
  std::string command;  // goes into each birth certificate
};

struct Tally {
  std::int64_t finished = 0, failed = 0, interrupted = 0, not_started = 0;
};

// Executes the runs in order, `jobs` at a time. SIGINT and SIGTERM stop all workers after their current step; their
// files are whole. A failed run does not stop the others.
Tally run_workers(const std::vector<std::shared_ptr<const Prepared>>& runs, const init::Catalog& catalog,
                  const WorkerOptions& options, const std::function<void(const Event&)>& on_event);

}  // namespace initlab::sweep
