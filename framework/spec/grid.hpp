// `grid`, `zip`, `when`, `exclude`, `sample` and `names` of a spec: which values vary, and at which points.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "spec/node.hpp"

namespace initlab::spec {

// An axis applies only where another one has one of these values.
struct Condition {
  std::size_t axis = 0;
  std::set<std::size_t> values;  // numbers of its values
};

// One key of `grid` or `zip`.
struct Axis {
  std::string path;
  std::string name;  // in tables and records: the path, or the name that `names` gives it
  Mark mark;
  bool of_training = false;  // lies over every arm's own training
  std::vector<Node> values;
  std::vector<Condition> when;  // all must hold
};

// Axes that vary together; a key of `grid` does so alone.
struct Dimension {
  std::vector<std::size_t> axes;
  std::size_t size = 0;
};

// Points at which an axis has a value each are left out: all of them, or one arm's.
struct Exclusion {
  std::vector<std::pair<std::size_t, std::size_t>> values;  // axis, number of its value
  std::optional<std::string> arm;
};

struct Grid {
  std::vector<Axis> axes;
  std::vector<Dimension> dimensions;
  std::vector<Exclusion> exclusions;
  std::optional<std::size_t> sample;  // points that are run
  std::uint64_t sample_seed = 0;
};

// Throws Error at the key that is wrong.
Grid read_grid(const Node& document, const std::vector<std::string>& arms);

// Of each axis the number of its value; nothing where it does not apply.
using Point = std::vector<std::optional<std::size_t>>;
// All points, the last dimension fastest, or the sample of them. Their number is the product of the dimensions at most:
// the caller has bounded it.
std::vector<Point> points_of(const Grid& grid);
bool is_excluded(const Grid& grid, const Point& point, const std::string& arm);

// A scalar's value: true, 5, 0.1, or text.
base::Json typed(const Node& scalar);
// The path as it acts on an arm: "arms.hot.training.batch" changes what "training.batch" changes.
std::string acting_path(const std::string& path, const Node& document, const Mark& mark);

}  // namespace initlab::spec
