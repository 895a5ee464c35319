// A matrix with the singular values of another and random orthogonal directions, without a singular value
// decomposition.
//
//   W (m, n), m >= n:  W = Q R;  W' = U [R; 0] V,  U (m, m) and V (n, n) orthogonal, uniform (Haar)
//
// U Q' and V are uniform whatever Q' is, so W' has the singular values of W, and its directions are independent of
// W's. R comes from Householder's reflections of W, U and V from reflections of normal vectors: Stewart 1980, "The
// efficient generation of random orthogonal matrices", section 3. Scalar double arithmetic with + - * / and sqrt, in an
// order that no CPU changes; loops over columns only are vectorised, which moves no bit. Errors are a few n * 2^-53 of
// the largest singular value. About 6 m n^2 operations: seconds for word embeddings of (30522, 384).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace initlab::plugins {

// H = I - scale * v v^T that maps the x it was made of to (-sign(x0) |x|, 0, ...).
struct Reflection {
  std::size_t first = 0;  // row of v[0]
  std::vector<double> v;
  double scale = 0;
  double sign = 1;  // of x0

  // x is taken over as v. A zero vector gives the identity.
  static Reflection of(std::size_t first, std::vector<double> x) {
    double squares = 0;
    for (const double a : x) squares += a * a;
    Reflection h{.first = first, .v = std::move(x), .scale = 0, .sign = 1};
    if (squares == 0) return h;
    h.sign = h.v[0] < 0 ? -1 : 1;
    const double norm = std::sqrt(squares), longer = std::fabs(h.v[0]) + norm;
    h.v[0] = h.sign * longer;
    h.scale = 1 / (norm * longer);  // 2 / |v|^2
    return h;
  }
};

constexpr std::size_t kPanel = 16;  // columns that are worked on at once: they stay in the cache

// Columns of a matrix, (rows, kPanel) row-major.
using Panel = std::vector<double>;

// panel <- H panel, on its rows from h.first on.
inline void reflect(const Reflection& h, Panel& panel) {
  if (h.scale == 0) return;
  std::array<double, kPanel> dots{};
  double* const rows = panel.data() + h.first * kPanel;
  for (std::size_t i = 0; i < h.v.size(); ++i)
    for (std::size_t j = 0; j < kPanel; ++j) dots[j] += h.v[i] * rows[i * kPanel + j];
  for (double& dot : dots) dot *= h.scale;
  for (std::size_t i = 0; i < h.v.size(); ++i)
    for (std::size_t j = 0; j < kPanel; ++j) rows[i * kPanel + j] -= h.v[i] * dots[j];
}

// A tall matrix (rows, columns), rows >= columns, as panels; the last panel is filled up with zero columns.
class PanelMatrix {
 public:
  PanelMatrix(std::size_t rows, std::size_t columns)
      : rows_(rows), columns_(columns), panels_((columns + kPanel - 1) / kPanel, Panel(rows * kPanel)) {}
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  double& at(std::size_t i, std::size_t j) { return panels_[j / kPanel][i * kPanel + j % kPanel]; }
  double at(std::size_t i, std::size_t j) const { return panels_[j / kPanel][i * kPanel + j % kPanel]; }
  std::vector<Panel>& panels() { return panels_; }

 private:
  std::size_t rows_, columns_;
  std::vector<Panel> panels_;
};

// R of a = Q R, (columns, columns) upper triangular. Destroys a. Panel by panel: each takes the reflections of the
// earlier ones, then makes its own.
inline std::vector<double> triangle_of(PanelMatrix& a) {
  const std::size_t m = a.rows(), n = a.columns();
  std::vector<Reflection> made;
  for (std::size_t begin = 0; begin < n; begin += kPanel) {
    Panel& panel = a.panels()[begin / kPanel];
    for (const Reflection& h : made) reflect(h, panel);
    for (std::size_t k = begin; k < std::min(begin + kPanel, n); ++k) {
      std::vector<double> x(m - k);
      for (std::size_t i = k; i < m; ++i) x[i - k] = panel[i * kPanel + (k - begin)];
      made.push_back(Reflection::of(k, std::move(x)));
      reflect(made.back(), panel);
    }
  }
  std::vector<double> r(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) r[i * n + j] = a.at(i, j);
  return r;
}

// The first `count` reflections of a uniform orthogonal (m, m) matrix: number k is made of m - k normal deviates,
// draws k * m on. draw(first, x) fills x.
template <class Draw>
std::vector<Reflection> random_reflections(std::size_t m, std::size_t count, std::uint64_t first, Draw draw) {
  std::vector<Reflection> reflections;
  std::vector<float> z;
  for (std::size_t k = 0; k < count; ++k) {
    z.resize(m - k);
    draw(first + k * m, std::span<float>(z));
    reflections.push_back(Reflection::of(k, {z.begin(), z.end()}));
  }
  return reflections;
}

// U a for U = H_0 H_1 ... diag(-sign_k): the signs make U uniform (Stewart's D).
inline void rotate(const std::vector<Reflection>& reflections, PanelMatrix& a) {
  for (Panel& panel : a.panels()) {
    for (std::size_t k = 0; k < reflections.size(); ++k)
      for (std::size_t j = 0; j < kPanel; ++j) panel[k * kPanel + j] *= -reflections[k].sign;
    for (std::size_t k = reflections.size(); k-- > 0;) reflect(reflections[k], panel);
  }
}

// W' of the source W, both (rows, columns) row-major. draw(first, x) gives normal deviates by number.
template <class Draw>
void match_spectrum(std::span<const float> source, std::size_t rows, std::size_t columns, Draw draw,
                    std::span<float> values) {
  const bool tall = rows >= columns;
  const std::size_t m = tall ? rows : columns, n = tall ? columns : rows;
  const auto index = [&](std::size_t i, std::size_t j) { return tall ? i * columns + j : j * columns + i; };
  PanelMatrix a(m, n);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) a.at(i, j) = static_cast<double>(source[index(i, j)]);
  const std::vector<double> r = triangle_of(a);

  PanelMatrix turned(n, n);  // V^T R^T, whose transpose is R V
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) turned.at(i, j) = r[j * n + i];
  rotate(random_reflections(n, n, static_cast<std::uint64_t>(m) * n, draw), turned);

  for (Panel& panel : a.panels()) std::fill(panel.begin(), panel.end(), 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) a.at(i, j) = turned.at(j, i);
  rotate(random_reflections(m, n, 0, draw), a);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) values[index(i, j)] = static_cast<float>(a.at(i, j));
}

}  // namespace initlab::plugins
