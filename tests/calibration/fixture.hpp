// A small model on microworld whose values come from sweep::initialize, and what its activations really are, measured
// through model::observe and nothing of the calibration's own.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compute/threads.hpp"
#include "init/init.hpp"
#include "integration/program.hpp"
#include "model/observe.hpp"
#include "paths.hpp"
#include "spec/spec.hpp"
#include "sweep/initialize.hpp"
#include "sweep/prepare.hpp"

namespace initlab::calibration {

namespace fs = std::filesystem;
using integration::Said;

inline const char* const kSpec = R"(experiment: calibration
model: {layers: 3, hidden: 32, heads: 2, intermediate: 96, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 64}
training: {steps: 2, batch: 16, max_length: 64}
arms:
  calibrated: [ARM]
head: {use: lsuv}
seeds: {replicates: 1, base: 7}
)";

using Changes = std::vector<std::pair<std::string, std::string>>;  // of the spec's text: from, to

// Of the product of a weight, and of what it is added to (NaN: nothing).
struct Measured {
  double variance = 0;
  double residual_variance = std::numeric_limits<double>::quiet_NaN();
};

class CalibrationTest : public integration::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    compute::set_threads(1);
  }
  // A file with kSpec, its arm's rules in place and changed.
  std::string spec(const std::string& arm, const Changes& changes = {}) const {
    std::string text = kSpec;
    text.replace(text.find("ARM"), 3, arm);
    for (const auto& [from, to] : changes) text.replace(text.find(from), from.size(), to);
    integration::write(folder_ / "spec.yaml", text);
    return (folder_ / "spec.yaml").string();
  }
  std::shared_ptr<const sweep::Prepared> prepared(const std::string& arm, const Changes& changes = {}) {
    workshop_.emplace(catalog(), folder_ / "results", std::map<std::string, std::string>{});
    return workshop_->prepare(spec::read(spec(arm, changes), {}, {}).plans.at(0));
  }
  static std::vector<float> values_of(const sweep::Prepared& run, std::vector<record::InitRecord>* records = nullptr) {
    std::vector<float> values(static_cast<std::size_t>(run.table->size()));
    const auto said = sweep::initialize(run, catalog(), values);
    if (records != nullptr) *records = said;
    return values;
  }
  static std::span<const float> slice(const std::vector<float>& values, const params::Parameter& p) {
    return std::span(values).subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
  }

  // By weight, over the first batches of the run's training order.
  static std::map<std::string, Measured> measure(const sweep::Prepared& run, std::span<const float> values,
                                                 std::int64_t batches) {
    struct Sums {
      double n = 0, sum = 0, squares = 0;
      void add(std::span<const float> numbers) {
        for (const float x : numbers) {
          n += 1;
          sum += static_cast<double>(x);
          squares += static_cast<double>(x) * static_cast<double>(x);
        }
      }
      double variance() const { return squares / n - (sum / n) * (sum / n); }
    };
    std::map<std::string, Sums> products, residuals;
    for (std::int64_t step = 0; step < batches; ++step) {
      std::vector<float> stream;
      model::observe(run.model, run.data->info.head, run.num_labels, *run.table, values, run.batches().train(step),
                     [&](const model::Activation& a) {
                       if (a.site == "attention.branch" || a.site == "ffn.branch")
                         residuals[std::string(a.weight)].add(stream);
                       if (a.site == "embeddings" || a.site.ends_with(".output"))
                         stream.assign(a.values.begin(), a.values.end());
                       if (!a.weight.empty()) products[std::string(a.weight)].add(a.values);
                     });
    }
    std::map<std::string, Measured> measured;
    for (const auto& [weight, sums] : products) measured[weight].variance = sums.variance();
    for (const auto& [weight, sums] : residuals) measured[weight].residual_variance = sums.variance();
    return measured;
  }

  static const init::Catalog& catalog() {
    static const init::Catalog loaded = [] {
      init::Catalog c;
      for (const std::string& file : init::find_plugins({}, initlab::paths::binary_dir() + "/initlab")) c.load(file);
      return c;
    }();
    return loaded;
  }

 private:
  std::optional<sweep::Workshop> workshop_;
};

}  // namespace initlab::calibration
