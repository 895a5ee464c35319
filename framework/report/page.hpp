// The report as one HTML file that opens offline: everything it needs is in it, and it asks no network for anything (a
// content-security policy forbids it). Text from run files is escaped wherever it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/study.hpp"

namespace initlab::report {

struct Page {
  std::string title;
  std::string command;                // makes the report again
  std::string made;                   // ISO 8601, UTC
  std::string build;                  // of the program
  std::vector<Chapter> chapters;      // one an experiment
  std::vector<std::string> left_out;  // files that could not be read, experiments that could not be compared; sentences
};
std::string html(const Page& page);

// All figures of the page, in its order.
std::vector<const Figure*> figures_of(const Page& page);

// For text and attributes: & < > " ' as references. What is no UTF-8, control characters and those that change the
// direction of writing become U+FFFD, so that a name cannot look like another.
std::string escaped(std::string_view text);

}  // namespace initlab::report
