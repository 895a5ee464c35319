// Strategies from plugin libraries, and the rules that decide which strategy fills which tensor.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "abi/initlab_plugin.h"
#include "config/config.hpp"
#include "params/params.hpp"
#include "record/record.hpp"

namespace initlab::checkpoint {
class Checkpoint;
}

namespace initlab::init {

// A strategy and the library it came from.
struct CatalogEntry {
  const il_strategy* strategy = nullptr;
  std::string name;  // id without the revision
  std::size_t library = 0;
};

// The list of all strategies that this process knows. Libraries are loaded once and never unloaded.
class Catalog {
 public:
  // Opens one library. Throws Error stepwise: file, symbol, null, version, size, ids; a duplicate id names both files.
  void load(const std::string& file);
  // A table that is linked in (tests).
  void add(const il_plugin* plugin, const std::string& file);
  const std::vector<CatalogEntry>& entries() const { return entries_; }
  const std::vector<record::PluginRecord>& libraries() const { return libraries_; }
  // "xavier_uniform" (the only revision) or "xavier_uniform/1". Throws Error with did-you-mean at `place`.
  const CatalogEntry& find(const std::string& use, const std::string& place) const;

 private:
  std::vector<CatalogEntry> entries_;
  std::vector<record::PluginRecord> libraries_;
};

// Plugin files: `from_spec`, then every *.so of the folders in INITLAB_PLUGIN_PATH (colon-separated), then of the
// folder beside the program (<program folder>/plugins, else ../lib/initlab/plugins). The same file twice counts once.
std::vector<std::string> find_plugins(const std::vector<std::string>& from_spec, const std::string& program);

// Which rule decides one tensor.
struct Assignment {
  const params::Parameter* parameter = nullptr;
  const config::InitRule* rule = nullptr;  // null: no rule covered it, bert_default decides
  std::string use;                         // strategy to use: the rule's, its `missing`, or bert_default
  const CatalogEntry* entry = nullptr;
  bool missing = false;  // the checkpoint lacks the tensor and `missing` decided
};

// Whether what fills the tensor comes from a checkpoint.
bool reads_checkpoint(const Assignment& assignment);

// What a checkpoint has, known before its values are read, or even before another experiment has made it.
struct SourceShapes {
  std::string place;  // its file, or what will make it; for messages
  std::function<std::optional<std::vector<std::int64_t>>(const std::string& name)> shape;  // nothing: no such tensor
};
SourceShapes shapes_of(const checkpoint::Checkpoint& checkpoint);

// First rule that covers a tensor decides; encoder tensors look at plan.init, head tensors at plan.head. Checks
// everything that can fail because of input: unknown strategy or option, a rule that covers nothing, `pretrained`
// without a checkpoint or on a tensor that it lacks, a shape that differs or that the strategy refuses. Throws Error at
// the rule's place. source: null where the plan names no checkpoint.
std::vector<Assignment> assign(const Catalog& catalog, const config::RunPlan& plan, const params::ParameterTable& table,
                               const SourceShapes* source, const config::ModelConfig& model);

// What the product of a weight gave in a forward pass, its bias included: il_activation, which says of what exactly.
struct Output {
  std::string weight;
  std::uint64_t count = 0;
  double mean = 0, stddev = 0;
  double residual_mean = std::numeric_limits<double>::quiet_NaN();  // NaN where there is no residual
  double residual_stddev = std::numeric_limits<double>::quiet_NaN();
};
// A forward pass with these values (flat block) over the first `batches` training batches. Model and data are above
// this folder, so who knows them lends it.
using ForwardPass = std::function<std::vector<Output>(std::span<const float> values, std::int64_t batches)>;

// Fills `values` (flat block laid out by the table), lets strategies that want to calibrate, and reports every tensor.
// Throws Error (plugin, strategy, tensor, rule's place) where a strategy fails, writes beyond its buffer, or writes a
// value that is not finite; or where one calibrates and there is no forward pass.
std::vector<record::InitRecord> apply(const Catalog& catalog, const std::vector<Assignment>& assignments,
                                      const config::RunPlan& plan, const config::ModelConfig& model,
                                      const checkpoint::Checkpoint* checkpoint, std::span<float> values,
                                      const ForwardPass& forward = {});

}  // namespace initlab::init
