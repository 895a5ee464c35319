#include "spec/spec.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "spec/compose.hpp"
#include "spec/plan.hpp"
#include "spec/yaml.hpp"

namespace initlab::spec {

ExperimentSpec from_text(std::string_view text, const std::filesystem::path& file,
                         const std::vector<Override>& overrides, const std::map<std::string, std::string>& defaults) {
  Expansion expansion = expand(compose(text, file, overrides, defaults), file);
  return {std::move(expansion.experiment), file, std::move(expansion.text), std::move(expansion.plans),
          std::move(expansion.tuning)};
}

ExperimentSpec read(const std::filesystem::path& file, const std::vector<Override>& overrides,
                    const std::map<std::string, std::string>& defaults) {
  return from_text(base::read_file(file, kMostFileBytes), file, overrides, defaults);
}

Override parse_override(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0)
    throw base::Error({"--set", "", "path=value", base::quote(argument), "--set training.batch=16"});
  return {argument.substr(0, equals), argument.substr(equals + 1)};
}

}  // namespace initlab::spec
