#include "compare/notes.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "base/text.hpp"
#include "compare/sign_flip.hpp"

namespace initlab::compare {
namespace {

using record::Run;
using record::RunHeader;

std::string count(std::int64_t n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

std::int64_t total(const Group& group) { return static_cast<std::int64_t>(group.runs.size()); }

// "3 of 8 runs of zero"
std::string share(std::int64_t part, const Group& group) {
  return std::to_string(part) + " of " + count(total(group), "run") + " of " + label(group.arm, group.settings);
}

std::string number(double value) { return base::fixed(value, 4); }

class Notes {
 public:
  Notes(std::span<const Group> groups, const Comparison& comparison, const Measure& measure, bool any_claim)
      : groups_(groups), comparison_(comparison), measure_(measure), any_claim_(any_claim) {}

  std::vector<std::string> write() {
    say_what_was_read();
    say_what_is_not_counted();
    say_what_is_not_learned();
    say_how_rates_were_chosen();
    say_who_trains_otherwise();
    say_where_pairs_lack();
    say_what_the_gain_is();
    say_what_p_can_be();
    say_what_claims_are_about();
    say_what_rates_of_a_grid_are();
    say_what_is_mixed();
    say_what_was_pretrained();
    return std::move(notes_);
  }

 private:
  void add(std::string note) { notes_.push_back(std::move(note)); }

  // The values of one header field over all runs, or over the runs of one grid point; empty ones left out.
  std::set<std::string> values(const std::function<std::string(const RunHeader&)>& field,
                               std::optional<std::size_t> point = std::nullopt) const {
    std::set<std::string> found;
    for (const Group& group : groups_)
      for (const Run* run : group.runs)
        if (!point || group.point == *point)
          if (std::string value = field(run->header); !value.empty()) found.insert(std::move(value));
    return found;
  }

  void say_what_was_read() {
    // The newest run decides what options leave open; runs of an older spec may have said something else.
    const auto differ = [this](const char* what, const std::set<std::string>& said, const std::string& taken) {
      if (said.size() < 2) return;
      add("the runs ask for different " + std::string(what) + " (" +
          base::join(std::vector<std::string>(said.begin(), said.end()), ", ") + "); taken: " + taken);
    };
    differ("metrics", values([](const RunHeader& header) { return header.metric; }), comparison_.metric);
    differ("baselines", values([](const RunHeader& header) { return header.baseline; }), comparison_.baseline);
    differ("evaluations", values([](const RunHeader& header) { return header.at; }), comparison_.at);
    if (comparison_.gain)
      differ("gains", values([](const RunHeader& header) {
               return header.gain_from.empty() ? std::string() : header.gain_from + " to " + header.gain_to;
             }),
             comparison_.gain->from + " to " + comparison_.gain->to);
    if (comparison_.threshold)
      differ("thresholds", values([](const RunHeader& header) {
               return std::isfinite(header.threshold) ? base::number_text(header.threshold) : std::string();
             }),
             base::number_text(*comparison_.threshold));
    if (measure_.at.kind == At::Kind::best)
      add("each run's best evaluation is chosen on the data it is measured on: the values flatter, most where runs are "
          "noisy");
  }

  void say_what_is_not_counted() {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const Group& group = groups_[i];
      const ArmSummary& arm = comparison_.arms[i];
      for (const Run* run : group.runs) {
        const Outcome result = outcome(*run, measure_);
        if (result.kind == Outcome::Kind::not_a_number)
          add(label(group.arm, group.settings) + ", replicate " + std::to_string(run->header.replicate) + ": " +
              comparison_.metric + " is " + base::number_text(result.value) + " at step " +
              std::to_string(result.step) + "; counted as failed");
      }
      if (arm.failed > 0)
        add(share(arm.failed, group) +
            " failed: " + (arm.n > 0 ? "its mean speaks of the others only" : "it has no value to compare"));
      if (arm.stopped > 0)
        add(share(arm.stopped, group) + (arm.stopped == 1 ? " was" : " were") +
            " stopped early by training.stop, as no better than the constant class: counted with the last evaluation "
            "made; a threshold not reached by then counts as never reached");
      if (arm.unfinished > 0) add(share(arm.unfinished, group) + " unfinished (running or interrupted): not counted");
      if (arm.missing > 0)
        add(share(arm.missing, group) + (arm.missing == 1 ? " has" : " have") + " no evaluation at " +
            (measure_.at.kind == At::Kind::step ? "step " + std::to_string(measure_.at.step) : "all") +
            ": not counted");
    }
  }

  void say_what_is_not_learned() {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const ArmSummary& arm = comparison_.arms[i];
      if (arm.degenerate > 0) {
        const bool classes = groups_[i].runs.front()->header.outputs != 1;
        add(share(arm.degenerate, groups_[i]) + (arm.degenerate == 1 ? " predicts one " : " predict one ") +
            (classes ? "class" : "value"));
      }
      if (!comparison_.constant_class || arm.values.empty()) continue;
      const double constant = *comparison_.constant_class;
      const bool any_better = std::any_of(arm.values.begin(), arm.values.end(), [&](double value) {
        return measure_.higher_is_better ? value > constant + 1e-9 : value < constant - 1e-9;
      });
      if (!any_better)
        add("no run of " + label(arm.arm, arm.settings) + " beats the constant-class baseline (" + number(constant) +
            ")");
    }
  }

  void say_how_rates_were_chosen() {
    std::vector<std::string> untuned;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const std::string who = label(groups_[i].arm, groups_[i].settings);
      std::set<std::string> rates;
      for (const Run* run : groups_[i].runs)
        if (const auto own = tuning_of(*run)) rates.insert(base::number_text(own->learning_rate));
      if (rates.size() > 1)
        add("runs of " + who + " have different chosen learning rates (" +
            base::join(std::vector<std::string>(rates.begin(), rates.end()), ", ") + "): run the spec again");
      if (comparison_.arms[i].tuning) {
        say_where_the_rate_lies(who, *comparison_.arms[i].tuning);
      } else if (comparison_.arms[i].last_step > 0) {  // an arm of no steps has no rate
        untuned.push_back(who);
      }
    }
    if (!untuned.empty() && untuned.size() < groups_.size())
      add("learning rate not tuned in " + base::join(untuned, ", ") + ", but in the others");
  }

  void say_where_the_rate_lies(const std::string& who, const Tuning& tuning) {
    const auto& trials = tuning.trials;
    const std::string chosen =
        who + ": the chosen learning rate " + base::number_text(tuning.learning_rate) + " is the ";
    if (std::none_of(trials.begin(), trials.end(), [](const Trial& trial) { return std::isfinite(trial.mean); })) {
      add(who + ": tuning diverged at every learning rate; the smallest was taken");
    } else if (tuning.learning_rate == trials.front().learning_rate) {
      add(chosen + "smallest tried: a smaller one may be better");
    } else if (tuning.learning_rate == trials.back().learning_rate) {
      add(chosen + "largest tried: a larger one may be better");
    }
  }

  void say_who_trains_otherwise() {
    const Run* baseline = nullptr;  // of the current grid point, where group() puts it first
    std::size_t point = 0;
    for (const Group& group : groups_) {
      if (group.arm == comparison_.baseline) {
        baseline = group.runs.front();
        point = group.point;
      } else if (baseline != nullptr && group.point == point) {
        const std::string what = training_difference(*group.runs.front(), *baseline);
        if (!what.empty())
          add(label(group.arm, group.settings) + " trains otherwise than " + comparison_.baseline + ": " + what +
              "; the difference is not of the initialization alone");
      }
    }
  }

  void say_where_pairs_lack() {
    const auto constants = values([this](const RunHeader& header) {
      const std::optional<double> constant = constant_class(header, comparison_.metric);
      return constant ? number(*constant) : std::string();
    });
    if (!comparison_.constant_class && constants.size() > 1)
      add("the constant-class baseline differs between runs (" + *constants.begin() + " to " + *constants.rbegin() +
          "): none is shown");
    std::set<std::size_t> with_baseline;
    for (const Group& group : groups_)
      if (group.arm == comparison_.baseline) with_baseline.insert(group.point);
    std::set<std::size_t> told;
    for (const Group& group : groups_)
      if (!with_baseline.contains(group.point) && told.insert(group.point).second)
        add("no run of the baseline " + comparison_.baseline +
            (group.settings.empty() ? "" : " at " + text(group.settings)) + ": no differences there");
    for (const Pair& pair : comparison_.pairs) {
      const auto arm = std::find_if(comparison_.arms.begin(), comparison_.arms.end(), [&](const ArmSummary& candidate) {
        return candidate.arm == pair.arm && candidate.settings == pair.settings;
      });
      if (pair.replicates < arm->n)
        add(label(pair.arm, pair.settings) + ": " + std::to_string(pair.replicates) + " of " +
            count(arm->n, "replicate") + (pair.replicates == 1 ? " has" : " have") + " a partner in " +
            comparison_.baseline + "; the difference is theirs alone");
    }
  }

  void say_what_the_gain_is() {
    if (!comparison_.gain) return;
    const auto& [from, to] = *comparison_.gain;
    std::map<std::size_t, std::set<std::string>> arms_at;
    for (const Group& group : groups_) arms_at[group.point].insert(group.arm);
    std::set<std::size_t> told;
    for (const Group& group : groups_)
      for (const std::string& arm : {from, to})
        if (!arms_at[group.point].contains(arm) && told.insert(group.point).second)
          add("no run of " + label(arm, group.settings) + ": no share of the gain there");
    const Share* worst = nullptr;  // the first where the gain is none
    for (const Share& share : comparison_.shares)
      if (worst == nullptr && (measure_.higher_is_better ? share.gain < 0 : share.gain > 0)) worst = &share;
    if (worst != nullptr)
      add(label(to, worst->settings) + " is worse than " + from + ": its gain is a loss, and a share of it is one too");
    for (const Share& share : comparison_.shares)
      if (share.replicates > 0 && share.replicates < replicates_of(share))
        add(label(share.arm, share.settings) + ": " + count(share.replicates, "replicate") +
            (share.replicates == 1 ? " has" : " have") + " a value in " + from + " and " + to +
            " too; its share of the gain is theirs alone");
  }

  std::int64_t replicates_of(const Share& share) const {
    for (const ArmSummary& arm : comparison_.arms)
      if (arm.arm == share.arm && arm.settings == share.settings) return arm.n;
    return 0;
  }

  void say_what_p_can_be() {
    std::set<std::int64_t> sizes;
    for (const Pair& pair : comparison_.pairs)
      if (pair.n > 0) sizes.insert(pair.n);
    for (const std::int64_t n : sizes) {
      const double smallest = smallest_sign_flip_p(static_cast<std::size_t>(n));
      if (smallest > 0.01) add(count(n, "pair") + ": p cannot fall below " + base::number_text(smallest));
      if (n > static_cast<std::int64_t>(kExactPairs))
        add(count(n, "pair") + ": p from " + std::to_string(kRandomPatterns) + " random sign patterns, seeded");
    }
    const std::int64_t tested = tested_pairs(comparison_);
    if (tested > 1)
      add(count(tested, "comparison") +
          ": verdicts ask for p adjusted for their number (Holm); intervals are not "
          "adjusted");
  }

  void say_what_claims_are_about() {
    const auto stated = values([](const RunHeader& header) { return header.design; });
    if (stated.size() > 1) add("the runs state different claims, anchors or plans of seeds; taken: the newest run's");
    if (comparison_.claims.empty() && any_claim_)
      add("the claims of the spec are about another metric or evaluation: none is judged here");
  }

  // Choosing among the columns of such a table is choosing on the data that is reported.
  void say_what_rates_of_a_grid_are() {
    for (const Group& group : groups_)
      for (const auto& [path, value] : group.settings)
        if (path.ends_with("learning_rate"))
          return add(
              "a learning rate picked from this grid is picked on the evaluation data, and flatters: "
              "training.tune picks on held-out training examples");
  }

  void say_what_is_mixed() {
    const auto mixed = [this](const std::set<std::string>& kinds, const std::string& what, const std::string& effect) {
      if (kinds.size() > 1)
        add("mixed " + what + " (" + base::join(std::vector<std::string>(kinds.begin(), kinds.end()), "; ") +
            "): " + effect);
    };
    const std::string bits = "replicates differ by rounding too";
    mixed(values([](const RunHeader& header) { return header.cpu; }), "CPUs", bits);
    mixed(values([](const RunHeader& header) { return std::to_string(header.threads); }), "threads", bits);
    mixed(values([](const RunHeader& header) { return header.build; }), "builds", bits);
    const auto short_hash = [](const std::string& hash) { return hash.substr(0, 12); };
    std::set<std::size_t> told;
    for (const Group& group : groups_) {
      if (!told.insert(group.point).second) continue;
      const std::string where = group.settings.empty() ? "" : " at " + text(group.settings);
      const std::string effect = "a difference is not of the initialization alone";
      mixed(values([&](const RunHeader& header) { return short_hash(header.data_sha256); }, group.point),
            "data" + where, effect);
      // Pre-training replicates have different weights; runs of one of them must not.
      std::set<std::int64_t> pretrainings;
      for (const Group& other : groups_)
        for (const Run* run : other.runs) pretrainings.insert(pretraining_of(run->header));
      for (const std::int64_t pretraining : pretrainings)
        mixed(values(
                  [&](const RunHeader& header) {
                    return pretraining_of(header) == pretraining ? short_hash(header.checkpoint_sha256) : std::string();
                  },
                  group.point),
              "checkpoints" + where, effect);
    }
  }

  // 0 where it is not stated: there is one.
  static std::int64_t pretraining_of(const RunHeader& header) {
    return std::max<std::int64_t>(0, header.checkpoint_replicate);
  }

  void say_what_was_pretrained() {
    std::set<std::int64_t> replicates;
    std::set<std::string> checkpoints;
    for (const Group& group : groups_)
      for (const Run* run : group.runs)
        if (run->reads_checkpoint) {
          replicates.insert(pretraining_of(run->header));
          checkpoints.insert(run->header.checkpoint_sha256);
        }
    if (checkpoints.size() == 1)
      add("one pre-trained checkpoint: the numbers speak of it, not of pre-training at large");
    if (replicates.size() < 2) return;
    const std::string many = std::to_string(replicates.size()) + " pre-training replicates";
    if (std::ranges::any_of(comparison_.pairs, [](const Pair& pair) { return pair.n < pair.replicates; }))
      add(many +
          ": runs that start from one are no independent draws, so where an arm reads it differences are "
          "averaged over them, and intervals and p count pre-training replicates");
    else
      add(many + ", one a pair: intervals and p hold the luck of pre-training too");
  }

  std::span<const Group> groups_;
  const Comparison& comparison_;
  const Measure& measure_;
  bool any_claim_;
  std::vector<std::string> notes_;
};

}  // namespace

std::vector<std::string> notes(std::span<const Group> groups, const Comparison& comparison, const Measure& measure,
                               bool any_claim) {
  return Notes(groups, comparison, measure, any_claim).write();
}

}  // namespace initlab::compare
