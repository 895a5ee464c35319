// Tables of labelled sentences: tab-separated, one example a line. Split at tabs only, no quoting; a byte order mark,
// CRLF and a last line without end are tolerated, blank lines at the end are skipped. Not for text without labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/microworld.hpp"

namespace initlab::data {

// One example before tokenization. `second` is empty for single-sentence tasks.
struct Row {
  std::string first, second;
  std::int32_t label = 0;  // classes
  float target = 0;        // scores
};

struct TableFormat {
  std::string task;
  std::vector<std::string> columns;  // names, as in the header line
  bool header = true;                // the first line holds the names
  std::size_t first = 0;             // column of the (first) sentence
  std::optional<std::size_t> second;
  std::size_t label = 0;
  std::vector<std::string> labels;  // what stands in the label column, by class; empty: a score from 0 to 5
};

// The visible list: GLUE's formats and microworld's.
const TableFormat& table_format(const std::string& task);

// place: the file's name, for messages. Throws Error at "file:line" on a wrong header, number of columns, label or
// score, and text that is not UTF-8; at "file" where there is no example.
std::vector<Row> parse_table(std::string_view bytes, const TableFormat& format, const std::string& place);

// The same file from examples of the microworld.
std::string table_text(const std::vector<LabelledText>& examples, const TableFormat& format);

}  // namespace initlab::data
