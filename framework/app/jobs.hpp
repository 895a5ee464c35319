// How the cores are shared between runs: several side by side with a thread each, or one with all threads.
#pragma once

#include <optional>
#include <string>

#include "app/common.hpp"
#include "sweep/prepare.hpp"

namespace initlab::app {

struct Sharing {
  int threads = 1;     // a run
  int jobs = 1;        // runs at a time
  std::string reason;  // one line for the log; empty where nothing was measured
};

// --threads and --jobs; the results folder's own threads where it has them, since another count may give other bits.
// `--jobs auto` in a new folder times some steps of `run` both ways, and takes the faster. Without it: the cores
// divided by the threads, which are one for small steps. Throws Error as sweep::planned_threads and count_option.
Sharing share_cores(const po::variables_map& values, const sweep::Prepared& run);

}  // namespace initlab::app
