// The figures of a report for a paper: one gnuplot script each, with its data inside, which writes <id>.svg and
// <id>.pdf into the folder that gnuplot runs in. Text from run files stands in single quotes, where gnuplot neither
// expands nor runs anything.
#pragma once

#include <string>

#include "report/figures.hpp"

namespace initlab::report {

std::string gnuplot_script(const Figure& figure);

}  // namespace initlab::report
