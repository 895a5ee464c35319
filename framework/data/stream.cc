// Batches as a pure function of (data, seeds, step).
#include <algorithm>
#include <cassert>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "data/data.hpp"
#include "data/masking.hpp"

namespace initlab::data {
namespace {

constexpr std::int64_t kEvalBatch = 64;

using Sizes = std::vector<std::int64_t>;

Sizes sizes_of(const std::vector<Example>& examples, const std::function<std::int64_t(const Example&)>& size) {
  Sizes sizes;
  sizes.reserve(examples.size());
  for (const Example& example : examples) sizes.push_back(size(example));
  return sizes;
}

// The largest sum of `count` sizes: any training batch.
std::int64_t most_of_any(Sizes sizes, std::int64_t count) {
  const auto end = sizes.begin() + std::min<std::ptrdiff_t>(count, std::ssize(sizes));
  std::partial_sort(sizes.begin(), end, sizes.end(), std::greater<>());
  return std::accumulate(sizes.begin(), end, std::int64_t{0});
}

// The largest sum over consecutive groups of `count`: evaluation batches.
std::int64_t most_in_order(const Sizes& sizes, std::int64_t count) {
  std::int64_t most = 0;
  for (std::ptrdiff_t begin = 0; begin < std::ssize(sizes); begin += count) {
    const std::ptrdiff_t end = std::min<std::ptrdiff_t>(begin + count, std::ssize(sizes));
    most = std::max(most, std::accumulate(sizes.begin() + begin, sizes.begin() + end, std::int64_t{0}));
  }
  return most;
}

std::int64_t batches_of(std::size_t examples, std::int64_t batch) {
  return (static_cast<std::int64_t>(examples) + batch - 1) / batch;
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

// What all batches of an epoch are made from.
struct Epoch {
  std::int64_t index = -1;
  std::vector<std::uint32_t> order;
  std::optional<base::Stream> masks;
};

}  // namespace

struct BatchStream::Plan {
  explicit Plan(Masker made) : masker(std::move(made)) {}

  // Rows first .. first+count-1 of an epoch's order; returns the epoch's masks. The last epoch asked for is kept: steps
  // come in order.
  base::Stream begin(const config::Seeds& seeds, std::int64_t index, std::size_t first, std::size_t count,
                     std::vector<std::int64_t>& rows) const {
    const std::lock_guard lock(mutex);
    if (epoch.index != index) {
      base::permutation(base::Stream(seeds.order, "order/epoch/" + std::to_string(index)), epoch.order);
      epoch.masks = training_mask_stream(seeds.mask, index);
      epoch.index = index;
    }
    const auto begin = epoch.order.begin() + static_cast<std::ptrdiff_t>(first);
    rows.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    return *epoch.masks;
  }

  Masker masker;
  std::int64_t most_tokens = 0, most_predictions = 0, longest = 0;
  mutable std::mutex mutex;
  mutable Epoch epoch;
};

BatchStream::BatchStream(std::shared_ptr<const TaskData> data, std::int64_t batch, const config::TaskConfig& task,
                         const config::Seeds& seeds)
    : data_(std::move(data)), batch_(batch), task_(task), seeds_(seeds) {
  assert(batch_ > 0 && !data_->train.empty() && !data_->eval.empty());
  auto plan = std::make_shared<Plan>(Masker(data_->special, data_->vocabulary, task_.mask_probability));
  const auto most = [&](const std::function<std::int64_t(const Example&)>& size) {
    return std::max(most_of_any(sizes_of(data_->train, size), batch_),
                    most_in_order(sizes_of(data_->eval, size), kEvalBatch));
  };
  plan->most_tokens = most([](const Example& example) { return std::ssize(example.ids); });
  if (data_->info.head == config::HeadKind::mlm)
    plan->most_predictions = most([&](const Example& example) { return plan->masker.most_predictions(example.ids); });
  for (const auto* split : {&data_->train, &data_->eval})
    for (const Example& example : *split)
      plan->longest = std::max(plan->longest, std::int64_t{std::ssize(example.ids)});
  plan->epoch.order.resize(data_->train.size());
  plan_ = std::move(plan);
}

std::int64_t BatchStream::steps_per_epoch() const { return batches_of(data_->train.size(), batch_); }
std::int64_t BatchStream::eval_batches() const { return batches_of(data_->eval.size(), kEvalBatch); }
std::int64_t BatchStream::most_tokens() const { return plan_->most_tokens; }
std::int64_t BatchStream::most_predictions() const { return plan_->most_predictions; }
std::int64_t BatchStream::longest() const { return plan_->longest; }

std::int64_t BatchStream::most_sequences() const {
  return std::max(std::min<std::int64_t>(batch_, std::ssize(data_->train)),
                  std::min<std::int64_t>(kEvalBatch, std::ssize(data_->eval)));
}

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
  const std::int64_t first = index * kEvalBatch;
  batch::Batch out;
  out.examples.resize(static_cast<std::size_t>(std::min<std::int64_t>(kEvalBatch, std::ssize(data_->eval) - first)));
  std::iota(out.examples.begin(), out.examples.end(), first);
  assemble(data_->eval, data_->info.head, plan_->masker, evaluation_mask_stream(task_.world), out);
  return out;
}

void BatchStream::reserve(batch::Batch& out) const { out.reserve(most_tokens(), most_sequences(), most_predictions()); }

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
