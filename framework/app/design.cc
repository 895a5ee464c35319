#include "app/design.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/compare.hpp"
#include "compare/power.hpp"
#include "compare/sign_flip.hpp"
#include "log/run_file.hpp"
#include "report/report.hpp"
#include "sweep/execute.hpp"

namespace initlab::app {
namespace {

constexpr double kAssumedMetric = 0.02, kAssumedLoss = 0.05;
constexpr double kAlpha = 0.05, kPower = 0.8;
constexpr std::size_t kFewPairs = 3;  // fewer tell too little of a deviation

// The runs of the first grid point, and of them those that can be read and have finished.
std::vector<record::Run> finished_runs(const Sweep& sweep) {
  std::vector<record::Run> runs;
  for (const auto& run : sweep.runs) {
    if (run->plan.settings != sweep.runs.front()->plan.settings || run->plan.awaits_tuning()) continue;
    if (!std::filesystem::exists(run->file)) continue;
    try {
      record::Run read = log::read_run(run->file);
      if (read.state != record::State::finished) continue;
      sweep::describe_comparison(*run, read.header);
      runs.push_back(std::move(read));
    } catch (const base::Error&) {  // `run` will say what is wrong with it
    }
  }
  return runs;
}

// Pairs of finished runs by arm, where there are any.
std::map<std::string, compare::Pair> finished_pairs(const Sweep& sweep) {
  std::map<std::string, compare::Pair> pairs;
  const std::vector<record::Run> runs = finished_runs(sweep);
  if (runs.empty()) return pairs;
  try {
    for (const compare::Pair& pair : compare::compare(runs, {}).pairs) pairs[pair.arm] = pair;
  } catch (const base::Error&) {  // e.g. the baseline has not been run
  }
  return pairs;
}

std::string deviation_text(const Design& design) {
  return report::number(design.deviation) +
         (design.from_pairs == 0 ? ", assumed" : ", from " + std::to_string(design.from_pairs) + " finished pairs");
}

}  // namespace

Designs designs_of(const Sweep& sweep) {
  record::RunHeader header;
  sweep::describe_comparison(*sweep.runs.front(), header);
  Designs designs;
  designs.baseline = header.baseline;
  designs.metric = header.metric;
  while (compare::smallest_sign_flip_p(designs.pairs_for_p05) >= kAlpha) ++designs.pairs_for_p05;
  const std::map<std::string, compare::Pair> known = finished_pairs(sweep);
  std::map<std::string, std::set<std::int64_t>> replicates;
  std::vector<std::string> arms;
  for (const auto& run : sweep.runs)
    if (replicates[run->plan.arm].insert(run->plan.replicate).second && replicates[run->plan.arm].size() == 1)
      arms.push_back(run->plan.arm);
  const std::set<std::int64_t>& base = replicates[designs.baseline];
  std::size_t most = 0;
  for (const std::string& arm : arms) {
    if (arm == designs.baseline) continue;
    Design design{.arm = arm, .deviation = designs.metric == "loss" ? kAssumedLoss : kAssumedMetric};
    design.pairs = static_cast<std::size_t>(
        std::ranges::count_if(replicates[arm], [&](std::int64_t replicate) { return base.contains(replicate); }));
    const auto found = known.find(arm);
    if (found != known.end() && found->second.n >= static_cast<std::int64_t>(kFewPairs) &&
        found->second.deviation > 0) {
      design.deviation = found->second.deviation;
      design.from_pairs = static_cast<std::size_t>(found->second.n);
    }
    design.detectable = compare::detectable_effect(design.deviation, design.pairs, kPower, kAlpha);
    most = std::max(most, design.pairs);
    designs.arms.push_back(std::move(design));
  }
  designs.smallest_p = compare::smallest_sign_flip_p(most);
  return designs;
}

// Arms of which nothing is known yet share a line.
std::string to_text(const Designs& designs) {
  if (designs.arms.empty()) return "";
  std::string text = "what this design can find out about " + designs.metric + ", against " + designs.baseline +
                     " (80 % power at 0.05, paired t test):\n";
  std::vector<std::string> assumed;
  for (const Design& design : designs.arms) {
    if (design.from_pairs == 0) {
      assumed.push_back(design.arm);
      continue;
    }
    text += "  " + design.arm + ": a difference of " + report::number(design.detectable) + " in " +
            std::to_string(design.pairs) + " pairs (standard deviation of differences " + deviation_text(design) +
            ")\n";
  }
  if (!assumed.empty()) {
    const Design& design =
        *std::ranges::find_if(designs.arms, [](const Design& other) { return other.from_pairs == 0; });
    text += "  " + base::join(assumed, ", ") + ": " +
            (std::isfinite(design.detectable) ? "a difference of " + report::number(design.detectable) + " in "
                                              : std::string("no difference in ")) +
            std::to_string(design.pairs) + (design.pairs == 1 ? " pair" : " pairs") +
            " (standard deviation of differences " + deviation_text(design) + ")\n";
  }
  text += "  smallest p of the sign-flip test: " + report::p_text(designs.smallest_p) + "\n";
  if (designs.smallest_p >= kAlpha)
    text +=
        "  warning: so few pairs can never give p < 0.05; seeds.replicates: " + std::to_string(designs.pairs_for_p05) +
        " can\n";
  return text;
}

base::Json to_json(const Designs& designs) {
  base::Json arms = base::Json::array();
  for (const Design& design : designs.arms)
    arms.push_back({{"arm", design.arm},
                    {"pairs", design.pairs},
                    {"deviation", design.deviation},
                    {"from_pairs", design.from_pairs},
                    {"detectable", std::isfinite(design.detectable) ? base::Json(design.detectable) : base::Json()}});
  return {{"baseline", designs.baseline},
          {"metric", designs.metric},
          {"power", kPower},
          {"alpha", kAlpha},
          {"smallest_p", designs.smallest_p},
          {"pairs_for_p05", designs.pairs_for_p05},
          {"arms", std::move(arms)}};
}

}  // namespace initlab::app
