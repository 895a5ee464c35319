// The golden file of scripts/golden_comparison.py, by topic.
#pragma once

#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "paths.hpp"

namespace initlab::compare {

using Numbers = std::vector<double>;

inline const base::Json& golden_comparison(const std::string& topic) {
  static const std::string path = initlab::paths::source_dir() + "/tests/compare/golden_comparison.json";
  static const base::Json json = base::parse_json(base::read_file(path), path);
  return json.at(topic);
}

inline Numbers numbers(const base::Json& item, const char* key) { return item.at(key).get<Numbers>(); }
inline double number(const base::Json& item, const char* key) { return item.at(key).get<double>(); }

}  // namespace initlab::compare
