#include "sweep/execute.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/file.hpp"
#include "compute/targets.hpp"
#include "init/audit.hpp"
#include "log/run_file.hpp"
#include "model/bert.hpp"
#include "sweep/binding.hpp"
#include "sweep/folder.hpp"
#include "sweep/initialize.hpp"
#include "sweep/machine.hpp"
#include "sweep/resume.hpp"

namespace initlab::sweep {
namespace {

bool keeps(const config::RunPlan& plan, const std::string& which) {
  return std::find(plan.keep.weights.begin(), plan.keep.weights.end(), which) != plan.keep.weights.end();
}

void save_weights(const Prepared& p, const model::Bert& bert, const std::string& which) {
  std::vector<checkpoint::NamedTensor> tensors;
  for (const params::Parameter& parameter : bert.parameters().all())
    tensors.push_back(
        {parameter.name, parameter.shape,
         bert.values().subspan(static_cast<std::size_t>(parameter.offset), static_cast<std::size_t>(parameter.size))});
  checkpoint::save(weights_folder(p.file, which), p.model, p.data->info.head, p.num_labels,
                   p.tokenizer->casing() == text::Casing::cased, p.tokenizer->tokens(), tensors);
}

// A checkpoint that an experiment made is named from the results folder on, so that equal runs in two folders are equal
// files.
std::string place_of(const Prepared& p, const std::filesystem::path& path) {
  return p.promise ? path.lexically_relative(p.file.parent_path().parent_path()).string() : path.string();
}

// What the checkpoint has of a parameter; nothing where it lacks it, or has it in another shape.
std::vector<float> pretrained_values(const checkpoint::Checkpoint& checkpoint, const params::Parameter& parameter) {
  const checkpoint::TensorInfo* tensor = checkpoint.find(parameter.name);
  if (tensor == nullptr || tensor->shape != parameter.shape) return {};
  return checkpoint.read(parameter.name, parameter.shape);
}

std::string default_metric(const Prepared& p) { return p.plan.compare.metric.value_or(p.data->info.metrics.front()); }

// "fraction above" is better for every metric but the loss.
std::string default_better(const Prepared& p) {
  return p.plan.compare.better.value_or(default_metric(p) == "loss" ? "lower" : "higher");
}

// Keeps the state when the spec says so.
class Keeper : public train::StateKeeper {
 public:
  Keeper(const Prepared& prepared, const Machine& machine, log::RunWriter& writer)
      : prepared_(prepared), machine_(machine), writer_(writer) {}

  bool due(std::int64_t step) override {
    const config::ResumeConfig& when = prepared_.plan.resume;
    const std::chrono::duration<double> passed = Clock::now() - last_;
    return passed.count() >= when.every_seconds || (when.every_steps && step % *when.every_steps == 0);
  }
  // The records come first: a state without them is of no use.
  void keep(const train::Position& position, const train::State& state) override {
    writer_.flush();
    save_state(prepared_.file, prepared_.run_id, position, machine_, state);
    last_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Prepared& prepared_;
  const Machine& machine_;
  log::RunWriter& writer_;
  Clock::time_point last_ = Clock::now();
};

// The birth certificate of the first start, and that the run went on.
void note_continuation(const Continuation& from, const Machine& machine, record::RunHeader& header) {
  header.started = from.past.header.started;
  header.resumed = from.past.header.resumed;
  header.resumed.push_back("after step " + std::to_string(from.saved.position.step) + ", " + utc_now() + ", " +
                           machine.cpu + ", threads: " + std::to_string(machine.threads));
}

// What compare/ reads back: the keys that the header has no field for.
std::string design_text(const config::CompareConfig& compare) {
  base::Json design = config::to_json(compare);
  base::Json kept = base::Json::object();
  for (const char* key : {"claims", "anchors", "planned_seeds"}) kept[key] = design[key];
  if (compare.threshold_of_baseline) kept["threshold"] = "baseline";
  return base::json_text(kept);
}

}  // namespace

train::DiagnosticsSource diagnostics_source(const Prepared& p) {
  train::DiagnosticsSource source{p.model, p.num_labels, {}};
  if (p.checkpoint)
    source.pretrained = [&p](const params::Parameter& parameter) {
      return pretrained_values(*p.checkpoint, parameter);
    };
  return source;
}

void describe_comparison(const Prepared& p, record::RunHeader& header) {
  header.metric = default_metric(p);
  header.better = default_better(p);
  header.threshold = p.plan.compare.threshold.value_or(std::numeric_limits<double>::quiet_NaN());
  header.at = p.plan.compare.at;
  header.baseline = p.plan.compare.baseline.value_or("");
  header.gain_from = p.plan.compare.gain.from.value_or("");
  header.gain_to = p.plan.compare.gain.to.value_or("");
  header.design = design_text(p.plan.compare);
  header.tuning = p.plan.tuned.is_null() ? "" : base::json_text(p.plan.tuned);
}

record::RunHeader describe(const Prepared& p, const Setting& setting) {
  record::RunHeader header;
  header.run_id = p.run_id;
  header.experiment = p.plan.experiment;
  header.arm = p.plan.arm;
  header.replicate = p.plan.replicate;
  base::Json settings = base::Json::object();
  for (const auto& [path, value] : p.plan.settings) settings[path] = value;
  header.settings = base::json_text(settings);
  header.command = setting.command;
  header.spec = p.plan.spec_text;
  header.role = config::to_text(p.plan.role);
  header.plan = p.identity;
  if (p.checkpoint) {
    header.checkpoint = place_of(p, p.checkpoint->folder());
    header.checkpoint_sha256 = p.checkpoint->sha256();
  }
  if (p.promise) {
    header.checkpoint_run = p.promise->run->run_id;
    header.checkpoint_replicate = p.promise->run->plan.replicate;
  }
  header.data_sha256 = p.data->sha256;
  header.build = build_description();
  header.cpu = cpu_description();
  header.threads = setting.threads;
  header.cores = to_text(setting.cores);
  header.libraries = library_versions();
  header.started = utc_now();
  header.plugins = p.plugins;
  describe_comparison(p, header);
  header.task = p.plan.task.name;
  header.metric_names = p.data->info.metrics;
  header.constant_class = p.data->constant_class;
  if (p.data->info.head != config::HeadKind::mlm) {
    for (const data::Example& example : p.data->eval)
      header.labels.push_back(p.data->info.head == config::HeadKind::regressor ? example.target
                                                                               : static_cast<float>(example.label));
    header.outputs = p.num_labels;
  }
  header.batch = p.plan.training.batch;
  return header;
}

std::unique_ptr<model::Bert> make_model(const Prepared& p, const data::BatchStream& batches) {
  compute::use_vector_kernels(p.plan.training.uses("vector_kernels"));
  const model::Capacity capacity{batches.most_tokens(), batches.most_sequences(), batches.most_predictions(),
                                 batches.longest()};
  return std::make_unique<model::Bert>(p.model, p.data->info.head, p.num_labels, capacity,
                                       model::options_of(p.plan.training));
}

train::Outcome execute(const Prepared& p, const init::Catalog& catalog, const Setting& setting,
                       const train::Hooks& hooks) {
  const data::BatchStream batches = p.batches();
  const std::unique_ptr<model::Bert> made = make_model(p, batches);
  model::Bert& bert = *made;
  std::vector<record::InitRecord> init = initialize(p, catalog, bert.values());
  for (record::InitRecord& tensor : init)
    if (!tensor.source_file.empty()) tensor.source_file = place_of(p, tensor.source_file);
  base::make_folder(p.file.parent_path());
  if (keeps(p.plan, "initial")) save_weights(p, bert, "initial");
  remove_leftovers(p.file);
  const Machine machine = this_machine(setting.threads);
  const std::optional<Continuation> from = find_continuation(p);
  log::RunWriter writer(p.file);
  Keeper keeper(p, machine, writer);
  // The birth certificate states what the first step sees, so it is written when that is known.
  train::Hooks watched = hooks;
  watched.before_first_step = [&](std::span<const float> values) {
    if (hooks.before_first_step) hooks.before_first_step(values);
    init::note_first_step(bert.parameters(), values, init);
    record::RunHeader header = describe(p, setting);
    if (p.checkpoint) header.checkpoint_unused = init::unused_tensors(*p.checkpoint, bert.parameters(), init);
    if (from) note_continuation(*from, machine, header);
    writer.begin(header, init,
                 from ? log::Past{from->past.steps, from->past.evals, from->past.diagnostics} : log::Past{});
  };
  watched.keeper = &keeper;
  if (from) {
    watched.past_steps = from->past.steps;
    watched.past_evals = from->past.evals;
    watched.resume = [&](const train::State& state) {
      load_state(from->saved, state);
      return from->saved.position;
    };
  }
  const train::DiagnosticsSource source = diagnostics_source(p);
  if (p.plan.log.diagnostics != "off") watched.diagnostics = &source;
  const train::Outcome outcome = train::run(p.plan.training, p.plan.seeds, batches, bert, writer, watched);
  if (outcome.state == record::State::finished && keeps(p.plan, "final")) save_weights(p, bert, "final");
  writer.finish(outcome.state, outcome.reason);
  if (outcome.state != record::State::interrupted && !p.plan.resume.keep) remove_states(p.file);
  return outcome;
}

}  // namespace initlab::sweep
