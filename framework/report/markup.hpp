// Figures and grids as HTML. Internal to report/; page.cc puts them together.
#pragma once

#include <string>
#include <string_view>

#include "report/figures.hpp"

namespace initlab::report {

// A figure with the numbers behind it: dots and heat maps are tables that are drawn, curves have a table below.
std::string markup(const Figure& figure);
std::string markup(const Grid& grid);

// Round numbers within a range, about `most` of them, ascending.
std::vector<double> ticks(Range range, int most);

}  // namespace initlab::report
