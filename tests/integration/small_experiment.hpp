// A few seconds of work: two arms, two replicates, a model of one layer, no pre-training.
#pragma once

#include "integration/program.hpp"

namespace initlab::integration {

inline const char* const kSmall = R"(experiment: small
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 64}
training: {epochs: 2, batch: 16, max_length: 64, optimizer: {learning_rate: 1e-3}, evaluate: {every: 3}}
arms:
  truncated: [{use: truncated_normal, stddev: 0.02}]
  xavier: [{use: xavier_uniform}]
seeds: {replicates: 2, base: 7}
compare: {baseline: truncated, metric: accuracy, threshold: 0.99}
)";

// Has that spec as spec_.
class SmallExperiment : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    spec_ = folder_ / "small.yaml";
    write(spec_, kSmall);
  }
  fs::path spec_;
};

}  // namespace initlab::integration
