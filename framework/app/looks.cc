#include "app/looks.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "compare/looks.hpp"

namespace initlab::app {
namespace {

constexpr double kAlpha = 0.05;

// Looks at one question: another metric, evaluation or baseline is another family.
std::string question_of(const compare::Comparison& comparison) {
  return comparison.experiment + ": " + comparison.metric + " at " + comparison.at + " against " + comparison.baseline;
}

std::int64_t seeds_seen(const compare::Comparison& comparison) {
  std::int64_t most = 0;
  for (const compare::Pair& pair : comparison.pairs) most = std::max(most, pair.n);
  return most;
}

base::Json read_looks(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return base::Json::object();
  base::Json looks = base::parse_json(base::read_file(file), file.string());
  bool ours = looks.is_object();
  for (const auto& [question, seeds] : looks.items())
    ours = ours && seeds.is_array() && std::all_of(seeds.begin(), seeds.end(), [](const base::Json& n) {
             return n.is_number_integer() && n.get<std::int64_t>() > 0;
           });
  if (!ours)
    throw base::Error(
        {file.string(), "", "an object of questions and the seeds seen at each look", "something else", ""});
  return looks;
}

}  // namespace

double record_look(const std::filesystem::path& folder, const compare::Comparison& comparison) {
  const std::int64_t seen = seeds_seen(comparison);
  if (!comparison.planned_seeds)
    throw base::Error({folder.string(), "--look", "the number of seeds that are planned in all", "none",
                       "state it before the runs: compare: {planned_seeds: 16}"});
  const std::int64_t planned = *comparison.planned_seeds;
  if (seen > planned || seen == 0)
    throw base::Error({folder.string(), "--look", "from 1 to the " + std::to_string(planned) + " planned seeds",
                       std::to_string(seen), "alpha is spent over compare.planned_seeds"});
  const std::filesystem::path file = folder / "looks.json";
  base::Json looks = read_looks(file);
  base::Json& seeds = looks[question_of(comparison)];
  if (seeds.is_null()) seeds = base::Json::array();
  if (!seeds.empty() && seeds.back().get<std::int64_t>() > seen)
    throw base::Error({file.string(), "--look", "at least the " + seeds.back().dump() + " seeds of the last look",
                       std::to_string(seen), "runs are missing"});
  if (seeds.empty() || seeds.back().get<std::int64_t>() != seen) {
    seeds.push_back(seen);
    base::write_file(file, base::json_pretty(looks) + "\n");
  }
  std::vector<double> fractions;
  for (const base::Json& n : seeds) fractions.push_back(n.get<double>() / static_cast<double>(planned));
  return compare::look_thresholds(fractions, compare::Spending::obrien_fleming, kAlpha).back().threshold;
}

}  // namespace initlab::app
