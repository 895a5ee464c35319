#include "init/measure.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/hash.hpp"

namespace initlab::init {
namespace {

// Householder: a becomes tridiagonal with the same eigenvalues; diagonal d, and e[i] between i and i + 1.
void reduce_to_tridiagonal(std::vector<double>& a, std::size_t n, std::vector<double>& d, std::vector<double>& e) {
  std::vector<double> v(n), w(n);
  for (std::size_t k = 0; k + 2 < n; ++k) {
    // The reflection I - beta v v^T maps column k below the diagonal onto its first element.
    double scale = 0, norm = 0;
    for (std::size_t i = k + 1; i < n; ++i) scale = std::max(scale, std::fabs(a[i * n + k]));
    if (scale == 0) continue;
    for (std::size_t i = k + 1; i < n; ++i) {
      v[i] = a[i * n + k] / scale;
      norm += v[i] * v[i];
    }
    const double alpha = v[k + 1] > 0 ? -std::sqrt(norm) : std::sqrt(norm);
    const double beta = 1 / (norm - alpha * v[k + 1]);
    v[k + 1] -= alpha;
    // A <- (I - beta v v^T) A (I - beta v v^T) = A - v w^T - w v^T
    double product = 0;
    for (std::size_t i = k + 1; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = k + 1; j < n; ++j) sum += a[i * n + j] * v[j];
      w[i] = beta * sum;
      product += w[i] * v[i];
    }
    for (std::size_t i = k + 1; i < n; ++i) w[i] -= 0.5 * beta * product * v[i];
    for (std::size_t i = k + 1; i < n; ++i)
      for (std::size_t j = k + 1; j < n; ++j) a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
    a[(k + 1) * n + k] = alpha * scale;
  }
  for (std::size_t i = 0; i < n; ++i) d[i] = a[i * n + i];
  for (std::size_t i = 0; i + 1 < n; ++i) e[i] = a[(i + 1) * n + i];
}

constexpr std::size_t kLanes = 8;  // points at a time: their divisions do not wait for each other
using Lanes = std::array<double, kLanes>;

// How many eigenvalues of the tridiagonal matrix are below each x: the negative pivots of its factorization shifted by
// x. squares[i] couples i - 1 and i.
Lanes count_below(const std::vector<double>& d, const std::vector<double>& squares, const Lanes& x, double tiny) {
  Lanes count{}, pivot;
  pivot.fill(1);
  for (std::size_t i = 0; i < d.size(); ++i)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double p = d[i] - x[lane] - squares[i] / pivot[lane];
      pivot[lane] = std::fabs(p) < tiny ? -tiny : p;
      count[lane] += pivot[lane] < 0 ? 1 : 0;
    }
  return count;
}

// Every line of the longer side, or kMostRankLines evenly spaced ones.
std::vector<std::int64_t> counted_lines(std::int64_t longer) {
  const std::int64_t n = std::min(longer, kMostRankLines);
  std::vector<std::int64_t> lines;
  for (std::int64_t i = 0; i < n; ++i) lines.push_back(longer * i / n);
  return lines;
}

// Sum over lines of x x^T, x a line of `m` numbers. (m, m), both triangles.
std::vector<double> gram(std::span<const float> values, std::int64_t rows, std::int64_t columns) {
  const bool tall = rows >= columns;
  const auto m = static_cast<std::size_t>(std::min(rows, columns));
  std::vector<double> sums(m * m), x(m);
  for (const std::int64_t line : counted_lines(std::max(rows, columns))) {
    for (std::size_t i = 0; i < m; ++i) {
      const std::int64_t k = static_cast<std::int64_t>(i);
      x[i] = values[static_cast<std::size_t>(tall ? line * columns + k : k * columns + line)];
    }
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = i; j < m; ++j) sums[i * m + j] += x[i] * x[j];
  }
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < i; ++j) sums[i * m + j] = sums[j * m + i];
  return sums;
}

}  // namespace

std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::size_t n) {
  std::vector<double> d(n), e(n);
  reduce_to_tridiagonal(a, n, d, e);
  double bound = 0;  // Gershgorin's: no eigenvalue is beyond it
  for (std::size_t i = 0; i < n; ++i)
    bound = std::max(bound, std::fabs(d[i]) + std::fabs(e[i]) + (i == 0 ? 0 : std::fabs(e[i - 1])));
  std::vector<double> values(n, 0.0);
  if (bound == 0) return values;
  std::vector<double> squares(n, 0.0);
  for (std::size_t i = 1; i < n; ++i) squares[i] = e[i - 1] * e[i - 1];
  for (std::size_t first = 0; first < n; first += kLanes) {
    Lanes low, high, middle;  // eigenvalue first + lane is between low and high
    low.fill(-bound * (1 + 1e-15));
    high.fill(bound * (1 + 1e-15));
    for (int halving = 0; halving < 51; ++halving) {  // 2^-50 of the bound is left
      for (std::size_t lane = 0; lane < kLanes; ++lane) middle[lane] = low[lane] + (high[lane] - low[lane]) / 2;
      const Lanes below = count_below(d, squares, middle, bound * 1e-30);
      for (std::size_t lane = 0; lane < kLanes; ++lane)
        (below[lane] > static_cast<double>(first + lane) ? high : low)[lane] = middle[lane];
    }
    for (std::size_t lane = 0; lane < kLanes && first + lane < n; ++lane) values[first + lane] = middle[lane];
  }
  return values;
}

double effective_rank(std::span<const float> values, std::int64_t rows, std::int64_t columns) {
  const std::int64_t side = std::min(rows, columns);
  if (side < 1 || side > kMostRankSide) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> squares =
      symmetric_eigenvalues(gram(values, rows, columns), static_cast<std::size_t>(side));
  const double largest = squares.back();
  if (!(largest > 0)) return 0;
  std::vector<double> singular;
  double sum = 0;
  for (const double square : squares)
    if (square > largest * 1e-14) sum += singular.emplace_back(std::sqrt(square));
  double entropy = 0;
  for (const double s : singular) entropy -= s / sum * std::log(s / sum);
  return std::exp(entropy);
}

std::string bits_sha256(std::span<const float> values) {
  static_assert(std::endian::native == std::endian::little, "the hash is over little-endian f32");
  return base::sha256_hex({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

void measure(std::span<const float> values, record::InitRecord& record) {
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const float x : values) sum += x;
  record.mean = sum / n;
  double squares = 0;
  std::size_t zeros = 0;
  for (const float x : values) {
    squares += (x - record.mean) * (x - record.mean);
    zeros += x == 0 ? 1 : 0;
  }
  record.stddev = std::sqrt(squares / n);
  record.zeros = static_cast<double>(zeros) / n;
  const auto [least, most] = std::ranges::minmax(values);
  record.min = least;
  record.max = most;
  if (record.shape.size() == 2) record.effective_rank = effective_rank(values, record.shape[0], record.shape[1]);
  record.sha256 = bits_sha256(values);
}

}  // namespace initlab::init
