// orthogonal: w = gain * Q, Q uniformly distributed over matrices with orthonormal columns (rows, where it is wide).
//
//   Z (rows, columns) ~ N(0, 1);   Z = Q R, diagonal of R positive
//
// All singular values are `gain`, so a deep linear network keeps norms and angles. With a positive diagonal, Q of a
// normal Z has Haar's distribution (Mezzadri 2007); plain QR has not. Elements have mean 0 and standard deviation
// gain / sqrt(max(rows, columns)). Q comes from Gram and Schmidt's process, each vector cleaned twice ("twice is
// enough", Giraud et al. 2005), in double: its R has a positive diagonal by construction. Cost: 4 max min^2 operations:
// three seconds for an embedding of 30522 words and width 384, on one core.
//
// Source: Saxe, McClelland, Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
// networks"; torch.nn.init.orthogonal_. A vector is refused. Options: gain.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

// Eight sums side by side, in an order that no compiler changes: the same bits on every CPU, and fast.
double dot(const double* a, const double* b, std::size_t n) {
  std::array<double, 8> sums{};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (std::size_t k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  for (std::size_t k = 0; i < n; ++i, ++k) sums[k] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// Makes `count` vectors of length n, one after another, orthonormal.
void orthonormalize(std::vector<double>& vectors, std::size_t count, std::size_t n) {
  for (std::size_t j = 0; j < count; ++j) {
    double* v = vectors.data() + j * n;
    const double before = dot(v, v, n);
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t i = 0; i < j; ++i) {
        const double* q = vectors.data() + i * n;
        const double along = dot(q, v, n);
        for (std::size_t k = 0; k < n; ++k) v[k] -= along * q[k];
      }
    }
    const double after = dot(v, v, n);
    if (!(after > 1e-20 * before)) throw sdk::Refusal("the random vectors are linearly dependent");
    const double norm = std::sqrt(after);
    for (std::size_t k = 0; k < n; ++k) v[k] /= norm;
  }
}

class Orthogonal {
 public:
  static constexpr sdk::Facts kFacts{.id = "orthogonal/1",
                                     .summary = "gain times a random matrix with orthonormal columns or rows",
                                     .source = "Saxe et al. 2013; torch.nn.init.orthogonal_",
                                     .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  struct Options {
    double gain = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("gain", self.gain, "every singular value", sdk::at_least(0));
    }
  };
  explicit Orthogonal(const Options& options) : gain_(options.gain) {}

  void check(const il_param& param, const sdk::Sources&) const { sdk::matrix_shape(param); }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const sdk::MatrixShape shape = sdk::matrix_shape(param);
    const std::size_t rows = static_cast<std::size_t>(shape.rows), columns = static_cast<std::size_t>(shape.columns);
    const std::size_t count = std::min(rows, columns), n = std::max(rows, columns);
    // Element k of vector j, in the tensor.
    const auto at = [&](std::size_t j, std::size_t k) -> float& {
      return rows >= columns ? values[k * columns + j] : values[j * columns + k];
    };
    host.normal(param.name, 0, values);
    std::vector<double> vectors(count * n);
    for (std::size_t j = 0; j < count; ++j)
      for (std::size_t k = 0; k < n; ++k) vectors[j * n + k] = static_cast<double>(at(j, k));
    orthonormalize(vectors, count, n);
    for (std::size_t j = 0; j < count; ++j)
      for (std::size_t k = 0; k < n; ++k) at(j, k) = static_cast<float>(gain_ * vectors[j * n + k]);
  }
  sdk::Moments moments(const il_param& param) const {
    const sdk::MatrixShape shape = sdk::matrix_shape(param);
    const double n = static_cast<double>(std::max(shape.rows, shape.columns));
    return {.mean = 0, .stddev = gain_ / std::sqrt(n), .low = -gain_, .high = gain_};
  }

 private:
  double gain_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Orthogonal>("orthogonal", "1.0.0"); }
