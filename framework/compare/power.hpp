// What a design can find out before it is run. Pure functions; normal differences assumed.
#pragma once

#include <cstddef>

namespace initlab::compare {

// Power of the two-sided paired t test at level alpha for a true mean difference of `effect` and differences of
// standard deviation `deviation` over `pairs` pairs: P(|T| > t(1 - alpha/2, n - 1)), T noncentral t with n - 1 degrees
// of freedom and noncentrality effect sqrt(n) / deviation (Cohen 1988, "Statistical Power Analysis", chapter 2). 0 for
// fewer than two pairs. Needs deviation > 0.
double paired_t_power(double effect, double deviation, std::size_t pairs, double alpha = 0.05);

// The smallest difference that is found with probability `power`: to 1e-9 of the deviation. Infinite for fewer than two
// pairs.
double detectable_effect(double deviation, std::size_t pairs, double power = 0.8, double alpha = 0.05);

// The smallest number of pairs that finds `effect` with probability `power`, at least so many that the sign-flip test
// can give p < alpha. 0 where not even `most` do.
std::size_t pairs_needed(double effect, double deviation, double power = 0.8, double alpha = 0.05,
                         std::size_t most = 10000);

}  // namespace initlab::compare
