#include "train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/random.hpp"
#include "data/metrics.hpp"
#include "train/mixout.hpp"
#include "train/optimizer.hpp"
#include "train/schedule.hpp"
#include "train/stop.hpp"

namespace initlab::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The run's clock: how far it is and when it is over, in steps or in seconds.
class Budget {
 public:
  Budget(const config::TrainingConfig& training, std::int64_t steps_per_epoch, const Position& from)
      : training_(training), total_(total_steps(training, steps_per_epoch)), from_(from), start_(Clock::now()) {}

  std::int64_t total() const { return total_; }
  bool over(std::int64_t step) const { return training_.seconds ? passed() >= *training_.seconds : step >= total_; }
  double rate_factor(std::int64_t step) const {
    if (training_.seconds) return train::rate_factor(training_.schedule, std::min(1.0, passed() / *training_.seconds));
    return train::rate_factor(training_.schedule, step, total_);
  }
  double seconds_left(std::int64_t steps_done) const {
    if (training_.seconds) return std::max(0.0, *training_.seconds - passed());
    return seconds_since(start_) / static_cast<double>(std::max<std::int64_t>(1, steps_done - from_.step)) *
           static_cast<double>(total_ - steps_done);
  }

  double passed() const { return from_.seconds + seconds_since(start_); }

 private:
  const config::TrainingConfig& training_;
  std::int64_t total_;
  Position from_;
  Clock::time_point start_;
};

model::Dropout dropout_of(const config::TrainingConfig& training, const base::Stream& stream) {
  model::Dropout dropout;
  dropout.hidden = training.dropout;
  dropout.attention = training.attention_dropout.value_or(training.dropout);
  dropout.stream = &stream;
  return dropout;
}

// The weights as they are, where anything will ask for them later.
std::vector<float> initial_values(const config::TrainingConfig& training, const model::Bert& bert) {
  if (training.mixout == 0 && training.optimizer.weight_decay_to != "initial") return {};
  return {bert.values().begin(), bert.values().end()};
}

}  // namespace

struct Trainer::Impl {
  const config::TrainingConfig& training;
  const data::BatchStream& batches;
  model::Bert& bert;
  base::Stream dropout_stream;
  model::Dropout dropout;
  std::vector<float> initial;
  Adam optimizer;
  Mixout mixout;
  batch::Batch batch, micro;
  record::StepRecord record;
  compute::PhaseTimes* times = nullptr;

  Impl(const config::TrainingConfig& config, const config::Seeds& seeds, const data::BatchStream& stream,
       model::Bert& model)
      : training(config),
        batches(stream),
        bert(model),
        dropout_stream(seeds.dropout, "dropout"),
        dropout(dropout_of(training, dropout_stream)),
        initial(initial_values(training, bert)),
        optimizer(training, bert.parameters(), initial, word_rows(training, batches.data().info.head)),
        mixout(training, seeds, bert.parameters(), initial) {
    std::ranges::fill(bert.gradients(), 0.0f);
    batches.reserve(batch);
    if (training.accumulate > 1) batches.reserve(micro);
    bert.plan(batches.training_tokens());
    record.examples.reserve(static_cast<std::size_t>(training.batch));
  }

  void fetch(std::int64_t step) {
    const compute::Timed timed(times, compute::Phase::data);
    batches.train(step, batch);
    record.tokens = batch.tokens();
    record.examples = batch.examples;
  }

  // Mean loss over the step's batch; its gradient is added to the model's. Micro-batches share the step's divisor and
  // slots, so they give the same gradient as one piece, up to rounding.
  double forward_backward() {
    const double count = loss_count(batch, batches.data().info.head);
    const std::int64_t sequences = batch.sequences();
    const std::int64_t piece = data::piece_size(sequences, training.accumulate);
    double loss = 0;
    for (std::int64_t begin = 0; begin < sequences; begin += piece) {
      loss += bert.forward(piece_of_batch(begin, std::min(sequences, begin + piece)), dropout);
      bert.backward(static_cast<float>(1 / count));
    }
    return loss / count;
  }

  const batch::Batch& piece_of_batch(std::int64_t begin, std::int64_t end) {
    if (training.accumulate == 1) return batch;
    const compute::Timed timed(times, compute::Phase::data);
    data::slice(batch, begin, end, micro);
    return micro;
  }

  // What the weights need before they are read.
  void prepare_weights() {
    const compute::Timed timed(times, compute::Phase::optimizer);
    optimizer.expect(batch.ids, bert.values());
    mixout.mix(dropout.step, bert.values());
  }

  void finish_gradient() {
    const compute::Timed timed(times, compute::Phase::optimizer);
    mixout.unmix(dropout.step, bert.values(), bert.gradients());
    record.grad_norm = optimizer.norm(bert.gradients());
  }

  void update(double rate_factor) {
    const compute::Timed timed(times, compute::Phase::optimizer);
    if (!std::isfinite(record.loss) || !std::isfinite(record.grad_norm)) return;
    optimizer.step(bert.values(), bert.gradients(), rate_factor, clip_factor(record.grad_norm, training.clip));
  }
};

Trainer::Trainer(const config::TrainingConfig& training, const config::Seeds& seeds, const data::BatchStream& batches,
                 model::Bert& bert)
    : impl_(std::make_unique<Impl>(training, seeds, batches, bert)) {}
Trainer::~Trainer() = default;

const record::StepRecord& Trainer::step(std::int64_t step, double rate_factor, Diagnostics* measured) {
  if (measured != nullptr) {
    catch_up();
    measured->before(impl_->bert.values());
  }
  Clock::time_point start = Clock::now();
  record::StepRecord& record = impl_->record;
  record.step = step + 1;
  record.learning_rate = impl_->training.optimizer.learning_rate * rate_factor;
  impl_->dropout.step = static_cast<std::uint32_t>(step);
  impl_->fetch(step);
  impl_->prepare_weights();
  record.loss = impl_->forward_backward();
  impl_->finish_gradient();
  record.seconds = seconds_since(start);
  if (measured != nullptr) measured->gradient(impl_->bert.gradients());
  start = Clock::now();
  impl_->update(rate_factor);
  record.seconds += seconds_since(start);
  return record;
}

const batch::Batch& Trainer::batch() const { return impl_->batch; }

void Trainer::catch_up() { impl_->optimizer.catch_up(impl_->bert.values()); }

State Trainer::state() {
  catch_up();
  return {impl_->bert.values(), impl_->optimizer.first_moments(), impl_->optimizer.second_moments()};
}

void Trainer::resume(std::int64_t steps) { impl_->optimizer.resume(steps, impl_->bert.values()); }

void Trainer::measure(compute::PhaseTimes* times) {
  impl_->times = times;
  impl_->bert.measure(times);
}

double loss_count(const batch::Batch& batch, config::HeadKind head) {
  return static_cast<double>(head == config::HeadKind::mlm ? std::ssize(batch.masked_rows) : batch.sequences());
}

std::int64_t total_steps(const config::TrainingConfig& training, std::int64_t steps_per_epoch) {
  if (training.seconds) return 0;
  if (training.steps) return *training.steps;
  return static_cast<std::int64_t>(
      std::ceil(training.epochs.value_or(3) * static_cast<double>(steps_per_epoch) - 1e-9));
}

namespace {

Position resume(Trainer& trainer, const Hooks& hooks) {
  if (!hooks.resume) return {};
  const Position position = hooks.resume(trainer.state());
  trainer.resume(position.step);
  return position;
}

Outcome loop(const config::TrainingConfig& training, const data::BatchStream& batches, model::Bert& bert,
             Trainer& trainer, record::RunSink& sink, const Hooks& hooks) {
  if (hooks.before_first_step) hooks.before_first_step(bert.values());
  std::optional<Diagnostics> diagnostics;
  if (hooks.diagnostics != nullptr) {
    diagnostics.emplace(*hooks.diagnostics, bert.parameters(), batches, bert.values());
    if (!hooks.resume) sink.diagnose(diagnostics->begin());
  }
  const Position from = resume(trainer, hooks);
  const Budget budget(training, batches.steps_per_epoch(), from);
  StopRules rules(training, batches.data());
  for (const record::StepRecord& record : hooks.past_steps) rules.failure(record);
  for (const record::EvalRecord& record : hooks.past_evals) rules.hopeless(record);
  std::int64_t step = from.step;
  std::int64_t evaluated = from.evaluated;
  const auto keep = [&] { hooks.keeper->keep({step, evaluated, budget.passed()}, trainer.state()); };
  while (!budget.over(step)) {
    if (hooks.stop != nullptr && hooks.stop->load()) {
      if (hooks.keeper != nullptr && step > from.step) keep();
      return {record::State::interrupted, "stopped by the user"};
    }
    const bool measured = diagnostics && is_diagnosed(step + 1, budget.total());
    const record::StepRecord& record = trainer.step(step, budget.rate_factor(step), measured ? &*diagnostics : nullptr);
    sink.step(record);
    if (std::string failure = rules.failure(record); !failure.empty())
      return {record::State::failed, std::move(failure)};
    ++step;
    if (measured) {
      trainer.catch_up();
      sink.diagnose(diagnostics->after(step, bert.values()));
    }
    if (hooks.progress)
      hooks.progress({step, budget.total(), record.loss, static_cast<double>(record.tokens) / record.seconds,
                      budget.seconds_left(step)});
    if (training.evaluate.every && step % *training.evaluate.every == 0) {
      trainer.catch_up();
      const record::EvalRecord eval = evaluate(batches, bert, step);
      sink.eval(eval);
      evaluated = step;
      std::string hopeless = rules.hopeless(eval);
      if (!hopeless.empty() && !budget.over(step)) return {record::State::finished, std::move(hopeless)};
    }
    if (hooks.keeper != nullptr && hooks.keeper->due(step)) keep();
  }
  trainer.catch_up();
  if (evaluated != step) sink.eval(evaluate(batches, bert, step));
  return {};
}

}  // namespace

Outcome run(const config::TrainingConfig& training, const config::Seeds& seeds, const data::BatchStream& batches,
            model::Bert& bert, record::RunSink& sink, const Hooks& hooks) {
  Trainer trainer(training, seeds, batches, bert);
  Outcome outcome = loop(training, batches, bert, trainer, sink, hooks);
  trainer.catch_up();  // whatever ended it: who reads the model now sees the trained weights
  return outcome;
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
