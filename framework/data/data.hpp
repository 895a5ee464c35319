// Tasks and batches: text -> examples -> batches. A batch is a pure function of (spec, seed, step).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch/batch.hpp"
#include "config/config.hpp"
#include "text/wordpiece.hpp"

namespace initlab::data {

// What a task name means: a visible table in task.cc.
struct TaskInfo {
  std::string name;
  config::HeadKind head = config::HeadKind::classifier;
  std::vector<std::string> label_names;  // classifier: index -> name
  std::vector<std::string>
      metrics;              // first one is the task's own; never empty (mlm: "loss" is implied, metrics "accuracy")
  bool microworld = false;  // can be generated (data: microworld)
  std::string summary;
};
const std::vector<TaskInfo>& tasks();
const TaskInfo& task_info(const config::TaskConfig& task);  // throws Error with did-you-mean

// One tokenized example.
struct Example {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;
  std::int32_t label = 0;  // classifier
  float target = 0;        // regressor
};

// A task's data, tokenized. Evaluation examples keep the file's order.
struct TaskData {
  TaskInfo info;
  std::vector<Example> train;  // after train_size, not empty
  std::vector<Example> eval;   // not empty
  std::string sha256;          // of the files' or the generated text's content: part of a run's identity
  text::SpecialIds special;
  std::int64_t vocabulary = 0;
  // Metrics (by info.metrics) of the constant prediction: the training-majority label, the training mean, or the most
  // frequent training token.
  std::vector<double> constant_class;
};

// The vocabulary of the generated language for a world seed.
std::vector<std::string> microworld_vocabulary(std::int64_t world);

// Writes the generated corpus and tasks as files: stories.txt, vocab.txt, and <task>/train.tsv, <task>/dev.tsv, which
// `task: {name: <task>, data: DIR/<task>}` reads again. Throws Error.
void write_microworld(const std::string& folder, std::int64_t world, std::int64_t tokens);

// Reads or generates, tokenizes and cuts to max_length (at least 3). Throws Error with file and line on a bad row.
// `subset_seed` decides which examples train_size keeps: the first n of one permutation, in its order, so that sizes
// are nested and an example has the same row in all of them. mlm on text files: all tokens joined, cut into [CLS]
// max_length-2 tokens [SEP]; the last 5 % of the sequences, at least one, are the evaluation. Sequences without a token
// that could be predicted are left out.
TaskData load(const config::TaskConfig& task, const text::WordPiece& tokenizer, std::int64_t max_length,
              std::uint64_t subset_seed);
// Hash of what load() would read, without tokenizing; throws Error where a file is missing.
std::string content_hash(const config::TaskConfig& task);

// The best answer that does not look at its input, on the training examples: what a model must beat.
struct Baseline {
  double loss = 0;      // entropy of the labels (mlm: of all tokens that could be predicted), in nats; regressor: the
                        // variance of the targets
  double accuracy = 0;  // share of the most frequent label; NaN for a regressor
};
Baseline constant_baseline(const TaskData& data);

// The training examples alone, cut in two to choose a learning rate on: `tune.share` of them (of a classification's
// classes, each to the nearest whole number) are the evaluation of the result, the others its training set, both in
// their order. `seed` decides which. The task's own evaluation examples do not enter, neither into the constant class
// nor into the hash, which is of the result's tokens and labels. Throws Error where fewer than kLeastHeldOut would be
// held out.
inline constexpr std::int64_t kLeastHeldOut = 10;
TaskData hold_out(const TaskData& data, const config::TaskConfig& task, const config::TuneConfig& tune,
                  std::uint64_t seed);

// The last one of an epoch may be short.
std::int64_t steps_per_epoch(const TaskData& data, std::int64_t batch);

// What a run will ask for: it decides how large its batches can get.
struct Demand {
  std::optional<std::int64_t> steps = {};  // of training, from 0 on; absent: any
  std::int64_t accumulate = 1;             // pieces that a training batch is cut into before a model sees it
};

// Batches of a run. Order: a fresh permutation each epoch from Stream(seeds.order); the last batch of an epoch is
// short. Masking (mlm, see masking.hpp): from Stream(seeds.mask), a function of (epoch, example, position), so it is
// fresh every epoch; evaluation masks are fixed by the world, not by the run's seeds, so that all runs are scored
// alike. Safe to ask from several threads.
class BatchStream {
 public:
  BatchStream(std::shared_ptr<const TaskData> data, std::int64_t batch, const config::TaskConfig& task,
              const config::Seeds& seeds, const Demand& demand = {});
  std::int64_t steps_per_epoch() const;
  batch::Batch train(std::int64_t step) const;  // 0-based step
  // The same into a batch that is there. With the memory that reserve() books it allocates nothing, but at an epoch's
  // first batch, where the epoch's random streams are made.
  void train(std::int64_t step, batch::Batch& out) const;
  void reserve(batch::Batch& out) const;  // memory for any training batch
  std::int64_t eval_batches() const;
  batch::Batch eval(std::int64_t index) const;  // in order, every example once
  // Upper bounds of what a model sees at once, over the steps that the demand names and the evaluation; for booking
  // memory. Evaluation batches are kept as small as training's (or 512 tokens).
  std::int64_t most_tokens() const;
  std::int64_t most_sequences() const;
  std::int64_t most_predictions() const;
  std::int64_t longest() const;
  // Different numbers of tokens that a model will see at once while the demand's steps train, ascending; none where the
  // steps are unknown or too many to look at.
  const std::vector<std::int64_t>& training_tokens() const;
  const TaskData& data() const { return *data_; }

 private:
  struct Plan;  // what the constructor works out: bounds, masks, and the order of the epoch asked for last

  std::shared_ptr<const TaskData> data_;
  std::int64_t batch_ = 0;
  config::TaskConfig task_;
  config::Seeds seeds_;
  std::shared_ptr<const Plan> plan_;
};

// Sequences of a batch's pieces but the last, where it is cut into `pieces` or fewer.
std::int64_t piece_size(std::int64_t sequences, std::int64_t pieces);
// Sequences begin .. end-1 of a batch, slots kept: the micro-batches of one step.
batch::Batch slice(const batch::Batch& batch, std::int64_t begin, std::int64_t end);
// The same into a batch that is there.
void slice(const batch::Batch& batch, std::int64_t begin, std::int64_t end, batch::Batch& out);

}  // namespace initlab::data
