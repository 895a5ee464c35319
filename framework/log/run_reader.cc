// The reading half of run_file.hpp. A file that grows may hold one row more in one column than in the next: the rows
// that every column has are the rows that count.
#include <algorithm>
#include <functional>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "log/hdf5_reader.hpp"
#include "log/run_file.hpp"
#include "log/schema.hpp"

namespace initlab::log {
namespace {

using record::EvalRecord;
using record::Run;
using record::RunHeader;
using record::StepRecord;

constexpr std::size_t kMostRank = 16;  // of a tensor

[[noreturn]] void differ(const h5::Reader& file, const std::string& name, std::size_t expected, std::size_t got) {
  throw base::Error({file.path(), name, std::to_string(expected) + " rows", std::to_string(got), ""});
}

h5::Reader open_run(const std::filesystem::path& path) {
  h5::Reader file(path);
  const std::int64_t schema = file.integer_attribute("schema");
  base::Complaint complaint{file.path(), "attribute schema", std::to_string(kSchema), std::to_string(schema), ""};
  if (schema > kSchema) {
    complaint.hint = "read it with the initlab that wrote it, or a newer one";
    throw NewerSchema(std::move(complaint));
  }
  if (schema < kSchema) {
    complaint.hint = "run it again";
    throw base::Error(std::move(complaint));
  }
  return file;
}

record::State parse_state(const h5::Reader& file, const std::string& text) {
  for (const auto state :
       {record::State::running, record::State::finished, record::State::failed, record::State::interrupted})
    if (text == record::to_text(state)) return state;
  throw base::Error({file.path(), "/state", "running, finished, failed or interrupted", base::quote(text), ""});
}

// --- fields
// ---------------------------------------------------------------------------------------------------------------

void read_attribute(h5::Reader& file, const char* name, std::string& text) { text = file.text_attribute(name); }
void read_attribute(h5::Reader& file, const char* name, std::int64_t& value) { value = file.integer_attribute(name); }

void read_field(h5::Reader& file, const char* name, std::string& text) { text = file.text(name); }
void read_field(h5::Reader& file, const char* name, std::vector<std::string>& texts) { texts = file.texts(name); }
template <class T>
void read_field(h5::Reader& file, const char* name, T& number) {
  number = file.numbers<T>(name, 0).values.front();
}
template <class T>
void read_field(h5::Reader& file, const char* name, std::vector<T>& numbers) {
  numbers = file.numbers<T>(name, 1).values;
}

// --- tables of known length: the first column decides how many rows there are
// -----------------------------------------------

template <class Record, class Values>
void scatter(const h5::Reader& file, const std::string& name, std::vector<Record>& rows, bool first,
             const Values& values, auto&& store) {
  if (first) rows.resize(values.size());
  if (values.size() != rows.size()) differ(file, name, rows.size(), values.size());
  for (std::size_t i = 0; i < rows.size(); ++i) store(rows[i], values[i]);
}

template <class Record>
void read_column(h5::Reader& file, const char* name, std::vector<Record>& rows, bool first,
                 std::string Record::*member) {
  scatter(file, name, rows, first, file.texts(name), [&](Record& row, const std::string& text) { row.*member = text; });
}
template <class Record>
void read_column(h5::Reader& file, const char* name, std::vector<Record>& rows, bool first, double Record::*member) {
  scatter(file, name, rows, first, file.numbers<double>(name, 1).values,
          [&](Record& row, double x) { row.*member = x; });
}
template <class Record>
void read_column(h5::Reader& file, const char* name, std::vector<Record>& rows, bool first,
                 std::int64_t Record::*member) {
  scatter(file, name, rows, first, file.numbers<std::int64_t>(name, 1).values,
          [&](Record& row, std::int64_t x) { row.*member = x; });
}
template <class Record>
void read_column(h5::Reader& file, const char* name, std::vector<Record>& rows, bool,
                 std::vector<std::int64_t> Record::*member) {
  const auto read = file.numbers<std::int64_t>(name, 2);  // (rows, largest rank), padded with -1
  if (read.dims[0] != rows.size()) differ(file, name, rows.size(), read.dims[0]);
  if (read.dims[1] > kMostRank)
    throw base::Error({file.path(), name, "at most 16 dimensions", std::to_string(read.dims[1]), ""});
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t k = 0; k < read.dims[1]; ++k)
      if (const std::int64_t n = read.values[i * read.dims[1] + k]; n >= 0) (rows[i].*member).push_back(n);
}

// --- tables that grow
// -------------------------------------------------------------------------------------------------------

// One column as read; `store` puts its value i into a record.
template <class Record>
struct Column {
  std::size_t rows;
  std::function<void(Record&, std::size_t)> store;
};

template <class Record, class Member>
Column<Record> column(h5::Reader& file, const std::string& name, Member Record::*member) {
  using Stored = std::conditional_t<std::is_same_v<Member, bool>, std::uint8_t, Member>;
  auto values = file.numbers<Stored>(name, 1).values;
  const std::size_t rows = values.size();
  return {rows, [values = std::move(values), member](Record& row, std::size_t i) {
            row.*member = static_cast<Member>(values[i]);
          }};
}

// The first `rows` rows. Only a run that has not ended may have fewer.
template <class Record>
std::vector<Record> assemble(const h5::Reader& file, const std::string& table,
                             const std::vector<Column<Record>>& columns, std::size_t rows, bool finished) {
  for (const auto& column : columns) {
    if (column.rows < rows && finished) differ(file, table, rows, column.rows);
    rows = std::min(rows, column.rows);
  }
  std::vector<Record> records(rows);
  for (std::size_t i = 0; i < rows; ++i)
    for (const auto& column : columns) column.store(records[i], i);
  return records;
}

// How many rows of two tables are whole.
struct Whole {
  std::size_t first, second;
};

Whole read_whole(h5::Reader& file, const char* name) {
  const auto rows = file.numbers<std::int64_t>(name, 1).values;
  if (rows.size() != 2 || rows[0] < 0 || rows[1] < 0)
    throw base::Error({file.path(), name, "two numbers of rows", "something else", ""});
  return {static_cast<std::size_t>(rows[0]), static_cast<std::size_t>(rows[1])};
}

Column<StepRecord> examples_column(h5::Reader& file) {
  auto read = file.numbers<std::int64_t>("/train/examples", 2);  // (steps, batch), padded with -1
  const auto batch = static_cast<std::ptrdiff_t>(read.dims[1]);
  return {read.dims[0], [values = std::move(read.values), batch](StepRecord& row, std::size_t i) {
            const auto from = values.begin() + static_cast<std::ptrdiff_t>(i) * batch;
            row.examples.assign(from, from + batch);
          }};
}

std::vector<Column<StepRecord>> step_columns(h5::Reader& file, Detail detail) {
  std::vector<Column<StepRecord>> columns;
  schema::step_columns([&](const char* name, auto member) { columns.push_back(column(file, name, member)); });
  if (detail == Detail::all && file.has("/train/examples")) columns.push_back(examples_column(file));
  return columns;
}

record::Diagnosis read_diagnostics(h5::Reader& file, bool finished) {
  if (!file.has(schema::kDiagnosticsWhole)) return {};
  const Whole whole = read_whole(file, schema::kDiagnosticsWhole);
  std::vector<Column<record::PartDiagnosis>> parts;
  std::vector<Column<record::LayerDiagnosis>> layers;
  schema::part_columns([&](const char* name, auto member) { parts.push_back(column(file, name, member)); });
  schema::layer_columns([&](const char* name, auto member) { layers.push_back(column(file, name, member)); });
  record::Diagnosis diagnostics{assemble(file, "/diagnostics/parts", parts, whole.first, finished),
                                assemble(file, "/diagnostics/layers", layers, whole.second, finished)};
  const auto known = static_cast<std::int64_t>(config::part_names().size());
  for (const record::PartDiagnosis& part : diagnostics.parts)
    if (part.part < 0 || part.part >= known)
      throw base::Error(
          {file.path(), "/diagnostics/parts/part", "the number of a part", std::to_string(part.part), ""});
  return diagnostics;
}

Column<EvalRecord> metric_column(h5::Reader& file, const std::string& name) {
  auto values = file.numbers<double>("/eval/" + name, 1).values;
  const std::size_t rows = values.size();
  return {rows, [values = std::move(values)](EvalRecord& row, std::size_t i) { row.metrics.push_back(values[i]); }};
}

Column<EvalRecord> predictions_column(h5::Reader& file) {
  auto read = file.numbers<float>("/eval/predictions", 3);  // (evaluations, examples, outputs)
  const auto each = static_cast<std::ptrdiff_t>(read.dims[1] * read.dims[2]);
  return {read.dims[0], [values = std::move(read.values), each](EvalRecord& row, std::size_t i) {
            const auto from = values.begin() + static_cast<std::ptrdiff_t>(i) * each;
            row.predictions.assign(from, from + each);
          }};
}

std::vector<Column<EvalRecord>> eval_columns(h5::Reader& file, const RunHeader& header, Detail detail) {
  std::vector<Column<EvalRecord>> columns;
  schema::eval_columns([&](const char* name, auto member) { columns.push_back(column(file, name, member)); });
  for (const std::string& name : header.metric_names) columns.push_back(metric_column(file, name));
  if (detail != Detail::summary && header.outputs > 0) columns.push_back(predictions_column(file));
  return columns;
}

// What the header says about shapes stands in the shapes themselves.
void read_shapes(h5::Reader& file, RunHeader& header) {
  if (file.has("/train/examples")) header.batch = static_cast<std::int64_t>(file.dims("/train/examples", 2)[1]);
  if (!file.has("/eval/predictions")) return;
  const auto dims = file.dims("/eval/predictions", 3);
  if (dims[1] != header.labels.size())
    differ(file, "/eval/predictions (second dimension)", header.labels.size(), dims[1]);
  header.outputs = static_cast<std::int64_t>(dims[2]);
}

}  // namespace

record::Run read_run(const std::filesystem::path& path, Detail detail) {
  h5::Reader file = open_run(path);
  Run run;
  run.file = path.string();
  run.state = parse_state(file, file.text("/state"));
  run.reason = file.text("/reason");
  schema::root_attributes(run.header, [&](const char* name, auto& value) { read_attribute(file, name, value); });
  schema::header_fields(run.header, [&](const char* name, auto& value) {
    if (!schema::may_be_absent(name) || file.has(name)) read_field(file, name, value);
  });
  bool first = true;
  const auto read_into = [&](auto& rows) {
    first = true;
    return [&](const char* name, auto member) {
      if (schema::may_be_absent(name) && !file.has(name)) return;
      read_column(file, name, rows, std::exchange(first, false), member);
    };
  };
  schema::plugin_columns(read_into(run.header.plugins));
  schema::unused_columns(read_into(run.header.checkpoint_unused));
  schema::init_columns(read_into(run.init));
  run.reads_checkpoint =
      std::ranges::any_of(run.init, [](const record::InitRecord& tensor) { return !tensor.source_file.empty(); });
  read_shapes(file, run.header);
  const bool finished = run.state != record::State::running;
  const Whole whole = read_whole(file, "/whole");
  run.steps = assemble(file, "/train", step_columns(file, detail), whole.first, finished);
  run.evals = assemble(file, "/eval", eval_columns(file, run.header, detail), whole.second, finished);
  run.diagnostics = read_diagnostics(file, finished);
  return run;
}

record::Run read_header(const std::filesystem::path& path) {
  h5::Reader file = open_run(path);
  Run run;
  run.file = path.string();
  run.state = parse_state(file, file.text("/state"));
  run.reason = file.text("/reason");
  schema::root_attributes(run.header, [&](const char* name, auto& value) { read_attribute(file, name, value); });
  return run;
}

RunStatus read_status(const std::filesystem::path& path) {
  h5::Reader file = open_run(path);
  return {file.text_attribute("run_id"), parse_state(file, file.text("/state")), file.text("/reason"),
          file.is_left_open()};
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace initlab::log
