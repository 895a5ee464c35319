// Is a plugin's table complete? Pure reading, nothing is called. Used by the program when it loads a library and by the
// conformance suite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "abi/initlab_plugin.h"
#include "sdk/options.hpp"

namespace initlab::sdk {

// One fault: what it is about, what was expected and what was found. Texts for people.
struct Finding {
  std::string subject;
  std::string expected;
  std::string got;
};
inline std::string to_text(const Finding& finding) {
  return finding.subject + ": expected " + finding.expected + ", got " + finding.got;
}

// "xavier_uniform/1": lower-case letters, digits and underscores, a slash, a revision from 1 without leading zeros.
inline bool is_strategy_id(std::string_view id) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t slash = id.find('/');
  if (slash == std::string_view::npos || slash == 0 || id.size() > 100) return false;
  for (const char c : id.substr(0, slash))
    if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '_') return false;
  const std::string_view revision = id.substr(slash + 1);
  if (revision.empty() || revision.size() > 9 || revision[0] == '0') return false;
  for (const char c : revision)
    if (!is_digit(c)) return false;
  return true;
}

namespace detail {

inline std::string shown(const char* text) { return text == nullptr ? "null" : in_quotes(text); }
inline bool is_blank(const char* text) { return text == nullptr || *text == '\0'; }

inline void check_options(const il_strategy& s, const std::string& subject, std::vector<Finding>& findings) {
  if (s.num_options > 0 && s.options == nullptr) {
    findings.push_back({subject + ", options", std::to_string(s.num_options) + " entries", "null"});
    return;
  }
  std::set<std::string_view> keys;
  for (std::uint32_t i = 0; i < s.num_options; ++i) {
    const il_option_info& option = s.options[i];
    const std::string where = subject + ", option " + std::to_string(i);
    if (is_blank(option.key)) {
      findings.push_back({where, "a key", shown(option.key)});
      continue;
    }
    if (!keys.insert(option.key).second)
      findings.push_back({where, "a key of its own", in_quotes(option.key) + " again"});
    static const std::set<std::string_view> types = {"number", "integer", "flag", "text"};
    if (option.type == nullptr || !types.contains(option.type))
      findings.push_back({where, "type number, integer, flag or text", shown(option.type)});
    if (is_blank(option.summary)) findings.push_back({where, "a summary", shown(option.summary)});
  }
}

inline void check_strategy(const il_strategy& s, std::uint32_t index, std::vector<Finding>& findings) {
  const std::string number = "strategy " + std::to_string(index);
  if (s.size < sizeof(il_strategy)) {
    findings.push_back(
        {number, "a size of at least " + std::to_string(sizeof(il_strategy)) + " bytes", std::to_string(s.size)});
    return;  // the fields behind are not there
  }
  if (is_blank(s.id) || !is_strategy_id(s.id))
    findings.push_back({number, "an id like \"xavier_uniform/1\" (name, slash, revision)", shown(s.id)});
  const std::string subject = is_blank(s.id) ? number : "strategy " + in_quotes(s.id);
  if (is_blank(s.summary)) findings.push_back({subject, "a summary", shown(s.summary)});
  if (is_blank(s.source)) findings.push_back({subject, "a source (the paper or code)", shown(s.source)});
  if (s.natural_roles == 0 || (s.natural_roles & ~IL_ROLE_ALL) != 0)
    findings.push_back({subject, "natural roles out of IL_ROLE_", std::to_string(s.natural_roles)});
  if (s.create == nullptr) findings.push_back({subject, "a create function", "null"});
  if (s.fill == nullptr) findings.push_back({subject, "a fill function", "null"});
  if (s.destroy == nullptr) findings.push_back({subject, "a destroy function", "null"});
  check_options(s, subject, findings);
}

}  // namespace detail

// Everything that is wrong with the table, in the order in which a reader meets it; stops where reading on is not safe.
inline std::vector<Finding> check_descriptor(const il_plugin* plugin) {
  if (plugin == nullptr) return {{"initlab_plugin()", "a table", "null"}};
  // Size and version lie at the front of every version's table; the rest may differ.
  constexpr std::uint32_t kVersionEnd = offsetof(il_plugin, abi_minor) + sizeof(plugin->abi_minor);
  if (plugin->size >= kVersionEnd && plugin->abi_major != IL_ABI_MAJOR)
    return {{"plugin boundary", "version " + std::to_string(IL_ABI_MAJOR), std::to_string(plugin->abi_major)}};
  if (plugin->size < sizeof(il_plugin))
    return {
        {"table", "a size of at least " + std::to_string(sizeof(il_plugin)) + " bytes", std::to_string(plugin->size)}};
  std::vector<Finding> findings;
  if (detail::is_blank(plugin->name)) findings.push_back({"table", "a name", detail::shown(plugin->name)});
  if (detail::is_blank(plugin->version)) findings.push_back({"table", "a version", detail::shown(plugin->version)});
  if (plugin->num_strategies == 0 || plugin->strategies == nullptr) {
    findings.push_back({"table", "at least one strategy", "none"});
    return findings;
  }
  std::set<std::string_view> ids;
  for (std::uint32_t i = 0; i < plugin->num_strategies; ++i) {
    const il_strategy* s = plugin->strategies[i];
    if (s == nullptr) {
      findings.push_back({"strategy " + std::to_string(i), "a descriptor", "null"});
      continue;
    }
    detail::check_strategy(*s, i, findings);
    if (s->size >= sizeof(il_strategy) && s->id != nullptr && !ids.insert(s->id).second)
      findings.push_back({"strategy " + std::to_string(i), "an id of its own", detail::in_quotes(s->id) + " again"});
  }
  return findings;
}

}  // namespace initlab::sdk
