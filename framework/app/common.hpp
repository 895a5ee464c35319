// What several verbs need: specs with their overrides, the plugin catalog, run files below a folder.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/verb.hpp"
#include "compare/compare.hpp"
#include "init/init.hpp"
#include "record/record.hpp"
#include "spec/spec.hpp"
#include "sweep/prepare.hpp"

namespace initlab::app {

// A word for a POSIX shell.
std::string shell_quote(const std::string& text);

// Options of verbs that read a spec: SPEC, --set, --results, --threads, --plugins.
void declare_spec_options(po::options_description& options, po::positional_options_description& positional);

// --set path=value, as given. Throws Error where one is not of that form.
std::vector<spec::Override> overrides_of(const po::variables_map& values);

// ${INITLAB_DATA} and ${INITLAB_MODELS} where the environment does not set them.
std::map<std::string, std::string> variable_defaults(const Context& context);

// A spec with everything it names opened and checked.
struct Sweep {
  spec::ExperimentSpec spec;
  std::unique_ptr<init::Catalog> catalog;
  std::unique_ptr<sweep::Workshop> workshop;
  std::vector<std::shared_ptr<const sweep::Prepared>> runs;
  std::vector<std::shared_ptr<const sweep::Prepared>> tuning;  // runs that choose the learning rates of `runs`
  std::filesystem::path results;                               // the folder under which each experiment has its own
  std::string command;                                         // repeats the sweep
};
Sweep open_sweep(const po::variables_map& values, const Context& context);

// The runs that make the checkpoints which these start from, each once: in groups of one experiment, in an order in
// which each group finds the checkpoints that it needs itself.
std::vector<std::vector<std::shared_ptr<const sweep::Prepared>>> makers_of(
    const std::vector<std::shared_ptr<const sweep::Prepared>>& runs);

// The first replicate of every arm and grid point: the others differ in their draws alone.
std::vector<std::shared_ptr<const sweep::Prepared>> first_replicates(const Sweep& sweep);

// Throws Error where the run needs a checkpoint that another experiment has not made yet.
void require_checkpoint(const sweep::Prepared& run);

// Of the run: grid path -> value.
base::Json settings_of(const sweep::Prepared& run);

std::unique_ptr<init::Catalog> open_catalog(const std::vector<std::string>& from_spec, const Context& context);

// Options of verbs that compare: --metric, --baseline, --better, --threshold, --at, --gain.
void declare_compare_options(po::options_description& options);
compare::Options compare_options(const po::variables_map& values);

// Run files named or found below folders, read one after another without predictions. A file below a folder that cannot
// be read is left out, and told; a named one is an error, and so is none at all. Returns how many were taken.
std::size_t each_run(const std::vector<std::string>& paths, const std::function<void(record::Run)>& take,
                     const std::function<void(const std::string&)>& left_out);
// All of them at once; what is left out gives a warning.
std::vector<record::Run> read_runs(const std::vector<std::string>& paths);

int hardware_threads(const sweep::Prepared& run);  // what a run gets where nothing else is said

// --threads, --jobs: nothing where the option is absent; throws Error unless from 1 to 4096.
std::optional<int> count_option(const po::variables_map& values, const char* name);

bool is_done(const sweep::Prepared& run);  // nothing is to be done for it

std::string significant(double value);  // 4 digits; "-" for NaN
base::Json finite(double value);        // null where it is no finite number
std::string part_name(const record::PartDiagnosis& part);
std::string place_text(const record::PartDiagnosis& part);  // "embeddings", "ffn 0"

}  // namespace initlab::app
