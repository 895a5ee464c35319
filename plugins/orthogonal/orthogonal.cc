// orthogonal: w = gain * Q, Q uniformly distributed over matrices with orthonormal columns (rows, where it is wide).
//
//   Z (rows, columns) ~ N(0, 1);   Z = Q R, diagonal of R positive
//
// All singular values are `gain`, so a deep linear network keeps norms and angles. With a positive diagonal, Q of a
// normal Z has Haar's distribution (sdk/orthonormal.hpp). Elements have mean 0 and standard deviation
// gain / sqrt(max(rows, columns)). Cost: three seconds for an embedding of 30522 words and width 384, on one core.
//
// Source: Saxe, McClelland, Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
// networks"; torch.nn.init.orthogonal_. A vector is refused. Options: gain.
#include <algorithm>
#include <cmath>

#include "sdk/orthonormal.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

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
    host.normal(param.name, 0, values);
    sdk::make_orthonormal(shape, gain_, values);
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
