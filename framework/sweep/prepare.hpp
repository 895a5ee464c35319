// Plans made ready: everything that a run reads is opened and checked, and its identity is known. Nothing is computed
// yet; everything that can fail because of input fails here.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "data/data.hpp"
#include "init/init.hpp"
#include "params/params.hpp"
#include "spec/spec.hpp"
#include "text/wordpiece.hpp"

namespace initlab::sweep {

struct Prepared;

// A checkpoint that another experiment makes: known by the identity of its run, before and after it exists.
struct Promise {
  std::shared_ptr<const Prepared> run;
  std::filesystem::path folder;  // where its final weights are, or will be
};

struct Prepared {
  config::RunPlan plan;
  config::ModelConfig model;
  std::int64_t num_labels = 0;
  std::shared_ptr<const checkpoint::Checkpoint> checkpoint;  // null: none, or promised and not made yet
  std::optional<Promise> promise;
  std::shared_ptr<const text::WordPiece> tokenizer;
  std::shared_ptr<const data::TaskData> data;
  std::shared_ptr<const params::ParameterTable> table;
  std::vector<record::PluginRecord> plugins;  // of the strategies in use
  std::string identity;                       // JSON: spec values and content hashes; never names, paths, threads, CPU
  std::string run_id;                         // SHA-256 of it
  std::filesystem::path file;                 // where its run file is, or will be

  // For the run's steps, or for more where so many will be asked for.
  data::BatchStream batches(std::int64_t least_steps = 0) const;
  std::vector<init::Assignment> assignments(
      const init::Catalog& catalog) const;  // points into this->plan and this->table
};

// The model with what the spec states in place of its own.
config::ModelConfig with_stated_shape(config::ModelConfig model, const config::ModelSpec& spec);

// Opens each checkpoint, vocabulary and data set once for all plans that name it.
class Workshop {
 public:
  // `results`: the folder under which each experiment has its own. `defaults`: of spec variables.
  Workshop(const init::Catalog& catalog, std::filesystem::path results, std::map<std::string, std::string> defaults);

  // Throws Error at the spec's place.
  std::shared_ptr<const Prepared> prepare(const config::RunPlan& plan);

 private:
  std::shared_ptr<const checkpoint::Checkpoint> open_checkpoint(const std::filesystem::path& folder);
  std::shared_ptr<const checkpoint::Checkpoint> open_kept(const std::filesystem::path& folder);  // of a promise
  std::shared_ptr<const text::WordPiece> open_tokenizer(const Prepared& prepared);
  std::shared_ptr<const data::TaskData> open_data(const Prepared& prepared);
  Promise open_promise(const config::ExperimentRef& reference);

  const init::Catalog& catalog_;
  std::filesystem::path results_;
  std::map<std::string, std::string> defaults_;
  std::vector<std::string> open_experiments_;  // files being prepared, to refuse cycles
  std::map<std::string, std::shared_ptr<const checkpoint::Checkpoint>> checkpoints_;
  std::map<std::string, std::shared_ptr<const text::WordPiece>> tokenizers_;
  std::map<std::string, std::shared_ptr<const data::TaskData>> data_;
  std::map<std::string, std::shared_ptr<const params::ParameterTable>> tables_;
  std::map<std::string, Promise> promises_;
};

}  // namespace initlab::sweep
