// A table, and the ways to write it down. Internal to report/.
#pragma once

#include <string>
#include <vector>

#include "report/report.hpp"

namespace initlab::report {

struct Sheet {
  std::string caption;                         // empty: none
  std::vector<std::vector<std::string>> rows;  // the first is the head; rows may be short
  std::vector<bool> right;                     // columns of numbers
};

// Text: as align(). Markdown: a pipe table. LaTeX: a tabular with \toprule, \midrule and \bottomrule.
std::string write(const Sheet& sheet, const Style& style);

// What has a meaning in Markdown or LaTeX, escaped. In every format control characters become spaces.
std::string escaped(const std::string& text, Format format);

}  // namespace initlab::report
