#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "compare/statistics.hpp"
#include "report/details.hpp"
#include "report/report.hpp"
#include "report/sheet.hpp"

namespace initlab::report {
namespace {

using compare::ArmSummary;
using compare::Comparison;
using compare::Pair;
using Row = std::vector<std::string>;

constexpr std::size_t kWidth = 110;  // of sentences; tables are as wide as they are

// Characters, not bytes: every byte but UTF-8's continuations.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// A sentence in lines of at most kWidth, the first behind `bullet`, the others below its first word.
std::string wrapped(const std::string& bullet, const std::string& sentence) {
  std::string out, line = bullet;
  bool empty = true;
  for (const std::string_view word : base::split(sentence, ' ')) {
    if (!empty && width(line) + 1 + width(word) > kWidth) {
      out += line + "\n";
      line = std::string(bullet.size(), ' ');
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return out + line + "\n";
}

std::string title(const Comparison& comparison, const Style& style) {
  std::string line = comparison.experiment + ": " + comparison.metric + " " + at_text(comparison.at) + ", " +
                     comparison.better + " is better; differences to " + comparison.baseline + ", paired by replicate";
  std::string gain = comparison.gain ? "gain kept: (arm - " + comparison.gain->from + ") / (" + comparison.gain->to +
                                           " - " + comparison.gain->from + "), paired by replicate"
                                     : "";
  if (style.format == Format::markdown)
    return "## " + escaped(line + (gain.empty() ? "" : "; " + gain), style.format) + "\n";
  if (style.format == Format::latex) return "% " + line + "\n" + (gain.empty() ? "" : "% " + gain + "\n");
  return line + "\n" + (gain.empty() ? "" : gain + "\n");
}

std::string ci_text(const std::optional<compare::RatioSet>& set) {
  if (!set) return "-";
  if (set->kind != compare::RatioSet::Kind::interval) return "not bounded";
  std::string text = "[";
  return text += percent(set->low) + ", " + percent(set->high) + "]";
}

std::vector<std::string> share_cells(const Comparison& comparison, const ArmSummary& arm) {
  if (arm.arm == comparison.gain->from) return {"from", ""};
  if (arm.arm == comparison.gain->to) return {"to", ""};
  for (const compare::Share& share : comparison.shares)
    if (share.arm == arm.arm && share.settings == arm.settings) return {percent(share.share), ci_text(share.ci95)};
  return {"-", "-"};
}

// Several comparisons, for whose number p is adjusted.
bool is_family(const Comparison& comparison) { return compare::tested_pairs(comparison) > 1; }

Row arm_row(const Comparison& comparison, const ArmSummary& arm) {
  Row row{arm.arm, std::to_string(arm.n), std::to_string(arm.failed), number(arm.mean), number(arm.stddev)};
  if (arm.arm == comparison.baseline) {
    row.insert(row.end(), {"baseline", "", ""});
  } else if (const Pair* pair = pair_of(comparison, arm); pair != nullptr && pair->n > 0) {
    row.insert(row.end(), {signed_number(pair->difference), interval_text(pair->ci95), p_text(pair->p_sign_flip)});
  } else {
    row.insert(row.end(), {"-", "-", "-"});
  }
  if (is_family(comparison)) {
    const Pair* pair = pair_of(comparison, arm);
    row.push_back(arm.arm == comparison.baseline ? "" : pair != nullptr && pair->n >= 2 ? p_text(pair->p_holm) : "-");
  }
  if (comparison.gain)
    for (std::string& cell : share_cells(comparison, arm)) row.push_back(std::move(cell));
  if (arm.threshold) row.push_back(steps_text(arm));
  return row;
}

std::string heading(const compare::Settings& settings) {
  std::vector<std::string> parts;
  for (const auto& [path, value] : settings) parts.push_back(path + " = " + compare::value_text(value));
  return base::join(parts, ", ");
}

// Of a threshold that is a median: 4 digits are enough to name it.
double significant(double value) { return std::round(1e4 * value) / 1e4; }

std::string mark_of(const Comparison& comparison, const compare::Anchor& anchor) {
  return "[" + std::to_string(&anchor - comparison.anchors.data() + 1) + "]";
}

// Published numbers stand below the arm that they belong to; published() says whose they are.
void add_anchors(const Comparison& comparison, const std::string& arm, std::vector<Row>& rows) {
  for (const compare::Anchor& anchor : comparison.anchors)
    if (anchor.arm == arm) rows.push_back({"  " + mark_of(comparison, anchor), "", "", number(anchor.value)});
}

Sheet arm_sheet(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet;
  sheet.caption = heading(arms.front().settings);
  sheet.rows = {{"arm", "n", "failed", "mean", "std", "difference", "95 % CI", "p"}};
  Row& head = sheet.rows.front();
  if (is_family(comparison)) head.emplace_back("Holm");
  if (comparison.gain) head.insert(head.end(), {"gain kept", "95 % CI"});
  if (arms.front().threshold) head.push_back("steps to " + base::number_text(significant(*arms.front().threshold)));
  sheet.right.assign(head.size(), true);
  sheet.right[0] = false;
  if (arms.front().threshold) sheet.right.pop_back();
  for (const ArmSummary& arm : arms) {
    sheet.rows.push_back(arm_row(comparison, arm));
    add_anchors(comparison, arm.arm, sheet.rows);
  }
  if (comparison.constant_class) sheet.rows.push_back({"constant class", "", "", number(*comparison.constant_class)});
  add_anchors(comparison, "constant_class", sheet.rows);
  add_anchors(comparison, "", sheet.rows);
  return sheet;
}

std::vector<std::string> sentences(const Comparison& comparison, const compare::Settings& settings) {
  std::vector<std::string> all;
  for (const Pair& pair : comparison.pairs)
    if (pair.settings == settings) all.push_back(verdict(comparison, pair));
  for (const compare::Share& share : comparison.shares)
    if (share.settings == settings) all.push_back(verdict(comparison, share));
  for (const std::string& sentence : tuning_sentences(comparison, settings)) all.push_back(sentence);
  return all;
}

// "beats" and "reproduced" in green, "not reproduced" in red, "cannot tell" in yellow: the words say it without colour.
std::string coloured(const std::string& line, const Style& style) {
  if (!style.colour) return line;
  const std::pair<const char*, const char*> marks[] = {{"cannot tell yet", "33"}, {"cannot tell", "33"},
                                                       {"not reproduced", "31"},  {"no verdict", "33"},
                                                       {"reproduced", "32"},      {" beats ", "32"}};
  for (const auto& [word, colour] : marks) {
    const std::size_t at = line.find(word);
    if (at == std::string::npos) continue;
    const std::size_t size = std::string_view(word).size();
    return line.substr(0, at) + "\x1b[" + colour + "m" + line.substr(at, size) + "\x1b[0m" + line.substr(at + size);
  }
  return line;
}

std::string bullets(const std::string& mark, const std::vector<std::string>& lines, const Style& style) {
  std::string out;
  for (const std::string& line : lines) switch (style.format) {
      case Format::markdown:
        out += "- " + escaped(line, style.format) + "\n";
        break;
      case Format::latex:
        out += "% " + escaped(line, Format::text) + "\n";
        break;
      case Format::text:
        out += coloured(wrapped(mark, line), style);
    }
  return out;
}

std::string section(const std::string& name, const std::string& body, const Style& style) {
  if (body.empty()) return {};
  if (style.format == Format::markdown) return "\n### " + name + "\n\n" + body;
  return std::string("\n") + (style.format == Format::latex ? "% " : "") + name + "\n" + body;
}

// The arms of one grid point, from `first` on, and the verdicts on them; moves `first` behind them.
std::string block(const Comparison& comparison, std::size_t& first, const Style& style) {
  std::size_t last = first + 1;
  while (last < comparison.arms.size() && comparison.arms[last].settings == comparison.arms[first].settings) ++last;
  const std::span<const ArmSummary> arms = std::span(comparison.arms).subspan(first, last - first);
  first = last;
  std::string out = write(arm_sheet(comparison, arms), style);
  if (style.details)
    for (const Sheet& sheet : detail_sheets(comparison, arms)) out += "\n" + write(sheet, style);
  const std::string verdicts = bullets("* ", sentences(comparison, arms.front().settings), style);
  return verdicts.empty() ? out : out + "\n" + verdicts;
}

std::string claims(const Comparison& comparison, const Style& style) {
  std::vector<std::string> lines;
  for (const compare::ClaimVerdict& claim : comparison.claims)
    lines.push_back((claim.settings.empty() ? "" : compare::text(claim.settings) + ": ") + verdict(comparison, claim));
  return section("claims, as the spec stated them before the runs", bullets("* ", lines, style), style);
}

}  // namespace

std::vector<std::string> published(const Comparison& comparison) {
  std::vector<std::string> lines;
  for (const compare::Anchor& anchor : comparison.anchors)
    lines.push_back(mark_of(comparison, anchor) + " " + number(anchor.value) + ": " + anchor.text + "; " +
                    anchor.source);
  return lines;
}

std::string at_text(const std::string& at) {
  if (at == "last") return "at the last evaluation";
  if (at == "best") return "at each run's best evaluation";
  return "at step " + at.substr(std::string("step:").size());
}

std::string number(double value) {
  if (!std::isfinite(value)) return "-";
  std::string text = base::fixed(value, 4);
  return text == "-0.0000" ? text.substr(1) : text;
}

std::string signed_number(double value) {
  std::string text = number(value);
  return value > 0 && text != "0.0000" ? "+" + text : text;
}

std::string percent(double share) {
  if (!std::isfinite(share)) return "-";
  std::string text = base::fixed(100 * share, 1);
  return (text == "-0.0" ? "0.0" : text) + " %";
}

std::string p_text(double p) {
  if (!std::isfinite(p)) return "-";
  return p < 1e-4 ? "<0.0001" : base::fixed(p, 4);
}

std::string steps_text(const ArmSummary& arm) {
  const auto runs = arm.steps_to_threshold.size();
  if (runs == 0) return "-";
  const auto reached = std::count_if(arm.steps_to_threshold.begin(), arm.steps_to_threshold.end(),
                                     [](const auto& step) { return step.has_value(); });
  const std::string share = " (" + std::to_string(reached) + "/" + std::to_string(runs) + " reached)";
  if (reached == 0) return "never" + share;
  const std::optional<std::int64_t> median = compare::median_steps(arm.steps_to_threshold);
  return (median ? std::to_string(*median) : "> " + std::to_string(arm.last_step)) + share;
}

std::string align(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += i < right.size() && right[i] ? space + row[i] : row[i] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string table(const Comparison& comparison, const Style& style) {
  std::string out = title(comparison, style);
  for (std::size_t i = 0; i < comparison.arms.size();) {
    out += "\n";
    out += block(comparison, i, style);
  }
  out += section("published, not measured here", bullets("- ", published(comparison), style), style);
  out += claims(comparison, style);
  return out + section("notes", bullets("- ", comparison.notes, style), style);
}

}  // namespace initlab::report
