#include "compare/refusals.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/sign_flip.hpp"

namespace initlab::compare {
namespace {

constexpr double kAlpha = 0.05;

std::string seeds_hint() {
  return "seeds.replicates: " + std::to_string(*fewest_pairs(kAlpha)) +
         " is the least that can give p < 0.05, 8 can give " + base::number_text(smallest_sign_flip_p(8));
}

std::int64_t runs_of(const ArmSummary& arm) { return arm.n + arm.failed + arm.unfinished + arm.missing; }

// "2 failed, 1 unfinished"
std::string counts(const Comparison& comparison) {
  std::int64_t failed = 0, unfinished = 0, missing = 0;
  for (const ArmSummary& arm : comparison.arms) {
    failed += arm.failed;
    unfinished += arm.unfinished;
    missing += arm.missing;
  }
  std::vector<std::string> parts;
  if (failed > 0) parts.push_back(std::to_string(failed) + " failed or gave no finite number");
  if (unfinished > 0) parts.push_back(std::to_string(unfinished) + " unfinished");
  if (missing > 0) parts.push_back(std::to_string(missing) + " without an evaluation there");
  return base::join(parts, ", ");
}

}  // namespace

void require_answerable(const Comparison& comparison, bool one_seed) {
  const std::string subject = "experiment " + base::quote(comparison.experiment);
  std::int64_t runs = 0, values = 0, most = 0;
  for (const ArmSummary& arm : comparison.arms) {
    runs += runs_of(arm);
    values += arm.n;
    most = std::max(most, arm.n);
  }
  if (values == 0)
    throw base::Error({"compare", subject, "a run with a value of " + comparison.metric,
                       "none of " + std::to_string(runs) + ": " + counts(comparison),
                       "`initlab status` says what became of them; `initlab run SPEC` goes on"});
  if (runs == 1)
    throw base::Error({"compare", subject, "two arms or more, of several seeds each", "one run",
                       "`initlab show` shows a run; add arms to the spec, and " + seeds_hint()});
  if (most <= 1 && !one_seed)
    throw base::Error({"compare", subject, "several seeds an arm", "one",
                       seeds_hint() + "; --one-seed shows the numbers all the same, without a verdict"});
  const bool no_pair = !comparison.pairs.empty() && std::all_of(comparison.pairs.begin(), comparison.pairs.end(),
                                                                [](const Pair& pair) { return pair.n == 0; });
  if (no_pair)
    throw base::Error({"compare", subject, "seeds that the baseline " + comparison.baseline + " and another arm share",
                       "none", "pairs are of one replicate: run the same seeds.base and seeds.replicates in both"});
}

}  // namespace initlab::compare
