// identity, zero_ones: matrices with structure and no randomness.
//
//   identity:  w[i][j] = scale where i = j, else 0; rectangular ones are cut
//   zero_ones: (out, in) with out <= in: the identity, cut; else w[i][j] = (-1)^(bits that i and j share) / sqrt(p),
//   the
//              first rows and columns of the Hadamard matrix of order p, the power of 2 from out on
//
// A plain zero matrix, or all ones, leaves neurons equal for ever; a cut identity would leave rows of a widening layer
// zero. The columns of a Hadamard matrix are orthogonal and of length 1 here, so nothing is lost and every neuron
// differs. In BERT only the first feed-forward matrix widens. Embeddings are not covered: their rows would repeat.
//
// Sources: Le, Jaitly, Hinton 2015, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", and
// torch.nn.init.eye_ (identity); Zhao, Schaefer, Anandkumar 2021, "ZerO Initialization", algorithm 1, with the scale of
// the authors' code (zero_ones). A vector is refused. Options: identity has scale.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"

namespace {

namespace sdk = initlab::sdk;

void fill_identity(const sdk::MatrixShape& shape, double scale, std::span<float> values) {
  std::ranges::fill(values, 0.0f);
  for (std::int64_t i = 0; i < std::min(shape.rows, shape.columns); ++i)
    values[static_cast<std::size_t>(i * shape.columns + i)] = static_cast<float>(scale);
}

// Sylvester's Hadamard matrix of order p, p a power of 2 and at least the shape's size, over sqrt(p).
void fill_hadamard(const sdk::MatrixShape& shape, std::uint64_t p, std::span<float> values) {
  const float one = static_cast<float>(1 / std::sqrt(static_cast<double>(p)));
  const std::uint64_t columns = static_cast<std::uint64_t>(shape.columns);
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(shape.rows); ++i)
    for (std::uint64_t j = 0; j < columns; ++j) values[i * columns + j] = std::popcount(i & j) % 2 == 0 ? one : -one;
}

class Identity {
 public:
  static constexpr sdk::Facts kFacts{.id = "identity/1",
                                     .summary = "scale on the diagonal, 0 elsewhere",
                                     .source = "Le, Jaitly, Hinton 2015; torch.nn.init.eye_",
                                     .natural_roles = IL_ROLE_MATRIX};
  struct Options {
    double scale = 1;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      constexpr double kMost = std::numeric_limits<float>::max();
      visit("scale", self.scale, "the diagonal's value", sdk::between(-kMost, kMost));
    }
  };
  explicit Identity(const Options& options) : scale_(options.scale) {}

  void check(const il_param& param, const sdk::Sources&) const { sdk::matrix_shape(param); }
  void fill(const il_param& param, const sdk::Host&, std::span<float> values) const {
    fill_identity(sdk::matrix_shape(param), scale_, values);
  }

 private:
  double scale_;
};

class ZeroOnes {
 public:
  static constexpr sdk::Facts kFacts{.id = "zero_ones/1",
                                     .summary = "the identity, or a part of a Hadamard matrix where a layer widens",
                                     .source = "Zhao, Schaefer, Anandkumar 2021, ZerO, algorithm 1",
                                     .natural_roles = IL_ROLE_MATRIX};
  using Options = sdk::NoOptions;
  explicit ZeroOnes(const Options&) {}

  void check(const il_param& param, const sdk::Sources&) const { sdk::matrix_shape(param); }
  void fill(const il_param& param, const sdk::Host&, std::span<float> values) const {
    const sdk::MatrixShape shape = sdk::matrix_shape(param);
    if (shape.rows <= shape.columns) return fill_identity(shape, 1, values);
    fill_hadamard(shape, std::bit_ceil(static_cast<std::uint64_t>(shape.rows)), values);
  }
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Identity, ZeroOnes>("structured", "1.0.0"); }
