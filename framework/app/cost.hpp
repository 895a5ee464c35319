// What a sweep will take: its work counted from its batches, its seconds from timing a few real steps of each kind.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/common.hpp"
#include "app/jobs.hpp"

namespace initlab::app {

// Of one run.
struct Cost {
  std::int64_t steps = 0;  // 0: none, or a time budget decides
  double tokens = 0;       // valid ones, of all steps
  double flops = 0;        // that the losses need
  double eval_tokens = 0;  // of all evaluations
  double mebibytes = 0;    // values, gradients, both moments
  // Seconds. The start: filling and auditing the initial weights, memory, kernels.
  double start = 0, training = 0, evaluations = 0, diagnostics = 0;
  double seconds() const { return start + training + evaluations + diagnostics; }
};

// What the attempts log says of runs that exist, beside what is estimated for the same runs.
struct MeasuredCost {
  std::size_t runs = 0;
  double seconds = 0, estimated = 0;  // of one worker
};

struct Costs {
  std::shared_ptr<const sweep::Prepared> dearest;  // the run whose cost is shown: the one with the most FLOPs
  Cost one;
  double peak_mebibytes = 0;  // resident memory of a process that made the dearest's steps
  double all_seconds = 0;     // of everything that is to run, checkpoints and tuning included, one after another
  double wall_seconds = 0;    // of the same, side by side as `run` would do it on this machine
  Sharing sharing;            // of the sweep's own runs
  MeasuredCost measured;
};

using Done = std::set<const sweep::Prepared*>;  // the runs that exist; finding out reads their files

// Of each shape of model, batch and precision some steps, evaluation batches and one diagnosis are timed, in processes
// of their own, as many at a time as `run` would have; of each arm its initialization, where its checkpoint exists.
// Everything else is scaled from these by FLOPs, tokens and counts. A run under a time budget takes its budget; one
// that training.stop may end is taken to make all its steps. Options: --threads, --jobs. Throws Error as share_cores.
Costs costs_of(const Sweep& sweep, const Done& done, const po::variables_map& values);

}  // namespace initlab::app
