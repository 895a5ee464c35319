#include "spec/sections.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "spec/path.hpp"
#include "spec/reader.hpp"
#include "spec/yaml.hpp"

namespace initlab::spec {

using base::Error;
using base::quote;
using config::InitRule;

void check_name(const std::string& name, const std::string& more, const Mark& mark, const std::string& subject) {
  constexpr std::size_t kMostBytes = 100;
  const bool fits = !name.empty() && name.size() <= kMostBytes && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string::npos;
  });
  if (fits) return;
  std::vector<std::string> parts = {"letters", "digits"};
  for (const char c : more) parts.emplace_back(1, c);
  throw Error({mark.text(), subject, "a name of " + base::join(parts, " ") + ", at most 100 bytes", quote(name), ""});
}

namespace {

config::ExperimentRef read_experiment_ref(const Node& node) {
  const std::string path = "model.checkpoint";
  check_keys(node, path, {"experiment", "set", "replicates"});
  config::ExperimentRef ref;
  ref.place = node.mark.text();
  const Node* file = node.find("experiment");
  if (file == nullptr)
    throw Error(
        {node.mark.text(), path + ".experiment", "the path of a spec file", "nothing", "{experiment: pretrain.yaml}"});
  ref.file = read_text(*file, path + ".experiment");
  if (const Node* set = node.find("set")) {
    check_map(*set, path + ".set", "{path: value}, as --set");
    for (const Entry& entry : set->entries) ref.set.emplace_back(entry.key, to_flow(entry.value));
  }
  if (const Node* replicates = node.find("replicates")) {
    ref.replicates = read_integer(*replicates, path + ".replicates", config::between(1, 10'000));
    for (const auto& [key, value] : ref.set)
      if (key == "seeds" || key == "seeds.replicates")
        throw Error({replicates->mark.text(), path + ".set." + key, "no replicates beside " + path + ".replicates",
                     quote(value), "write them once"});
  }
  return ref;
}

// Where the weights' shape comes from: exactly one source.
void check_shape_source(const Node& node, const config::ModelSpec& model) {
  const std::vector<std::string> sources = {"checkpoint", "shape", "layers", "hidden", "heads"};
  const bool has_checkpoint = node.has("checkpoint");
  if (has_checkpoint) {
    const std::vector<std::string> beside = {"checkpoint", "pooling",      "cased", "layers",        "hidden",
                                             "heads",      "intermediate", "norm",  "residual_scale"};
    for (const Entry& entry : node.entries)
      if (std::find(beside.begin(), beside.end(), entry.key) == beside.end())
        throw Error({entry.mark.text(), "model." + entry.key, "no such key beside model.checkpoint", entry.value.got(),
                     "a checkpoint brings its shape and vocabulary; only pooling, cased, layers, hidden, heads, "
                     "intermediate, norm and residual_scale may stand beside it"});
    return;
  }
  for (const char* key : {"layers", "hidden", "heads"}) {
    const Node* value = node.find(key);
    if (model.shape && value != nullptr)
      throw Error({value->mark.text(), std::string("model.") + key, "no such key beside model.shape", value->got(),
                   "write either a shape, or layers, hidden and heads"});
    if (!model.shape && value == nullptr)
      throw Error({node.mark.text(), "model", "one of checkpoint, shape, or layers with hidden and heads",
                   model.layers || model.hidden || model.heads ? std::string("no ") + key : "none",
                   "model: {shape: tiny}"});
  }
  if (!model.shape && *model.hidden % *model.heads != 0)
    fail_value(*node.find("hidden"), "model.hidden",
               "a multiple of model.heads (" + std::to_string(*model.heads) + ")");
}

}  // namespace

config::ModelSpec read_model(const Node& node) {
  check_map(node, "model", "model: {shape: tiny, vocabulary: vocab.txt} or {checkpoint: FOLDER}");
  config::ModelSpec model;
  model.place = node.mark.text();
  read_fields(node, "model", model, {"checkpoint"});
  if (const Node* checkpoint = node.find("checkpoint")) {
    if (checkpoint->is_map()) {
      model.experiment = read_experiment_ref(*checkpoint);
    } else if (checkpoint->is_scalar()) {
      model.checkpoint = read_text(*checkpoint, "model.checkpoint");
    } else {
      fail_value(*checkpoint, "model.checkpoint", "a folder or {experiment: FILE}");
    }
  }
  check_shape_source(node, model);
  config::ModelConfig probe;
  if (model.residual_scale && !config::set_residual_scale(probe, *model.residual_scale))
    fail_value(*node.find("residual_scale"), "model.residual_scale", "a number above 0, deepnorm or trained");
  return model;
}

config::TaskConfig read_task(const Node& node) {
  config::TaskConfig task;
  read_fields(node, "task", task);
  task.place = node.mark.text();
  if (task.name.empty())
    throw Error({node.mark.text(), "task.name", "the name of a task", "nothing", "task: {name: mrpc, data: FOLDER}"});
  return task;
}

config::TrainingConfig read_training(const Node& node, const std::string& path) {
  config::TrainingConfig training;
  read_fields(node, path, training);
  training.place = node.mark.text();
  std::vector<std::string> given;
  for (const std::string& key : length_keys())
    if (node.has(key)) given.push_back(key);
  if (given.size() > 1)
    throw Error({node.find(given[1])->mark.text(), join_path(path, given[1]), "only one of epochs, steps and seconds",
                 base::join(given, " and "), "remove one of them"});
  if (given.empty()) training.epochs = 3;
  if (const Node* stop = node.find("stop"))
    if (const Node* hopeless = stop->find("hopeless"); hopeless != nullptr && !training.stop.hopeless.after)
      throw Error({hopeless->mark.text(), join_path(path, "stop.hopeless.after"), "a step", "nothing",
                   "hopeless: {after: 200, margin: 0.02}"});
  if (training.accumulate > training.batch)
    fail_value(*node.find("accumulate"), join_path(path, "accumulate"),
               "at most the batch (" + std::to_string(training.batch) + ")",
               "a micro-batch needs at least one sequence");
  return training;
}

config::TuneConfig read_tune(const Node& node) {
  const std::string path = "training.tune", rates = "training.tune.learning_rate";
  const std::string hint = "tune: {learning_rate: [3e-5, 1e-4, 3e-4]}";
  check_map(node, path, hint);
  config::TuneConfig tune;
  read_fields(node, path, tune);
  tune.place = node.mark.text();
  const Node* list = node.find("learning_rate");
  if (list == nullptr || tune.learning_rate.size() < 2)
    throw Error({list == nullptr ? node.mark.text() : list->mark.text(), rates, "at least two rates to choose from",
                 tune.learning_rate.empty() ? "none" : "one", hint});
  for (std::size_t i = 0; i < list->items.size(); ++i)
    if (std::count(tune.learning_rate.begin(), tune.learning_rate.begin() + static_cast<std::ptrdiff_t>(i),
                   tune.learning_rate[i]) > 0)
      throw Error(
          {list->items[i].mark.text(), rates, "different rates", quote(list->items[i].text) + " a second time", ""});
  return tune;
}

namespace {

std::vector<std::string> read_texts(const Node& node, const std::string& path, const config::Check& check) {
  if (!node.is_sequence()) return {read_text(node, path, check)};
  if (node.items.empty()) throw Error({node.mark.text(), path, config::describe(check, "text"), "an empty list", ""});
  std::vector<std::string> texts;
  for (const Node& item : node.items) texts.push_back(read_text(item, path, check));
  return texts;
}

InitRule read_rule(const Node& node, const std::string& path) {
  check_map(node, path, "a rule is a map: {use: truncated_normal, stddev: 0.02}");
  InitRule rule;
  rule.place = node.mark.text();
  rule.text = to_flow(node);
  for (const Entry& entry : node.entries) {
    const Node& value = entry.value;
    const std::string at = join_path(path, entry.key);
    if (entry.key == "use") {
      rule.use = read_text(value, at);
    } else if (entry.key == "role") {
      rule.roles = read_texts(value, at, config::one_of(config::role_names()));
    } else if (entry.key == "part") {
      rule.parts = read_texts(value, at, config::one_of(config::part_names()));
    } else if (entry.key == "match") {
      rule.match = read_text(value, at);
    } else if (entry.key == "missing") {
      rule.missing = read_text(value, at);
    } else if (entry.key == "layers") {
      const std::string expected = "layers as 3, 3..5, top(2) or bottom(2)";
      if (!value.is_scalar()) fail_value(value, at, expected);
      rule.layers = config::parse_layer_range(value.text);
      if (!rule.layers) fail_value(value, at, expected, "layers count from 0");
    } else {
      if (!value.is_scalar()) fail_value(value, at, "one value (an option of the strategy)");
      rule.options.emplace_back(entry.key, value.text);
    }
  }
  if (rule.use.empty())
    throw Error({node.mark.text(), join_path(path, "use"), "the name of a strategy", "nothing",
                 "{use: truncated_normal, stddev: 0.02}; `initlab plugins` lists them"});
  return rule;
}

}  // namespace

std::vector<InitRule> read_rules(const Node& node, const std::string& path) {
  if (!node.is_sequence()) return {read_rule(node, path)};
  if (node.items.empty())
    throw Error({node.mark.text(), path, "at least one rule", "an empty list", "[{use: bert_default}]"});
  std::vector<InitRule> rules;
  for (std::size_t i = 0; i < node.items.size(); ++i)
    rules.push_back(read_rule(node.items[i], path + "[" + std::to_string(i) + "]"));
  return rules;
}

Arm read_arm(const Node& node, const std::string& path) {
  Arm arm;
  if (!node.is_map() || (!node.has("init") && !node.has("training"))) {
    if (!node.is_map() && !node.is_sequence())
      fail_value(node, path, "a rule, a list of rules, or a map with init and training", "[{use: truncated_normal}]");
    arm.init = read_rules(node, path);
    return arm;
  }
  check_keys(node, path, {"init", "training"});
  const Node* init = node.find("init");
  if (init == nullptr)
    throw Error(
        {node.mark.text(), join_path(path, "init"), "a list of rules", "nothing", "init: [{use: truncated_normal}]"});
  arm.init = read_rules(*init, join_path(path, "init"));
  if (const Node* training = node.find("training")) {
    if (const Node* tune = training->find("tune"))
      throw Error({tune->mark.text(), join_path(path, "training.tune"), "no tune of an arm's own", tune->got(),
                   "it stands once, in the spec's training, and every arm tries the same rates"});
    config::TrainingConfig probe;  // its keys and types here, the rest once it lies over the spec's training
    read_fields(*training, join_path(path, "training"), probe);
    arm.training = *training;
  }
  return arm;
}

SeedSpec read_seeds(const Node& node) {
  SeedSpec seeds;
  read_fields(node, "seeds", seeds);
  return seeds;
}

namespace {

void check_gain(const Node& node, const config::GainConfig& gain, const std::vector<std::string>& arms) {
  const auto check_end = [&](const char* key, const std::optional<std::string>& arm) {
    const std::string path = join_path("compare.gain", key);
    if (!arm)
      throw Error({node.mark.text(), path, "the name of an arm", "nothing", "gain: {from: random, to: pretrained}"});
    if (std::find(arms.begin(), arms.end(), *arm) == arms.end())
      fail_value(*node.find(key), path, "the name of an arm", base::did_you_mean(*arm, arms));
  };
  check_end("from", gain.from);
  check_end("to", gain.to);
  if (*gain.from == *gain.to) fail_value(*node.find("to"), "compare.gain.to", "another arm than compare.gain.from");
}

using Names = std::vector<std::string>;

// The named end of a claim: an arm, or (where `constants` says so) the constant class.
void check_end(const Node& claim, const std::string& path, const char* key, const std::optional<std::string>& name,
               const Names& arms, bool constants) {
  const std::string expected = constants ? "an arm, or constant_class" : "the name of an arm";
  if (!name) throw Error({claim.mark.text(), join_path(path, key), expected, "nothing", ""});
  Names known = arms;
  if (constants) known.emplace_back(config::kConstantClass);
  if (std::find(known.begin(), known.end(), *name) == known.end())
    fail_value(*claim.find(key), join_path(path, key), expected, base::did_you_mean(*name, known));
}

void check_order(const Node& claim, const std::string& path, const Names& order, const Names& arms) {
  const Node& list = *claim.find("order");
  const std::string at = join_path(path, "order");
  if (!list.is_sequence() || order.size() < 2)
    fail_value(list, at, "two arms or more, best first", "order: [pretrained, top_again, random]");
  Names known = arms;
  known.emplace_back(config::kConstantClass);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::string here = at + "[" + std::to_string(i) + "]";
    if (std::find(known.begin(), known.end(), order[i]) == known.end())
      fail_value(list.items[i], here, "an arm, or constant_class", base::did_you_mean(order[i], known));
    if (std::find(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(i), order[i]) !=
        order.begin() + static_cast<std::ptrdiff_t>(i))
      fail_value(list.items[i], here, "each arm once");
  }
}

// Exactly one of the three forms, whole, about arms that exist.
void check_claim(const Node& node, const std::string& path, const config::ClaimConfig& claim, const Names& arms) {
  const std::string hint =
      "{better: pretrained, than: random}, {equal: random, to: constant_class, margin: 0.02}, or {order: [pretrained, "
      "top_again, random]}";
  if (int{node.has("equal")} + int{node.has("better")} + int{node.has("order")} != 1)
    throw Error({node.mark.text(), path, "one of equal, better and order", node.got(), hint});
  const Names keys = node.has("equal")    ? Names{"equal", "to", "margin"}
                     : node.has("better") ? Names{"better", "than"}
                                          : Names{"order"};
  check_keys(node, path, keys);
  if (node.has("order")) return check_order(node, path, claim.order, arms);
  const char* first = keys[0].c_str();
  const char* second = keys[1].c_str();
  const std::optional<std::string>& subject = node.has("equal") ? claim.equal : claim.better;
  const std::optional<std::string>& other = node.has("equal") ? claim.to : claim.than;
  check_end(node, path, first, subject, arms, false);
  check_end(node, path, second, other, arms, true);
  if (*subject == *other)
    fail_value(*node.find(second), join_path(path, second), "another arm than " + path + "." + first);
  if (node.has("equal") && !claim.margin)
    throw Error({node.mark.text(), join_path(path, "margin"), "the largest difference that counts as none", "nothing",
                 "without a margin nothing can be shown to be equal"});
}

void check_anchor(const Node& node, const std::string& path, const config::AnchorConfig& anchor, const Names& arms) {
  for (const char* key : {"text", "value", "source"})
    if (!node.has(key))
      throw Error({node.mark.text(), join_path(path, key), "text, value and source", "nothing",
                   "{text: random normal, value: 0.683, source: \"Kovaleva et al. 2019, Table 1\"}"});
  if (anchor.arm) check_end(node, path, "arm", anchor.arm, arms, true);
}

// The i-th entry of a list that read_fields has taken; one entry may stand without the list.
const Node& entry_of(const Node& list, std::size_t i) { return list.is_sequence() ? list.items[i] : list; }

void check_claims(const Node& node, const config::CompareConfig& compare, const Names& arms) {
  const Node* claims = node.find("claims");
  for (std::size_t i = 0; i < compare.claims.size(); ++i)
    check_claim(entry_of(*claims, i), "compare.claims[" + std::to_string(i) + "]", compare.claims[i], arms);
  if (!compare.claims.empty() && compare.at == "best")
    fail_value(*node.find("at"), "compare.at", "last or step:N beside claims",
               "the best evaluation is chosen on the data that the claims are judged on");
  const Node* anchors = node.find("anchors");
  for (std::size_t i = 0; i < compare.anchors.size(); ++i)
    check_anchor(entry_of(*anchors, i), "compare.anchors[" + std::to_string(i) + "]", compare.anchors[i], arms);
}

}  // namespace

config::CompareConfig read_compare(const Node& node, const std::vector<std::string>& arms) {
  config::CompareConfig compare;
  Node numbers = node;
  if (const Node* threshold = numbers.find("threshold");
      threshold != nullptr && threshold->is_scalar() && threshold->text == "baseline") {
    compare.threshold_of_baseline = true;
    numbers.erase("threshold");
  }
  read_fields(numbers, "compare", compare);
  if (compare.baseline && std::find(arms.begin(), arms.end(), *compare.baseline) == arms.end())
    fail_value(*node.find("baseline"), "compare.baseline", "the name of an arm",
               base::did_you_mean(*compare.baseline, arms));
  const bool is_step = compare.at.rfind("step:", 0) == 0;
  const auto step = is_step ? base::to_integer(std::string_view(compare.at).substr(5)) : std::nullopt;
  if (compare.at != "last" && compare.at != "best" && !(step && *step >= 0))
    fail_value(*node.find("at"), "compare.at", "last, best or step:N");
  if (const Node* gain = node.find("gain")) check_gain(*gain, compare.gain, arms);
  check_claims(node, compare, arms);
  return compare;
}

config::KeepConfig read_keep(const Node& node) {
  check_map(node, "keep", "keep: {weights: final}");
  check_keys(node, "keep", {"weights"});
  config::KeepConfig keep;
  if (const Node* weights = node.find("weights"))
    keep.weights = read_texts(*weights, "keep.weights", config::one_of({"initial", "final"}));
  std::vector<std::string> sorted = keep.weights;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw Error(
        {node.find("weights")->mark.text(), "keep.weights", "each of initial and final once", "one of them twice", ""});
  return keep;
}

config::ResumeConfig read_resume(const Node& node) {
  config::ResumeConfig resume;
  read_fields(node, "resume", resume);
  return resume;
}

config::LogConfig read_log(const Node& node) {
  config::LogConfig log;
  read_fields(node, "log", log);
  return log;
}

std::vector<std::string> read_plugins(const Node& node) {
  if (!node.is_sequence()) fail_value(node, "plugins", "a list of plugin files", "plugins: [../build/plugins/mine.so]");
  std::vector<std::string> files;
  for (std::size_t i = 0; i < node.items.size(); ++i)
    files.push_back(read_text(node.items[i], "plugins[" + std::to_string(i) + "]"));
  return files;
}

}  // namespace initlab::spec
