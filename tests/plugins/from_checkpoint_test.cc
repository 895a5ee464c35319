// Strategies that read a checkpoint: what they keep is kept to the bit or within computed bounds, and what they destroy
// is destroyed. Statistics are over more than a million draws of the program's own streams; bounds are 5 standard
// errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "base/random.hpp"
#include "init/init.hpp"
#include "paths.hpp"

namespace initlab {
namespace {

using Shape = std::vector<std::int64_t>;
using Options = std::vector<std::pair<std::string, std::string>>;

struct Tensor {
  Shape shape;
  std::vector<float> values;
  std::uint32_t role = IL_ROLE_MATRIX;
};

const std::string kQuery = "bert.encoder.layer.1.attention.self.query.weight";

std::size_t size_of(const Shape& shape) {
  std::size_t n = 1;
  for (const std::int64_t dim : shape) n *= static_cast<std::size_t>(dim);
  return n;
}

// A tensor of normal values around `mean`, the same for the same name.
Tensor normal_tensor(const Shape& shape, double mean = 0, double stddev = 1, std::uint32_t role = IL_ROLE_MATRIX,
                     const std::string& name = "t") {
  Tensor t{shape, std::vector<float>(size_of(shape)), role};
  const base::Stream stream(7, "source/" + name);
  for (std::size_t i = 0; i < t.values.size(); ++i) t.values[i] = static_cast<float>(mean + stddev * stream.normal(i));
  return t;
}

// A host with a checkpoint of these tensors, which are the model's too.
struct Lab {
  std::map<std::string, Tensor> checkpoint;
  std::int32_t layers = 2, heads = 4;

  static void uniform(const void*, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n) {
    const base::Stream stream(2025, std::string("init/") + tensor);
    for (std::uint64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(stream.bits(first + i) >> 40) * 0x1p-24f;
  }
  static void normal(const void*, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n) {
    const base::Stream stream(2025, std::string("init/") + tensor);
    for (std::uint64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(stream.normal(first + i));
  }
  static int source(const void* self, const char* tensor, il_view* view) {
    const auto& all = static_cast<const Lab*>(self)->checkpoint;
    const auto found = all.find(tensor);
    if (found == all.end()) return 1;
    view->rank = static_cast<std::uint32_t>(found->second.shape.size());
    view->dims = found->second.shape.data();
    view->data = found->second.values.data();
    return 0;
  }
  static int parameter(const void* self, std::uint64_t i, il_param* param) {
    const auto& lab = *static_cast<const Lab*>(self);
    if (i >= lab.checkpoint.size()) return 1;
    const auto& [name, tensor] = *std::next(lab.checkpoint.begin(), static_cast<std::ptrdiff_t>(i));
    *param = lab.describe(name, tensor.shape, tensor.role);
    return 0;
  }
  il_param describe(const std::string& name, const Shape& shape, std::uint32_t role) const {
    il_param p{};
    p.size = sizeof p;
    p.rank = static_cast<std::uint32_t>(shape.size());
    p.dims = shape.data();
    p.name = name.c_str();
    p.role = role;
    const std::size_t at = name.find(".layer.");
    p.layer = at == std::string::npos ? -1 : std::stoi(name.substr(at + 7));
    p.num_layers = layers;
    p.heads = heads;
    p.fan_in = shape.size() > 1 ? shape[1] : 1;
    p.fan_out = shape[0];
    return p;
  }

  // A parameter of the model, filled. `shape`: the checkpoint's where empty.
  std::vector<float> fill(const std::string& use, const Options& options, const std::string& name,
                          Shape shape = {}) const {
    static const init::Catalog catalog = [] {
      init::Catalog c;
      for (const std::string& file : init::find_plugins({}, initlab::paths::binary_dir() + "/initlab")) c.load(file);
      return c;
    }();
    const il_strategy& strategy = *catalog.find(use, "test").strategy;
    std::vector<il_option> texts;
    for (const auto& [key, value] : options) texts.push_back({key.c_str(), value.c_str()});
    il_error error{};
    error.size = sizeof error;
    void* self = nullptr;
    EXPECT_EQ(strategy.create(texts.data(), static_cast<std::uint32_t>(texts.size()), &self, &error), 0) << error.text;
    const auto own = checkpoint.find(name);
    if (shape.empty()) shape = own->second.shape;
    const il_param param = describe(name, shape, own == checkpoint.end() ? IL_ROLE_MATRIX : own->second.role);
    const il_host host{sizeof(il_host), this, &uniform, &normal, &source, &parameter, &source};
    std::vector<float> values(size_of(shape), -7.0f);
    EXPECT_EQ(strategy.fill(self, &param, &host, values.data(), values.size(), &error), 0) << error.text;
    strategy.destroy(self);
    return values;
  }
};

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float x : values) out.push_back(std::bit_cast<std::uint32_t>(x));
  return out;
}
std::vector<std::uint32_t> sorted_bits(std::vector<float> values) {
  auto out = bits(values);
  std::ranges::sort(out);
  return out;
}
std::vector<float> magnitudes(std::vector<float> values) {
  for (float& x : values) x = std::fabs(x);
  return values;
}
std::vector<float> block(const std::vector<float>& x, std::size_t columns, std::size_t row, std::size_t rows,
                         std::size_t column, std::size_t width) {
  std::vector<float> out;
  for (std::size_t i = row; i < row + rows; ++i)
    for (std::size_t j = column; j < column + width; ++j) out.push_back(x[i * columns + j]);
  return out;
}

struct Moments {
  double mean, stddev, mean_error, stddev_error;
};
Moments moments(const std::vector<float>& values) {
  const double n = static_cast<double>(values.size());
  double sum = 0, second = 0, fourth = 0;
  for (const float x : values) sum += static_cast<double>(x);
  const double mean = sum / n;
  for (const float x : values) {
    const double d2 = (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
    second += d2;
    fourth += d2 * d2;
  }
  const double variance = second / n, stddev = std::sqrt(variance);
  return {mean, stddev, stddev / std::sqrt(n), std::sqrt((fourth / n - variance * variance) / n) / (2 * stddev)};
}

// Every role, a negative zero among the values.
Lab all_roles() {
  Lab lab;
  lab.checkpoint[kQuery] = normal_tensor({16, 16}, 0, 0.05, IL_ROLE_MATRIX, "q");
  lab.checkpoint["bert.embeddings.word_embeddings.weight"] = normal_tensor({50, 16}, 0, 0.03, IL_ROLE_EMBEDDING, "w");
  lab.checkpoint["bert.pooler.dense.bias"] = normal_tensor({16}, 0, 0.1, IL_ROLE_BIAS, "b");
  lab.checkpoint["bert.embeddings.LayerNorm.weight"] = normal_tensor({16}, 0.8, 0.1, IL_ROLE_NORM_SCALE, "s");
  lab.checkpoint["bert.embeddings.LayerNorm.bias"] = normal_tensor({16}, 0, 0.1, IL_ROLE_NORM_SHIFT, "n");
  for (auto& [name, tensor] : lab.checkpoint) tensor.values[3] = -0.0f;
  return lab;
}

TEST(FromCheckpoint, TheUndamagedEndOfEveryAxisIsTheCheckpointToTheBit) {
  const Lab lab = all_roles();
  const std::vector<std::pair<std::string, Options>> ends = {{"noise", {{"lambda", "0"}}},
                                                             {"interpolate", {{"alpha", "1"}}},
                                                             {"mask", {{"sparsity", "0"}}},
                                                             {"permute_layers", {{"map", "0:0,1:1"}}},
                                                             {"transplant", {}},
                                                             {"pretrained", {}}};
  for (const auto& [use, options] : ends)
    for (const auto& [name, tensor] : lab.checkpoint)
      EXPECT_EQ(bits(lab.fill(use, options, name)), bits(tensor.values)) << use << " " << name;
}

TEST(FromCheckpoint, TheOtherEndOfInterpolateIsBertsDefaultUnderTheSameSeed) {
  const Lab lab = all_roles();
  for (const auto& [name, tensor] : lab.checkpoint) {
    const auto random = lab.fill("bert_default", {{"stddev", "0.03"}}, name);
    EXPECT_EQ(bits(lab.fill("interpolate", {{"alpha", "0"}, {"stddev", "0.03"}}, name)), bits(random)) << name;
    const auto between = lab.fill("interpolate", {{"alpha", "0.25"}, {"stddev", "0.03"}}, name);
    for (std::size_t i = 0; i < between.size(); ++i)
      EXPECT_EQ(between[i], static_cast<float>(0.25 * static_cast<double>(tensor.values[i]) +
                                               0.75 * static_cast<double>(random[i])));
  }
}

TEST(FromCheckpoint, ShuffleKeepsTheSortedBitsOfEveryUnit) {
  constexpr std::size_t kRows = 32, kColumns = 48;
  Lab lab;
  const std::string out = "bert.encoder.layer.0.attention.output.dense.weight";
  for (const std::string& name : {kQuery, out}) lab.checkpoint[name] = normal_tensor({kRows, kColumns});
  const auto expect_units = [&](const std::string& scope, const std::string& name, std::size_t height,
                                std::size_t width) {
    const auto& before = lab.checkpoint.at(name).values;
    const auto after = lab.fill("shuffle", {{"scope", scope}}, name);
    for (std::size_t i = 0; i < kRows; i += height)
      for (std::size_t j = 0; j < kColumns; j += width) {
        const auto a = block(before, kColumns, i, height, j, width), b = block(after, kColumns, i, height, j, width);
        EXPECT_EQ(sorted_bits(a), sorted_bits(b)) << scope << " " << i << " " << j;
        EXPECT_NE(a, b) << scope << " " << i << " " << j;
      }
  };
  expect_units("tensor", kQuery, kRows, kColumns);
  expect_units("row", kQuery, 1, kColumns);
  expect_units("column", kQuery, kRows, 1);
  expect_units("head", kQuery, kRows / 4, kColumns);
  expect_units("head", out, kRows, kColumns / 4);
  // Nothing narrower: values of the whole tensor's shuffle leave their rows and columns.
  const auto after = lab.fill("shuffle", {}, kQuery);
  EXPECT_NE(sorted_bits(block(after, kColumns, 0, 1, 0, kColumns)),
            sorted_bits(block(lab.checkpoint[kQuery].values, kColumns, 0, 1, 0, kColumns)));
}

TEST(FromCheckpoint, ShuffleOfAVectorIsAPermutationInEveryScope) {
  const Lab lab = all_roles();
  const std::string name = "bert.embeddings.LayerNorm.weight";
  for (const char* scope : {"tensor", "row", "column"}) {
    const auto after = lab.fill("shuffle", {{"scope", scope}}, name);
    EXPECT_EQ(sorted_bits(after), sorted_bits(lab.checkpoint.at(name).values));
    EXPECT_NE(after, lab.checkpoint.at(name).values);
  }
}

TEST(FromCheckpoint, EveryOrderIsAsLikely) {
  constexpr int kTrials = 12000;
  std::map<std::vector<float>, int> seen;
  Lab lab;
  for (int t = 0; t < kTrials; ++t) {
    const std::string name = "t" + std::to_string(t);
    lab.checkpoint = {{name, Tensor{{3}, {1, 2, 3}, IL_ROLE_BIAS}}};
    ++seen[lab.fill("shuffle", {}, name)];
  }
  ASSERT_EQ(seen.size(), 6u);
  const double expected = kTrials / 6.0, error = std::sqrt(kTrials * (1.0 / 6) * (5.0 / 6));
  for (const auto& [order, count] : seen) EXPECT_NEAR(count, expected, 5 * error);
}

TEST(FromCheckpoint, SignsStayAndMagnitudesComeFromElsewhere) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({1100, 1000}, 0.02, 0.05);
  const auto& source = lab.checkpoint["x"].values;
  double squares = 0;
  for (const float x : source) squares += static_cast<double>(x) * static_cast<double>(x);
  const double mean_square = squares / static_cast<double>(source.size());
  for (const char* magnitude : {"shuffle", "normal", "constant"}) {
    const auto after = lab.fill("sign_preserve", {{"magnitude", magnitude}}, "x");
    for (std::size_t i = 0; i < after.size(); ++i) ASSERT_EQ(std::signbit(after[i]), std::signbit(source[i]));
    EXPECT_NE(magnitudes(after), magnitudes(source));
    std::vector<float> after_squares;
    for (const float x : after) after_squares.push_back(x * x);
    const Moments m = moments(after_squares);
    if (std::string(magnitude) == "shuffle") {
      EXPECT_EQ(sorted_bits(magnitudes(after)), sorted_bits(magnitudes(source)));
    }
    if (std::string(magnitude) == "normal") {
      EXPECT_NEAR(m.mean, mean_square, 5 * m.mean_error);
    }
    if (std::string(magnitude) == "constant") {
      for (const float x : after) ASSERT_EQ(std::fabs(x), static_cast<float>(std::sqrt(mean_square)));
    }
  }
}

TEST(FromCheckpoint, MagnitudesStayAndSignsAreFair) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({1100, 1000}, 0.1, 0.05);
  const auto after = lab.fill("magnitude_preserve", {}, "x");
  EXPECT_EQ(bits(magnitudes(after)), bits(magnitudes(lab.checkpoint["x"].values)));
  const double n = static_cast<double>(after.size());
  const auto negative = static_cast<double>(std::ranges::count_if(after, [](float x) { return std::signbit(x); }));
  EXPECT_NEAR(negative / n, 0.5, 5 * 0.5 / std::sqrt(n));
  const Lab roles = all_roles();
  const std::string scale = "bert.embeddings.LayerNorm.weight";
  EXPECT_EQ(bits(roles.fill("magnitude_preserve", {}, scale)), bits(roles.checkpoint.at(scale).values));
}

TEST(FromCheckpoint, MomentsOfTheTensorAreMatchedByANormal) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({1100, 1000}, 0.3, 0.05);
  for (float& x : lab.checkpoint["x"].values) x = x * x * x;  // skewed: the shape is not matched, two moments are
  const Moments source = moments(lab.checkpoint["x"].values);
  const auto after = lab.fill("moment_match", {}, "x");
  const Moments m = moments(after);
  EXPECT_NEAR(m.mean, source.mean, 5 * m.mean_error);
  EXPECT_NEAR(m.stddev, source.stddev, 5 * m.stddev_error);
  double cubes = 0;
  for (const float x : after) cubes += std::pow((static_cast<double>(x) - m.mean) / m.stddev, 3);
  const double n = static_cast<double>(after.size());
  EXPECT_NEAR(cubes / n, 0, 5 * std::sqrt(6 / n));  // a normal has no skew
}

TEST(FromCheckpoint, MomentsOfRowsAreMatchedRowByRow) {
  constexpr std::size_t kRows = 1000, kColumns = 1100;
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({kRows, kColumns});
  auto& source = lab.checkpoint["x"].values;
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t j = 0; j < kColumns; ++j)
      source[i * kColumns + j] = static_cast<float>(i) + source[i * kColumns + j] * (i % 2 == 0 ? 0.1f : 3.0f);
  const auto after = lab.fill("moment_match", {{"scope", "row"}}, "x");
  double chi_square = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const Moments s = moments(block(source, kColumns, i, 1, 0, kColumns));
    const Moments m = moments(block(after, kColumns, i, 1, 0, kColumns));
    chi_square += std::pow((m.mean - s.mean) / s.mean_error, 2);
    EXPECT_NEAR(m.stddev, s.stddev, 6 * m.stddev_error) << i;  // 6: there are a thousand
  }
  EXPECT_NEAR(chi_square, kRows, 5 * std::sqrt(2.0 * kRows));
}

TEST(FromCheckpoint, GlobalMomentsPoolTheTensorsOfTheRole) {
  Lab lab;
  lab.checkpoint["a"] = normal_tensor({1100, 1000}, 1, 0.1, IL_ROLE_MATRIX, "a");
  lab.checkpoint["b"] = normal_tensor({550, 1000}, -2, 0.3, IL_ROLE_MATRIX, "b");
  lab.checkpoint["c"] = normal_tensor({100}, 50, 1, IL_ROLE_BIAS, "c");
  std::vector<float> pooled = lab.checkpoint["a"].values;
  pooled.insert(pooled.end(), lab.checkpoint["b"].values.begin(), lab.checkpoint["b"].values.end());
  const Moments source = moments(pooled), m = moments(lab.fill("moment_match", {{"scope", "global"}}, "a"));
  EXPECT_NEAR(m.mean, source.mean, 5 * m.mean_error);
  EXPECT_NEAR(m.stddev, source.stddev, 5 * m.stddev_error);
}

TEST(FromCheckpoint, EqualValuesHaveNoDeviation) {
  Lab lab;
  lab.checkpoint["x"] = Tensor{{64}, std::vector<float>(64, 0.1f), IL_ROLE_NORM_SCALE};
  for (const char* use : {"moment_match", "noise"})
    for (const float x : lab.fill(use, {}, "x")) ASSERT_EQ(x, 0.1f) << use;
}

// Singular values, largest first: Hestenes 1958, columns rotated until orthogonal.
std::vector<double> singular_values(const std::vector<float>& x, std::size_t rows, std::size_t columns) {
  if (rows < columns) {
    std::vector<float> turned(x.size());
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) turned[j * rows + i] = x[i * columns + j];
    return singular_values(turned, columns, rows);
  }
  std::vector<std::vector<long double>> c(columns, std::vector<long double>(rows));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) c[j][i] = x[i * columns + j];
  const auto dot = [rows](const auto& a, const auto& b) {
    long double sum = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += a[i] * b[i];
    return sum;
  };
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::size_t p = 0; p < columns; ++p)
      for (std::size_t q = p + 1; q < columns; ++q) {
        const long double a = dot(c[p], c[p]), b = dot(c[q], c[q]), g = dot(c[p], c[q]);
        if (std::fabs(g) <= 1e-18L * std::sqrt(a * b) || g == 0) continue;
        const long double zeta = (b - a) / (2 * g);
        const long double t = (zeta < 0 ? -1 : 1) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
        const long double cosine = 1 / std::sqrt(1 + t * t), sine = cosine * t;
        for (std::size_t i = 0; i < rows; ++i) {
          const long double u = c[p][i], v = c[q][i];
          c[p][i] = cosine * u - sine * v;
          c[q][i] = sine * u + cosine * v;
        }
      }
  std::vector<double> values;
  for (const auto& column : c) values.push_back(static_cast<double>(std::sqrt(dot(column, column))));
  std::ranges::sort(values, std::greater<>());
  return values;
}

double frobenius(const std::vector<float>& x) {
  double squares = 0;
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares);
}

TEST(FromCheckpoint, SpectrumIsKept) {
  const std::vector<Shape> shapes = {{70, 40}, {40, 70}, {40, 40}, {33, 1}, {1, 33}, {17, 16}, {1, 1}};
  for (const Shape& shape : shapes)
    for (const bool low_rank : {false, true}) {
      const auto rows = static_cast<std::size_t>(shape[0]), columns = static_cast<std::size_t>(shape[1]);
      Lab lab;
      lab.checkpoint["x"] = normal_tensor(shape, 0.1, 0.05);
      auto& source = lab.checkpoint["x"].values;
      if (low_rank)  // rank two, a zero column and a zero row
        for (std::size_t i = 0; i < rows; ++i)
          for (std::size_t j = 0; j < columns; ++j)
            source[i * columns + j] = static_cast<float>(i * j) * 0.01f + static_cast<float>(i == j && i == 1);
      const auto after = lab.fill("spectrum_match", {}, "x");
      const auto before_values = singular_values(source, rows, columns), values = singular_values(after, rows, columns);
      // Weyl: no singular value moves by more than the norm of what rounding to float, and double arithmetic, adds.
      const double bound = (0x1p-24 + 1e-13) * frobenius(source) + 1e-30;
      for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_NEAR(values[i], before_values[i], bound) << rows << " " << columns << " " << i;
      if (size_of(shape) > 40 && !low_rank) {
        EXPECT_GT(std::fabs(after[0] - source[0]), 1e-4);
      }
    }
}

TEST(FromCheckpoint, SpectrumsDirectionsForgetTheSource) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({300, 200}, 0.5, 1);
  const auto after = lab.fill("spectrum_match", {}, "x");
  const auto& source = lab.checkpoint["x"].values;
  double product = 0;
  for (std::size_t i = 0; i < after.size(); ++i)
    product += static_cast<double>(after[i]) * static_cast<double>(source[i]);
  // For uniform directions the cosine has standard deviation 1 / sqrt(300 * 200).
  EXPECT_LT(std::fabs(product / (frobenius(source) * frobenius(after))), 5 / std::sqrt(300.0 * 200.0));
}

TEST(FromCheckpoint, SpectrumsDirectionsAreUniform) {
  // A matrix of rank one becomes u v^T: every element has mean 0 and mean square 1 / (rows columns), on each side.
  constexpr int kTrials = 4000;
  Lab lab;
  std::vector<std::vector<float>> elements(6);
  for (int t = 0; t < kTrials; ++t) {
    const std::string name = "t" + std::to_string(t);
    lab.checkpoint = {{name, Tensor{{3, 2}, {1, 0, 0, 0, 0, 0}, IL_ROLE_MATRIX}}};
    const auto x = lab.fill("spectrum_match", {}, name);
    for (std::size_t i = 0; i < 6; ++i) elements[i].push_back(x[i]);
  }
  for (auto& values : elements) {
    const Moments m = moments(values);
    EXPECT_NEAR(m.mean, 0, 5 * m.mean_error);
    for (float& v : values) v *= v;
    const Moments squares = moments(values);
    EXPECT_NEAR(squares.mean, 1.0 / 6, 5 * squares.mean_error);
  }
}

TEST(FromCheckpoint, NoiseIsUniformInUnitsOfTheTensorsDeviation) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({1100, 1000}, 0.5, 0.04);
  const auto& source = lab.checkpoint["x"].values;
  const double n = static_cast<double>(source.size()), s = moments(source).stddev * std::sqrt(n / (n - 1));
  const auto after = lab.fill("noise", {{"lambda", "0.6"}}, "x");
  std::vector<float> noise;
  for (std::size_t i = 0; i < after.size(); ++i) {
    noise.push_back(after[i] - source[i]);
    ASSERT_LE(std::fabs(noise.back()), 0.3 * s + 0x1p-24);
  }
  const Moments m = moments(noise);
  EXPECT_NEAR(m.mean, 0, 5 * m.mean_error);
  EXPECT_NEAR(m.stddev, 0.6 * s / std::sqrt(12.0), 5 * m.stddev_error);
}

TEST(FromCheckpoint, MaskRemovesTheExactShareAndTheRestIsUntouched) {
  Lab lab = all_roles();
  const std::string word = "bert.embeddings.word_embeddings.weight";
  auto& source = lab.checkpoint[word].values;
  source[3] = 0.25f;  // no zero of its own
  for (const char* by : {"magnitude", "random"})
    for (const char* sparsity : {"0.001", "0.3", "0.999", "1"}) {
      const auto after = lab.fill("mask", {{"sparsity", sparsity}, {"by", by}}, word);
      const auto removed = static_cast<std::size_t>(std::stod(sparsity) * 800);
      std::size_t zeros = 0;
      float largest_removed = 0, smallest_kept = 1e30f;
      for (std::size_t i = 0; i < after.size(); ++i) {
        if (after[i] == 0) {
          ++zeros;
          largest_removed = std::max(largest_removed, std::fabs(source[i]));
        } else {
          ASSERT_EQ(after[i], source[i]);
          smallest_kept = std::min(smallest_kept, std::fabs(source[i]));
        }
      }
      EXPECT_EQ(zeros, removed) << by << " " << sparsity;
      if (std::string(by) == "magnitude") {
        EXPECT_LE(largest_removed, smallest_kept);
      }
      if (std::string(by) == "random" && removed == 240) {
        EXPECT_GT(largest_removed, smallest_kept);
      }
    }
  for (const auto& [name, tensor] : lab.checkpoint) {
    if (tensor.shape.size() != 1) continue;
    EXPECT_EQ(bits(lab.fill("mask", {{"sparsity", "1"}}, name)), bits(tensor.values)) << name;
  }
}

TEST(FromCheckpoint, QuantizeHasFewLevelsAndHalfAStepOfError) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({500, 400}, 0.01, 0.05);
  const auto& source = lab.checkpoint["x"].values;
  const float largest = std::ranges::max(magnitudes(source));
  for (const std::int64_t bit : {2, 3, 8, 16}) {
    const std::string text = std::to_string(bit);
    const auto after = lab.fill("quantize", {{"bits", text}}, "x");
    const double step = static_cast<double>(largest) / (std::pow(2.0, static_cast<double>(bit - 1)) - 1);
    for (std::size_t i = 0; i < after.size(); ++i)
      ASSERT_LE(std::fabs(static_cast<double>(after[i]) - static_cast<double>(source[i])),
                step / 2 + 0x1p-24 * static_cast<double>(largest));
    EXPECT_LE(std::set<float>(after.begin(), after.end()).size(), (std::size_t{1} << bit) - 1);
    EXPECT_EQ(std::ranges::max(magnitudes(after)), largest);
    Lab again;
    again.checkpoint["x"] = Tensor{{500, 400}, after, IL_ROLE_MATRIX};
    EXPECT_EQ(bits(again.fill("quantize", {{"bits", text}}, "x")), bits(after)) << bit;
  }
}

std::string dense(int layer) { return "bert.encoder.layer." + std::to_string(layer) + ".output.dense.weight"; }

// Layer l of the checkpoint holds the value l.
Lab numbered_layers(int checkpoint_layers, int model_layers) {
  Lab lab;
  lab.layers = model_layers;
  for (int l = 0; l < checkpoint_layers; ++l)
    lab.checkpoint[dense(l)] = Tensor{{2, 3}, std::vector<float>(6, static_cast<float>(l)), IL_ROLE_MATRIX};
  return lab;
}

std::vector<float> taken(const Lab& lab, const std::string& use, const Options& options) {
  std::vector<float> out;
  for (int l = 0; l < lab.layers; ++l) out.push_back(lab.fill(use, options, dense(l), {2, 3})[0]);
  return out;
}

TEST(FromCheckpoint, LayersComeFromWhereTheMapSays) {
  using Layers = std::vector<float>;
  const Lab four = numbered_layers(4, 4);
  EXPECT_EQ(taken(four, "permute_layers", {{"map", "0:3,3:0"}}), (Layers{3, 1, 2, 0}));
  EXPECT_EQ(taken(four, "permute_layers", {{"map", "0:1,1:2,2:0"}}), (Layers{1, 2, 0, 3}));
  EXPECT_EQ(taken(four, "transplant", {}), (Layers{0, 1, 2, 3}));
  EXPECT_EQ(taken(four, "transplant", {{"map", "0:2,1:2"}}), (Layers{2, 2, 2, 3}));
  const Lab deeper = numbered_layers(2, 5), shallower = numbered_layers(6, 3);
  EXPECT_EQ(taken(deeper, "transplant", {{"map", "stack"}}), (Layers{0, 1, 0, 1, 0}));
  EXPECT_EQ(taken(deeper, "transplant", {{"map", "spread"}}), (Layers{0, 0, 0, 1, 1}));
  EXPECT_EQ(taken(shallower, "transplant", {{"map", "spread"}}), (Layers{0, 2, 4}));
  EXPECT_EQ(taken(shallower, "transplant", {{"map", "0:0,1:5,2:3"}}), (Layers{0, 5, 3}));
}

TEST(FromCheckpoint, NarrowerIsTheLeadingRowsAndColumns) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({6, 5});
  const auto after = lab.fill("transplant", {{"fit", "tile"}}, "x", {4, 3});
  EXPECT_EQ(bits(after), bits(block(lab.checkpoint["x"].values, 5, 0, 4, 0, 3)));
}

TEST(FromCheckpoint, WiderByAWholeFactorRepeatsWhatALayerComputes) {
  Lab lab;
  lab.checkpoint["x"] = normal_tensor({3, 4});
  lab.checkpoint["e"] = normal_tensor({3, 4}, 0, 1, IL_ROLE_EMBEDDING);
  lab.checkpoint["b"] = Tensor{{3}, {1, 2, 3}, IL_ROLE_BIAS};
  const auto wide = lab.fill("transplant", {{"fit", "tile"}}, "x", {6, 8});
  const std::vector<double> input = {0.5, -1, 2, 0.25};
  for (std::size_t i = 0; i < 6; ++i) {
    double narrow_output = 0, wide_output = 0;
    for (std::size_t j = 0; j < 4; ++j)
      narrow_output += static_cast<double>(lab.checkpoint["x"].values[i % 3 * 4 + j]) * input[j];
    for (std::size_t j = 0; j < 8; ++j) wide_output += static_cast<double>(wide[i * 8 + j]) * input[j % 4];
    EXPECT_NEAR(wide_output, narrow_output, 1e-12);  // halves of floats are exact
  }
  // Five columns of four: column 0 is there twice, so both halve; the others stand once.
  const auto uneven = lab.fill("transplant", {{"fit", "tile"}}, "x", {3, 5});
  EXPECT_EQ(uneven[0], lab.checkpoint["x"].values[0] / 2);
  EXPECT_EQ(uneven[4], lab.checkpoint["x"].values[0] / 2);
  EXPECT_EQ(uneven[1], lab.checkpoint["x"].values[1]);
  EXPECT_EQ(lab.fill("transplant", {{"fit", "tile"}}, "e", {3, 8})[4], lab.checkpoint["e"].values[0]);
  EXPECT_EQ(lab.fill("transplant", {{"fit", "tile"}}, "b", {5}), (std::vector<float>{1, 2, 3, 1, 2}));
}

}  // namespace
}  // namespace initlab
