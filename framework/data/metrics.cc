// Accuracy, F1, Matthews' correlation, Pearson's and Spearman's, in doubles; what is undefined is 0.
#include "data/metrics.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::data {
namespace {

using Classes = std::span<const std::int32_t>;

template <class T>
bool all_equal(std::span<const T> values) {
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

double ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

double accuracy(Classes predicted, Classes labels) {
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += predicted[i] == labels[i];
  return ratio(static_cast<double>(right), static_cast<double>(labels.size()));
}

// 2 TP / (2 TP + FP + FN) of label 1.
double f1(Classes predicted, Classes labels) {
  std::int64_t both = 0, either = 0;  // true positives; positives among predictions plus among labels
  for (std::size_t i = 0; i < labels.size(); ++i) {
    both += predicted[i] == 1 && labels[i] == 1;
    either += (predicted[i] == 1) + (labels[i] == 1);
  }
  return ratio(2 * static_cast<double>(both), static_cast<double>(either));
}

// Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient"; Matthews 1975 for K
// = 2.
double mcc(Classes predicted, Classes labels) {
  std::map<std::int32_t, std::pair<double, double>> counts;  // label -> how often predicted, how often true
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ++counts[predicted[i]].first;
    ++counts[labels[i]].second;
    right += predicted[i] == labels[i];
  }
  const auto n = static_cast<double>(labels.size());
  double product = 0, predicted_squared = 0, true_squared = 0;
  for (const auto& [label, count] : counts) {
    product += count.first * count.second;
    predicted_squared += count.first * count.first;
    true_squared += count.second * count.second;
  }
  return ratio(right * n - product, std::sqrt((n * n - predicted_squared) * (n * n - true_squared)));
}

// Of numbers that were floats: their squares neither overflow nor vanish in double.
double correlation(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return std::clamp(ratio(xy, std::sqrt(xx * yy)), -1.0, 1.0);
}

std::vector<double> doubles(std::span<const float> values) { return {values.begin(), values.end()}; }

// 1-based ranks; equal values share the average of theirs.
std::vector<double> ranks(std::span<const float> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) rank[order[i]] = 0.5 * static_cast<double>(begin + 1 + end);
    begin = end;
  }
  return rank;
}

[[noreturn]] void unknown(const std::string& name, const std::vector<std::string>& known) {
  throw base::Error(
      {"", "metric", "one of " + base::join(known, ", "), base::quote(name), base::did_you_mean(name, known)});
}

}  // namespace

Score score_classes(std::span<const std::string> names, std::span<const std::int32_t> predicted,
                    std::span<const std::int32_t> labels) {
  assert(predicted.size() == labels.size());
  Score score{{}, all_equal(predicted)};
  for (const std::string& name : names) {
    if (name == "accuracy")
      score.values.push_back(accuracy(predicted, labels));
    else if (name == "f1")
      score.values.push_back(f1(predicted, labels));
    else if (name == "mcc")
      score.values.push_back(mcc(predicted, labels));
    else
      unknown(name, {"accuracy", "f1", "mcc"});
  }
  return score;
}

Score score_numbers(std::span<const std::string> names, std::span<const float> predicted,
                    std::span<const float> targets) {
  assert(predicted.size() == targets.size());
  const bool finite = all_finite(predicted);
  Score score{{}, !finite || all_equal(predicted)};
  const bool defined = !score.degenerate && !all_equal(targets);
  for (const std::string& name : names) {
    if (name == "pearson")
      score.values.push_back(defined ? correlation(doubles(predicted), doubles(targets)) : 0);
    else if (name == "spearman")
      score.values.push_back(defined ? correlation(ranks(predicted), ranks(targets)) : 0);
    else
      unknown(name, {"pearson", "spearman"});
  }
  return score;
}

}  // namespace initlab::data
