// What a sweep's design can find out: the smallest p that its pairs can give, and the smallest difference that it
// finds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/common.hpp"
#include "base/json.hpp"

namespace initlab::app {

// Of an arm against the baseline.
struct Design {
  std::string arm;
  std::size_t pairs = 0;       // that are independent: pre-trained models, where several replicates share one
  std::size_t replicates = 0;  // common ones
  double deviation = 0;        // standard deviation of paired differences
  std::size_t from_pairs = 0;  // finished pairs that it comes from; 0: assumed
  double detectable = 0;       // difference that a paired t test finds with 80 % power at 0.05; infinite for one pair
};

// Tests that Holm adjusts for together, over all grid points.
struct Family {
  std::size_t size = 0;
  // The fewest that can give one of them p < 0.05; nothing for no tests, or where no number of pairs can.
  std::optional<std::size_t> pairs_needed = {};
};

struct Designs {
  std::string baseline, metric;
  double smallest_p = 1;       // of the sign-flip test
  Family comparisons, claims;  // with the baseline; of the spec
  std::vector<Design> arms;    // in the spec's order
};

// Reads the finished runs of the sweep's first grid point. What they do not tell is assumed: 0.02 for metrics, 0.05 for
// the loss.
Designs designs_of(const Sweep& sweep);

std::string to_text(const Designs& designs);
base::Json to_json(const Designs& designs);

}  // namespace initlab::app
