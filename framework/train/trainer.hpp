// The training step and the loop over it: batches through the model, records into a sink. Knows no file format and no
// spec.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "compute/phases.hpp"
#include "config/config.hpp"
#include "data/data.hpp"
#include "model/bert.hpp"
#include "record/record.hpp"
#include "train/diagnostics.hpp"

namespace initlab::train {

// All that later steps depend on, beside the run's plan: flat blocks laid out by the parameter table. Random streams
// are counters and need no state.
struct State {
  std::span<float> values, first_moments, second_moments;
};

// One run's training step. Holds all that steps need, booked once: optimizer, mixout, the dropout stream, batches.
// `run` is a loop over it, and what measures a step (`initlab plan`, `initlab bench`) measures this one.
// Plan, then run: once a shape of matrix product has been seen, a step allocates nothing, but at an epoch's first
// batch, where the epoch's random streams are made.
class Trainer {
 public:
  // The batches and the model must outlive it; the gradients are set to zero. Throws base::Error as update_groups.
  Trainer(const config::TrainingConfig& training, const config::Seeds& seeds, const data::BatchStream& batches,
          model::Bert& bert);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Makes the update with the 0-based number `step`, each group of parameters at its peak rate times `rate_factor`.
  // Where the loss or the gradient norm is not finite, the weights stay as they are and the record shows it. The record
  // is overwritten by the next call. measured: is told the values before the update and its gradient, which changes no
  // bit of it and is not in the step's seconds; null: nobody is.
  const record::StepRecord& step(std::int64_t step, double rate_factor, Diagnostics* measured = nullptr);
  const batch::Batch& batch() const;  // of the last step

  // Word rows are updated lazily (lazy_rows.hpp): brings all of the model's values to the present, before anyone but
  // the next step reads them. Changes no bit of what later steps make.
  void catch_up();

  // Catches up first. The blocks are the trainer's own.
  State state();
  // Goes on after so many steps: the blocks of state() have been filled with what they were then. The steps that follow
  // give the same bits as those of a trainer that was never stopped.
  void resume(std::int64_t steps);

  // Adds up the time of each phase from now on; null: no longer.
  void measure(compute::PhaseTimes* times);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a batch's summed loss is divided by: predicted positions for mlm, sequences otherwise.
double loss_count(const batch::Batch& batch, config::HeadKind head);

// What a long run shows while it works.
struct Progress {
  std::int64_t step = 0;
  std::int64_t total = 0;  // 0 where a time budget decides
  double loss = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;  // estimate
};

// How far a run is.
struct Position {
  std::int64_t step = 0;        // updates made
  std::int64_t evaluated = -1;  // updates made at the last evaluation; -1: there was none
  double seconds = 0;           // of training.seconds that are used up
};

// Keeps a run's state from time to time, so that it can go on where it was stopped.
class StateKeeper {
 public:
  virtual ~StateKeeper() = default;
  // Asked after a step and its evaluation.
  virtual bool due(std::int64_t step) = 0;
  // All records up to the position have gone to the sink.
  virtual void keep(const Position& position, const State& state) = 0;
};

struct Hooks {
  const std::atomic<bool>* stop = nullptr;        // set from outside (Ctrl-C): end after the current step
  std::function<void(const Progress&)> progress;  // called after each step; may be empty
  // Called once, with the values that the first step (without steps: the first evaluation) sees; may be empty.
  std::function<void(std::span<const float>)> before_first_step;
  StateKeeper* keeper = nullptr;  // asked after each step, and told when the run is stopped; may be null
  // Fills the state of a run that goes on, and says how far it was; called after before_first_step. Empty: the run
  // begins at its beginning.
  std::function<Position(const State&)> resume;
  // Of a run that goes on: all its records up to the position, for the rules that may end it (stop.hpp).
  std::span<const record::StepRecord> past_steps = {};
  std::span<const record::EvalRecord> past_evals = {};
  const DiagnosticsSource* diagnostics = nullptr;  // of the steps that is_diagnosed names; null: none
};

struct Outcome {
  record::State state = record::State::finished;
  std::string reason;  // finished: of an end before the last step; empty: it made all its steps
};

// Optimizer steps of a run: epochs * steps_per_epoch (rounded up) or steps; 0 where a time budget decides.
std::int64_t total_steps(const config::TrainingConfig& training, std::int64_t steps_per_epoch);

// Trains the model from its present values. Emits step records, diagnoses, and eval records each `evaluate.every`
// updates and at the end. A loss or gradient that is not finite ends the run as failed, with the step; training.stop
// may end it too. Does not call begin or finish of the sink.
Outcome run(const config::TrainingConfig& training, const config::Seeds& seeds, const data::BatchStream& batches,
            model::Bert& bert, record::RunSink& sink, const Hooks& hooks);

// One pass over the evaluation examples without dropout.
record::EvalRecord evaluate(const data::BatchStream& batches, model::Bert& bert, std::int64_t step);

}  // namespace initlab::train
