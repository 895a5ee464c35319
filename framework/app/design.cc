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

// What the spec says of one arm, over all grid points.
struct ArmPlan {
  std::map<std::int64_t, std::int64_t> pretraining;  // replicate -> replicate of the pre-training, 0 where there is one
  bool reads_checkpoint = false;
};

std::map<std::string, ArmPlan> arm_plans(const Sweep& sweep) {
  std::map<std::string, ArmPlan> arms;
  for (const auto& run : sweep.runs) {
    ArmPlan& arm = arms[run->plan.arm];
    arm.pretraining[run->plan.replicate] = run->promise ? run->promise->run->plan.replicate : 0;
    if (run->plan.replicate == 0 && !arm.reads_checkpoint)
      arm.reads_checkpoint = std::ranges::any_of(run->assignments(*sweep.catalog), init::reads_checkpoint);
  }
  return arms;
}

// As compare() counts them: common replicates, or, where one of the two arms reads models that were pre-trained more
// than once, those models.
void count_pairs(const ArmPlan& arm, const ArmPlan& baseline, Design& design) {
  std::set<std::int64_t> models;
  for (const auto& [replicate, model] : arm.pretraining) {
    if (!baseline.pretraining.contains(replicate)) continue;
    ++design.replicates;
    models.insert(model);
  }
  const bool clustered = (arm.reads_checkpoint || baseline.reads_checkpoint) && models.size() > 1;
  design.pairs = clustered ? models.size() : design.replicates;
}

std::string pairs_text(const Design& design) {
  return std::to_string(design.pairs) + (design.pairs != design.replicates ? " pre-training replicates"
                                         : design.pairs == 1               ? " pair"
                                                                           : " pairs");
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
  const std::map<std::string, compare::Pair> known = finished_pairs(sweep);
  std::map<std::string, ArmPlan> plans = arm_plans(sweep);
  std::vector<std::string> arms;
  for (const auto& run : sweep.runs)
    if (std::ranges::find(arms, run->plan.arm) == arms.end()) arms.push_back(run->plan.arm);
  const ArmPlan& base = plans[designs.baseline];
  std::size_t most = 0;
  for (const std::string& arm : arms) {
    if (arm == designs.baseline) continue;
    Design design{.arm = arm, .deviation = designs.metric == "loss" ? kAssumedLoss : kAssumedMetric};
    count_pairs(plans[arm], base, design);
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
  std::set<std::string> points;
  for (const auto& run : sweep.runs) points.insert(base::json_text(settings_of(*run)));
  designs.comparisons = {designs.arms.size() * points.size()};
  designs.claims = {sweep.runs.front()->plan.compare.claims.size() * points.size()};
  for (Family* family : {&designs.comparisons, &designs.claims})
    if (family->size > 0) family->pairs_needed = compare::fewest_pairs(kAlpha / static_cast<double>(family->size));
  return designs;
}

// Arms of which nothing is known yet share a line.
std::string to_text(const Designs& designs) {
  if (designs.arms.empty()) return "";
  std::string text = "what this design can find out about " + designs.metric + ", against " + designs.baseline +
                     " (80 % power at 0.05, paired t test):\n";
  const auto line = [](const std::vector<std::string>& arms, const Design& design) {
    return "  " + base::join(arms, ", ") + ": " +
           (std::isfinite(design.detectable) ? "a difference of " + report::number(design.detectable)
                                             : "no difference") +
           " in " + pairs_text(design) + " (standard deviation of differences " + deviation_text(design) + ")\n";
  };
  std::map<std::string, std::pair<std::vector<std::string>, Design>> assumed;
  bool clustered = false;
  for (const Design& design : designs.arms) {
    clustered = clustered || design.pairs != design.replicates;
    if (design.from_pairs > 0) {
      text += line({design.arm}, design);
    } else {
      auto& [arms, first] = assumed[pairs_text(design)];
      arms.push_back(design.arm);
      first = design;
    }
  }
  for (const auto& [pairs, group] : assumed) text += line(group.first, group.second);
  text += "  smallest p of the sign-flip test: " + report::p_text(designs.smallest_p) + "\n";
  const std::string key = clustered ? "model.checkpoint.replicates: " : "seeds.replicates: ";
  if (designs.smallest_p >= kAlpha)
    text += "  warning: so few pairs can never give p < 0.05; " + key + std::to_string(*compare::fewest_pairs(kAlpha)) +
            " can\n";
  else
    for (const auto& [family, name] :
         {std::pair(designs.comparisons, "comparisons"), std::pair(designs.claims, "claims")})
      if (designs.smallest_p * static_cast<double>(family.size) >= kAlpha)
        text += "  warning: the smallest p, adjusted for " + std::to_string(family.size) + " " + name +
                " (Holm), is no less than 0.05" +
                (family.pairs_needed ? "; " + key + std::to_string(*family.pairs_needed) + " can be" : "") + "\n";
  return text;
}

base::Json to_json(const Designs& designs) {
  base::Json arms = base::Json::array();
  const auto pairs_for = [](const Family& family) {
    return family.pairs_needed ? base::Json(*family.pairs_needed) : base::Json();
  };
  for (const Design& design : designs.arms)
    arms.push_back({{"arm", design.arm},
                    {"pairs", design.pairs},
                    {"replicates", design.replicates},
                    {"deviation", design.deviation},
                    {"from_pairs", design.from_pairs},
                    {"detectable", std::isfinite(design.detectable) ? base::Json(design.detectable) : base::Json()}});
  return {{"baseline", designs.baseline},
          {"metric", designs.metric},
          {"power", kPower},
          {"alpha", kAlpha},
          {"smallest_p", designs.smallest_p},
          {"pairs_for_p05", *compare::fewest_pairs(kAlpha)},
          {"comparisons", designs.comparisons.size},
          {"pairs_for_comparisons", pairs_for(designs.comparisons)},
          {"claims", designs.claims.size},
          {"pairs_for_claims", pairs_for(designs.claims)},
          {"arms", std::move(arms)}};
}

}  // namespace initlab::app
