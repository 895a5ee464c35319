#include "compare/examples.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "compare/groups.hpp"

namespace initlab::compare {
namespace {

constexpr double kLevel = 0.95;

// The compared predictions of one run.
struct Predictions {
  const record::Run* run = nullptr;
  const std::vector<float>* values = nullptr;  // (examples, outputs)
  std::size_t examples() const { return run->header.labels.size(); }
  std::size_t outputs() const { return static_cast<std::size_t>(run->header.outputs); }
};

std::optional<Predictions> predictions_of(const record::Run& run, const Measure& measure) {
  const Outcome result = outcome(run, measure);
  if (result.kind != Outcome::Kind::value || run.header.outputs <= 0) return std::nullopt;
  for (const record::EvalRecord& eval : run.evals) {
    if (eval.step != result.step) continue;
    if (eval.predictions.empty() || !std::isfinite(eval.predictions.front())) return std::nullopt;
    return Predictions{&run, &eval.predictions};
  }
  return std::nullopt;
}

// The metric on drawn examples; the buffers are kept between draws.
RunMetric metric_of(const std::vector<Predictions>& runs, const Score& score) {
  return [&runs, &score, drawn = std::vector<float>(), labels = std::vector<float>()](
             std::size_t run, std::span<const std::uint32_t> examples) mutable {
    const Predictions& from = runs[run];
    const std::size_t outputs = from.outputs();
    drawn.resize(examples.size() * outputs);
    labels.resize(examples.size());
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const std::size_t example = examples[i];
      std::copy_n(from.values->begin() + static_cast<std::ptrdiff_t>(example * outputs), outputs,
                  drawn.begin() + static_cast<std::ptrdiff_t>(i * outputs));
      labels[i] = from.run->header.labels[example];
    }
    return score(drawn, labels);
  };
}

std::size_t class_of(const Predictions& of, std::size_t example) {
  const auto first = of.values->begin() + static_cast<std::ptrdiff_t>(example * of.outputs());
  return static_cast<std::size_t>(std::max_element(first, first + static_cast<std::ptrdiff_t>(of.outputs())) - first);
}

void add_mcnemar(const Predictions& arm, const Predictions& baseline, OverExamples& result) {
  if (arm.outputs() < 2) return;  // a regression's value is not right or wrong
  for (std::size_t example = 0; example < arm.examples(); ++example) {
    const auto label = static_cast<std::size_t>(arm.run->header.labels[example]);
    const bool first = class_of(arm, example) == label, second = class_of(baseline, example) == label;
    result.only_arm += first && !second ? 1 : 0;
    result.only_baseline += second && !first ? 1 : 0;
  }
  result.mcnemar = mcnemar(result.only_arm, result.only_baseline);
}

bool same_examples(const Predictions& a, const Predictions& b) {
  return a.run->header.labels == b.run->header.labels && a.outputs() == b.outputs() &&
         a.values->size() == b.values->size() && a.values->size() == a.examples() * a.outputs();
}

using ByReplicate = std::map<std::int64_t, Predictions>;

std::optional<OverExamples> over_examples(const ByReplicate& arm, const ByReplicate& baseline,
                                          const std::string& metric, const Score& score) {
  std::vector<Predictions> of_arm, of_baseline;
  for (const auto& [replicate, predictions] : arm) {
    const auto partner = baseline.find(replicate);
    if (partner == baseline.end()) continue;
    const Predictions& reference = of_arm.empty() ? predictions : of_arm.front();
    if (!same_examples(predictions, partner->second) || !same_examples(predictions, reference)) return std::nullopt;
    of_arm.push_back(predictions);
    of_baseline.push_back(partner->second);
  }
  if (of_arm.empty() || of_arm.front().examples() < 2) return std::nullopt;
  OverExamples result;
  result.metric = metric;
  result.examples = of_arm.front().examples();
  if (of_arm.size() == 1)
    add_mcnemar(of_arm.front(), of_baseline.front(), result);
  else
    result.resampled = multi_bootstrap(metric_of(of_arm, score), metric_of(of_baseline, score), of_arm.size(),
                                       result.examples, kLevel);
  return result;
}

}  // namespace

void add_examples(Comparison& comparison, std::span<const record::Run> runs, const Score& score) {
  const Measure measure{comparison.metric, comparison.better == "higher", parse_at(comparison.at)};
  const std::vector<Group> groups = group(runs, comparison.baseline);
  std::map<std::size_t, ByReplicate> baselines;  // by grid point
  std::map<std::string, std::pair<std::size_t, ByReplicate>> arms;
  for (const Group& group : groups) {
    ByReplicate found;
    for (const record::Run* run : group.runs)
      if (const auto predictions = predictions_of(*run, measure)) found[run->header.replicate] = *predictions;
    if (group.arm == comparison.baseline) baselines[group.point] = found;
    arms[label(group.arm, group.settings)] = {group.point, std::move(found)};
  }
  for (Pair& pair : comparison.pairs) {
    const auto arm = arms.find(label(pair.arm, pair.settings));
    if (arm == arms.end() || pair.n < pair.replicates) continue;
    pair.examples = over_examples(arm->second.second, baselines[arm->second.first], comparison.metric, score);
  }
}

}  // namespace initlab::compare
