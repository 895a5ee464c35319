#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "report/details.hpp"
#include "report/report.hpp"
#include "report/sheet.hpp"

namespace initlab::report {
namespace {

using compare::ArmSummary;
using compare::Comparison;
using compare::Settings;

const base::Json* value_of(const Settings& settings, const std::string& path) {
  for (const auto& [key, value] : settings)
    if (key == path) return &value;
  return nullptr;
}

Settings without(Settings settings, const std::string& path) {
  std::erase_if(settings, [&](const auto& entry) { return entry.first == path; });
  return settings;
}

// What is met first stands first.
template <class T>
void add_new(std::vector<T>& all, const T& one) {
  if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
}

std::string cell(const ArmSummary& arm) {
  if (arm.n == 0) return "-";
  const std::string interval =
      arm.ci95 ? " [" + number(arm.ci95->low) + ", " + number(arm.ci95->high) + "]" : std::string();
  return number(arm.mean) + interval + " (" + std::to_string(arm.n) + ")";
}

}  // namespace

std::string curve_table(const Comparison& comparison, const std::string& path, const Style& style) {
  std::vector<base::Json> values;
  std::vector<Settings> others;
  std::vector<std::string> arms;
  for (const ArmSummary& arm : comparison.arms) {
    const base::Json* value = value_of(arm.settings, path);
    if (value == nullptr) continue;
    add_new(values, *value);
    add_new(others, without(arm.settings, path));
    add_new(arms, arm.arm);
  }
  if (values.empty()) throw base::Error({"compare", "--by", "a key that the runs have", base::quote(path), ""});
  std::string out;
  for (const Settings& other : others) {
    Sheet sheet;
    sheet.caption = comparison.metric + " over " + path + (other.empty() ? "" : ", " + compare::text(other)) +
                    ": mean [95 % CI] (seeds)";
    sheet.rows.push_back({"arm"});
    for (const base::Json& value : values) sheet.rows[0].push_back(compare::value_text(value));
    sheet.right.assign(values.size() + 1, true);
    sheet.right[0] = false;
    for (const std::string& name : arms) {
      std::vector<std::string> row{name};
      for (const base::Json& value : values) {
        const auto found = std::find_if(comparison.arms.begin(), comparison.arms.end(), [&](const ArmSummary& arm) {
          const base::Json* own = value_of(arm.settings, path);
          return arm.arm == name && own != nullptr && *own == value && without(arm.settings, path) == other;
        });
        row.push_back(found == comparison.arms.end() ? "-" : cell(*found));
      }
      sheet.rows.push_back(std::move(row));
    }
    out += (out.empty() ? "" : "\n") + write(sheet, style);
  }
  return out;
}

}  // namespace initlab::report
