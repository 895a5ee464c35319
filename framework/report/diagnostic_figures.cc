// Heat maps of what diagnostics measured: by layer and arm before the first step, and over the steps.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "report/parts.hpp"

namespace initlab::report {
namespace {

using record::LayerDiagnosis;
using record::PartDiagnosis;

constexpr std::size_t kMostCells = 12;  // arms and grid points whose course over the steps is shown

// A number of a row, its name for the reader and for ids.
template <class Row>
struct Quantity {
  const char* id;
  const char* title;
  const char* caption;
  double (*of)(const Row&);
};

constexpr Quantity<LayerDiagnosis> kLayerQuantities[] = {
    {"std", "standard deviation of the output", "Of each layer's output.",
     [](const LayerDiagnosis& l) { return l.stddev; }},
    {"attention", "what attention adds", "Standard deviation of what attention adds, over that of what it is added to.",
     [](const LayerDiagnosis& l) { return l.attention_branch; }},
    {"ffn", "what the feed-forward adds",
     "Standard deviation of what the feed-forward adds, over that of what it is added to.",
     [](const LayerDiagnosis& l) { return l.ffn_branch; }},
    {"cosine", "likeness of tokens", "Mean cosine of two tokens of a sequence; 1: all have become alike.",
     [](const LayerDiagnosis& l) { return l.cosine; }},
    {"entropy", "spread of attention", "Entropy of the attention weights over its maximum; 1: uniform.",
     [](const LayerDiagnosis& l) { return l.entropy_share; }},
};

constexpr Quantity<PartDiagnosis> kPartQuantities[] = {
    {"gradient", "gradient norm", "Norm of the gradient, before clipping.",
     [](const PartDiagnosis& p) { return p.grad_norm; }},
    {"update", "relative update", "Norm of the step's change over that of the weights after it.",
     [](const PartDiagnosis& p) { return p.weight_norm > 0 ? p.update_norm / p.weight_norm : kNoNumber; }},
    {"moved", "cosine to the initial weights", "1: where they started.",
     [](const PartDiagnosis& p) { return p.cosine_initial; }},
    {"pretrained", "cosine to the pre-trained weights", "Of the checkpoint, where the spec has one.",
     [](const PartDiagnosis& p) { return p.cosine_pretrained; }},
};

// Mean over the runs of a cell, by (layer, part, step). Part -1: the layer as a whole.
class Means {
 public:
  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
  void add(const Key& key, double value) {
    if (!std::isfinite(value)) return;
    auto& [sum, n] = sums_[key];
    sum += value;
    ++n;
  }
  double at(const Key& key) const {
    const auto found = sums_.find(key);
    return found == sums_.end() ? kNoNumber : found->second.first / static_cast<double>(found->second.second);
  }
  const std::map<Key, std::pair<double, int>>& all() const { return sums_; }

 private:
  std::map<Key, std::pair<double, int>> sums_;
};

Means means_of(const Cell& cell, const Quantity<LayerDiagnosis>& quantity) {
  Means means;
  for (const record::Run* run : cell.runs)
    for (const LayerDiagnosis& row : run->diagnostics.layers) means.add({row.layer, -1, row.step}, quantity.of(row));
  return means;
}

Means means_of(const Cell& cell, const Quantity<PartDiagnosis>& quantity) {
  Means means;
  for (const record::Run* run : cell.runs)
    for (const PartDiagnosis& row : run->diagnostics.parts)
      means.add({row.layer, row.part, row.step}, quantity.of(row));
  return means;
}

using Place = std::pair<std::int64_t, std::int64_t>;  // layer, part

std::string place_name(const View& view, const Place& place) {
  const auto [layer, part] = place;
  if (part < 0) return layer < 0 ? "embeddings" : "layer " + std::to_string(layer);
  const std::vector<std::string>& names = view.study.part_names;
  const auto index = static_cast<std::size_t>(part);
  const std::string name = index < names.size() ? names[index] : "part " + std::to_string(part);
  return layer < 0 ? name : "layer " + std::to_string(layer) + " " + name;
}

void add_rows(HeatMap& map, const View& view, const std::set<Place>& places, const std::vector<const Means*>& columns,
              const std::vector<std::int64_t>& steps) {
  for (const Place& place : places) {
    map.rows.push_back(place_name(view, place));
    std::vector<double>& row = map.values.emplace_back();
    for (std::size_t c = 0; c < columns.size(); ++c)
      row.push_back(columns[c]->at({place.first, place.second, steps[c]}));
  }
}

// Columns are the arms of a grid point, at one step.
template <class Row>
void at_step(std::vector<Figure>& figures, const View& view, std::size_t point, const Quantity<Row>& quantity,
             std::int64_t step, const std::string& when) {
  HeatMap map;
  std::vector<Means> means;
  std::set<Place> places;
  for (const std::size_t i : view.points[point]) {
    Means of_cell = means_of(view.cells[i], quantity);
    std::size_t known = 0;
    for (const auto& [key, sum] : of_cell.all()) {
      if (std::get<2>(key) != step) continue;
      places.insert({std::get<0>(key), std::get<1>(key)});
      ++known;
    }
    if (known == 0) continue;
    map.columns.push_back(view.cells[i].summary->arm);
    means.push_back(std::move(of_cell));
  }
  if (means.empty()) return;
  const std::string where = point_title(view, point);
  map.legend = {view.prefix + "start-" + std::to_string(point + 1) + "-" + quantity.id,
                std::string(quantity.title) + " " + when + (where.empty() ? "" : ", " + where),
                std::string(quantity.caption) + " Mean over runs."};
  map.x_label = "arm";
  map.y_label = "layer";
  std::vector<const Means*> columns;
  for (const Means& of_cell : means) columns.push_back(&of_cell);
  add_rows(map, view, places, columns, std::vector<std::int64_t>(columns.size(), step));
  figures.emplace_back(std::move(map));
}

// Columns are the steps that were measured, of one arm.
template <class Row>
void over_steps(std::vector<Figure>& figures, const View& view, std::size_t number, const Quantity<Row>& quantity) {
  const Cell& cell = view.cells[number];
  const Means means = means_of(cell, quantity);
  std::set<Place> places;
  std::set<std::int64_t> steps;
  for (const auto& [key, sum] : means.all()) {
    places.insert({std::get<0>(key), std::get<1>(key)});
    steps.insert(std::get<2>(key));
  }
  if (steps.size() < 2) return;
  HeatMap map;
  map.legend = {view.prefix + "course-" + std::to_string(number + 1) + "-" + quantity.id,
                std::string(quantity.title) + ", " + compare::label(cell.summary->arm, cell.summary->settings),
                std::string(quantity.caption) + " Mean over runs."};
  map.x_label = "step";
  map.y_label = "layer";
  for (const std::int64_t step : steps) map.columns.push_back(std::to_string(step));
  add_rows(map, view, places, std::vector<const Means*>(steps.size(), &means), {steps.begin(), steps.end()});
  figures.emplace_back(std::move(map));
}

}  // namespace

std::vector<Figure> diagnostic_figures(const View& view) {
  std::vector<Figure> figures;
  // All grid points, or the first where they are many: `initlab show` has every run's.
  const std::size_t points = view.cells.size() <= kMostCells ? view.points.size() : 1;
  for (std::size_t p = 0; p < points; ++p) {
    for (const auto& quantity : kLayerQuantities) at_step(figures, view, p, quantity, 0, "before the first step");
    at_step(figures, view, p, kPartQuantities[0], 1, "of the first step");
  }
  std::size_t shown = 0;
  for (std::size_t i = 0; i < view.cells.size() && shown < kMostCells; ++i, ++shown) {
    for (const auto& quantity : kPartQuantities) over_steps(figures, view, i, quantity);
    over_steps(figures, view, i, kLayerQuantities[3]);
    over_steps(figures, view, i, kLayerQuantities[4]);
  }
  if (!figures.empty() && (points < view.points.size() || shown < view.cells.size())) {
    Legend& first = std::get<HeatMap>(figures.front()).legend;
    first.caption += " Of " + std::to_string(view.cells.size()) +
                     " arms and grid points, the first are shown; `initlab show` has every run's.";
  }
  return figures;
}

}  // namespace initlab::report
