#include "data/table.hpp"

#include <algorithm>
#include <cassert>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::data {
namespace {

constexpr double kHighestScore = 5;

using Fields = std::vector<std::string_view>;

// One line of a file, for messages.
struct Line {
  std::string_view text;
  const std::string& file;
  std::size_t number;

  [[noreturn]] void complain(const std::string& subject, const std::string& expected, const std::string& got,
                             const std::string& hint = {}) const {
    throw base::Error({file + ":" + std::to_string(number), subject, expected, got, hint});
  }
};

std::string_view without_byte_order_mark(std::string_view bytes) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return bytes.starts_with(kMark) ? bytes.substr(kMark.size()) : bytes;
}

std::string in_words(const std::vector<std::string>& choices) {
  std::string words = choices.front();
  for (std::size_t i = 1; i < choices.size(); ++i) words += (i + 1 < choices.size() ? ", " : " or ") + choices[i];
  return words;
}

Fields fields_of(const Line& line, const TableFormat& format) {
  Fields fields = base::split(line.text, '\t');
  if (fields.size() != format.columns.size())
    line.complain("", std::to_string(format.columns.size()) + " columns separated by tabs",
                  std::to_string(fields.size()),
                  "the columns of " + format.task + " are " + base::join(format.columns, ", "));
  return fields;
}

// Only the columns that are read must bear their names.
void check_header(const Line& line, const TableFormat& format) {
  const Fields fields = fields_of(line, format);
  for (const std::size_t column : {format.first, format.second.value_or(format.first), format.label})
    if (fields[column] != format.columns[column])
      line.complain("header, column " + std::to_string(column + 1), base::quote(format.columns[column]),
                    base::quote(fields[column]), "the first line of a " + format.task + " file names its columns");
}

std::int32_t class_of(std::string_view text, const Line& line, const TableFormat& format) {
  const auto found = std::find(format.labels.begin(), format.labels.end(), text);
  if (found == format.labels.end()) line.complain("label", in_words(format.labels), base::quote(text));
  return static_cast<std::int32_t>(found - format.labels.begin());
}

float score_of(std::string_view text, const Line& line) {
  const std::optional<double> score = base::to_number(text);
  if (!score || *score < 0 || *score > kHighestScore) line.complain("score", "a number from 0 to 5", base::quote(text));
  return static_cast<float>(*score);
}

Row row_of(const Line& line, const TableFormat& format) {
  const Fields fields = fields_of(line, format);
  if (!base::is_valid_utf8(line.text))
    line.complain("text", "UTF-8", "bytes that are not", "convert the file to UTF-8");
  Row row;
  row.first = base::trim(fields[format.first]);
  if (format.second) row.second = base::trim(fields[*format.second]);
  if (format.labels.empty())
    row.target = score_of(fields[format.label], line);
  else
    row.label = class_of(fields[format.label], line, format);
  return row;
}

}  // namespace

const TableFormat& table_format(const std::string& task) {
  static const std::vector<TableFormat> kFormats = {
      {"cola", {"source", "label", "mark", "sentence"}, false, 3, {}, 1, {"0", "1"}},
      {"sst2", {"sentence", "label"}, true, 0, {}, 1, {"0", "1"}},
      {"mrpc", {"Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"}, true, 3, 4, 0, {"0", "1"}},
      {"stsb",
       {"index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2", "score"},
       true,
       7,
       8,
       9,
       {}},
      {"rte", {"index", "sentence1", "sentence2", "label"}, true, 1, 2, 3, {"entailment", "not_entailment"}},
      {"sentiment", {"sentence", "label"}, true, 0, {}, 1, {"0", "1"}},
      {"acceptability", {"sentence", "label"}, true, 0, {}, 1, {"0", "1"}},
      {"paraphrase", {"sentence1", "sentence2", "label"}, true, 0, 1, 2, {"0", "1"}},
      {"entailment", {"sentence1", "sentence2", "label"}, true, 0, 1, 2, {"0", "1"}},
  };
  const auto found = std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.task == task; });
  assert(found != kFormats.end());
  return *found;
}

std::vector<Row> parse_table(std::string_view bytes, const TableFormat& format, const std::string& place) {
  std::vector<Row> rows;
  bool header = format.header;
  std::size_t number = 0;
  std::size_t blank = 0;  // the first blank line of those just passed: at the end of a file they mean nothing
  for (std::string_view text : base::split(without_byte_order_mark(bytes), '\n')) {
    ++number;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) {
      if (blank == 0) blank = number;
      continue;
    }
    if (blank != 0)
      throw base::Error({place + ":" + std::to_string(blank), "", "an example on every line up to the last",
                         "a blank line", "was a line lost? remove the blank one, or fetch the file again"});
    const Line line{text, place, number};
    if (header)
      check_header(line, format);
    else
      rows.push_back(row_of(line, format));
    header = false;
  }
  if (rows.empty())
    throw base::Error({place, "examples", "at least one", "none", "the file is empty or holds a header alone"});
  return rows;
}

std::string table_text(const std::vector<LabelledText>& examples, const TableFormat& format) {
  std::string text;
  for (std::size_t i = 0; i < format.columns.size(); ++i) text += (i == 0 ? "" : "\t") + format.columns[i];
  text += '\n';
  for (const LabelledText& example : examples) {
    text += example.first + '\t';
    if (format.second) text += example.second + '\t';
    text += std::to_string(example.label) + '\n';
  }
  return text;
}

}  // namespace initlab::data
