// The sections of a composed document -> config structs: what a key means, and which keys go together.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "spec/node.hpp"

namespace initlab::spec {

// `seeds:` as written; plan.cc derives the streams.
struct SeedSpec {
  std::int64_t replicates = 1;
  std::int64_t base = 1;
  std::optional<std::int64_t> init, head, order, mask, dropout;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    const auto seed = config::at_least(0);
    visit("replicates", self.replicates, "runs per arm and grid point, each with its own seeds",
          config::between(1, 10'000));
    visit("base", self.base, "the seed that all streams are derived from", seed);
    visit("init", self.init, "fixes the encoder's initial weights for all replicates", seed);
    visit("head", self.head, "fixes the task head's initial weights for all replicates", seed);
    visit("order", self.order, "fixes the order of the training examples for all replicates", seed);
    visit("mask", self.mask, "fixes the masked positions for all replicates", seed);
    visit("dropout", self.dropout, "fixes the dropout bits for all replicates", seed);
  }
};

// One arm, without its name: rules, and the part of `training:` it overrides (null where there is none).
struct Arm {
  std::vector<config::InitRule> init;
  Node training;
};

// All throw Error with the place of the value. `path` is the subject of messages, "arms.pretrained".
config::ModelSpec read_model(const Node& node);
config::TaskConfig read_task(const Node& node);
config::TrainingConfig read_training(const Node& node,
                                     const std::string& path);  // lengths: at most one; none is 3 epochs
config::TuneConfig read_tune(const Node& node);                 // training.tune
std::vector<config::InitRule> read_rules(const Node& node, const std::string& path);
Arm read_arm(const Node& node, const std::string& path);
SeedSpec read_seeds(const Node& node);
config::CompareConfig read_compare(const Node& node, const std::vector<std::string>& arms);
config::KeepConfig read_keep(const Node& node);
config::ResumeConfig read_resume(const Node& node);
config::LogConfig read_log(const Node& node);
std::vector<std::string> read_plugins(const Node& node);

// A name of an experiment or an arm: letters, digits and `more`, at most 100 bytes.
void check_name(const std::string& name, const std::string& more, const Mark& mark, const std::string& subject);

}  // namespace initlab::spec
