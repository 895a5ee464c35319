#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "compare/statistics.hpp"
#include "report/report.hpp"

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

std::string title(const Comparison& comparison) {
  return comparison.experiment + ": " + comparison.metric + " " + at_text(comparison.at) + ", " + comparison.better +
         " is better; differences to " + comparison.baseline + ", paired by replicate\n" +
         (comparison.gain ? "gain kept: (arm - " + comparison.gain->from + ") / (" + comparison.gain->to + " - " +
                                comparison.gain->from + "), paired by replicate\n"
                          : "");
}

std::string ci_text(const std::optional<compare::Interval>& interval) {
  if (!interval) return "-";
  std::string text = "[";
  text += signed_number(interval->low) + ", " + signed_number(interval->high) + "]";
  return text;
}

const Pair* find_pair(const Comparison& comparison, const ArmSummary& arm) {
  for (const Pair& pair : comparison.pairs)
    if (pair.arm == arm.arm && pair.settings == arm.settings) return &pair;
  return nullptr;
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

Row arm_row(const Comparison& comparison, const ArmSummary& arm) {
  Row row{arm.arm, std::to_string(arm.n), std::to_string(arm.failed), number(arm.mean), number(arm.stddev)};
  if (arm.arm == comparison.baseline) {
    row.insert(row.end(), {"baseline", "", ""});
  } else if (const Pair* pair = find_pair(comparison, arm); pair != nullptr && pair->n > 0) {
    row.insert(row.end(), {signed_number(pair->difference), ci_text(pair->ci95), p_text(pair->p_sign_flip)});
  } else {
    row.insert(row.end(), {"-", "-", "-"});
  }
  if (comparison.gain)
    for (std::string& cell : share_cells(comparison, arm)) row.push_back(std::move(cell));
  if (comparison.threshold) row.push_back(steps_text(arm));
  return row;
}

std::string heading(const compare::Settings& settings) {
  std::vector<std::string> parts;
  for (const auto& [path, value] : settings) parts.push_back(path + " = " + compare::value_text(value));
  return settings.empty() ? "" : base::join(parts, ", ") + "\n";
}

// The arms of one grid point, from `first` on, and the verdicts on them; moves `first` behind them.
std::string block(const Comparison& comparison, std::size_t& first) {
  const compare::Settings& settings = comparison.arms[first].settings;
  std::vector<Row> rows{{"arm", "n", "failed", "mean", "std", "difference", "95 % CI", "p"}};
  std::vector<bool> right{false, true, true, true, true, true, true, true};
  if (comparison.gain) {
    rows.front().insert(rows.front().end(), {"gain kept", "95 % CI"});
    right.insert(right.end(), {true, true});
  }
  if (comparison.threshold) rows.front().push_back("steps to " + base::number_text(*comparison.threshold));
  for (; first < comparison.arms.size() && comparison.arms[first].settings == settings; ++first)
    rows.push_back(arm_row(comparison, comparison.arms[first]));
  if (comparison.constant_class) rows.push_back({"constant class", "", "", number(*comparison.constant_class)});
  std::string out = heading(settings) + align(rows, right);
  std::string verdicts;
  for (const Pair& pair : comparison.pairs)
    if (pair.settings == settings) verdicts += wrapped("* ", verdict(comparison, pair));
  for (const compare::Share& share : comparison.shares)
    if (share.settings == settings) verdicts += wrapped("* ", verdict(comparison, share));
  for (const std::string& sentence : tuning_sentences(comparison, settings)) verdicts += wrapped("* ", sentence);
  if (!verdicts.empty()) out += "\n" + verdicts;
  return out;
}

}  // namespace

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

std::string table(const Comparison& comparison) {
  std::string out = title(comparison);
  for (std::size_t i = 0; i < comparison.arms.size();) {
    out += "\n";
    out += block(comparison, i);
  }
  if (!comparison.notes.empty()) out += "\nnotes\n";
  for (const std::string& note : comparison.notes) out += wrapped("- ", note);
  return out;
}

}  // namespace initlab::report
