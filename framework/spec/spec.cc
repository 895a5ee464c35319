#include "spec/spec.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "spec/compose.hpp"
#include "spec/plan.hpp"
#include "spec/yaml.hpp"

namespace initlab::spec {

namespace {

// The lines of comment that a spec begins with, where its question stands.
std::string head_comment(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && text[end] == '#') end = std::min(text.find('\n', end), text.size() - 1) + 1;
  std::string comment(text.substr(0, end));
  if (!comment.empty() && comment.back() != '\n') comment += '\n';
  return comment;
}

}  // namespace

ExperimentSpec from_text(std::string_view text, const std::filesystem::path& file,
                         const std::vector<Override>& overrides, const std::map<std::string, std::string>& defaults) {
  Expansion expansion = expand(compose(text, file, overrides, defaults), file, head_comment(text));
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
