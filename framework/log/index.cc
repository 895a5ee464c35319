#include "log/index.hpp"

#include <unistd.h>

#include <set>

#include "base/error.hpp"
#include "log/hdf5.hpp"
#include "log/run_file.hpp"

namespace initlab::log {
namespace {

namespace fs = std::filesystem;

struct Table {
  std::vector<std::string> run, file, experiment, arm, settings, state, run_id;
  std::vector<std::int64_t> replicate;
};

// Unique within the index: two experiments may have runs of one name.
std::string link_name(const fs::path& file, std::set<std::string>& taken) {
  const std::string stem = file.stem().string();
  std::string name = stem;
  for (int n = 2; !taken.insert(name).second; ++n) name = stem + "#" + std::to_string(n);
  return name;
}

void add(const record::Run& run, const std::string& name, const std::string& file, Table& table) {
  const record::RunHeader& h = run.header;
  table.run.push_back(name);
  table.file.push_back(file);
  table.experiment.push_back(h.experiment);
  table.arm.push_back(h.arm);
  table.replicate.push_back(h.replicate);
  table.settings.push_back(h.settings);
  table.state.emplace_back(record::to_text(run.state));
  table.run_id.push_back(h.run_id);
}

void write(const h5::File& file, const Table& table) {
  h5::create_group(file, "/table");
  h5::write_texts(file, "/table/run", table.run);
  h5::write_texts(file, "/table/file", table.file);
  h5::write_texts(file, "/table/experiment", table.experiment);
  h5::write_texts(file, "/table/arm", table.arm);
  h5::write_numbers<std::int64_t>(file, "/table/replicate", {table.replicate.size()}, table.replicate);
  h5::write_texts(file, "/table/settings", table.settings);
  h5::write_texts(file, "/table/state", table.state);
  h5::write_texts(file, "/table/run_id", table.run_id);
}

}  // namespace

std::vector<std::string> write_index(const fs::path& index, const std::vector<fs::path>& runs) {
  const fs::path beside = index.string() + ".tmp-" + std::to_string(::getpid());
  const fs::path folder = fs::absolute(index).lexically_normal().parent_path();
  std::vector<std::string> left_out;
  std::error_code error;
  try {
    h5::File file = h5::create_file(beside);
    h5::write_attribute(file, "index_schema", std::int64_t{1});
    h5::create_group(file, "/runs");
    Table table;
    std::set<std::string> taken;
    for (const fs::path& run : runs) {
      try {
        const record::Run read = read_header(run);
        const std::string name = link_name(run, taken);
        const std::string relative = fs::absolute(run).lexically_normal().lexically_relative(folder).string();
        h5::link_external(file, "/runs/" + name, relative);
        add(read, name, relative, table);
      } catch (const base::Error& problem) {
        left_out.emplace_back(problem.what());
      }
    }
    write(file, table);
    h5::close(file);
  } catch (const base::Error&) {
    fs::remove(beside, error);
    throw;
  }
  fs::rename(beside, index, error);
  if (error) {
    std::error_code ignored;
    fs::remove(beside, ignored);
    throw base::Error({index.string(), "cannot be written", "", error.message(), "choose another place"});
  }
  return left_out;
}

}  // namespace initlab::log
