#include "app/bench_step.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "compute/arena.hpp"
#include "compute/gemm.hpp"
#include "model/bert.hpp"
#include "sweep/execute.hpp"
#include "sweep/initialize.hpp"
#include "sweep/machine.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

constexpr std::int64_t kVocabulary = 30522;   // of bert-base-uncased
constexpr std::int64_t kSyntheticSteps = 64;  // an epoch
constexpr text::SpecialIds kSpecial = {.pad = 0, .unk = 100, .cls = 101, .sep = 102, .mask = 103};
constexpr std::int32_t kFirstWord = 1996;  // the ids before are letters, signs and what is unused

data::Example synthetic_example(const base::Stream& stream, std::uint64_t index, std::int64_t length,
                                std::size_t classes) {
  data::Example example;
  example.ids = {kSpecial.cls};
  for (std::int64_t i = 2; i < length; ++i) {
    const std::uint64_t draw = index << 21 | static_cast<std::uint64_t>(i);
    example.ids.push_back(static_cast<std::int32_t>(stream.below(draw, kVocabulary - kFirstWord)) + kFirstWord);
  }
  example.ids.push_back(kSpecial.sep);
  example.types.assign(example.ids.size(), 0);
  example.label = static_cast<std::int32_t>(index % std::max<std::size_t>(1, classes));
  example.target = static_cast<float>(index % 5);
  return example;
}

std::shared_ptr<const data::TaskData> synthetic_data(const config::RunPlan& plan) {
  auto data = std::make_shared<data::TaskData>();
  data->info = data::task_info(plan.task);
  data->special = kSpecial;
  data->vocabulary = kVocabulary;
  const base::Stream stream(plan.seeds.order, "bench");
  const auto examples = static_cast<std::uint64_t>(plan.training.batch * kSyntheticSteps);
  for (std::uint64_t i = 0; i < examples; ++i)
    data->train.push_back(synthetic_example(stream, i, plan.training.max_length, data->info.label_names.size()));
  data->eval = {data->train.front()};
  data->constant_class.assign(data->info.metrics.size(), 0.0);
  return data;
}

rusage usage() {
  rusage now{};
  ::getrusage(RUSAGE_SELF, &now);
  return now;
}

// All that the process has taken since counting started.
Taken taken_until_now() {
  const Allocations counted = counted_allocations();
  return {static_cast<double>(counted.ours), static_cast<double>(counted.onednn),
          static_cast<double>(usage().ru_minflt)};
}

Taken operator-(const Taken& a, const Taken& b) {
  return {a.allocations - b.allocations, a.onednn_allocations - b.onednn_allocations, a.page_faults - b.page_faults};
}

void fill_halves(std::int64_t n, compute::Cells x) {
  constexpr compute::Bf16 kHalf = {0x3f00};
  if (x.element() == compute::Element::f32)
    std::fill_n(x.f32(), n, 0.5f);
  else
    std::fill_n(x.bf16(), n, kHalf);
}

base::Json column(const std::vector<std::int32_t>& values, std::int32_t begin, std::int32_t end) {
  return std::vector<std::int32_t>(values.begin() + begin, values.begin() + end);
}

// Positions in sequence b and original ids of what is masked there.
void add_masks(const batch::Batch& batch, std::size_t b, base::Json& positions, base::Json& labels) {
  base::Json rows = base::Json::array(), ids = base::Json::array();
  for (std::size_t i = 0; i < batch.masked_rows.size(); ++i) {
    const std::int32_t row = batch.masked_rows[i];
    if (row < batch.offsets[b] || row >= batch.offsets[b + 1]) continue;
    rows.push_back(row - batch.offsets[b]);
    ids.push_back(batch.masked_labels[i]);
  }
  positions.push_back(std::move(rows));
  labels.push_back(std::move(ids));
}

base::Json batch_json(const batch::Batch& batch, config::HeadKind head) {
  base::Json ids = base::Json::array(), types = base::Json::array();
  base::Json masked = base::Json::array(), masked_labels = base::Json::array();
  for (std::size_t b = 0; b + 1 < batch.offsets.size(); ++b) {
    ids.push_back(column(batch.ids, batch.offsets[b], batch.offsets[b + 1]));
    types.push_back(column(batch.types, batch.offsets[b], batch.offsets[b + 1]));
    if (head == config::HeadKind::mlm) add_masks(batch, b, masked, masked_labels);
  }
  base::Json out = {{"ids", std::move(ids)}, {"types", std::move(types)}};
  if (head == config::HeadKind::mlm) {
    out["masked"] = std::move(masked);
    out["masked_labels"] = std::move(masked_labels);
  } else if (head == config::HeadKind::regressor) {
    out["labels"] = batch.targets;
  } else {
    out["labels"] = batch.classes;
  }
  return out;
}

}  // namespace

sweep::Prepared prepare_synthetic(const config::RunPlan& plan, const init::Catalog& catalog) {
  sweep::require_precision(plan.training);
  sweep::Prepared run;
  run.plan = plan;
  run.model = sweep::with_stated_shape(
      plan.model.shape ? *config::named_shape(*plan.model.shape) : config::ModelConfig{}, plan.model);
  run.model.vocabulary = kVocabulary;
  if (plan.training.max_length > run.model.max_positions)
    throw base::Error({plan.model.place, "training.max_length",
                       "at most the model's " + std::to_string(run.model.max_positions) + " positions",
                       std::to_string(plan.training.max_length), ""});
  run.data = synthetic_data(plan);
  run.num_labels = run.data->info.head == config::HeadKind::regressor ? 1 : std::ssize(run.data->info.label_names);
  run.table =
      std::make_shared<params::ParameterTable>(params::bert_parameters(run.model, run.data->info.head, run.num_labels));
  run.assignments(catalog);  // or throws: the rules must fit
  return run;
}

compute::Element products_of(const sweep::Prepared& run) { return model::options_of(run.plan.training).products; }

double Measured::share_of_matmul() const { return quantile(gflops, 0.5) / matmul_gflops; }

double Measured::total_seconds() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

Taken Measured::typical() const {
  const auto median = [this](double Taken::*member) {
    std::vector<double> values;
    for (const Taken& step : taken) values.push_back(step.*member);
    return quantile(std::move(values), 0.5);
  };
  return {median(&Taken::allocations), median(&Taken::onednn_allocations), median(&Taken::page_faults)};
}

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

std::vector<double> matmul_gflops(compute::Element element) {
  constexpr std::int64_t kSide = 2048, kNumbers = kSide * kSide;
  constexpr double kOperations = 2.0 * kSide * kSide * kSide;
  compute::Arena arena;
  compute::Cells a, c;
  float* b = nullptr;
  const auto book = [&] {
    for (compute::Cells* matrix : {&a, &c})
      *matrix = element == compute::Element::f32 ? compute::Cells(arena.take<float>(kNumbers))
                                                 : compute::Cells(arena.take<compute::Bf16>(kNumbers));
    b = arena.take<float>(kNumbers);
  };
  book();
  arena.grant();
  book();
  fill_halves(kNumbers, a);
  fill_halves(kNumbers, b);
  compute::Gemm gemm;
  // B as oneDNN likes it best; laying it out is not the product's work.
  const compute::Product product = {
      .m = kSide, .n = kSide, .k = kSide, .operands = element, .result = element, .weight = true};
  std::vector<double> rates;
  for (int repeat = 0; repeat < 11; ++repeat) {
    const double packed = gemm.packing_seconds();
    const auto start = std::chrono::steady_clock::now();
    gemm(product, a, b, c);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (repeat > 0)  // the first builds the kernel
      rates.push_back(kOperations / (seconds.count() - (gemm.packing_seconds() - packed)) / 1e9);
  }
  return rates;
}

Measured measure_steps(const sweep::Prepared& run, const init::Catalog& catalog, const BenchPlan& plan,
                       std::vector<double> matmuls) {
  const data::BatchStream batches = run.batches(plan.warmup + plan.steps);
  const config::HeadKind head = run.data->info.head;
  const std::unique_ptr<model::Bert> made = sweep::make_model(run, batches);
  model::Bert& bert = *made;
  sweep::initialize(run, catalog, bert.values());
  train::Trainer trainer(run.plan.training, run.plan.seeds, batches, bert);
  const auto step = [&](std::int64_t index) -> const record::StepRecord& {
    const record::StepRecord& record = trainer.step(index, 1.0);
    if (!std::isfinite(record.loss) || !std::isfinite(record.grad_norm))
      throw base::Error({run.plan.spec_path, "loss", "a number",
                         base::number_text(record.loss) + " at step " + std::to_string(record.step),
                         "a lower training.optimizer.learning_rate"});
    return record;
  };
  for (std::int64_t i = 0; i < plan.warmup; ++i) step(i);

  Measured measured;
  measured.seconds.reserve(static_cast<std::size_t>(plan.steps));
  measured.losses.reserve(static_cast<std::size_t>(plan.steps));
  measured.taken.reserve(static_cast<std::size_t>(plan.steps));
  compute::PhaseTimes times;
  trainer.measure(&times);
  start_counting_allocations();
  for (std::int64_t i = 0; i < plan.steps; ++i) {
    const Taken before = taken_until_now();
    const record::StepRecord& record = step(plan.warmup + i);
    measured.taken.push_back(taken_until_now() - before);
    measured.seconds.push_back(record.seconds);
    measured.losses.push_back(record.loss);
    measured.tokens += record.tokens;
    measured.sequences += trainer.batch().sequences();
    const double flops = model::training_flops(run.model, head, run.num_labels, trainer.batch());
    measured.flops += flops;
    measured.gflops.push_back(flops / measured.seconds.back() / 1e9);
  }
  stop_counting_allocations();
  measured.phases = times.all();
  measured.peak_rss_mib = static_cast<double>(usage().ru_maxrss) / 1024;
  for (const double rate : matmul_gflops(products_of(run))) matmuls.push_back(rate);
  measured.matmul_gflops = quantile(matmuls, 0.5);
  return measured;
}

base::Json batches_json(const std::string& workload, const sweep::Prepared& run, const BenchPlan& plan) {
  const data::BatchStream batches = run.batches();
  const config::TrainingConfig& training = run.plan.training;
  base::Json list = base::Json::array();
  for (std::int64_t i = 0; i < plan.steps; ++i)
    list.push_back(batch_json(batches.train(plan.warmup + i), run.data->info.head));
  return {{"workload", workload},
          {"head", config::to_text(run.data->info.head)},
          {"num_labels", run.num_labels},
          {"model", config::to_json(run.model)},
          {"checkpoint", run.checkpoint ? base::Json(run.checkpoint->folder().string()) : base::Json(nullptr)},
          {"training",
           {{"batch", training.batch},
            {"learning_rate", training.optimizer.learning_rate},
            {"weight_decay", training.optimizer.weight_decay},
            {"beta1", training.optimizer.beta1},
            {"beta2", training.optimizer.beta2},
            {"epsilon", training.optimizer.epsilon},
            {"clip", training.clip},
            {"dropout", training.dropout}}},
          {"warmup", plan.warmup},
          {"batches", std::move(list)}};
}

}  // namespace initlab::app
