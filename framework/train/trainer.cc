#include "train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/random.hpp"
#include "base/text.hpp"
#include "data/metrics.hpp"
#include "train/mixout.hpp"
#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace initlab::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What a summed loss is divided by: predicted positions for mlm, sequences otherwise.
double loss_count(const batch::Batch& batch, config::HeadKind head) {
  return static_cast<double>(head == config::HeadKind::mlm ? static_cast<std::int64_t>(batch.masked_rows.size())
                                                           : batch.sequences());
}

// Mean loss over the step's batch; its gradient is added to the model's. Micro-batches share the step's divisor and
// slots, so they give the same gradient as one piece, up to rounding.
double forward_backward(const batch::Batch& whole, std::int64_t accumulate, const model::Dropout& dropout,
                        config::HeadKind head, model::Bert& bert) {
  const double count = loss_count(whole, head);
  const std::int64_t sequences = whole.sequences();
  const std::int64_t piece = (sequences + accumulate - 1) / accumulate;
  double loss = 0;
  for (std::int64_t begin = 0; begin < sequences; begin += piece) {
    const std::int64_t end = std::min(sequences, begin + piece);
    const batch::Batch micro = accumulate == 1 ? batch::Batch() : data::slice(whole, begin, end);
    loss += bert.forward(accumulate == 1 ? whole : micro, dropout);
    bert.backward(static_cast<float>(1 / count));
  }
  return loss / count;
}

// The run's clock: how far it is and when it is over, in steps or in seconds.
class Budget {
 public:
  Budget(const config::TrainingConfig& training, std::int64_t steps_per_epoch)
      : training_(training), total_(total_steps(training, steps_per_epoch)), start_(Clock::now()) {}

  std::int64_t total() const { return total_; }
  bool over(std::int64_t step) const { return training_.seconds ? passed() >= *training_.seconds : step >= total_; }
  double rate_factor(std::int64_t step) const {
    if (training_.seconds) return train::rate_factor(training_.schedule, std::min(1.0, passed() / *training_.seconds));
    return train::rate_factor(training_.schedule, step, total_);
  }
  double seconds_left(std::int64_t steps_done) const {
    if (training_.seconds) return std::max(0.0, *training_.seconds - passed());
    return passed() / static_cast<double>(std::max<std::int64_t>(1, steps_done)) *
           static_cast<double>(total_ - steps_done);
  }

 private:
  double passed() const { return seconds_since(start_); }
  const config::TrainingConfig& training_;
  std::int64_t total_;
  Clock::time_point start_;
};

std::string not_finite(const char* what, double value, std::int64_t step) {
  return std::string(what) + " is " + base::number_text(value) + " at step " + std::to_string(step);
}

}  // namespace

std::int64_t total_steps(const config::TrainingConfig& training, std::int64_t steps_per_epoch) {
  if (training.seconds) return 0;
  if (training.steps) return *training.steps;
  return static_cast<std::int64_t>(
      std::ceil(training.epochs.value_or(3) * static_cast<double>(steps_per_epoch) - 1e-9));
}

Outcome run(const config::TrainingConfig& training, const config::Seeds& seeds, const data::BatchStream& batches,
            model::Bert& bert, record::RunSink& sink, const Hooks& hooks) {
  const config::HeadKind head = batches.data().info.head;
  const base::Stream dropout_stream(seeds.dropout, "dropout");
  model::Dropout dropout;
  dropout.hidden = training.dropout;
  dropout.attention = training.attention_dropout.value_or(training.dropout);
  dropout.stream = &dropout_stream;

  std::vector<float> initial;
  if (training.mixout > 0 || training.optimizer.weight_decay_to == "initial")
    initial.assign(bert.values().begin(), bert.values().end());
  Adam optimizer(training, bert.parameters(), initial);
  Mixout mixout(training, seeds, bert.parameters(), initial);
  std::fill(bert.gradients().begin(), bert.gradients().end(), 0.0f);
  const Budget budget(training, batches.steps_per_epoch());
  std::int64_t step = 0;
  std::int64_t evaluated = -1;
  if (hooks.before_first_step) hooks.before_first_step(bert.values());
  while (!budget.over(step)) {
    if (hooks.stop != nullptr && hooks.stop->load()) return {record::State::interrupted, "stopped by the user"};
    const Clock::time_point start = Clock::now();
    record::StepRecord record;
    record.step = step + 1;
    const double rate = budget.rate_factor(step);
    record.learning_rate = training.optimizer.learning_rate * rate;
    const batch::Batch batch = batches.train(step);
    record.tokens = batch.tokens();
    record.examples = batch.examples;
    dropout.step = static_cast<std::uint32_t>(step);
    mixout.mix(dropout.step, bert.values());
    record.loss = forward_backward(batch, training.accumulate, dropout, head, bert);
    mixout.unmix(dropout.step, bert.values(), bert.gradients());
    clear_frozen(optimizer.groups(), bert.gradients());
    record.grad_norm = global_norm(bert.gradients());
    const bool finite = std::isfinite(record.loss) && std::isfinite(record.grad_norm);
    if (finite) optimizer.step(bert.values(), bert.gradients(), rate, clip_factor(record.grad_norm, training.clip));
    record.seconds = seconds_since(start);
    sink.step(record);
    if (!std::isfinite(record.loss)) return {record::State::failed, not_finite("loss", record.loss, record.step)};
    if (!finite) return {record::State::failed, not_finite("gradient norm", record.grad_norm, record.step)};
    ++step;
    if (hooks.progress)
      hooks.progress({step, budget.total(), record.loss, static_cast<double>(record.tokens) / record.seconds,
                      budget.seconds_left(step)});
    if (training.evaluate.every && step % *training.evaluate.every == 0) {
      sink.eval(evaluate(batches, bert, step));
      evaluated = step;
    }
  }
  if (evaluated != step) sink.eval(evaluate(batches, bert, step));
  return {};
}

record::EvalRecord evaluate(const data::BatchStream& batches, model::Bert& bert, std::int64_t step) {
  const Clock::time_point start = Clock::now();
  const data::TaskData& task = batches.data();
  record::EvalRecord record;
  record.step = step;
  double loss = 0, count = 0;
  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < batches.eval_batches(); ++i) {
    const batch::Batch batch = batches.eval(i);
    loss += bert.forward(batch, {});
    count += loss_count(batch, task.info.head);
    if (task.info.head == config::HeadKind::mlm) correct += bert.correct_predictions();
    const std::span<const float> logits = bert.logits();
    record.predictions.insert(record.predictions.end(), logits.begin(), logits.end());
  }
  record.loss = loss / count;
  const std::size_t examples = task.eval.size();
  data::Score score;
  switch (task.info.head) {
    case config::HeadKind::mlm:
      score.values = {static_cast<double>(correct) / count};
      break;
    case config::HeadKind::regressor: {
      std::vector<float> targets;
      for (const data::Example& example : task.eval) targets.push_back(example.target);
      score = data::score_numbers(task.info.metrics, record.predictions, targets);
      break;
    }
    case config::HeadKind::classifier: {
      const std::size_t classes = record.predictions.size() / examples;
      std::vector<std::int32_t> predicted, labels;
      for (std::size_t e = 0; e < examples; ++e) {
        const auto row = record.predictions.begin() + static_cast<std::ptrdiff_t>(e * classes);
        predicted.push_back(
            static_cast<std::int32_t>(std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row));
        labels.push_back(task.eval[e].label);
      }
      score = data::score_classes(task.info.metrics, predicted, labels);
      break;
    }
  }
  record.metrics = std::move(score.values);
  record.degenerate = score.degenerate;
  record.seconds = seconds_since(start);
  return record;
}

}  // namespace initlab::train
