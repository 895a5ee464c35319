// The rules between folders, as data and pure functions over a file's path and text. docs/DESIGN.md, "Levels", says
// why.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace initlab::boundaries {

// A folder of framework/ includes itself and folders of a lower level, nothing else.
inline const std::map<std::string, int>& levels() {
  static const std::map<std::string, int> table = {
      {"abi", 0},  {"base", 0},  {"sdk", 1},    {"config", 1},  {"record", 1}, {"batch", 1}, {"compute", 1},
      {"spec", 2}, {"text", 2},  {"params", 2}, {"data", 3},    {"model", 3},  {"init", 3},  {"checkpoint", 2},
      {"log", 4},  {"train", 4}, {"sweep", 5},  {"compare", 5}, {"report", 6}, {"app", 7},
  };
  return table;
}

// Folders that promise more than their level asks: all they may include.
inline const std::map<std::string, std::set<std::string>>& only() {
  static const std::map<std::string, std::set<std::string>> table = {
      {"sdk", {"abi"}},                           // what plugin authors get is these two
      {"compare", {"base", "config", "record"}},  // pure functions over records
      {"report", {"base", "compare", "record"}},  // text, no file formats
  };
  return table;
}

struct Library {
  std::string prefix;  // of what stands between < and >
  std::string folder;  // the one folder that names it
};

inline const std::vector<Library>& libraries() {
  static const std::vector<Library> table = {
      {"Random123/", "base"}, {"nlohmann/", "base"},      {"openssl/", "base"},
      {"hwy/", "compute"},    {"oneapi/", "compute"},     {"dnnl", "compute"},
      {"omp.h", "compute"},   {"xmmintrin.h", "compute"}, {"immintrin.h", "compute"},
      {"yaml-cpp/", "spec"},  {"unicode/", "text"},       {"hdf5", "log"},
      {"H5", "log"},          {"boost/math/", "compare"}, {"boost/program_options", "app"},
      {"spdlog/", "app"},
  };
  return table;
}

// The C++ library has no suffix; of C and POSIX these are known. Anything else is an outside library that the table
// lacks.
inline bool is_system_header(const std::string& name) {
  static const std::set<std::string> plain = {"stdint.h",  "stddef.h", "malloc.h", "dlfcn.h",  "fcntl.h",
                                              "unistd.h",  "sched.h",  "poll.h",   "signal.h", "spawn.h",
                                              "pthread.h", "time.h",   "errno.h"};
  static const std::regex standard("[a-z_0-9]+");
  return plain.contains(name) || name.starts_with("sys/") || name.starts_with("linux/") ||
         std::regex_match(name, standard);
}

struct Include {
  bool quoted = false;
  std::string name;
};

// Both forms; a macro (Highway's HWY_TARGET_INCLUDE) has no name to check.
inline std::vector<Include> includes(const std::string& text) {
  static const std::regex directive(R"(^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"])");
  std::vector<Include> found;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    std::smatch match;
    const std::string line = text.substr(begin, end - begin);
    if (std::regex_search(line, match, directive)) found.push_back({match[1] == "\"", match[2]});
    begin = end + 1;
  }
  return found;
}

inline std::optional<std::string> library_violation(const std::string& folder, const std::string& name) {
  for (const Library& library : libraries()) {
    if (!name.starts_with(library.prefix)) continue;
    if (library.folder == folder) return std::nullopt;
    return "<" + name + "> is named in " + library.folder + "/ only";
  }
  if (is_system_header(name)) return std::nullopt;
  return "<" + name + "> is an outside library that no folder owns";
}

// One file of framework/<folder>/.
inline std::vector<std::string> framework_violations(const std::string& folder, const std::string& text) {
  std::vector<std::string> found;
  if (!levels().contains(folder)) return {folder + "/ has no level"};
  for (const Include& include : includes(text)) {
    if (!include.quoted) {
      if (auto wrong = library_violation(folder, include.name)) found.push_back(*wrong);
      continue;
    }
    const std::string target = include.name.substr(0, include.name.find('/'));
    if (target == folder) continue;
    if (!levels().contains(target)) {
      found.push_back("\"" + include.name + "\" is not written as folder/file");
    } else if (levels().at(target) >= levels().at(folder)) {
      found.push_back("\"" + include.name + "\" is of level " + std::to_string(levels().at(target)) + ", " + folder +
                      "/ of level " + std::to_string(levels().at(folder)));
    } else if (const auto allowed = only().find(folder); allowed != only().end() && !allowed->second.contains(target)) {
      found.push_back(folder + "/ may not include " + target + "/");
    }
  }
  return found;
}

// One file of plugins/<family>/: sdk/, abi/, the C++ library and its own headers (by bare name).
inline std::vector<std::string> plugin_violations(const std::string& text) {
  std::vector<std::string> found;
  for (const Include& include : includes(text)) {
    if (include.quoted) {
      const std::size_t slash = include.name.find('/');
      const std::string target = include.name.substr(0, slash);
      if (slash != std::string::npos && target != "sdk" && target != "abi")
        found.push_back("\"" + include.name + "\" is not of sdk/ or abi/");
    } else if (!is_system_header(include.name)) {
      found.push_back("<" + include.name + "> is an outside library");
    }
  }
  return found;
}

// The modules that a CMakeLists.txt links: initlab_module(<name> ... MODULES a b ... [LIBRARIES ...]).
inline std::vector<std::string> linked_modules(const std::string& cmake) {
  static const std::regex list(R"(\bMODULES\b([^)]*))");
  std::vector<std::string> found;
  std::smatch match;
  if (!std::regex_search(cmake, match, list)) return found;
  static const std::regex word(R"([A-Za-z_0-9:.]+)");
  const std::string rest = match[1];
  for (std::sregex_iterator it(rest.begin(), rest.end(), word), end; it != end; ++it) {
    if (it->str() == "LIBRARIES" || it->str() == "SOURCES") break;
    if (it->str() != "PRIVATE" && it->str() != "PUBLIC") found.push_back(it->str());
  }
  return found;
}

// A path that only one machine has. Written in pieces: this file is read by its own test.
inline std::optional<std::string> machine_path(std::string_view text) {
  static const std::array<std::string, 3> roots = {std::string("/ho") + "me/", std::string("/wo") + "rk/",
                                                   std::string("/ro") + "ot/"};
  for (const std::string& root : roots) {
    for (std::size_t at = text.find(root); at != std::string_view::npos; at = text.find(root, at + 1)) {
      // "net/work/", "$DIR/work/": the end of a longer path
      const char before = at == 0 ? ' ' : text[at - 1];
      if (std::isalnum(static_cast<unsigned char>(before)) == 0 &&
          std::string_view("._-}$~*").find(before) == std::string_view::npos)
        return std::string(text.substr(at, 40));
    }
  }
  return std::nullopt;
}

inline bool starts_with_comment(std::string_view text) { return text.starts_with("//") || text.starts_with("/*"); }

}  // namespace initlab::boundaries
