// Loading plugin libraries: every step has its own message, with the file.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "init/init.hpp"
#include "sdk/descriptor.hpp"

namespace initlab::init {
namespace {

namespace fs = std::filesystem;

std::string name_of(std::string_view id) { return std::string(id.substr(0, id.find('/'))); }

std::string last_dl_error() {
  const char* text = dlerror();
  return text == nullptr ? "no reason given" : text;
}

}  // namespace

void Catalog::load(const std::string& file) {
  // A name without a slash would be searched for in the system's folders.
  void* library = dlopen(fs::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw base::Error({file, "plugin", "a shared library that can be opened", last_dl_error(),
                       "build it on this machine with initlab_plugin() (plugins/template/README.md)"});
  const auto entry = reinterpret_cast<il_plugin_entry>(dlsym(library, IL_ENTRY_SYMBOL));
  if (entry == nullptr)
    throw base::Error({file, "plugin", "an exported function initlab_plugin()", "none",
                       "is it an initlab plugin? plugins/template shows the smallest one"});
  add(entry(), file);
}

void Catalog::add(const il_plugin* plugin, const std::string& file) {
  const std::vector<sdk::Finding> findings = sdk::check_descriptor(plugin);
  if (!findings.empty()) {
    const sdk::Finding& first = findings.front();
    throw base::Error({file, "plugin: " + first.subject, first.expected, first.got,
                       "rebuild the plugin against this program's abi/initlab_plugin.h"});
  }
  for (std::uint32_t i = 0; i < plugin->num_strategies; ++i) {
    const std::string id = plugin->strategies[i]->id;
    for (const CatalogEntry& other : entries_)
      if (id == other.strategy->id)
        throw base::Error({file, "plugin: strategy " + base::quote(id), "an id of its own",
                           "the id of a strategy in " + libraries_[other.library].file,
                           "rename one of them, or load only one of the files"});
  }
  std::error_code ignored;
  const std::string sha256 = fs::is_regular_file(file, ignored) ? base::sha256_hex_of_file(file) : std::string();
  libraries_.push_back({plugin->name, plugin->version, file, sha256});
  for (std::uint32_t i = 0; i < plugin->num_strategies; ++i)
    entries_.push_back({plugin->strategies[i], name_of(plugin->strategies[i]->id), libraries_.size() - 1});
}

const CatalogEntry& Catalog::find(const std::string& use, const std::string& place) const {
  const bool with_revision = use.find('/') != std::string::npos;
  std::vector<const CatalogEntry*> found;
  std::vector<std::string> names, ids;
  for (const CatalogEntry& entry : entries_) {
    if (with_revision ? use == entry.strategy->id : use == entry.name) found.push_back(&entry);
    if (std::ranges::find(names, entry.name) == names.end()) names.push_back(entry.name);
    if (entry.name == name_of(use)) ids.emplace_back(entry.strategy->id);
  }
  if (found.size() == 1) return *found.front();
  if (found.size() > 1)
    throw base::Error({place, "use", "one revision of " + base::quote(use), base::join(ids, " and "),
                       "write the revision too: use: " + ids.back()});
  if (!ids.empty())
    throw base::Error({place, "use", "a strategy", base::quote(use), "there is " + base::join(ids, ", ")});
  throw base::Error({place, "use", "a strategy", base::quote(use),
                     names.empty() ? "no plugin is loaded: put plugins/ beside the program or set INITLAB_PLUGIN_PATH"
                                   : base::did_you_mean(use, names)});
}

namespace {

// The *.so files of a folder, by name.
std::vector<std::string> libraries_in(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".so") files.push_back(it->path().string());
  if (error)
    throw base::Error(
        {folder.string(), "folder of plugins", "a readable folder", error.message(), "see INITLAB_PLUGIN_PATH"});
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::vector<std::string> find_plugins(const std::vector<std::string>& from_spec, const std::string& program) {
  std::vector<std::string> candidates = from_spec;
  const auto append = [&](const fs::path& folder) {
    const std::vector<std::string> files = libraries_in(folder);
    candidates.insert(candidates.end(), files.begin(), files.end());
  };
  const std::string search_path = base::environment("INITLAB_PLUGIN_PATH", "");
  for (const std::string_view folder : base::split(search_path, ':'))
    if (!folder.empty()) append(folder);
  const fs::path beside = fs::absolute(program).parent_path();
  for (const fs::path& folder : {beside / "plugins", beside / ".." / "lib" / "initlab" / "plugins"}) {
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) continue;
    append(folder);
    break;
  }
  // The same file twice, perhaps under another name, counts once.
  std::vector<std::string> files;
  std::vector<fs::path> seen;
  for (const std::string& file : candidates) {
    std::error_code ignored;
    const fs::path real = fs::weakly_canonical(file, ignored);
    if (std::ranges::find(seen, real) != seen.end()) continue;
    seen.push_back(real);
    files.push_back(file);
  }
  return files;
}

}  // namespace initlab::init
