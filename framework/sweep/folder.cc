#include "sweep/folder.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "log/run_file.hpp"

namespace initlab::sweep {
namespace {

constexpr const char* kFolderFile = "folder.json";

// Letters, digits and a few signs; the rest becomes '_'. Identity is in the id, so a clash of names is harmless.
std::string file_safe(const std::string& text) {
  std::string safe;
  for (const char c : text.substr(0, 60)) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                      c == '_' || c == '.' || c == '=' || c == ',';
    safe += keep ? c : '_';
  }
  return safe;
}

std::optional<int> recorded_threads(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kFolderFile;
  if (!std::filesystem::exists(file)) return std::nullopt;
  const base::Json content = base::parse_json(base::read_file(file, 1 << 16), file.string());
  if (!content.is_object() || !content.contains("threads") || !content["threads"].is_number_integer() ||
      content["threads"] < 1)
    throw base::Error({file.string(), "threads", "an integer of at least 1", base::json_text(content),
                       "delete the file to fix the folder's threads anew"});
  return content["threads"].get<int>();
}

}  // namespace

std::string run_file_name(const config::RunPlan& plan, const std::string& run_id) {
  std::string name = plan.arm;
  for (const auto& [path, value] : plan.settings) {
    const std::size_t dot = path.rfind('.');
    const std::string text = value.is_string() ? value.get<std::string>() : base::json_text(value);
    name.append(",").append(path, dot == std::string::npos ? 0 : dot + 1).append("=").append(text);
  }
  return file_safe(name) + ",r" + std::to_string(plan.replicate) + "-" + run_id.substr(0, 10) + ".h5";
}

std::filesystem::path weights_folder(const std::filesystem::path& run_file, const std::string& which) {
  std::filesystem::path folder = run_file;
  folder.replace_extension();  // ".h5"
  folder += "." + which;
  return folder;
}

bool is_done(const std::filesystem::path& run_file, const std::string& run_id, const config::KeepConfig& keep) {
  if (!std::filesystem::exists(run_file)) return false;
  try {
    const record::Run run = log::read_run(run_file);
    if (run.header.run_id != run_id || run.state != record::State::finished) return false;
  } catch (const base::Error&) {
    return false;  // a damaged file is run again; the new file replaces it only when it is whole
  }
  return std::all_of(keep.weights.begin(), keep.weights.end(), [&run_file](const std::string& which) {
    return std::filesystem::exists(weights_folder(run_file, which));
  });
}

int planned_threads(const std::filesystem::path& folder, std::optional<int> wanted, int otherwise) {
  const std::optional<int> fixed = recorded_threads(folder);
  if (fixed && wanted && *fixed != *wanted)
    throw base::Error({(folder / kFolderFile).string(), "threads",
                       std::to_string(*fixed) + ", fixed when this folder was made", std::to_string(*wanted),
                       "leave --threads out, or choose another --results folder"});
  return fixed ? *fixed : wanted.value_or(otherwise);
}

bool has_fixed_threads(const std::filesystem::path& folder) { return recorded_threads(folder).has_value(); }

void fix_threads(const std::filesystem::path& folder, int threads) {
  if (std::filesystem::exists(folder / kFolderFile)) return;
  base::Json content = base::Json::object();
  content["threads"] = threads;
  base::write_file(folder / kFolderFile, base::json_pretty(content) + "\n");
}

}  // namespace initlab::sweep
