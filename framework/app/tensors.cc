#include "app/tensors.hpp"

#include <cmath>
#include <iostream>
#include <string>

#include "app/common.hpp"
#include "base/text.hpp"
#include "report/report.hpp"

namespace initlab::app {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> parts;
  for (const std::int64_t n : shape) parts.push_back(std::to_string(n));
  return base::join(parts, " x ");
}

std::string calibration_of(const record::InitRecord& t) {
  if (t.calibration_rounds == 0) return "-";
  const std::string rounds = std::to_string(t.calibration_rounds) + (t.calibration_rounds == 1 ? " round" : " rounds");
  return std::isnan(t.calibrated_stddev) ? rounds : rounds + ", output std " + significant(t.calibrated_stddev);
}

std::string origin_of(const record::InitRecord& t) {
  if (!t.source_key.empty()) return t.source_key == t.name ? "the checkpoint" : t.source_key;
  return t.stream.empty() ? "-" : "stream " + t.stream;
}

}  // namespace

void print_tensors(const std::vector<record::InitRecord>& tensors) {
  std::vector<std::vector<std::string>> rows = {{"tensor", "shape", "strategy", "rule", "from", "mean", "wanted", "std",
                                                 "wanted", "min", "max", "zeros", "rank", "calibrated", "sha256",
                                                 "first step"}};
  for (const record::InitRecord& t : tensors)
    rows.push_back({t.name, shape_text(t.shape), t.strategy, t.rule, origin_of(t), significant(t.mean),
                    significant(t.requested_mean), significant(t.stddev), significant(t.requested_stddev),
                    significant(t.min), significant(t.max), significant(t.zeros), significant(t.effective_rank),
                    calibration_of(t), t.sha256.substr(0, 8),
                    t.sha256_first_step.empty()       ? "-"
                    : t.sha256_first_step == t.sha256 ? "same"
                                                      : t.sha256_first_step.substr(0, 8)});
  std::vector<bool> right(rows[0].size(), false);
  for (std::size_t i = 5; i <= 12; ++i) right[i] = true;
  std::cout << report::align(rows, right);
}

void print_unused(const std::vector<record::UnusedTensor>& unused) {
  if (unused.empty()) return;
  std::cout << "\ntensors of the checkpoint that nothing read:\n";
  for (const record::UnusedTensor& u : unused)
    std::cout << "  " << u.key << (u.tensor.empty() ? "  (the model has no place for it)" : "") << "\n";
}

base::Json tensors_json(const std::vector<record::InitRecord>& tensors) {
  base::Json list = base::Json::array();
  for (const record::InitRecord& t : tensors)
    list.push_back({{"name", t.name},
                    {"role", t.role},
                    {"shape", t.shape},
                    {"rule", t.rule},
                    {"place", t.place},
                    {"strategy", t.strategy},
                    {"options", t.options},
                    {"source_file", t.source_file},
                    {"source_key", t.source_key},
                    {"source_sha256", t.source_sha256},
                    {"stream", t.stream},
                    {"requested_mean", finite(t.requested_mean)},
                    {"requested_std", finite(t.requested_stddev)},
                    {"mean", finite(t.mean)},
                    {"std", finite(t.stddev)},
                    {"min", finite(t.min)},
                    {"max", finite(t.max)},
                    {"zeros", finite(t.zeros)},
                    {"effective_rank", finite(t.effective_rank)},
                    {"calibration_rounds", t.calibration_rounds},
                    {"calibrated_std", finite(t.calibrated_stddev)},
                    {"sha256", t.sha256},
                    {"sha256_first_step", t.sha256_first_step}});
  return list;
}

base::Json unused_json(const std::vector<record::UnusedTensor>& unused) {
  base::Json list = base::Json::array();
  for (const record::UnusedTensor& u : unused) list.push_back({{"key", u.key}, {"tensor", u.tensor}});
  return list;
}

}  // namespace initlab::app
