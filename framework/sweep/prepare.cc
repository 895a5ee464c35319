#include "sweep/prepare.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "sweep/folder.hpp"
#include "sweep/machine.hpp"
#include "train/groups.hpp"
#include "train/stop.hpp"
#include "train/trainer.hpp"

namespace initlab::sweep {
namespace {

std::string vocabulary_key(const Prepared& p) {
  const config::ModelSpec& spec = p.plan.model;
  if (p.checkpoint) return "file:" + p.checkpoint->vocabulary_file().string();
  if (spec.vocabulary && *spec.vocabulary == "microworld") return "microworld:" + std::to_string(p.plan.task.world);
  return "file:" + spec.vocabulary.value_or("");
}

std::string vocabulary_hash(const text::WordPiece& tokenizer) {
  base::Sha256 hash;
  for (const std::string& token : tokenizer.tokens()) hash.add(token + "\n");
  return hash.finish_hex();
}

void check_model(const Prepared& p) {
  const config::ModelConfig& m = p.model;
  const std::string& place = p.plan.model.place;
  if (m.heads == 0 || m.hidden % m.heads != 0)
    throw base::Error(
        {place, "model.hidden", "a multiple of heads (" + std::to_string(m.heads) + ")", std::to_string(m.hidden), ""});
  // Either may come from a checkpoint.
  if (m.norm == "none" && (m.residual_scale != 1 || m.trained_residual_scale))
    throw base::Error({place, "model.residual_scale", "none beside norm: none",
                       m.trained_residual_scale ? "trained" : base::number_text(m.residual_scale),
                       "set model.residual_scale: 1"});
  if (p.plan.training.max_length > m.max_positions)
    throw base::Error(
        {place, "training.max_length", "at most the model's " + std::to_string(m.max_positions) + " positions",
         std::to_string(p.plan.training.max_length), "set training.max_length: " + std::to_string(m.max_positions)});
  if (p.tokenizer->size() > m.vocabulary)
    throw base::Error(
        {place, "vocabulary", "at most the " + std::to_string(m.vocabulary) + " rows of the word embedding",
         std::to_string(p.tokenizer->size()) + " tokens", "the vocabulary belongs to another checkpoint"});
}

// What decides a run's bits, as JSON. Names of arms and experiments, paths, threads, CPU and the comparison stay out.
base::Json identity_of(const Prepared& p) {
  base::Json id = base::Json::object();
  id["schema"] = 1;
  id["model"] = config::to_json(p.model);
  id["cased"] = p.tokenizer->casing() == text::Casing::cased;
  id["vocabulary_sha256"] = vocabulary_hash(*p.tokenizer);
  if (p.promise) {
    id["checkpoint_run"] = p.promise->run->run_id;
  } else if (p.checkpoint) {
    id["checkpoint_sha256"] = p.checkpoint->sha256();
  }
  config::TaskConfig task = p.plan.task;
  task.data.reset();
  id["task"] = config::to_json(task);
  id["data_sha256"] = p.data->sha256;
  id["training"] = config::to_json(p.plan.training);
  if (p.plan.role == config::Role::tuning) {
    id["role"] = config::to_text(p.plan.role);
  } else if (p.plan.tune) {  // the same bits as with the rate written in the spec, and another claim
    id["tuned"] = {
        {"share", p.plan.tune->share}, {"replicates", p.plan.tune->replicates}, {"budget", p.plan.tune->budget}};
    if (p.plan.awaits_tuning()) id["training"]["optimizer"]["learning_rate"] = nullptr;
  }
  const auto rules = [](const std::vector<config::InitRule>& list) {
    base::Json array = base::Json::array();
    for (const config::InitRule& rule : list) array.push_back(config::to_json(rule));
    return array;
  };
  id["init"] = rules(p.plan.init);
  id["head"] = rules(p.plan.head);
  id["seeds"] = config::to_json(p.plan.seeds);
  base::Json plugins = base::Json::array();
  for (const record::PluginRecord& plugin : p.plugins) plugins.push_back(plugin.sha256);
  id["plugins_sha256"] = std::move(plugins);
  return id;
}

// The run that makes the checkpoint: of an experiment with one arm, the replicate that is asked for.
config::RunPlan read_maker(const config::ExperimentRef& reference, const std::vector<spec::Override>& overrides,
                           const std::map<std::string, std::string>& defaults) {
  const std::string subject = "model.checkpoint.experiment";
  spec::ExperimentSpec made;
  try {
    made = spec::read(reference.file, overrides, defaults);
  } catch (const base::Error& error) {
    throw base::Error({reference.place, subject + " cannot be read", "", error.what(), ""});
  }
  const auto wanted = static_cast<std::size_t>(reference.replicates.value_or(1));
  if (made.plans.size() != wanted)
    throw base::Error(
        {reference.place, subject,
         reference.replicates ? "an experiment of one arm, without a grid" : "an experiment of one run",
         std::to_string(made.plans.size()) + " runs in " + reference.file,
         reference.replicates ? "" : "one arm, no grid; several replicates: {experiment: FILE, replicates: N}"});
  if (!made.tuning.empty())
    throw base::Error({reference.place, subject, "an experiment that states its learning rate",
                       "training.tune in " + reference.file, ""});
  if (wanted > 1 && config::to_json(made.plans[0].seeds) == config::to_json(made.plans[1].seeds))
    throw base::Error({reference.place, "model.checkpoint.replicates", "replicates that differ",
                       "all seeds are fixed in " + reference.file, "leave one of them to seeds.base"});
  return made.plans[static_cast<std::size_t>(reference.replicate)];
}

}  // namespace

config::ModelConfig with_stated_shape(config::ModelConfig model, const config::ModelSpec& spec) {
  if (spec.layers) model.layers = *spec.layers;
  if (spec.hidden) model.hidden = *spec.hidden;
  if (spec.heads) model.heads = *spec.heads;
  if (spec.intermediate) model.intermediate = *spec.intermediate;
  if (model.intermediate == 0 || (spec.hidden && !spec.intermediate)) model.intermediate = 4 * model.hidden;
  if (spec.max_positions) model.max_positions = *spec.max_positions;
  if (spec.type_vocabulary) model.type_vocabulary = *spec.type_vocabulary;
  if (spec.layer_norm_epsilon) model.layer_norm_epsilon = *spec.layer_norm_epsilon;
  if (spec.activation) model.activation = *spec.activation;
  if (spec.norm) model.norm = *spec.norm;
  if (spec.residual_scale) config::set_residual_scale(model, *spec.residual_scale);
  return model;
}

data::BatchStream Prepared::batches(std::int64_t least_steps) const {
  data::Demand demand;
  demand.accumulate = plan.training.accumulate;
  if (!plan.training.seconds)
    demand.steps =
        std::max(least_steps, train::total_steps(plan.training, data::steps_per_epoch(*data, plan.training.batch)));
  return {data, plan.training.batch, plan.task, plan.seeds, demand};
}

std::vector<init::Assignment> Prepared::assignments(const init::Catalog& catalog) const {
  std::optional<init::SourceShapes> source;
  if (checkpoint) {
    source = init::shapes_of(*checkpoint);
  } else if (promise) {  // not made yet, but its experiment's table says what it will have
    source.emplace();
    source->place = "the model that " + promise->run->plan.spec_path + " makes";
    source->shape = [this](const std::string& name) -> std::optional<std::vector<std::int64_t>> {
      const params::Parameter* parameter = promise->run->table->find(name);
      if (parameter == nullptr) return std::nullopt;
      return parameter->shape;
    };
  }
  return init::assign(catalog, plan, *table, source ? &*source : nullptr, model);
}

Workshop::Workshop(const init::Catalog& catalog, std::filesystem::path results,
                   std::map<std::string, std::string> defaults)
    : catalog_(catalog), results_(std::move(results)), defaults_(std::move(defaults)) {}

std::shared_ptr<const Prepared> Workshop::prepare(const config::RunPlan& plan) {
  require_precision(plan.training);
  auto prepared = std::make_shared<Prepared>();
  Prepared& p = *prepared;
  p.plan = plan;
  const config::ModelSpec& spec = plan.model;
  if (spec.experiment) {
    p.promise = open_promise(*spec.experiment);
    p.model = p.promise->run->model;
    if (std::filesystem::exists(p.promise->folder)) p.checkpoint = open_kept(p.promise->folder);
  } else if (spec.checkpoint) {
    p.checkpoint = open_checkpoint(*spec.checkpoint);
    p.model = p.checkpoint->model();
  } else {
    p.model = spec.shape ? *config::named_shape(*spec.shape) : config::ModelConfig{};
  }
  p.model = with_stated_shape(std::move(p.model), spec);
  if (spec.pooling) p.model.pooling = *spec.pooling;
  p.tokenizer = open_tokenizer(p);
  if (!p.promise && !p.checkpoint) p.model.vocabulary = p.tokenizer->size();
  check_model(p);
  p.data = open_data(p);
  p.num_labels =
      p.data->info.head == config::HeadKind::regressor ? 1 : static_cast<std::int64_t>(p.data->info.label_names.size());
  const std::string table_key =
      base::json_text(config::to_json(p.model)) + config::to_text(p.data->info.head) + std::to_string(p.num_labels);
  auto& table = tables_[table_key];
  if (!table)
    table = std::make_shared<params::ParameterTable>(params::bert_parameters(p.model, p.data->info.head, p.num_labels));
  p.table = table;
  train::update_groups(plan.training, *p.table);  // or throws: what `training` names must be there
  if (plan.training.stop.hopeless.after) {
    train::hopeless_metric(plan.training, *p.data);
    const std::int64_t steps = train::total_steps(plan.training, data::steps_per_epoch(*p.data, plan.training.batch));
    // An arm that makes no steps has nothing to stop.
    if (plan.training.seconds || steps > 0) train::hopeless_step(plan.training, steps);
  }

  std::set<std::size_t> libraries;
  for (const init::Assignment& assignment : p.assignments(catalog_)) libraries.insert(assignment.entry->library);
  for (const std::size_t library : libraries) p.plugins.push_back(catalog_.libraries()[library]);

  p.identity = base::json_text(identity_of(p));
  p.run_id = base::sha256_hex(p.identity);
  p.file = results_ / plan.experiment / run_file_name(plan, p.run_id);
  return prepared;
}

std::shared_ptr<const checkpoint::Checkpoint> Workshop::open_checkpoint(const std::filesystem::path& folder) {
  auto& entry = checkpoints_[folder.string()];
  if (!entry) entry = std::make_shared<checkpoint::Checkpoint>(checkpoint::Checkpoint::open(folder));
  return entry;
}

std::shared_ptr<const checkpoint::Checkpoint> Workshop::open_kept(const std::filesystem::path& folder) {
  try {
    return open_checkpoint(folder);
  } catch (const base::Error& error) {
    base::Complaint complaint = error.complaint();
    complaint.hint = "delete " + folder.string() + "; the next run makes it again";
    throw base::Error(complaint);
  }
}

std::shared_ptr<const text::WordPiece> Workshop::open_tokenizer(const Prepared& p) {
  const config::ModelSpec& spec = p.plan.model;
  if (p.promise) return p.promise->run->tokenizer;
  const bool cased = spec.cased || (p.checkpoint && p.checkpoint->cased().value_or(false));
  const text::Casing casing = cased ? text::Casing::cased : text::Casing::uncased;
  auto& entry = tokenizers_[vocabulary_key(p) + (cased ? "|cased" : "|uncased")];
  if (entry) return entry;
  if (p.checkpoint) {
    entry = std::make_shared<text::WordPiece>(text::WordPiece::load(p.checkpoint->vocabulary_file(), casing));
  } else if (!spec.vocabulary) {
    throw base::Error(
        {spec.place, "model.vocabulary", "a vocab.txt, or microworld", "nothing", "add vocabulary: to model:"});
  } else if (*spec.vocabulary == "microworld") {
    entry = std::make_shared<text::WordPiece>(
        text::WordPiece::from_tokens(data::microworld_vocabulary(p.plan.task.world), casing, "microworld"));
  } else {
    entry = std::make_shared<text::WordPiece>(text::WordPiece::load(*spec.vocabulary, casing));
  }
  return entry;
}

std::shared_ptr<const data::TaskData> Workshop::open_data(const Prepared& p) {
  // By the tokenizer itself: models that were pre-trained alike share one, and so their data.
  std::ostringstream tokenizer;
  tokenizer << p.tokenizer.get() << "|";
  const std::string key = tokenizer.str() + base::json_text(config::to_json(p.plan.task)) + "|" +
                          std::to_string(p.plan.training.max_length) + "|" + std::to_string(p.plan.seeds.subset);
  auto& whole = data_[key];
  if (!whole)
    whole = std::make_shared<data::TaskData>(
        data::load(p.plan.task, *p.tokenizer, p.plan.training.max_length, p.plan.seeds.subset));
  if (p.plan.role != config::Role::tuning) return whole;
  const std::shared_ptr<const data::TaskData> uncut = whole;
  auto& part = data_[key + "|" + base::number_text(p.plan.tune->share)];
  if (!part)
    part = std::make_shared<data::TaskData>(data::hold_out(*uncut, p.plan.task, *p.plan.tune, p.plan.seeds.subset));
  return part;
}

Promise Workshop::open_promise(const config::ExperimentRef& reference) {
  std::vector<spec::Override> overrides;
  std::string key = reference.file;
  for (const auto& [path, value] : reference.set) {
    overrides.push_back({path, value});
    key += "|" + path + "=" + value;
  }
  if (reference.replicates) overrides.push_back({"seeds.replicates", std::to_string(*reference.replicates)});
  const std::string of_replicate = key + "|" + std::to_string(reference.replicate);
  if (const auto known = promises_.find(of_replicate); known != promises_.end()) return known->second;
  if (std::find(open_experiments_.begin(), open_experiments_.end(), key) != open_experiments_.end())
    throw base::Error({reference.place, "model.checkpoint.experiment", "an experiment that does not need this one",
                       "a circle through " + reference.file, ""});
  config::RunPlan plan = read_maker(reference, overrides, defaults_);
  if (std::find(plan.keep.weights.begin(), plan.keep.weights.end(), "final") == plan.keep.weights.end())
    plan.keep.weights.emplace_back("final");
  open_experiments_.push_back(key);
  Promise promise;
  promise.run = prepare(plan);
  promise.folder = weights_folder(promise.run->file, "final");
  open_experiments_.pop_back();
  promises_[of_replicate] = promise;
  return promise;
}

}  // namespace initlab::sweep
