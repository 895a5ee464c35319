#include "spec/grid.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "spec/path.hpp"
#include "spec/plan.hpp"
#include "spec/reader.hpp"
#include "spec/sections.hpp"

namespace initlab::spec {

using base::Error;
using base::Json;
using base::quote;

Json typed(const Node& scalar) {
  if (scalar.quoted) return scalar.text;
  if (scalar.text == "true" || scalar.text == "false") return scalar.text == "true";
  if (const auto integer = base::to_integer(scalar.text)) return *integer;
  if (const auto number = base::to_number(scalar.text)) return *number;
  return scalar.text;
}

// The path as it acts on an arm: "arms.hot.training.batch" changes what "training.batch" changes.
std::string acting_path(const std::string& path, const Node& document, const Mark& mark) {
  const std::vector<PathStep> steps = split_path(path, document, mark);
  const auto* section = std::get_if<std::string>(&steps[0]);
  const auto* part = steps.size() > 2 ? std::get_if<std::string>(&steps[2]) : nullptr;
  if (section == nullptr || *section != "arms" || part == nullptr || *part != "training") return path;
  const auto* arm = std::get_if<std::string>(&steps[1]);
  return arm == nullptr ? path : path.substr(std::string("arms.").size() + arm->size() + 1);
}

namespace {

// Equal for values that mean the same: 1 and 1.0, 5e-5 and 0.00005.
std::string canonical(const Node& scalar) {
  const Json value = typed(scalar);
  if (value.is_number_float()) return base::number_text(value.get<double>());
  if (value.is_number_integer()) {
    const auto number = static_cast<double>(value.get<std::int64_t>());
    const bool exact = number > -9e15 && number < 9e15;
    return exact ? base::number_text(number) : base::json_text(value);
  }
  return base::json_text(value);
}

void check_axis_values(const Node& list, const std::string& subject) {
  if (!list.is_sequence()) fail_value(list, subject, "a list of values", "[2e-5, 5e-5]");
  if (list.items.empty()) throw Error({list.mark.text(), subject, "at least one value", "an empty list", ""});
  std::set<std::string> seen;
  for (const Node& value : list.items) {
    if (!value.is_scalar())
      fail_value(value, subject, "one value", "an axis varies numbers and words, not lists or maps");
    if (!seen.insert(canonical(value)).second)
      throw Error({value.mark.text(), subject, "different values", quote(value.text) + " a second time", ""});
  }
}

void check_axis_path(const Axis& axis, const std::vector<Axis>& others, const Node& document) {
  const std::string subject = "grid path " + quote(axis.path);
  const std::vector<PathStep> steps = split_path(axis.path, document, axis.mark);
  const auto* section = std::get_if<std::string>(&steps[0]);
  const std::vector<std::string> sections = {"model", "task", "training", "head", "arms"};
  if (section == nullptr || std::find(sections.begin(), sections.end(), *section) == sections.end())
    throw Error({axis.mark.text(), subject, "a value of model, task, training, head or arms", quote(axis.path),
                 section == nullptr ? "" : base::did_you_mean(*section, sections)});
  if (steps.size() < 2)
    throw Error({axis.mark.text(), subject, "a value of " + *section, "all of it", "name one: training.batch"});
  const Node* arms = document.find("arms");
  const auto* arm = std::get_if<std::string>(&steps[1]);
  if (*section == "arms" && (arm == nullptr || arms == nullptr || !arms->has(*arm))) {
    std::vector<std::string> names;
    if (arms != nullptr)
      for (const Entry& entry : arms->entries) names.push_back(entry.key);
    throw Error({axis.mark.text(), subject, "the name of an arm", arm == nullptr ? "a number" : quote(*arm),
                 base::did_you_mean(arm == nullptr ? "" : *arm, names)});
  }
  const std::string acting = acting_path(axis.path, document, axis.mark);
  for (const Axis& other : others) {
    const std::string other_acting = acting_path(other.path, document, other.mark);
    // Two arms may each have their own axis; one of them and the whole spec's may not.
    const bool both_arms = acting != axis.path && other_acting != other.path;
    const std::string& a = both_arms ? axis.path : acting;
    const std::string& b = both_arms ? other.path : other_acting;
    if (is_at_or_below(a, b) || is_at_or_below(b, a))
      throw Error({axis.mark.text(), subject, "axes that change different values", quote(other.path) + " as well", ""});
  }
}

void add_axis(const Entry& entry, const std::string& section, const Node& document, Grid& grid) {
  Axis axis{entry.key, entry.key, entry.mark, entry.key.rfind("training.", 0) == 0, entry.value.items, {}};
  check_axis_path(axis, grid.axes, document);
  check_axis_values(entry.value, section + "." + entry.key);
  if (grid.axes.size() == kMostAxes)
    throw Error({entry.mark.text(), section, "at most " + std::to_string(kMostAxes) + " keys", "more", ""});
  grid.axes.push_back(std::move(axis));
}

// Every key of `grid` is a dimension of its own.
void read_free(const Node& document, Grid& grid) {
  const Node* node = document.find("grid");
  if (node == nullptr) return;
  check_map(*node, "grid", "grid: {training.optimizer.learning_rate: [2e-5, 5e-5]}");
  if (node->entries.size() > kMostAxes)
    throw Error({node->mark.text(), "grid", "at most " + std::to_string(kMostAxes) + " keys",
                 std::to_string(node->entries.size()), ""});
  for (const Entry& entry : node->entries) {
    grid.dimensions.push_back({{grid.axes.size()}, entry.value.items.size()});
    add_axis(entry, "grid", document, grid);
  }
}

// The keys of one map vary together: their n-th values belong together.
void read_zipped(const Node& map, const Node& document, Grid& grid) {
  check_map(map, "zip", "zip: {training.batch: [16, 32], training.optimizer.learning_rate: [2e-5, 4e-5]}");
  if (map.entries.size() < 2)
    throw Error({map.mark.text(), "zip", "at least two keys that vary together", std::to_string(map.entries.size()),
                 "one alone belongs into grid"});
  Dimension dimension;
  for (const Entry& entry : map.entries) {
    dimension.axes.push_back(grid.axes.size());
    if (!entry.value.is_sequence()) fail_value(entry.value, "zip." + entry.key, "a list of values", "[2e-5, 5e-5]");
    const std::size_t size = entry.value.items.size();
    if (dimension.axes.size() == 1) dimension.size = size;
    if (size != dimension.size)
      throw Error({entry.value.mark.text(), "zip." + entry.key,
                   std::to_string(dimension.size) + " values, as " + quote(map.entries.front().key) + " has",
                   std::to_string(size), ""});
    // Values of one key may repeat here; a point may not.
    Axis axis{entry.key, entry.key, entry.mark, entry.key.rfind("training.", 0) == 0, entry.value.items, {}};
    check_axis_path(axis, grid.axes, document);
    for (const Node& value : axis.values)
      if (!value.is_scalar())
        fail_value(value, "zip." + entry.key, "one value", "an axis varies numbers and words, not lists or maps");
    if (size == 0)
      throw Error({entry.value.mark.text(), "zip." + entry.key, "at least one value", "an empty list", ""});
    grid.axes.push_back(std::move(axis));
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < dimension.size; ++i) {
    std::string point;
    for (const std::size_t axis : dimension.axes) point += canonical(grid.axes[axis].values[i]) + "\n";
    if (!seen.insert(point).second)
      throw Error(
          {map.mark.text(), "zip", "different points", "number " + std::to_string(i + 1) + " a second time", ""});
  }
  grid.dimensions.push_back(std::move(dimension));
}

std::size_t find_axis(const std::string& path, const Mark& mark, const std::string& section, const Grid& grid) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < grid.axes.size(); ++i) {
    if (grid.axes[i].path == path || grid.axes[i].name == path) return i;
    paths.push_back(grid.axes[i].path);
  }
  throw Error({mark.text(), section, "a key of grid or zip", quote(path), base::did_you_mean(path, paths)});
}

// The index of a value of an axis.
std::size_t find_value(const Node& value, const std::string& subject, const Axis& axis) {
  if (!value.is_scalar()) fail_value(value, subject, "one of the axis' values");
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < axis.values.size(); ++i) {
    if (canonical(axis.values[i]) == canonical(value)) return i;
    texts.push_back(axis.values[i].text);
  }
  throw Error({value.mark.text(), subject, "one of " + base::join(texts, ", "), quote(value.text), ""});
}

void read_names(const Node& document, Grid& grid) {
  const Node* node = document.find("names");
  if (node == nullptr) return;
  check_map(*node, "names", "names: {training.optimizer.learning_rate: lr}");
  std::set<std::string> taken;
  for (const Axis& axis : grid.axes) taken.insert(axis.path);
  for (const Entry& entry : node->entries) {
    Axis& axis = grid.axes[find_axis(entry.key, entry.mark, "names", grid)];
    const std::string name = read_text(entry.value, "names." + entry.key);
    check_name(name, "_-", entry.value.mark, "names." + entry.key);
    if (!taken.insert(name).second)
      throw Error(
          {entry.value.mark.text(), "names." + entry.key, "names that differ", quote(name) + " a second time", ""});
    axis.name = name;
  }
}

void read_when(const Node& document, Grid& grid) {
  const Node* node = document.find("when");
  if (node == nullptr) return;
  check_map(*node, "when", "when: {training.mixout_unit: {training.mixout: [0.5, 0.9]}}");
  for (const Entry& entry : node->entries) {
    const std::size_t axis = find_axis(entry.key, entry.mark, "when", grid);
    const std::string subject = "when." + entry.key;
    check_map(entry.value, subject, "{training.mixout: [0.5, 0.9]}");
    for (const Entry& other : entry.value.entries) {
      Condition condition{find_axis(other.key, other.mark, subject, grid), {}};
      if (condition.axis == axis || grid.axes[condition.axis].when.size() > 0)
        throw Error({other.mark.text(), subject, "another axis, without a condition of its own", quote(other.key), ""});
      const std::string place = subject + "." + other.key;
      if (other.value.is_sequence())
        for (const Node& value : other.value.items)
          condition.values.insert(find_value(value, place, grid.axes[condition.axis]));
      else
        condition.values.insert(find_value(other.value, place, grid.axes[condition.axis]));
      grid.axes[axis].when.push_back(std::move(condition));
    }
  }
  // A condition that was read before its axis got one of its own.
  for (const Axis& axis : grid.axes)
    for (const Condition& condition : axis.when)
      if (!grid.axes[condition.axis].when.empty())
        throw Error({axis.mark.text(), "when." + axis.path, "another axis, without a condition of its own",
                     quote(grid.axes[condition.axis].path), ""});
}

void read_exclude(const Node& document, const std::vector<std::string>& arms, Grid& grid) {
  const Node* node = document.find("exclude");
  if (node == nullptr) return;
  const char* example = "exclude: [{training.batch: 8, arm: zero}]";
  if (!node->is_sequence()) fail_value(*node, "exclude", "a list of maps", example);
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const Node& item = node->items[i];
    const std::string subject = "exclude[" + std::to_string(i) + "]";
    check_map(item, subject, example);
    if (item.entries.empty())
      throw Error({item.mark.text(), subject, "at least one condition", "an empty map", example});
    Exclusion exclusion;
    for (const Entry& entry : item.entries) {
      if (entry.key == "arm") {
        exclusion.arm = read_text(entry.value, subject + ".arm");
        if (std::find(arms.begin(), arms.end(), *exclusion.arm) == arms.end())
          throw Error({entry.value.mark.text(), subject + ".arm", "the name of an arm", quote(*exclusion.arm),
                       base::did_you_mean(*exclusion.arm, arms)});
        continue;
      }
      const std::size_t axis = find_axis(entry.key, entry.mark, subject, grid);
      exclusion.values.emplace_back(axis, find_value(entry.value, subject + "." + entry.key, grid.axes[axis]));
    }
    grid.exclusions.push_back(std::move(exclusion));
  }
}

struct SampleSpec {
  std::int64_t n = 0, seed = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("n", self.n, "points of the grid that are run", config::at_least(1));
    visit("seed", self.seed, "which ones", config::at_least(0));
  }
};

void read_sample(const Node& document, Grid& grid) {
  const Node* node = document.find("sample");
  if (node == nullptr) return;
  SampleSpec sample;
  check_map(*node, "sample", "sample: {n: 20, seed: 1}");
  if (!node->has("n"))
    throw Error({node->mark.text(), "sample.n", "a number of points", "nothing", "sample: {n: 20, seed: 1}"});
  read_fields(*node, "sample", sample);
  grid.sample = static_cast<std::size_t>(sample.n);
  grid.sample_seed = static_cast<std::uint64_t>(sample.seed);
}

// The next point in grid order, the last dimension fastest; false after the last one.
bool advance(std::vector<std::size_t>& at, const std::vector<Dimension>& dimensions) {
  for (std::size_t i = dimensions.size(); i-- > 0;) {
    if (++at[i] < dimensions[i].size) return true;
    at[i] = 0;
  }
  return false;
}

Point point_at(const std::vector<std::size_t>& at, const Grid& grid) {
  Point point(grid.axes.size());
  for (std::size_t d = 0; d < at.size(); ++d)
    for (const std::size_t axis : grid.dimensions[d].axes) point[axis] = at[d];
  return point;
}

// Where its condition does not hold, an axis does not apply, and its first value stands for all. False: another value,
// so that the point is one that was there before.
bool apply_conditions(Point& point, const Grid& grid) {
  const Point whole = point;
  for (std::size_t i = 0; i < grid.axes.size(); ++i)
    for (const Condition& condition : grid.axes[i].when)
      if (point[i] && !condition.values.contains(*whole[condition.axis])) {
        if (*point[i] != 0) return false;
        point[i].reset();
      }
  return true;
}

// n of them, each set equally likely, in their order.
std::vector<Point> draw(std::vector<Point> points, std::size_t n, std::uint64_t seed) {
  if (n >= points.size()) return points;
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), 0);
  const base::Stream stream(seed, "sample");
  for (std::size_t i = 0; i < n; ++i) std::swap(order[i], order[i + stream.below(i, order.size() - i)]);
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n));
  std::vector<Point> drawn;
  for (std::size_t i = 0; i < n; ++i) drawn.push_back(std::move(points[order[i]]));
  return drawn;
}

bool matches(const Exclusion& exclusion, const Point& point) {
  return std::ranges::all_of(exclusion.values, [&](const auto& value) { return point[value.first] == value.second; });
}

}  // namespace

Grid read_grid(const Node& document, const std::vector<std::string>& arms) {
  Grid grid;
  read_free(document, grid);
  if (const Node* zip = document.find("zip")) {
    if (zip->is_sequence())
      for (const Node& map : zip->items) read_zipped(map, document, grid);
    else
      read_zipped(*zip, document, grid);
  }
  if (grid.axes.size() > kMostAxes)
    throw Error({document.mark.text(), "grid and zip", "at most " + std::to_string(kMostAxes) + " keys",
                 std::to_string(grid.axes.size()), ""});
  read_names(document, grid);
  read_when(document, grid);
  read_exclude(document, arms, grid);
  read_sample(document, grid);
  return grid;
}

std::vector<Point> points_of(const Grid& grid) {
  std::vector<Point> points;
  std::vector<std::size_t> at(grid.dimensions.size(), 0);
  do {
    Point point = point_at(at, grid);
    if (!apply_conditions(point, grid)) continue;
    const bool excluded = std::ranges::any_of(
        grid.exclusions, [&](const Exclusion& exclusion) { return !exclusion.arm && matches(exclusion, point); });
    if (!excluded) points.push_back(std::move(point));
  } while (advance(at, grid.dimensions));
  return grid.sample ? draw(std::move(points), *grid.sample, grid.sample_seed) : points;
}

bool is_excluded(const Grid& grid, const Point& point, const std::string& arm) {
  return std::ranges::any_of(
      grid.exclusions, [&](const Exclusion& exclusion) { return exclusion.arm == arm && matches(exclusion, point); });
}

}  // namespace initlab::spec
