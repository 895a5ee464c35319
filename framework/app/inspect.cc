// `initlab inspect`: what each arm of a spec looks like before its first step: loss, activations, attention, gradients.
#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>

#include "app/common.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "model/layer_statistics.hpp"
#include "report/report.hpp"
#include "sweep/execute.hpp"
#include "sweep/folder.hpp"
#include "sweep/initialize.hpp"
#include "train/diagnostics.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

using record::LayerDiagnosis;
using record::PartDiagnosis;

// One arm at one grid point, on the run's first batch, without dropout.
struct View {
  std::string arm;
  base::Json settings;
  std::int64_t sequences = 0, tokens = 0;
  double loss = 0;     // mean
  double uniform = 0;  // loss where all answers are equally likely: ln C, ln V; NaN for a regressor
  data::Baseline baseline;
  double grad_norm = 0;
  std::vector<LayerDiagnosis> layers;
  std::vector<PartDiagnosis> parts;

  std::string title() const {
    std::string text = arm;
    for (const auto& [path, value] : settings.items())
      text += "," + path.substr(path.rfind('.') + 1) + "=" +
              (value.is_string() ? value.get<std::string>() : base::json_text(value));
    return text;
  }
};

double uniform_loss(const sweep::Prepared& run) {
  switch (run.data->info.head) {
    case config::HeadKind::classifier:
      return std::log(static_cast<double>(run.num_labels));
    case config::HeadKind::mlm:
      return std::log(static_cast<double>(run.model.vocabulary));
    case config::HeadKind::regressor:
      break;
  }
  return record::kUnknown;
}

View view_of(const sweep::Prepared& prepared, const init::Catalog& catalog) {
  require_checkpoint(prepared);
  sweep::Prepared run = prepared;
  run.plan.training.accumulate = 1;  // the step's batch in one piece
  const config::HeadKind head = run.data->info.head;
  const data::BatchStream batches = run.batches(1);
  const batch::Batch batch = batches.train(0);
  const std::unique_ptr<model::Bert> bert = sweep::make_model(run, batches);
  sweep::initialize(prepared, catalog, bert->values());
  View view;
  view.arm = run.plan.arm;
  view.settings = settings_of(run);
  view.sequences = batch.sequences();
  view.tokens = batch.tokens();
  view.uniform = uniform_loss(run);
  view.baseline = data::constant_baseline(*run.data);
  const double count = train::loss_count(batch, head);
  view.loss = bert->forward(batch, {}) / count;
  bert->backward(static_cast<float>(1 / count));
  view.parts = train::gradient_norms(bert->parameters(), bert->gradients());
  for (const PartDiagnosis& part : view.parts) view.grad_norm = std::hypot(view.grad_norm, part.grad_norm);
  model::LayerStatistics statistics(batch);
  model::observe(run.model, head, run.num_labels, bert->parameters(), bert->values(), batch, std::ref(statistics));
  view.layers = statistics.layers();
  return view;
}

using Rows = std::vector<std::vector<std::string>>;

void print_table(const Rows& rows) {
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  std::cout << report::align(rows, right) << "\n";
}

void print_losses(const std::vector<View>& views) {
  Rows rows = {{"arm", "sequences", "tokens", "loss", "uniform", "constant", "constant's accuracy", "gradient norm"}};
  for (const View& v : views)
    rows.push_back({v.title(), std::to_string(v.sequences), std::to_string(v.tokens), report::number(v.loss),
                    report::number(v.uniform), report::number(v.baseline.loss), report::number(v.baseline.accuracy),
                    significant(v.grad_norm)});
  std::cout << "loss: of the first batch, without dropout; uniform: all answers equally likely (ln C, ln V);\n"
               "constant: the best answer that does not look at its input\n";
  print_table(rows);
}

std::string layer_text(std::int64_t layer) { return layer < 0 ? "embeddings" : "layer " + std::to_string(layer); }

// One quantity, a column an arm, a row a key of `numbers` (arms may differ in their layers). Rows without any number
// are left out.
template <class Key>
void print_side_by_side(const std::string& title, const std::vector<View>& views,
                        const std::vector<std::map<Key, double>>& numbers,
                        const std::function<std::string(const Key&)>& name) {
  std::map<Key, bool> keys;
  for (const auto& column : numbers)
    for (const auto& [key, value] : column) keys[key] = keys[key] || std::isfinite(value);
  Rows rows = {{title}};
  for (const View& view : views) rows[0].push_back(view.title());
  for (const auto& [key, known] : keys) {
    if (!known) continue;
    rows.push_back({name(key)});
    for (const auto& column : numbers) rows.back().push_back(column.contains(key) ? significant(column.at(key)) : "-");
  }
  print_table(rows);
}

struct LayerQuantity {
  const char *key, *title;
  double LayerDiagnosis::*member;
};
constexpr LayerQuantity kLayerQuantities[] = {
    {"mean", "mean of the output", &LayerDiagnosis::mean},
    {"std", "std of the output", &LayerDiagnosis::stddev},
    {"attention_branch", "attention branch / its input", &LayerDiagnosis::attention_branch},
    {"ffn_branch", "ffn branch / its input", &LayerDiagnosis::ffn_branch},
    {"cosine", "cosine between tokens", &LayerDiagnosis::cosine},
    {"entropy", "attention entropy (nats)", &LayerDiagnosis::entropy},
    {"entropy_share", "attention entropy / ln S", &LayerDiagnosis::entropy_share},
};

void print(const std::vector<View>& views) {
  print_losses(views);
  for (const LayerQuantity& quantity : kLayerQuantities) {
    std::vector<std::map<std::int64_t, double>> numbers;
    for (const View& view : views) {
      numbers.emplace_back();
      for (const LayerDiagnosis& layer : view.layers) numbers.back()[layer.layer] = layer.*quantity.member;
    }
    print_side_by_side<std::int64_t>(quantity.title, views, numbers, layer_text);
  }
  using Place = std::pair<std::int64_t, std::int64_t>;  // part and layer
  std::vector<std::map<Place, double>> numbers;
  for (const View& view : views) {
    numbers.emplace_back();
    for (const PartDiagnosis& part : view.parts) numbers.back()[{part.part, part.layer}] = part.grad_norm;
  }
  print_side_by_side<Place>("gradient norm", views, numbers, [](const Place& place) {
    return place_text({.part = place.first, .layer = place.second});
  });
}

base::Json as_json(const View& view) {
  base::Json layers = base::Json::array(), gradients = base::Json::array();
  for (const LayerDiagnosis& layer : view.layers) {
    base::Json row = {{"layer", layer.layer}};
    for (const LayerQuantity& quantity : kLayerQuantities) row[quantity.key] = finite(layer.*quantity.member);
    layers.push_back(std::move(row));
  }
  for (const PartDiagnosis& part : view.parts)
    gradients.push_back({{"part", part_name(part)}, {"layer", part.layer}, {"norm", finite(part.grad_norm)}});
  return {{"arm", view.arm},
          {"settings", view.settings},
          {"sequences", view.sequences},
          {"tokens", view.tokens},
          {"loss", finite(view.loss)},
          {"uniform_loss", finite(view.uniform)},
          {"constant_loss", finite(view.baseline.loss)},
          {"constant_accuracy", finite(view.baseline.accuracy)},
          {"grad_norm", finite(view.grad_norm)},
          {"layers", std::move(layers)},
          {"gradients", std::move(gradients)}};
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("json", po::bool_switch(), "the same numbers, as JSON");
}

int run(const po::variables_map& values, const Context& context) {
  const Sweep sweep = open_sweep(values, context);
  const sweep::Prepared& first = *sweep.runs.front();
  compute::set_threads(
      sweep::planned_threads(first.file.parent_path(), count_option(values, "threads"), hardware_threads(first)));
  std::vector<View> views;
  for (const auto& prepared : first_replicates(sweep)) views.push_back(view_of(*prepared, *sweep.catalog));
  if (!values["json"].as<bool>()) {
    print(views);
    return kDone;
  }
  base::Json arms = base::Json::array();
  for (const View& view : views) arms.push_back(as_json(view));
  std::cout << base::json_pretty({{"arms", std::move(arms)}}) << "\n";
  return kDone;
}

}  // namespace

const Verb kInspect = {
    "inspect",
    "SPEC [--json] [--set path=value]... [--results DIR] [--threads N]",
    "every arm before its first step, side by side: loss, activations, attention, gradients",
    "Nothing is trained or written. The first replicate of each arm is initialized and sees the run's first batch, "
    "without\n"
    "dropout. Branch / its input: standard deviation of what a sublayer adds over that of what it is added to. Cosine\n"
    "between tokens: mean over pairs of a sequence; 1 where all have become alike. Attention entropy / ln S: 1 is "
    "uniform.",
    declare,
    run};

}  // namespace initlab::app
