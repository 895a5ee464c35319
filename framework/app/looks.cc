#include "app/looks.hpp"

#include <algorithm>
#include <functional>
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

// The seeds seen at the looks so far, ascending, and how many were planned.
struct Looks {
  std::int64_t planned = 0;
  std::vector<std::int64_t> seen;
};

Looks looks_of(const base::Json& object) {
  return {object.at("planned").get<std::int64_t>(), object.at("seen").get<std::vector<std::int64_t>>()};
}

bool is_whole(const Looks& looks) {
  const auto falls = std::ranges::adjacent_find(looks.seen, std::ranges::greater_equal());
  return !looks.seen.empty() && looks.seen.front() > 0 && looks.seen.back() <= looks.planned &&
         falls == looks.seen.end();
}

// An object of questions.
base::Json read_looks(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return base::Json::object();
  base::Json questions = base::parse_json(base::read_file(file), file.string());
  bool ours = questions.is_object();
  try {
    for (const auto& [question, object] : questions.items()) ours = ours && is_whole(looks_of(object));
  } catch (const base::Json::exception&) {
    ours = false;
  }
  if (!ours)
    throw base::Error(
        {file.string(), "", "an object of questions, each with its looks as --look writes them", "something else", ""});
  return questions;
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
  base::Json questions = read_looks(file);
  const std::string question = question_of(comparison);
  Looks looks{planned, {}};
  if (questions.contains(question)) looks = looks_of(questions[question]);
  if (looks.planned != planned)
    throw base::Error({file.string(), "--look",
                       std::to_string(looks.planned) + " planned seeds, as at the looks before",
                       std::to_string(planned), "alpha that was spent over other seeds cannot be spent again"});
  if (!looks.seen.empty() && looks.seen.back() > seen)
    throw base::Error({file.string(), "--look",
                       "at least the " + std::to_string(looks.seen.back()) + " seeds of the last look",
                       std::to_string(seen), "runs are missing"});
  if (looks.seen.empty() || looks.seen.back() != seen) {
    looks.seen.push_back(seen);
    questions[question] = {{"planned", looks.planned}, {"seen", looks.seen}};
    base::write_file(file, base::json_pretty(questions) + "\n");
  }
  std::vector<double> fractions;
  for (const std::int64_t n : looks.seen) fractions.push_back(static_cast<double>(n) / static_cast<double>(planned));
  return compare::look_thresholds(fractions, compare::Spending::obrien_fleming, kAlpha).back().threshold;
}

}  // namespace initlab::app
