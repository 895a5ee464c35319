#include "spec/plan.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "spec/compose.hpp"
#include "spec/grid.hpp"
#include "spec/path.hpp"
#include "spec/reader.hpp"
#include "spec/sections.hpp"
#include "spec/yaml.hpp"

namespace initlab::spec {
namespace {

using base::Error;
using base::quote;

// The sections that no grid path reaches.
struct Frame {
  std::string experiment;
  std::vector<std::string> arms;
  SeedSpec seeds;
  config::CompareConfig compare;
  config::KeepConfig keep;
  config::ResumeConfig resume;
  config::LogConfig log;
  std::vector<std::string> plugins;
  std::optional<config::TuneConfig> tune;
};

const Node& require(const Node& document, const char* key, const std::string& expected, const std::string& hint) {
  const Node* node = document.find(key);
  if (node == nullptr) throw Error({document.mark.text(), key, expected, "nothing", hint});
  return *node;
}

std::vector<std::string> read_arm_names(const Node& document) {
  const std::string hint = "arms: {random: [{use: truncated_normal, stddev: 0.02}]}";
  const Node& arms = require(document, "arms", "a map from names to rules", hint);
  check_map(arms, "arms", hint);
  if (arms.entries.empty()) throw Error({arms.mark.text(), "arms", "at least one arm", "an empty map", hint});
  if (arms.entries.size() > kMostArms)
    throw Error({arms.mark.text(), "arms", "at most " + std::to_string(kMostArms) + " arms",
                 std::to_string(arms.entries.size()), ""});
  std::vector<std::string> names;
  for (const Entry& arm : arms.entries) {
    check_name(arm.key, "_.-", arm.mark, "arms");
    if (arm.key == config::kConstantClass)
      throw Error({arm.mark.text(), "arms", "another name for an arm", quote(arm.key),
                   "in compare.claims it means the score of always giving the most frequent label"});
    names.push_back(arm.key);
  }
  return names;
}

Frame read_frame(const Node& document) {
  check_keys(document, "",
             {"experiment", "extends", "model", "task", "training", "arms", "head", "seeds", "grid", "zip", "when",
              "exclude", "sample", "names", "compare", "keep", "resume", "log", "plugins"});
  Frame frame;
  const Node& name = require(document, "experiment", "a name", "experiment: my_question");
  frame.experiment = read_text(name, "experiment");
  check_name(frame.experiment, "_-", name.mark, "experiment");
  frame.arms = read_arm_names(document);
  if (const Node* seeds = document.find("seeds")) frame.seeds = read_seeds(*seeds);
  if (const Node* compare = document.find("compare")) frame.compare = read_compare(*compare, frame.arms);
  if (!frame.compare.baseline) frame.compare.baseline = frame.arms.front();
  if (const Node* keep = document.find("keep")) frame.keep = read_keep(*keep);
  if (const Node* resume = document.find("resume")) frame.resume = read_resume(*resume);
  if (const Node* log = document.find("log")) frame.log = read_log(*log);
  if (const Node* plugins = document.find("plugins")) frame.plugins = read_plugins(*plugins);
  if (const Node* training = document.find("training"))
    if (const Node* tune = training->find("tune")) frame.tune = read_tune(*tune);
  require(document, "model", "a map", "model: {shape: tiny, vocabulary: vocab.txt} or {checkpoint: FOLDER}");
  require(document, "task", "a map", "task: {name: mrpc, data: FOLDER}");
  return frame;
}

// Every replicate draws its own seeds from `base`; a stream that the spec fixes is the same in all of them.
// Tuning runs draw from streams of their own: what is tuned to is not what is compared on.
config::Seeds derive_seeds(const SeedSpec& spec, config::Role role, std::int64_t replicate) {
  const auto base = static_cast<std::uint64_t>(spec.base);
  const std::string which = (role == config::Role::tuning ? "/tuning/" : "/") + std::to_string(replicate);
  const auto stream = [&](const char* name, const std::optional<std::int64_t>& fixed) {
    return fixed ? base::derive_seed(static_cast<std::uint64_t>(*fixed), name) : base::derive_seed(base, name + which);
  };
  config::Seeds seeds;
  seeds.init = stream("init", spec.init);
  seeds.head = stream("head", spec.head);
  seeds.order = stream("order", spec.order);
  seeds.mask = stream("mask", spec.mask);
  seeds.dropout = stream("dropout", spec.dropout);
  seeds.subset = base::derive_seed(base, "subset");
  return seeds;
}

// Refuses what would take unreasonable time or memory before any of it is spent.
void check_size(const Node& document, const Frame& frame, const Grid& grid, std::size_t text_bytes) {
  const std::size_t tuning =
      frame.tune ? frame.tune->learning_rate.size() * static_cast<std::size_t>(frame.tune->replicates) : 0;
  std::size_t plans = frame.arms.size() * (static_cast<std::size_t>(frame.seeds.replicates) + tuning);
  for (const Dimension& dimension : grid.dimensions) plans = plans > kMostPlans ? plans : plans * dimension.size;
  if (plans > kMostPlans)
    throw Error({document.mark.text(), "arms x replicates x grid", "at most " + std::to_string(kMostPlans) + " runs",
                 "more", "split the experiment"});
  if (plans * text_bytes > kMostPlanBytes)
    throw Error({document.mark.text(), "arms x replicates x grid",
                 "runs times spec size of at most " + std::to_string(kMostPlanBytes >> 20) + " MiB",
                 std::to_string(plans) + " runs of " + std::to_string(text_bytes) + " bytes", "split the experiment"});
}

// The training section of one arm at one grid point. What is written nearest wins, and the grid wins over all:
// otherwise two grid points could be the same run.
config::TrainingConfig arm_training(const Node& document, const Arm& arm, const std::vector<Axis>& axes,
                                    const Point& point) {
  const Node* base = document.find("training");
  Node section = base != nullptr ? *base : make_map(document.mark);
  if (!section.is_map()) fail_value(section, "training", "a map");
  if (!arm.training.is_null()) section = merge_training(std::move(section), arm.training);
  Node root = make_map(document.mark);
  root.entries.push_back({"training", section.mark, std::move(section)});
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (axes[i].of_training && point[i]) set_at(root, axes[i].path, axes[i].values[*point[i]], axes[i].mark);
  return read_training(root.entries.front().value, "training");
}

constexpr const char* kLearningRate = "training.optimizer.learning_rate";

// A rate that the grid varies cannot be chosen as well.
void check_axes_beside_tune(const std::vector<Axis>& axes, const Node& document) {
  for (const Axis& axis : axes) {
    const std::string acting = acting_path(axis.path, document, axis.mark);
    if (is_at_or_below(acting, kLearningRate) || is_at_or_below(acting, "training.tune"))
      throw Error({axis.mark.text(), "grid path " + quote(axis.path), "no learning rate beside training.tune",
                   quote(axis.path), "either the grid varies it, or each arm chooses it"});
  }
}

// An arm of no steps shows its initial weights as they are, and has no learning rate to choose.
bool trains(const config::TrainingConfig& training) { return training.epochs != 0 && training.steps != 0; }

// Every arm gets the same chances: the same rates, and as many steps on as many examples with each.
void check_equal_budget(const Node& arm, const std::string& path, const config::TrainingConfig& training,
                        const config::TrainingConfig& of_first) {
  const Node* own = arm.find("training");
  const Node* optimizer = own == nullptr ? nullptr : own->find("optimizer");
  if (const Node* rate = optimizer == nullptr ? nullptr : optimizer->find("learning_rate"))
    fail_value(*rate, path + "." + kLearningRate, "no learning rate of an arm's own beside training.tune",
               "every arm chooses its rate from training.tune.learning_rate");
  if (training.seconds)
    throw Error({training.place, "training.seconds", "epochs or steps beside training.tune",
                 base::number_text(*training.seconds), "equal time is not an equal number of steps"});
  const auto same = [&](auto config::TrainingConfig::*field) { return training.*field == of_first.*field; };
  if (!same(&config::TrainingConfig::epochs) || !same(&config::TrainingConfig::steps) ||
      !same(&config::TrainingConfig::batch))
    throw Error({own == nullptr ? training.place : own->mark.text(), path + ".training",
                 "the epochs or steps and the batch of the other arms",
                 "others, beside training.tune with budget: equal", "give them in the spec's training"});
}

// Which pre-trained model a replicate starts from: the first from the first, and round again when all have been used.
// So replicates that are added later change no pair that exists.
void pair_with_pretraining(config::RunPlan& plan) {
  if (auto& experiment = plan.model.experiment; experiment && experiment->replicates)
    experiment->replicate = plan.replicate % *experiment->replicates;
}

// A pre-trained model that no run starts from is a mistake in one of the two numbers.
void check_pretraining(const config::ModelSpec& model, const SeedSpec& seeds) {
  if (!model.experiment || !model.experiment->replicates || *model.experiment->replicates <= seeds.replicates) return;
  throw Error({model.experiment->place, "model.checkpoint.replicates",
               "at most the " + std::to_string(seeds.replicates) + " of seeds.replicates",
               std::to_string(*model.experiment->replicates), "each replicate starts from one pre-trained model"});
}

// The runs that choose one arm's learning rate. They keep no weights and look once, at the end.
void add_tuning(config::RunPlan plan, const Frame& frame, std::vector<config::RunPlan>& tuning) {
  plan.role = config::Role::tuning;
  plan.keep = {};
  plan.training.evaluate.every.reset();
  plan.training.stop.hopeless = {};  // it asks evaluations on the way
  plan.settings.emplace_back(kLearningRate, 0.0);
  for (const double rate : frame.tune->learning_rate) {
    plan.training.optimizer.learning_rate = rate;
    plan.settings.back().second = rate;
    for (plan.replicate = 0; plan.replicate < frame.tune->replicates; ++plan.replicate) {
      plan.seeds = derive_seeds(frame.seeds, plan.role, plan.replicate);
      pair_with_pretraining(plan);
      tuning.push_back(plan);
    }
  }
}

// All runs of one grid point.
void expand_point(const Node& document, const Frame& frame, const Grid& grid, const Point& point,
                  Expansion& expansion) {
  const std::vector<Axis>& axes = grid.axes;
  Node at_point = document;
  config::RunPlan common;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (!point[i]) continue;
    const Node& value = axes[i].values[*point[i]];
    set_at(at_point, axes[i].path, value, axes[i].mark);
    common.settings.emplace_back(axes[i].name, typed(value));
  }
  common.experiment = frame.experiment;
  common.model = read_model(*at_point.find("model"));
  check_pretraining(common.model, frame.seeds);
  common.task = read_task(*at_point.find("task"));
  common.head = read_rules(*at_point.find("head"), "head");
  common.compare = frame.compare;
  common.keep = frame.keep;
  common.resume = frame.resume;
  common.log = frame.log;
  common.plugins = frame.plugins;
  common.tune = frame.tune;
  std::optional<config::TrainingConfig> budget;  // of the first arm that is tuned
  if (const Node* training = at_point.find("training")) read_training(*training, "training");
  for (const Entry& entry : at_point.find("arms")->entries) {
    const Arm arm = read_arm(entry.value, "arms." + entry.key);
    if (is_excluded(grid, point, entry.key)) continue;
    config::RunPlan plan = common;
    plan.arm = entry.key;
    plan.init = arm.init;
    plan.training = arm_training(at_point, arm, axes, point);
    if (!trains(plan.training)) plan.tune.reset();
    for (std::int64_t replicate = 0; replicate < frame.seeds.replicates; ++replicate) {
      plan.replicate = replicate;
      plan.seeds = derive_seeds(frame.seeds, plan.role, replicate);
      pair_with_pretraining(plan);
      expansion.plans.push_back(plan);
    }
    if (!plan.tune) continue;
    if (!budget) budget = plan.training;
    check_equal_budget(entry.value, "arms." + entry.key, plan.training, *budget);
    add_tuning(plan, frame, expansion.tuning);
  }
}

// The task head has a rule of its own in every arm; BERT's where the spec gives none.
void add_default_head(Node& document) {
  if (document.has("head")) return;
  Node head = make_map(document.mark);
  head.entries.push_back({"use", document.mark, make_scalar("truncated_normal", document.mark)});
  head.entries.push_back({"stddev", document.mark, make_scalar("0.02", document.mark)});
  document.entries.push_back({"head", document.mark, std::move(head)});
}

}  // namespace

Expansion expand(Node document, const std::filesystem::path& file, const std::string& head_comment) {
  const Frame frame = read_frame(document);
  add_default_head(document);
  const Grid grid = read_grid(document, frame.arms);
  if (frame.tune) check_axes_beside_tune(grid.axes, document);
  Expansion expansion;
  expansion.experiment = frame.experiment;
  expansion.text = head_comment + to_block(document);
  check_size(document, frame, grid, expansion.text.size());
  if (frame.tune) document.find("training")->erase("tune");  // read; no value of a single run
  for (const Point& point : points_of(grid)) expand_point(document, frame, grid, point, expansion);
  if (expansion.plans.empty())
    throw Error({document.mark.text(), "exclude", "a grid that keeps at least one run", "all points excluded", ""});
  for (auto* plans : {&expansion.plans, &expansion.tuning})
    for (config::RunPlan& plan : *plans) {
      plan.spec_path = file.string();
      plan.spec_text = expansion.text;
    }
  return expansion;
}

}  // namespace initlab::spec
