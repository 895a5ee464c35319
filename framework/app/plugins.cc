// `initlab plugins`: every strategy that this program can use; `--check`: does a plugin keep its promises?
#include <iostream>

#include "app/check_plugin.hpp"
#include "app/common.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "config/config.hpp"

namespace initlab::app {
namespace {

std::vector<std::string> roles_of(std::uint32_t bits) {
  constexpr std::uint32_t kBits[] = {IL_ROLE_MATRIX,     IL_ROLE_EMBEDDING,  IL_ROLE_BIAS,
                                     IL_ROLE_NORM_SCALE, IL_ROLE_NORM_SHIFT, IL_ROLE_RESIDUAL_SCALE};
  const std::vector<std::string> names = config::role_names();
  std::vector<std::string> roles;
  for (std::size_t i = 0; i < names.size(); ++i)
    if ((bits & kBits[i]) != 0) roles.push_back(names[i]);
  return roles;
}

base::Json as_json(const init::Catalog& catalog) {
  base::Json all = base::Json::array();
  for (const init::CatalogEntry& entry : catalog.entries()) {
    const il_strategy& strategy = *entry.strategy;
    base::Json row = {{"id", strategy.id},
                      {"summary", strategy.summary},
                      {"source", strategy.source},
                      {"natural_roles", roles_of(strategy.natural_roles)}};
    base::Json options = base::Json::array();
    for (std::uint32_t i = 0; i < strategy.num_options; ++i) {
      const il_option_info& option = strategy.options[i];
      options.push_back(
          {{"key", option.key},
           {"type", option.type},
           {"default", option.default_value == nullptr ? base::Json(nullptr) : base::Json(option.default_value)},
           {"summary", option.summary}});
    }
    row["options"] = std::move(options);
    row["plugin"] = catalog.libraries()[entry.library].name;
    row["file"] = catalog.libraries()[entry.library].file;
    all.push_back(std::move(row));
  }
  return all;
}

void print(const init::Catalog& catalog) {
  for (const init::CatalogEntry& entry : catalog.entries()) {
    const il_strategy& strategy = *entry.strategy;
    std::cout << strategy.id << "\n  " << strategy.summary
              << "\n  natural roles: " << base::join(roles_of(strategy.natural_roles), ", ") << "\n";
    for (std::uint32_t i = 0; i < strategy.num_options; ++i) {
      const il_option_info& option = strategy.options[i];
      std::cout << "  option " << option.key << " (" << option.type << ", "
                << (option.default_value == nullptr ? std::string("must be given")
                                                    : std::string("default ") + option.default_value)
                << "): " << option.summary << "\n";
    }
    std::cout << "  source: " << strategy.source << "\n  file: " << catalog.libraries()[entry.library].file << "\n\n";
  }
}

// "constant:value=0.5", several times: strategy -> options.
std::map<std::string, sdk::OptionTexts> options_of(const po::variables_map& values) {
  std::map<std::string, sdk::OptionTexts> options;
  if (values.count("with") == 0) return options;
  for (const std::string& text : values["with"].as<std::vector<std::string>>()) {
    const std::size_t colon = text.find(':'), equals = text.find('=', colon == std::string::npos ? 0 : colon);
    if (colon == std::string::npos || equals == std::string::npos)
      throw base::Error(
          {"command line", "--with", "STRATEGY:KEY=VALUE", base::quote(text), "e.g. --with constant:value=0.5"});
    options[text.substr(0, colon)].emplace_back(text.substr(colon + 1, equals - colon - 1), text.substr(equals + 1));
  }
  return options;
}

// Exit code 0: it keeps its promises.
int check(const std::string& file, const po::variables_map& values) {
  const CheckLimits limits{values["seconds"].as<double>(), values["memory"].as<double>()};
  if (!(limits.seconds > 0 && limits.seconds <= 1e6))
    throw base::Error({"command line", "--seconds", "a number above 0", base::number_text(limits.seconds), ""});
  if (!(limits.mebibytes >= 64 && limits.mebibytes <= 1e9))
    throw base::Error({"command line", "--memory", "at least 64 MiB", base::number_text(limits.mebibytes), ""});
  const PluginVerdict verdict = check_plugin(file, options_of(values), limits);
  if (values["json"].as<bool>()) {
    base::Json findings = base::Json::array();
    for (const sdk::Finding& f : verdict.findings)
      findings.push_back({{"subject", f.subject}, {"expected", f.expected}, {"got", f.got}});
    const base::Json out = {{"file", file},
                            {"ok", verdict.ok()},
                            {"strategies_checked", verdict.strategies},
                            {"findings", std::move(findings)},
                            {"fatal", verdict.fatal}};
    std::cout << base::json_pretty(out) << "\n";
  } else {
    for (const sdk::Finding& finding : verdict.findings) std::cout << file << ": " << sdk::to_text(finding) << "\n";
    if (!verdict.fatal.empty()) std::cout << file << ": " << verdict.fatal << "\n";
    if (verdict.ok())
      std::cout << file << ": " << verdict.strategies
                << (verdict.strategies == 1 ? " strategy keeps its" : " strategies keep their") << " promises\n";
  }
  return verdict.ok() ? kDone : kRunFailed;
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("files", po::value<std::vector<std::string>>(), "")  //
      ("check", po::value<std::string>(),
       "run the conformance suite on this file, in a process of its own; exit code 1: it breaks a promise")  //
      ("with", po::value<std::vector<std::string>>()->composing(),
       "with --check: STRATEGY:KEY=VALUE, for an option without default; may be given again")                  //
      ("seconds", po::value<double>()->default_value(120), "with --check: the most that it may take")          //
      ("memory", po::value<double>()->default_value(2048), "with --check: the most that it may take, in MiB")  //
      ("json", po::bool_switch(), "the list, or the verdict, as JSON");
  positional.add("files", -1);
}

int run(const po::variables_map& values, const Context& context) {
  if (values.count("check") != 0) return check(values["check"].as<std::string>(), values);
  std::vector<std::string> files;
  if (values.count("files") != 0) files = values["files"].as<std::vector<std::string>>();
  const auto catalog = open_catalog(files, context);
  if (values["json"].as<bool>()) {
    std::cout << base::json_pretty(as_json(*catalog)) << "\n";
  } else {
    print(*catalog);
  }
  return kDone;
}

}  // namespace

const Verb kPlugins = {
    "plugins",
    "[PLUGIN.so...] [--json] | --check PLUGIN.so [--with STRATEGY:KEY=VALUE]... [--seconds N] [--memory MIB] [--json]",
    "every strategy: id, summary, natural roles, options with defaults, source, file",
    "Libraries are looked for in the files named here, in the folders of INITLAB_PLUGIN_PATH, and in the folder\n"
    "of plugins beside the program. --check runs the conformance suite on one file in a process of its own: a plugin\n"
    "that crashes, never returns or takes memory without end is named, with the strategy at work.",
    declare,
    run};

}  // namespace initlab::app
