// Batches as a pure function of (data, seeds, step).
#include <algorithm>
#include <cassert>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <string>

#include "base/random.hpp"
#include "data/data.hpp"
#include "data/masking.hpp"

namespace initlab::data {
namespace {

constexpr std::int64_t kMostEvalSequences = 64;       // in a batch
constexpr std::int64_t kLeastEvalTokens = 512;        // that a batch may have, though training's are smaller
constexpr std::int64_t kMostSizesLookedAt = 1 << 22;  // of training sequences, to find the largest batch: some 50 ms

using Sizes = std::vector<std::int64_t>;  // of each example

Sizes sizes_of(const std::vector<Example>& examples, const std::function<std::int64_t(const Example&)>& size) {
  Sizes sizes;
  sizes.reserve(examples.size());
  for (const Example& example : examples) sizes.push_back(size(example));
  return sizes;
}

// The largest sum of `count` sizes: whatever the order.
std::int64_t most_of_any(Sizes sizes, std::int64_t count) {
  const auto end = sizes.begin() + std::min<std::ptrdiff_t>(count, std::ssize(sizes));
  std::partial_sort(sizes.begin(), end, sizes.end(), std::greater<>());
  return std::accumulate(sizes.begin(), end, std::int64_t{0});
}

// Examples in order, cut where a batch has kMostEvalSequences or the next one would take it beyond `most` (any one
// example fits). Returns the first of each batch, and one past the last.
std::vector<std::int64_t> cut(const Sizes& sizes, std::int64_t most) {
  std::vector<std::int64_t> starts = {0};
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < std::ssize(sizes); ++i) {
    sum += sizes[static_cast<std::size_t>(i)];
    if (i == starts.back() || (i - starts.back() < kMostEvalSequences && sum <= most)) continue;
    starts.push_back(i);
    sum = sizes[static_cast<std::size_t>(i)];
  }
  starts.push_back(std::ssize(sizes));
  return starts;
}

std::int64_t most_between(const Sizes& sizes, const std::vector<std::int64_t>& starts) {
  std::int64_t most = 0;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i)
    most = std::max(most, std::accumulate(sizes.begin() + starts[i], sizes.begin() + starts[i + 1], std::int64_t{0}));
  return most;
}

void append_sequence(const Example& example, batch::Batch& out) {
  out.ids.insert(out.ids.end(), example.ids.begin(), example.ids.end());
  out.types.insert(out.types.end(), example.types.begin(), example.types.end());
  for (std::size_t i = 0; i < example.ids.size(); ++i) out.positions.push_back(static_cast<std::int32_t>(i));
  out.slots.push_back(static_cast<std::int32_t>(out.slots.size()));
  out.offsets.push_back(static_cast<std::int32_t>(out.ids.size()));
}

// Fills a batch that has nothing but its `examples`. masks: of the split and epoch; used by mlm alone.
void assemble(const std::vector<Example>& examples, config::HeadKind head, const Masker& masker,
              const base::Stream& masks, batch::Batch& out) {
  out.offsets.push_back(0);
  for (const std::int64_t row : out.examples) {
    const Example& example = examples[static_cast<std::size_t>(row)];
    const auto first = static_cast<std::int32_t>(out.ids.size());
    append_sequence(example, out);
    switch (head) {
      case config::HeadKind::classifier:
        out.classes.push_back(example.label);
        break;
      case config::HeadKind::regressor:
        out.targets.push_back(example.target);
        break;
      case config::HeadKind::mlm:
        masker.for_predictions(example.ids, masks, row, [&](const Prediction& prediction) {
          std::int32_t& id = out.ids[static_cast<std::size_t>(first + prediction.position)];
          out.masked_rows.push_back(first + prediction.position);
          out.masked_labels.push_back(id);
          id = prediction.shown;
        });
        break;
    }
  }
}

base::Stream order_stream(const config::Seeds& seeds, std::int64_t epoch) {
  return {seeds.order, "order/epoch/" + std::to_string(epoch)};
}

// What all batches of an epoch are made from.
struct Epoch {
  std::int64_t index = -1;
  std::vector<std::uint32_t> order;
  std::optional<base::Stream> masks;
};

}  // namespace

std::int64_t steps_per_epoch(const TaskData& data, std::int64_t batch) {
  return (std::ssize(data.train) + batch - 1) / batch;
}

std::int64_t piece_size(std::int64_t sequences, std::int64_t pieces) { return (sequences + pieces - 1) / pieces; }

struct BatchStream::Plan {
  Plan(const TaskData& data, std::int64_t batch, const config::TaskConfig& task, const config::Seeds& seeds,
       const Demand& demand)
      : masker(data.special, data.vocabulary, task.mask_probability) {
    epoch.order.resize(data.train.size());
    const auto tokens = [](const Example& example) { return std::ssize(example.ids); };
    const Sizes train = sizes_of(data.train, tokens), eval = sizes_of(data.eval, tokens);
    const std::int64_t longest_eval = *std::ranges::max_element(eval);
    longest = std::max(*std::ranges::max_element(train), longest_eval);
    const std::int64_t most_trained = most_in_training(train, batch, seeds, demand);
    eval_starts = cut(eval, std::max({most_trained, longest_eval, kLeastEvalTokens}));
    most_tokens = std::max(most_trained, most_between(eval, eval_starts));
    const std::int64_t piece = piece_size(std::min<std::int64_t>(batch, std::ssize(train)), demand.accumulate);
    most_sequences = piece;
    for (std::size_t i = 0; i + 1 < eval_starts.size(); ++i)
      most_sequences = std::max(most_sequences, eval_starts[i + 1] - eval_starts[i]);
    if (data.info.head != config::HeadKind::mlm) return;
    const auto predictions = [this](const Example& example) { return masker.most_predictions(example.ids); };
    most_predictions = std::max(most_of_any(sizes_of(data.train, predictions), piece),
                                most_between(sizes_of(data.eval, predictions), eval_starts));
  }

  // Rows first .. first+count-1 of an epoch's order; returns the epoch's masks. The last epoch asked for is kept: steps
  // come in order.
  base::Stream begin(const config::Seeds& seeds, std::int64_t index, std::size_t first, std::size_t count,
                     std::vector<std::int64_t>& rows) const {
    const std::lock_guard lock(mutex);
    if (epoch.index != index) {
      base::permutation(order_stream(seeds, index), epoch.order);
      epoch.masks = training_mask_stream(seeds.mask, index);
      epoch.index = index;
    }
    const auto begin = epoch.order.begin() + static_cast<std::ptrdiff_t>(first);
    rows.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    return *epoch.masks;
  }

  Masker masker;
  std::int64_t most_tokens = 0, most_sequences = 0, most_predictions = 0, longest = 0;
  std::vector<std::int64_t> eval_starts;  // of each evaluation batch, and the end
  std::vector<std::int64_t> training_tokens;
  mutable std::mutex mutex;
  mutable Epoch epoch;

 private:
  // Tokens of the largest piece of a training batch: looked up where the steps are known and not too many, else a
  // bound.
  std::int64_t most_in_training(const Sizes& sizes, std::int64_t batch, const config::Seeds& seeds,
                                const Demand& demand) {
    const std::int64_t examples = std::ssize(sizes);
    if (!demand.steps || *demand.steps > kMostSizesLookedAt / batch)
      return most_of_any(sizes, piece_size(std::min(batch, examples), demand.accumulate));
    std::set<std::int64_t> seen;  // rounding to fewer is the model's affair
    const std::int64_t steps_per_epoch = (examples + batch - 1) / batch;
    std::vector<std::uint32_t> order(sizes.size());
    for (std::int64_t step = 0; step < *demand.steps; ++step) {
      const std::int64_t place = step % steps_per_epoch;
      if (place == 0) base::permutation(order_stream(seeds, step / steps_per_epoch), order);
      const std::int64_t begin = place * batch, end = std::min(begin + batch, examples);
      const std::int64_t piece = piece_size(end - begin, demand.accumulate);
      for (std::int64_t first = begin; first < end; first += piece) {
        std::int64_t sum = 0;
        for (std::int64_t i = first; i < std::min(first + piece, end); ++i)
          sum += sizes[order[static_cast<std::size_t>(i)]];
        seen.insert(sum);
      }
    }
    training_tokens.assign(seen.begin(), seen.end());
    return seen.empty() ? 0 : *seen.rbegin();
  }
};

BatchStream::BatchStream(std::shared_ptr<const TaskData> data, std::int64_t batch, const config::TaskConfig& task,
                         const config::Seeds& seeds, const Demand& demand)
    : data_(std::move(data)), batch_(batch), task_(task), seeds_(seeds) {
  assert(batch_ > 0 && demand.accumulate > 0 && !data_->train.empty() && !data_->eval.empty());
  plan_ = std::make_shared<Plan>(*data_, batch_, task_, seeds_, demand);
}

std::int64_t BatchStream::steps_per_epoch() const { return data::steps_per_epoch(*data_, batch_); }
std::int64_t BatchStream::eval_batches() const { return std::ssize(plan_->eval_starts) - 1; }
std::int64_t BatchStream::most_tokens() const { return plan_->most_tokens; }
const std::vector<std::int64_t>& BatchStream::training_tokens() const { return plan_->training_tokens; }
std::int64_t BatchStream::most_sequences() const { return plan_->most_sequences; }
std::int64_t BatchStream::most_predictions() const { return plan_->most_predictions; }
std::int64_t BatchStream::longest() const { return plan_->longest; }

batch::Batch BatchStream::train(std::int64_t step) const {
  batch::Batch out;
  train(step, out);
  return out;
}

void BatchStream::train(std::int64_t step, batch::Batch& out) const {
  assert(step >= 0);
  const auto first = static_cast<std::size_t>(step % steps_per_epoch() * batch_);
  const std::size_t count = std::min(static_cast<std::size_t>(batch_), data_->train.size() - first);
  out.clear();
  const base::Stream masks = plan_->begin(seeds_, step / steps_per_epoch(), first, count, out.examples);
  assemble(data_->train, data_->info.head, plan_->masker, masks, out);
}

batch::Batch BatchStream::eval(std::int64_t index) const {
  assert(index >= 0 && index < eval_batches());
  const std::int64_t* start = plan_->eval_starts.data() + index;
  batch::Batch out;
  out.examples.resize(static_cast<std::size_t>(start[1] - start[0]));
  std::iota(out.examples.begin(), out.examples.end(), start[0]);
  assemble(data_->eval, data_->info.head, plan_->masker, evaluation_mask_stream(task_.world), out);
  return out;
}

void BatchStream::reserve(batch::Batch& out) const {
  const std::int64_t sequences = std::min<std::int64_t>(batch_, std::ssize(data_->train));
  const std::int64_t tokens = sequences * longest();
  out.reserve(tokens, sequences, most_predictions() == 0 ? 0 : tokens);
}

void slice(const batch::Batch& batch, std::int64_t begin, std::int64_t end, batch::Batch& out) {
  assert(0 <= begin && begin <= end && end <= batch.sequences());
  const std::int32_t first = batch.offsets[static_cast<std::size_t>(begin)];
  const std::int32_t last = batch.offsets[static_cast<std::size_t>(end)];
  const auto copy = [](const auto& values, std::int64_t from, std::int64_t to, auto& part) {
    part.clear();
    if (!values.empty()) part.assign(values.begin() + from, values.begin() + to);
  };
  copy(batch.ids, first, last, out.ids);
  copy(batch.types, first, last, out.types);
  copy(batch.positions, first, last, out.positions);
  copy(batch.offsets, begin, end + 1, out.offsets);
  for (std::int32_t& offset : out.offsets) offset -= first;
  copy(batch.slots, begin, end, out.slots);
  copy(batch.examples, begin, end, out.examples);
  copy(batch.classes, begin, end, out.classes);
  copy(batch.targets, begin, end, out.targets);

  const auto from = std::lower_bound(batch.masked_rows.begin(), batch.masked_rows.end(), first);
  const auto to = std::lower_bound(from, batch.masked_rows.end(), last);
  out.masked_rows.assign(from, to);
  for (std::int32_t& row : out.masked_rows) row -= first;
  copy(batch.masked_labels, from - batch.masked_rows.begin(), to - batch.masked_rows.begin(), out.masked_labels);
}

batch::Batch slice(const batch::Batch& batch, std::int64_t begin, std::int64_t end) {
  batch::Batch out;
  slice(batch, begin, end, out);
  return out;
}

}  // namespace initlab::data
