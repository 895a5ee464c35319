#include "report/sheet.hpp"

#include <algorithm>

namespace initlab::report {
namespace {

std::string joined(const Sheet& sheet, const std::vector<std::string>& row, Format format, const std::string& between) {
  std::string line;
  for (std::size_t i = 0; i < sheet.rows.front().size(); ++i) {
    if (i > 0) line += between;
    line += i < row.size() ? escaped(row[i], format) : "";
  }
  return line;
}

std::string markdown(const Sheet& sheet) {
  std::string out = sheet.caption.empty() ? "" : "**" + escaped(sheet.caption, Format::markdown) + "**\n\n";
  for (std::size_t i = 0; i < sheet.rows.size(); ++i) {
    out += "| " + joined(sheet, sheet.rows[i], Format::markdown, " | ") + " |\n";
    if (i > 0) continue;
    out += "|";
    for (std::size_t c = 0; c < sheet.rows[0].size(); ++c)
      out += c < sheet.right.size() && sheet.right[c] ? "---:|" : "---|";
    out += "\n";
  }
  return out;
}

std::string latex(const Sheet& sheet) {
  std::string columns;
  for (std::size_t c = 0; c < sheet.rows[0].size(); ++c)
    columns += c < sheet.right.size() && sheet.right[c] ? 'r' : 'l';
  std::string out = sheet.caption.empty() ? "" : "% " + escaped(sheet.caption, Format::text) + "\n";
  out += "\\begin{tabular}{" + columns + "}\n\\toprule\n";
  for (std::size_t i = 0; i < sheet.rows.size(); ++i) {
    out += joined(sheet, sheet.rows[i], Format::latex, " & ") + " \\\\\n";
    if (i == 0) out += "\\midrule\n";
  }
  return out + "\\bottomrule\n\\end{tabular}\n";
}

// The head in bold; align() must not see the sequences.
std::string coloured(std::string text) {
  const std::size_t end = text.find('\n');
  return "\x1b[1m" + text.substr(0, end) + "\x1b[0m" + text.substr(end);
}

}  // namespace

std::string escaped(const std::string& text, Format format) {
  std::string out;
  for (const char c : text) {
    if (format == Format::markdown && std::string_view("|*_`<>[]\\").find(c) != std::string_view::npos) {
      out += '\\';
      out += c;
    } else if (format == Format::latex && std::string_view("&%$#_{}").find(c) != std::string_view::npos) {
      out += '\\';
      out += c;
    } else if (format == Format::latex && c == '\\') {
      out += "\\textbackslash{}";
    } else if (format == Format::latex && c == '~') {
      out += "\\textasciitilde{}";
    } else if (format == Format::latex && c == '^') {
      out += "\\textasciicircum{}";
    } else if (static_cast<unsigned char>(c) < ' ') {
      out += ' ';  // a line break would end a row, a comment or a bullet
    } else if (format == Format::latex && (c == '[' || c == '*') && out.find_first_not_of(' ') == std::string::npos) {
      out += std::string("{") + c + "}";  // at the start of a row it would be an argument of the \\ before it
    } else if (format == Format::latex && (c == '<' || c == '>')) {
      out += c == '<' ? "$<$" : "$>$";
    } else {
      out += c;
    }
  }
  return out;
}

std::string write(const Sheet& sheet, const Style& style) {
  if (sheet.rows.empty()) return {};
  switch (style.format) {
    case Format::markdown:
      return markdown(sheet);
    case Format::latex:
      return latex(sheet);
    case Format::text:
      break;
  }
  const std::string text = align(sheet.rows, sheet.right);
  return (sheet.caption.empty() ? "" : sheet.caption + "\n") + (style.colour ? coloured(text) : text);
}

}  // namespace initlab::report
