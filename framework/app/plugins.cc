// `initlab plugins`: every strategy that this program can use.
#include <iostream>

#include "app/common.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "config/config.hpp"

namespace initlab::app {
namespace {

std::vector<std::string> roles_of(std::uint32_t bits) {
  constexpr std::uint32_t kBits[] = {IL_ROLE_MATRIX, IL_ROLE_EMBEDDING, IL_ROLE_BIAS, IL_ROLE_NORM_SCALE,
                                     IL_ROLE_NORM_SHIFT};
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

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("files", po::value<std::vector<std::string>>(), "")("json", po::bool_switch(),
                                                                            "the list as JSON");
  positional.add("files", -1);
}

int run(const po::variables_map& values, const Context& context) {
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
    "[PLUGIN.so...] [--json]",
    "every strategy: id, summary, natural roles, options with defaults, source, file",
    "Libraries are looked for in the files named here, in the folders of INITLAB_PLUGIN_PATH, and in the folder\n"
    "of plugins beside the program.",
    declare,
    run};

}  // namespace initlab::app
