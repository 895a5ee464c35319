#include "compare/claims.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/equivalence.hpp"
#include "compare/families.hpp"
#include "compare/pairs.hpp"
#include "compare/sign_flip.hpp"
#include "compare/units.hpp"
#include "config/config.hpp"

namespace initlab::compare {
namespace {

using Kind = ClaimVerdict::Kind;
using Outcome = ClaimVerdict::Outcome;

ClaimVerdict read_claim(const base::Json& object) {
  ClaimVerdict claim;
  if (const auto order = object.at("order").get<std::vector<std::string>>(); !order.empty()) {
    claim.kind = Kind::order;
    claim.ends = order;
  } else if (!object.at("equal").is_null()) {
    claim.kind = Kind::equal;
    claim.ends = {object.at("equal").get<std::string>(), object.at("to").get<std::string>()};
    claim.margin = object.at("margin").get<double>();
  } else {
    claim.ends = {object.at("better").get<std::string>(), object.at("than").get<std::string>()};
  }
  return claim;
}

Anchor read_anchor(const base::Json& object, const std::string& metric) {
  const auto text = [&](const char* key, const std::string& absent) {
    return object.at(key).is_null() ? absent : object.at(key).get<std::string>();
  };
  return {text("text", ""), text("source", ""), text("arm", ""), text("metric", metric),
          object.at("value").get<double>()};
}

const ArmSummary* find(const Point& point, const std::string& arm) {
  for (const ArmSummary* summary : point.arms)
    if (summary->arm == arm) return summary;
  return nullptr;
}

// What one end of a claim scored: an arm's runs, or the constant class. `missing` says why there is nothing.
struct End {
  const ArmSummary* arm = nullptr;
  std::optional<double> constant;
  std::string missing;
};

End end_of(const std::string& name, const Point& point, std::optional<double> constant) {
  if (name == config::kConstantClass) {
    if (constant) return {nullptr, constant, ""};
    return {nullptr, std::nullopt, "the constant class has no one score in these runs"};
  }
  const ArmSummary* arm = find(point, name);
  if (arm == nullptr) return {nullptr, std::nullopt, "no run of " + name};
  if (arm->n == 0) return {nullptr, std::nullopt, "no run of " + name + " has a value"};
  return {arm, std::nullopt, ""};
}

// One link: what is known of first - second.
struct Link {
  std::vector<double> differences;
  PairedMean mean;
};

// Of a difference a replicate, from models as independent_units has them.
Link link_of(std::span<const double> values, std::span<const std::int64_t> models) {
  Link link;
  link.differences = independent_units(values, models);
  link.mean = paired_mean(link.differences);
  link.mean.replicates = std::ssize(values);
  return link;
}

Link link_of(const End& first, const End& second) {
  if (first.arm != nullptr && second.arm != nullptr) {
    const Differences differences = paired_differences(*first.arm, *second.arm);
    return link_of(differences.values, differences.pretraining);
  }
  const ArmSummary& arm = first.arm != nullptr ? *first.arm : *second.arm;
  std::vector<double> values = arm.values;
  for (double& value : values) value = first.arm != nullptr ? value - *second.constant : *first.constant - value;
  return link_of(values, arm.pretraining);
}

// Why nothing can be said of the link whatever its values; empty where something can.
std::string obstacle(const Link& link) {
  if (link.mean.n == 0) return "no seed has a value in both";
  if (link.mean.n == 1) return "one seed says nothing about the spread";
  return {};
}

// Whether all of the 95 % interval lies on the wanted side of a bound.
bool above(const PairedMean& mean, double bound) { return mean.ci95 && mean.ci95->low > bound; }
bool below(const PairedMean& mean, double bound) { return mean.ci95 && mean.ci95->high < bound; }

class Judge {
 public:
  Judge(const Point& point, std::optional<double> constant, bool higher, double alpha)
      : point_(point), constant_(constant), higher_(higher), alpha_(alpha) {}

  // All but p_holm and what depends on it: the outcome is provisional, as if p stood alone. `links` gets one for each
  // of claim.links.
  ClaimVerdict operator()(ClaimVerdict claim, std::vector<Link>& links) {
    claim.settings = point_.settings;
    for (std::size_t i = 0; i + 1 < claim.ends.size(); ++i) {
      const End first = end_of(claim.ends[i], point_, constant_), second = end_of(claim.ends[i + 1], point_, constant_);
      if (const std::string& missing = first.missing.empty() ? second.missing : first.missing; !missing.empty()) {
        claim.reason = missing;
        return claim;
      }
      Link link = link_of(first, second);
      if (claim.reason.empty()) claim.reason = obstacle(link);
      claim.links.push_back(link.mean);
      links.push_back(std::move(link));
    }
    if (!claim.reason.empty()) return claim;
    if (claim.kind == Kind::equal)
      judge_equal(claim, links.front());
    else
      judge_better(claim, links);
    return claim;
  }

 private:
  void judge_equal(ClaimVerdict& claim, const Link& link) {
    const Equivalence equivalence = tost(link.differences, claim.margin);
    claim.p = equivalence.p;
    claim.ci90 = equivalence.interval;
    if (below(link.mean, -claim.margin) || above(link.mean, claim.margin)) {
      claim.outcome = Outcome::not_reproduced;
    } else if (equivalence.p < alpha_) {
      claim.outcome = Outcome::reproduced;
    }
  }

  // Of an order, every link must be shown, so that its p is the largest (Berger 1982, intersection-union).
  void judge_better(ClaimVerdict& claim, const std::vector<Link>& links) {
    claim.p = 0;
    bool all = true, reversed = false;
    for (const Link& link : links) {
      const PairedMean& mean = link.mean;
      claim.p = std::max(claim.p, mean.p);
      const bool good = higher_ ? above(mean, 0) : below(mean, 0);
      const bool bad = higher_ ? below(mean, 0) : above(mean, 0);
      const bool never_differ = mean.ci95 && std::abs(mean.ci95->low) < kNoDifference &&
                                std::abs(mean.ci95->high) < kNoDifference &&
                                smallest_sign_flip_p(static_cast<std::size_t>(mean.n)) < alpha_;
      all = all && good;
      reversed = reversed || bad || never_differ;
    }
    if (reversed) {
      claim.outcome = Outcome::not_reproduced;
    } else if (all && claim.p < alpha_) {
      claim.outcome = Outcome::reproduced;
    }
  }

  const Point& point_;
  std::optional<double> constant_;
  bool higher_;
  double alpha_;
};

bool concerns(const ClaimVerdict& claim, const Point& point) {
  return std::any_of(claim.ends.begin(), claim.ends.end(),
                     [&](const std::string& end) { return find(point, end) != nullptr; });
}

// So that each link that is not shown at `level` yet would be, were it as seen.
std::size_t seeds_for_all(std::span<const Link> links, double level) {
  std::size_t needed = 0;
  for (const Link& link : links) {
    const bool shown = link.mean.p < level && (above(link.mean, 0) || below(link.mean, 0));
    if (!shown) needed = std::max(needed, seeds_for(link.differences, level));
  }
  return needed;
}

// What the family leaves of a claim that stood alone, and why what is open is open.
void settle(ClaimVerdict& claim, double alpha, std::size_t family) {
  if (claim.outcome == Outcome::reproduced && claim.p_holm >= alpha) {
    claim.outcome = Outcome::cannot_tell;
    claim.reason = "alone it would be, but not as one of " + std::to_string(family) + " claims";
  } else if (claim.outcome == Outcome::cannot_tell && claim.reason.empty()) {
    const PairedMean& fewest = *std::ranges::min_element(claim.links, {}, &PairedMean::n);
    const bool within = claim.ci90 && claim.ci90->low > -claim.margin && claim.ci90->high < claim.margin;
    if (claim.kind != Kind::equal && smallest_sign_flip_p(static_cast<std::size_t>(fewest.n)) >= alpha)
      claim.reason = std::to_string(fewest.n) +
                     (fewest.n == fewest.replicates ? " seeds" : " pre-training replicates") + " cannot give p < " +
                     alpha_text(alpha);
    else if (claim.kind == Kind::equal)
      claim.reason =
          within ? "p is too large at this look" : "the interval goes beyond the margin, and not all of it lies there";
    else
      claim.reason = "the interval holds 0, or p is too large";
  }
}

}  // namespace

Design design_of(const record::Run& run) {
  Design design;
  if (run.header.design.empty()) return design;
  const base::Json object = base::parse_json(run.header.design, run.file);
  try {
    for (const base::Json& claim : object.at("claims")) design.claims.push_back(read_claim(claim));
    for (const base::Json& anchor : object.at("anchors"))
      design.anchors.push_back(read_anchor(anchor, run.header.metric));
    design.threshold_of_baseline = object.contains("threshold");
    if (!object.at("planned_seeds").is_null()) design.planned_seeds = object.at("planned_seeds").get<std::int64_t>();
    return design;
  } catch (const base::Json::exception& error) {
    throw base::Error({run.file, "/comparison/design", "claims and anchors of a spec", error.what(), ""});
  }
}

std::vector<Point> points_of(std::span<const Group> groups, std::span<const ArmSummary> arms) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == 0 || groups[i].point != groups[i - 1].point) points.push_back({groups[i].settings, {}});
    points.back().arms.push_back(&arms[i]);
  }
  return points;
}

std::vector<ClaimVerdict> judge(std::span<const ClaimVerdict> claims, std::span<const Point> points,
                                std::optional<double> constant, bool higher_is_better, double alpha) {
  std::vector<ClaimVerdict> verdicts;
  std::vector<std::vector<Link>> links;  // of each
  for (const Point& point : points)
    for (const ClaimVerdict& claim : claims)
      if (concerns(claim, point))
        verdicts.push_back(Judge(point, constant, higher_is_better, alpha)(claim, links.emplace_back()));
  std::vector<double> p;
  for (const ClaimVerdict& claim : verdicts) p.push_back(claim.p);
  const std::vector<double> adjusted = holm(p), levels = holm_levels(p, alpha);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    verdicts[i].p_holm = adjusted[i];
    settle(verdicts[i], alpha, verdicts.size());
    if (verdicts[i].outcome == ClaimVerdict::Outcome::cannot_tell && verdicts[i].kind != Kind::equal)
      verdicts[i].seeds_needed = seeds_for_all(links[i], levels[i]);
  }
  return verdicts;
}

}  // namespace initlab::compare
