// Controls that keep one statistic of a checkpoint's tensor and destroy the rest: what of pretraining is only scale,
// histogram, spectrum or signs? W is the checkpoint's tensor of the same name and shape, w its elements.
//
//   moment_match:       w' = mean + stddev * z, z ~ N(0, 1); mean and stddev (divided by n, not n - 1) of W (scope
//                       tensor), of each of its rows (row), or of all the model's tensors of its role (global)
//   shuffle:            the elements of W, permuted within the tensor, each row, each column or each attention head
//   spectrum_match:     the singular values of W, uniform orthogonal directions (spectrum.hpp)
//   sign_preserve:      |w'| from elsewhere, the sign of w: magnitude shuffle (those of W permuted), normal (rms * |z|)
//                       or constant (rms); rms^2 = mean of w^2
//   magnitude_preserve: |w|, a fair coin for the sign
//
// Vectors (biases, LayerNorms). moment_match, shuffle and sign_preserve treat one as one row: a permutation, or draws
// with its own mean and deviation. magnitude_preserve leaves LayerNorm's scales alone: a negative gain is no control of
// anything. A vector has no spectrum: spectrum_match does not cover it and refuses it. Scope head is for query, key,
// value (rows of a head) and attention.output.dense.weight (its columns), and refuses the rest.
//
// Sources: Raghu et al. 2019, "Transfusion" (Mean Var); Frankle, Schwab, Morcos 2020, "The early phase of neural
// network training" (shuffles); Zhou et al. 2019, "Deconstructing lottery tickets" (signs); Stewart 1980 (random
// orthogonal matrices). Options: scope (moment_match, shuffle), magnitude (sign_preserve).
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "moments.hpp"
#include "sdk/draws.hpp"
#include "sdk/plugin.hpp"
#include "spectrum.hpp"

namespace {

namespace sdk = initlab::sdk;
using initlab::plugins::MeanAndDeviation;
using initlab::plugins::moments_of;

constexpr std::uint32_t kWeights = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING;

// Rows and columns; a vector is one row.
struct Extent {
  explicit Extent(const il_param& p)
      : rows(p.rank > 1 ? static_cast<std::size_t>(p.dims[0]) : 1),
        columns(static_cast<std::size_t>(p.dims[p.rank - 1])) {}
  std::size_t rows, columns;
};

class MomentMatch {
 public:
  static constexpr sdk::Facts kFacts{.id = "moment_match/1",
                                     .summary = "normal with the checkpoint's mean and standard deviation",
                                     .source = "Raghu et al. 2019, Transfusion (Mean Var)",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    std::string scope = "tensor";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("scope", self.scope, "whose moments: tensor, row, or global (all tensors of the role)");
    }
  };
  explicit MomentMatch(const Options& o)
      : scope_(static_cast<Scope>(sdk::one_of("scope", o.scope, {"tensor", "row", "global"}))) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    host.normal(param.name, 0, values);
    if (scope_ == Scope::row) {
      const Extent extent(param);
      for (std::size_t i = 0; i < extent.rows; ++i)
        scale(values.subspan(i * extent.columns, extent.columns),
              moments_of(source.subspan(i * extent.columns, extent.columns)));
    } else {
      scale(values, scope_ == Scope::tensor ? moments_of(source) : moments_of_role(param.role, host));
    }
  }

 private:
  enum class Scope { tensor, row, global };

  static void scale(std::span<float> values, const MeanAndDeviation& m) {
    for (float& x : values) x = static_cast<float>(m.mean + m.stddev * static_cast<double>(x));
  }

  static MeanAndDeviation moments_of_role(std::uint32_t role, const sdk::Host& host) {
    std::vector<std::span<const float>> all;
    for (std::uint64_t i = 0;; ++i) {
      const auto param = host.parameter(i);
      if (!param) break;
      if (param->role != role) continue;
      if (const auto tensor = host.source(param->name)) all.push_back(tensor->values);
    }
    if (all.empty()) throw sdk::Refusal("the program does not list the model's tensors: it is older than this plugin");
    initlab::plugins::MomentSums sums;
    for (const auto values : all) sums.add_first(values);
    for (const auto values : all) sums.add_second(values);
    return sums.result();
  }

  Scope scope_;
};

// The sets of elements that a shuffle does not leave. Calls work(positions) for each; together they are the tensor.
class Units {
 public:
  enum class Scope { tensor, row, column, head };

  Units(Scope scope, const il_param& param) : scope_(scope), extent_(param), heads_(heads_of(param)) {
    if (scope_ != Scope::head) return;
    if (heads_ == Heads::none)
      throw sdk::Refusal(
          "scope head: it belongs to no attention head; query, key, value and "
          "attention.output.dense.weight do: add match: \"*.attention.self.*\"");
    const std::size_t split = param.rank == 1 || heads_ == Heads::columns ? extent_.columns : extent_.rows;
    count_ = static_cast<std::size_t>(std::max(param.heads, 1));
    if (split % count_ != 0) throw sdk::Refusal("scope head: its size is not a multiple of the heads");
    width_ = split / count_;
    is_vector_ = param.rank == 1;
  }

  template <class Work>
  void for_each(Work work) const {
    const std::size_t rows = extent_.rows, columns = extent_.columns;
    switch (scope_) {
      case Scope::tensor:
        return block(0, rows, 0, columns, work);
      case Scope::row:
        for (std::size_t i = 0; i < rows; ++i) block(i, i + 1, 0, columns, work);
        return;
      case Scope::column:
        if (rows == 1) return block(0, 1, 0, columns, work);  // a vector is one unit
        for (std::size_t j = 0; j < columns; ++j) block(0, rows, j, j + 1, work);
        return;
      case Scope::head:
        for (std::size_t h = 0; h < count_; ++h) {
          const std::size_t begin = h * width_, end = begin + width_;
          if (is_vector_ || heads_ == Heads::columns)
            block(0, rows, begin, end, work);
          else
            block(begin, end, 0, columns, work);
        }
    }
  }

 private:
  enum class Heads { none, rows, columns };  // of a weight; the heads of a bias lie one after another

  static Heads heads_of(const il_param& param) {
    const std::string_view name(param.name);
    const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
    if (has(".attention.self.")) return Heads::rows;
    return name.ends_with(".attention.output.dense.weight") ? Heads::columns : Heads::none;
  }

  template <class Work>
  void block(std::size_t row, std::size_t row_end, std::size_t column, std::size_t column_end, Work& work) const {
    std::vector<std::uint32_t> positions;
    positions.reserve((row_end - row) * (column_end - column));
    for (std::size_t i = row; i < row_end; ++i)
      for (std::size_t j = column; j < column_end; ++j)
        positions.push_back(static_cast<std::uint32_t>(i * extent_.columns + j));
    work(std::span<const std::uint32_t>(positions));
  }

  Scope scope_;
  Extent extent_;
  Heads heads_;
  std::size_t count_ = 0, width_ = 0;
  bool is_vector_ = false;
};

class Shuffle {
 public:
  static constexpr sdk::Facts kFacts{.id = "shuffle/1",
                                     .summary = "the checkpoint's values, permuted within a scope",
                                     .source = "Frankle, Schwab, Morcos 2020, The early phase of training, section 5",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    std::string scope = "tensor";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("scope", self.scope, "what a value does not leave: tensor, row, column or head");
    }
  };
  explicit Shuffle(const Options& o)
      : scope_(static_cast<Units::Scope>(sdk::one_of("scope", o.scope, {"tensor", "row", "column", "head"}))) {}

  void check(const il_param& param, const sdk::Sources& sources) const {
    sources.require_like(param);
    Units(scope_, param);
  }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    std::uint64_t draw = 0;  // each unit has draws of its own
    Units(scope_, param).for_each([&](std::span<const std::uint32_t> positions) {
      const auto n = static_cast<std::uint32_t>(positions.size());
      const std::vector<std::uint32_t> order = sdk::permutation(host, param.name, draw, n);
      for (std::uint32_t i = 0; i < n; ++i) values[positions[i]] = source[positions[order[i]]];
      draw += n;
    });
  }

 private:
  Units::Scope scope_;
};

class SpectrumMatch {
 public:
  static constexpr sdk::Facts kFacts{.id = "spectrum_match/1",
                                     .summary = "the checkpoint's singular values, random orthogonal directions",
                                     .source = "Stewart 1980, The efficient generation of random orthogonal matrices",
                                     .natural_roles = kWeights};
  static constexpr bool kNeedsSource = true;
  using Options = sdk::NoOptions;
  explicit SpectrumMatch(const Options&) {}

  void check(const il_param& param, const sdk::Sources& sources) const {
    sources.require_like(param);
    require_matrix(param);
  }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    require_matrix(param);
    const Extent extent(param);
    const auto draw = [&](std::uint64_t first, std::span<float> z) { host.normal(param.name, first, z); };
    initlab::plugins::match_spectrum(source, extent.rows, extent.columns, draw, values);
  }

 private:
  static void require_matrix(const il_param& param) {
    if (param.rank != 2)
      throw sdk::Refusal("expected a tensor of two dimensions, got shape " + sdk::shape_text(sdk::shape_of(param)) +
                         ": a vector has no spectrum");
  }
};

class SignPreserve {
 public:
  static constexpr sdk::Facts kFacts{.id = "sign_preserve/1",
                                     .summary = "the checkpoint's signs with magnitudes from elsewhere",
                                     .source = "Zhou et al. 2019, Deconstructing lottery tickets, section 4.2",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    std::string magnitude = "shuffle";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("magnitude", self.magnitude,
            "shuffle (the checkpoint's, permuted), normal or constant (both with the checkpoint's root mean square)");
    }
  };
  explicit SignPreserve(const Options& o)
      : magnitude_(static_cast<Magnitude>(sdk::one_of("magnitude", o.magnitude, {"shuffle", "normal", "constant"}))) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    if (magnitude_ == Magnitude::shuffle) {
      const auto order = sdk::permutation(host, param.name, 0, static_cast<std::uint32_t>(source.size()));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = source[order[i]];
    } else {
      const double rms = root_mean_square(source);
      if (magnitude_ == Magnitude::constant) std::ranges::fill(values, static_cast<float>(rms));
      if (magnitude_ == Magnitude::normal) {
        host.normal(param.name, 0, values);
        for (float& x : values) x = static_cast<float>(rms * static_cast<double>(x));
      }
    }
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::copysign(values[i], source[i]);
  }

 private:
  enum class Magnitude { shuffle, normal, constant };

  static double root_mean_square(std::span<const float> values) {
    double squares = 0;
    for (const float x : values) squares += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(squares / static_cast<double>(values.size()));
  }

  Magnitude magnitude_;
};

class MagnitudePreserve {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "magnitude_preserve/1",
      .summary = "the checkpoint's magnitudes with random signs; norm and residual scales as they are",
      .source = "Zhou et al. 2019, Deconstructing lottery tickets, section 4.2",
      .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  using Options = sdk::NoOptions;
  explicit MagnitudePreserve(const Options&) {}

  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const std::span<const float> source = host.source_like(param).values;
    if ((param.role & (IL_ROLE_NORM_SCALE | IL_ROLE_RESIDUAL_SCALE)) != 0) {
      std::ranges::copy(source, values.begin());
      return;
    }
    host.uniform(param.name, 0, values);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = std::copysign(source[i], values[i] < 0.5f ? -1.0f : 1.0f);
  }
};

}  // namespace

const il_plugin* initlab_plugin() {
  return initlab::sdk::plugin<MomentMatch, Shuffle, SpectrumMatch, SignPreserve, MagnitudePreserve>("statistics",
                                                                                                    "1.0.0");
}
