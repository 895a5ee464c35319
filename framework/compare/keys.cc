#include "compare/keys.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/compare.hpp"

namespace initlab::compare {
namespace {

const std::vector<std::string>& header_keys() {
  static const std::vector<std::string> keys = {"experiment", "arm",   "replicate",  "task", "state",  "cpu",
                                                "threads",    "build", "checkpoint", "data", "started"};
  return keys;
}

std::optional<base::Json> header_value(const record::Run& run, const std::string& key) {
  const record::RunHeader& header = run.header;
  if (key == "experiment") return header.experiment;
  if (key == "arm") return header.arm;
  if (key == "replicate") return header.replicate;
  if (key == "task") return header.task;
  if (key == "state") return record::to_text(run.state);
  if (key == "cpu") return header.cpu;
  if (key == "threads") return header.threads;
  if (key == "build") return header.build;
  if (key == "checkpoint") return header.checkpoint_sha256;
  if (key == "data") return header.data_sha256;
  if (key == "started") return header.started;
  return std::nullopt;
}

base::Json settings_of(const record::Run& run) {
  return run.header.settings.empty() ? base::Json::object() : base::parse_json(run.header.settings, run.file);
}

// The one axis that the key names: its path, or its last part where no other axis ends so.
std::optional<std::string> axis_named(const base::Json& settings, const std::string& key) {
  if (settings.contains(key)) return key;
  std::optional<std::string> found;
  for (const auto& [path, value] : settings.items()) {
    if (path.substr(path.rfind('.') + 1) != key) continue;
    if (found) return std::nullopt;
    found = path;
  }
  return found;
}

std::optional<base::Json> plan_value(const record::Run& run, const std::string& key) {
  if (run.header.plan.empty()) return std::nullopt;
  const base::Json plan = base::parse_json(run.header.plan, run.file);
  const base::Json* at = &plan;
  for (const std::string_view part : base::split(key, '.')) {
    const std::string name(part);
    if (!at->is_object() || !at->contains(name)) return std::nullopt;
    at = &at->at(name);
  }
  if (at->is_object() || at->is_array()) return std::nullopt;
  return *at;
}

bool equals(const base::Json& value, const std::string& wanted) {
  if (value.is_number())
    if (const std::optional<double> number = base::to_number(wanted)) return value.get<double>() == *number;
  return value_text(value) == wanted;
}

std::vector<std::string> known_keys(std::span<const record::Run> runs) {
  std::set<std::string> keys(header_keys().begin(), header_keys().end());
  for (const record::Run& run : runs) {
    const base::Json settings = settings_of(run);
    for (const auto& [path, value] : settings.items()) keys.insert(path);
  }
  return {keys.begin(), keys.end()};
}

[[noreturn]] void refuse_key(std::span<const record::Run> runs, const std::string& option, const std::string& key) {
  const std::vector<std::string> known = known_keys(runs);
  const std::string near = base::closest(key, known);
  throw base::Error({"command line", option,
                     "one of " + base::join(known, ", ") + ", or a value of the plan such as training.batch",
                     base::quote(key), near.empty() ? "" : "did you mean " + base::quote(near) + "?"});
}

}  // namespace

std::optional<base::Json> value_of(const record::Run& run, const std::string& key) {
  const base::Json settings = settings_of(run);
  if (const auto axis = axis_named(settings, key)) return settings.at(*axis);
  if (auto value = header_value(run, key)) return value;
  return plan_value(run, key);
}

std::vector<record::Run> where(std::vector<record::Run> runs,
                               std::span<const std::pair<std::string, std::string>> conditions) {
  for (const auto& [key, wanted] : conditions) {
    std::set<std::string> there;
    for (const record::Run& run : runs)
      if (const auto value = value_of(run, key)) there.insert(value_text(*value));
    if (there.empty()) refuse_key(runs, "--where", key);
    std::erase_if(runs, [&](const record::Run& run) {
      const auto value = value_of(run, key);
      return !value || !equals(*value, wanted);
    });
    if (runs.empty())
      throw base::Error({"command line", "--where " + key,
                         "one of " + base::join(std::vector<std::string>(there.begin(), there.end()), ", "),
                         base::quote(wanted), ""});
  }
  return runs;
}

std::string axis_of(std::span<const record::Run> runs, const std::string& key) {
  for (const record::Run& run : runs)
    if (const auto axis = axis_named(settings_of(run), key)) return *axis;
  return key;
}

void set_apart(std::vector<record::Run>& runs, const std::string& key) {
  if (key == "arm" || key == "replicate" || key == "started")
    throw base::Error({"command line", "--by", "a key that sets designs apart", base::quote(key),
                       "arms are compared and replicates paired as they are"});
  const bool any = std::any_of(runs.begin(), runs.end(), [&](const record::Run& run) { return value_of(run, key); });
  if (!any) refuse_key(runs, "--by", key);
  for (record::Run& run : runs) {
    base::Json settings = settings_of(run);
    if (axis_named(settings, key)) continue;
    const std::optional<base::Json> value = value_of(run, key);
    if (!value)
      throw base::Error({run.file, "--by " + key, "a value, as other runs have", "none", "leave it out with --where"});
    settings[key] = *value;
    run.header.settings = base::json_text(settings);
  }
}

}  // namespace initlab::compare
