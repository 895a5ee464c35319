// What the audit measures of a tensor's values. Pure functions; costs are bounded. Internal to init/ and to its tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "record/record.hpp"

namespace initlab::init {

inline constexpr std::int64_t kMostRankSide = 512;    // smaller side of a matrix whose effective rank is measured
inline constexpr std::int64_t kMostRankLines = 4096;  // of the longer side, so many evenly spaced lines count

// Mean, standard deviation (population, not sample), min, max, share of zeros, effective rank where `shape` is a
// matrix, and the hash of the bits. Values are finite and not empty.
void measure(std::span<const float> values, record::InitRecord& record);

// SHA-256 of the bits, little-endian f32.
std::string bits_sha256(std::span<const float> values);

// exp(H(p)), p_k = s_k / sum of s, s the singular values (Roy & Vetterli 2007, "The effective rank"): the number of
// directions that a matrix (rows, columns) uses, from 1 to its smaller side. From the eigenvalues of the smaller Gram
// matrix, in double: singular values below 1e-7 of the largest count as 0. NaN where the smaller side is above
// kMostRankSide; of a longer side above kMostRankLines, so many evenly spaced lines count. 0 for a matrix of zeros.
double effective_rank(std::span<const float> values, std::int64_t rows, std::int64_t columns);

// Eigenvalues of a symmetric matrix (n, n), row-major, ascending, to about 1e-15 of the largest. Householder's
// reduction to tridiagonal form, then bisection on the number of eigenvalues below a point (Golub & Van Loan, Matrix
// Computations, sections 8.3.1 and 8.4.1).
std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::size_t n);

}  // namespace initlab::init
