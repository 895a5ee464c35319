// The writing half of run_file.hpp: RunWriter. Steps are kept in memory between flushes, so that a step costs a copy
// and allocates nothing.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <limits>
#include <set>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "log/hdf5.hpp"
#include "log/run_file.hpp"
#include "log/schema.hpp"

namespace initlab::log {
namespace {

using record::EvalRecord;
using record::InitRecord;
using record::LayerDiagnosis;
using record::PartDiagnosis;
using record::RunHeader;
using record::StepRecord;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFlushEvery{5};
constexpr std::size_t kMostPending = 4096;      // steps held in memory,
constexpr std::size_t kMostExamples = 1 << 19;  // and rows that they name
constexpr hsize_t kStepChunk = 512;             // rows: 4 KiB a column
constexpr hsize_t kEvalChunk = 64;              // rows
constexpr hsize_t kDiagnosticsChunk = 128;      // rows
constexpr std::int64_t kExamplesChunk = 512;    // numbers: small, because a chunk that is rewritten takes new space
constexpr hsize_t kPredictionsChunk = 1 << 20;  // numbers

// How a member is stored in a column of its own.
template <class Member>
using Stored = std::conditional_t<std::is_same_v<Member, bool>, std::uint8_t, Member>;

// --- fields that are written once
// -----------------------------------------------------------------------------------------

void write_field(const h5::File& file, const char* name, const std::string& text) { h5::create_text(file, name, text); }
void write_field(const h5::File& file, const char* name, const std::vector<std::string>& texts) {
  h5::write_texts(file, name, texts);
}
template <class T>
void write_field(const h5::File& file, const char* name, const T& number) {
  h5::write_numbers<T>(file, name, {}, std::span(&number, 1));
}
template <class T>
void write_field(const h5::File& file, const char* name, const std::vector<T>& numbers) {
  h5::write_numbers<T>(file, name, {numbers.size()}, numbers);
}

// One column of a table whose rows are all known.
template <class Record>
void write_column(const h5::File& file, const char* name, const std::vector<Record>& rows,
                  std::string Record::*member) {
  std::vector<std::string> texts;
  for (const Record& row : rows) texts.push_back(row.*member);
  h5::write_texts(file, name, texts);
}
template <class Record>
void write_column(const h5::File& file, const char* name, const std::vector<Record>& rows, double Record::*member) {
  std::vector<double> numbers;
  for (const Record& row : rows) numbers.push_back(row.*member);
  write_field(file, name, numbers);
}
template <class Record>
void write_column(const h5::File& file, const char* name, const std::vector<Record>& rows,
                  std::int64_t Record::*member) {
  std::vector<std::int64_t> numbers;
  for (const Record& row : rows) numbers.push_back(row.*member);
  write_field(file, name, numbers);
}
// Shapes: (rows, largest rank), padded with -1.
template <class Record>
void write_column(const h5::File& file, const char* name, const std::vector<Record>& rows,
                  std::vector<std::int64_t> Record::*member) {
  std::size_t rank = 1;
  for (const Record& row : rows) rank = std::max(rank, (row.*member).size());
  std::vector<std::int64_t> padded(rows.size() * rank, -1);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy((rows[i].*member).begin(), (rows[i].*member).end(),
              padded.begin() + static_cast<std::ptrdiff_t>(i * rank));
  h5::write_numbers<std::int64_t>(file, name, {rows.size(), rank}, padded);
}

// --- columns that grow
// ----------------------------------------------------------------------------------------------------

template <class T>
h5::Dataset create_column(const h5::File& file, const std::string& name, hsize_t chunk) {
  return h5::create_dataset(file, name, h5::file_type<T>(), {.dims = {0}, .chunk = {chunk}});
}

template <class Record, class Member>
void append_column(const h5::Dataset& column, hsize_t filled, std::span<const Record> rows, Member Record::*member) {
  std::vector<Stored<Member>> values;
  values.reserve(rows.size());
  for (const Record& row : rows) values.push_back(static_cast<Stored<Member>>(row.*member));
  h5::append<Stored<Member>>(column, filled, rows.size(), values);
}

// Which list of the schema a record has.
template <class Visit>
void columns_of(const StepRecord*, Visit&& visit) {
  schema::step_columns(visit);
}
template <class Visit>
void columns_of(const EvalRecord*, Visit&& visit) {
  schema::eval_columns(visit);
}
template <class Visit>
void columns_of(const PartDiagnosis*, Visit&& visit) {
  schema::part_columns(visit);
}
template <class Visit>
void columns_of(const LayerDiagnosis*, Visit&& visit) {
  schema::layer_columns(visit);
}

// The columns of one kind of record.
template <class Record>
class Table {
 public:
  void create(const h5::File& file, hsize_t chunk) {
    visit([&]<class Member>(const char* name, Member Record::*) {
      columns_.push_back(create_column<Stored<Member>>(file, name, chunk));
    });
  }
  void append(std::span<const Record> rows) {
    std::size_t column = 0;
    visit([&](const char*, auto member) { append_column<Record>(columns_[column++], rows_, rows, member); });
    rows_ += rows.size();
  }
  void close() { columns_.clear(); }
  hsize_t rows() const { return rows_; }  // in the file

 private:
  template <class Visit>
  static void visit(Visit&& each) {
    columns_of(static_cast<const Record*>(nullptr), each);
  }
  std::vector<h5::Dataset> columns_;
  hsize_t rows_ = 0;
};

// Metrics become columns of /eval: their names must be new there. `loss` is there already and means the same.
void check_metric_names(const std::string& place, const std::vector<std::string>& names) {
  const std::set<std::string> taken{"step", "degenerate", "seconds", "predictions", "labels", ".", ".."};
  std::set<std::string> seen;
  for (const std::string& name : names)
    if (name.empty() || name.find('/') != std::string::npos || taken.contains(name) || !seen.insert(name).second)
      throw base::Error({place, "metric names", "names that are different and free in /eval", base::quote(name), ""});
}

}  // namespace

struct RunWriter::Impl {
  std::filesystem::path path, temporary;
  h5::File file;  // declared before the data sets: they are closed first
  h5::Dataset state, reason, whole, diagnostics_whole, examples, predictions;
  std::vector<h5::Dataset> metric_columns;
  Table<StepRecord> steps;
  Table<EvalRecord> evals;
  Table<PartDiagnosis> parts;
  Table<LayerDiagnosis> layers;
  std::size_t batch = 0, labels = 0, outputs = 0, metrics = 0;
  std::vector<std::size_t> stored_metrics;  // those that have a column of their own
  std::vector<StepRecord> pending;          // memory for steps until the next flush, made by begin()
  std::size_t pending_steps = 0;            // of them, that wait
  bool diagnosed = false;                   // since the last flush
  Clock::time_point flushed = Clock::now();

  void create(const RunHeader& header, const std::vector<InitRecord>& init);
  void copy(const Past& past);
  void check(const StepRecord& step) const;
  void check(const EvalRecord& eval) const;
  void create_train(const RunHeader& header);
  void create_eval(const RunHeader& header);
  void create_diagnostics();
  void append(const record::Diagnosis& diagnosis);
  void make_room();
  void append_steps();
  void append_examples();
  void append_eval(const EvalRecord& eval);
  void append_predictions(const EvalRecord& eval);
  void flush();
  void close();
};

void RunWriter::Impl::create(const RunHeader& header, const std::vector<InitRecord>& init) {
  file = h5::create_file(temporary);
  h5::write_attribute(file, "schema", std::int64_t{kSchema});
  schema::root_attributes(header, [&](const char* name, const auto& value) { h5::write_attribute(file, name, value); });
  for (const char* group : schema::kGroups) h5::create_group(file, group);
  state = h5::create_text(file, "/state", record::to_text(record::State::running), schema::kStateBytes);
  reason = h5::create_text(file, "/reason", "", schema::kReasonBytes);
  whole = h5::write_numbers<std::int64_t>(file, "/whole", {2}, std::array<std::int64_t, 2>{});
  schema::header_fields(header, [&](const char* name, const auto& value) { write_field(file, name, value); });
  schema::plugin_columns([&](const char* name, auto member) { write_column(file, name, header.plugins, member); });
  schema::unused_columns(
      [&](const char* name, auto member) { write_column(file, name, header.checkpoint_unused, member); });
  schema::init_columns([&](const char* name, auto member) { write_column(file, name, init, member); });
  create_train(header);
  create_eval(header);
  create_diagnostics();
  make_room();
  h5::start_swmr_write(file);
}

void RunWriter::Impl::create_train(const RunHeader& header) {
  steps.create(file, kStepChunk);
  batch = static_cast<std::size_t>(std::max<std::int64_t>(header.batch, 0));
  if (batch == 0) return;
  const std::int32_t fill = -1;
  examples = h5::create_dataset(
      file, "/train/examples", h5::file_type<std::int32_t>(),
      {.dims = {0, batch},
       .chunk = {static_cast<hsize_t>(std::max<std::int64_t>(1, kExamplesChunk / header.batch)), batch},
       .deflate = true},
      &fill);
}

void RunWriter::Impl::create_eval(const RunHeader& header) {
  evals.create(file, kEvalChunk);
  metrics = header.metric_names.size();
  for (std::size_t i = 0; i < metrics; ++i) {
    if (header.metric_names[i] == "loss") continue;
    metric_columns.push_back(create_column<double>(file, "/eval/" + header.metric_names[i], kEvalChunk));
    stored_metrics.push_back(i);
  }
  labels = header.labels.size();
  outputs = static_cast<std::size_t>(std::max<std::int64_t>(header.outputs, 0));
  if (labels == 0 || outputs == 0) return;
  const float fill = std::numeric_limits<float>::quiet_NaN();
  predictions = h5::create_dataset(file, "/eval/predictions", h5::file_type<float>(),
                                   {.dims = {0, labels, outputs},
                                    .chunk = {1, std::clamp<hsize_t>(kPredictionsChunk / outputs, 1, labels), outputs},
                                    .deflate = true},
                                   &fill);
}

void RunWriter::Impl::create_diagnostics() {
  write_field(file, schema::kPartNames, config::part_names());
  diagnostics_whole =
      h5::write_numbers<std::int64_t>(file, schema::kDiagnosticsWhole, {2}, std::array<std::int64_t, 2>{});
  parts.create(file, kDiagnosticsChunk);
  layers.create(file, kDiagnosticsChunk);
}

void RunWriter::Impl::append(const record::Diagnosis& diagnosis) {
  parts.append(diagnosis.parts);
  layers.append(diagnosis.layers);
  diagnosed = true;
}

void RunWriter::Impl::make_room() {
  pending.resize(std::clamp<std::size_t>(kMostExamples / std::max<std::size_t>(1, batch), 1, kMostPending));
  for (StepRecord& step : pending) step.examples.reserve(batch);
}

void RunWriter::Impl::append_steps() {
  if (pending_steps == 0) return;
  if (examples) append_examples();
  steps.append(std::span(pending).first(pending_steps));
  pending_steps = 0;
}

void RunWriter::Impl::append_examples() {
  std::vector<std::int32_t> rows(pending_steps * batch, -1);  // (steps, batch)
  for (std::size_t i = 0; i < pending_steps; ++i)
    std::transform(pending[i].examples.begin(), pending[i].examples.end(),
                   rows.begin() + static_cast<std::ptrdiff_t>(i * batch),
                   [](std::int64_t row) { return static_cast<std::int32_t>(row); });
  h5::append<std::int32_t>(examples, steps.rows(), pending_steps, rows);
}

void RunWriter::Impl::append_eval(const EvalRecord& eval) {
  for (std::size_t i = 0; i < metric_columns.size(); ++i)
    h5::append<double>(metric_columns[i], evals.rows(), 1, std::span(&eval.metrics[stored_metrics[i]], 1));
  if (predictions) append_predictions(eval);
  evals.append(std::span(&eval, 1));
}

// An evaluation that kept no predictions gets a row of NaN.
void RunWriter::Impl::append_predictions(const EvalRecord& eval) {
  std::vector<float> row = eval.predictions;  // (examples, outputs)
  row.resize(labels * outputs, std::numeric_limits<float>::quiet_NaN());
  h5::append<float>(predictions, evals.rows(), 1, row);
}

// `whole` is written after the rows it speaks of have reached the file: where a write fails half-way, HDF5 may leave
// longer columns without their values.
void RunWriter::Impl::flush() {
  append_steps();
  h5::flush(file);
  const auto note = [](const h5::Dataset& set, hsize_t first, hsize_t second) {
    h5::overwrite<std::int64_t>(set, std::array{static_cast<std::int64_t>(first), static_cast<std::int64_t>(second)});
    h5::flush(set);
  };
  note(whole, steps.rows(), evals.rows());
  if (std::exchange(diagnosed, false)) note(diagnostics_whole, parts.rows(), layers.rows());
  flushed = Clock::now();
}

void RunWriter::Impl::copy(const Past& past) {
  for (const StepRecord& step : past.steps) {
    check(step);
    pending[pending_steps++] = step;
    if (pending_steps == pending.size()) append_steps();
  }
  for (const EvalRecord& eval : past.evals) {
    check(eval);
    append_eval(eval);
  }
  append(past.diagnostics);
  if (!past.steps.empty() || !past.evals.empty()) flush();
}

void RunWriter::Impl::check(const StepRecord& step) const {
  const auto fits = [](std::int64_t row) { return row >= -1 && row <= std::numeric_limits<std::int32_t>::max(); };
  if (examples && (step.examples.size() > batch || !std::ranges::all_of(step.examples, fits)))
    throw base::Error({path.string(), "/train/examples",
                       "at most " + std::to_string(batch) + " rows a step, each below 2^31",
                       std::to_string(step.examples.size()) + " at step " + std::to_string(step.step), ""});
}

void RunWriter::Impl::check(const EvalRecord& eval) const {
  const std::size_t numbers = predictions ? labels * outputs : 0;
  if (eval.metrics.size() != metrics || (!eval.predictions.empty() && eval.predictions.size() != numbers))
    throw base::Error({path.string(), "evaluation at step " + std::to_string(eval.step),
                       std::to_string(metrics) + " metrics and " + std::to_string(numbers) + " predictions",
                       std::to_string(eval.metrics.size()) + " and " + std::to_string(eval.predictions.size()), ""});
}

void RunWriter::Impl::close() {
  steps.close();
  evals.close();
  parts.close();
  layers.close();
  metric_columns.clear();
  for (auto* set : {&state, &reason, &whole, &diagnostics_whole, &examples, &predictions}) *set = {};
  h5::close(file);
}

RunWriter::RunWriter(std::filesystem::path file) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(file);
  impl_->temporary = impl_->path.string() + ".tmp-" + std::to_string(::getpid());
}

RunWriter::~RunWriter() {
  if (!impl_->file.id) return;
  try {
    guarded([&] { impl_->flush(); });
  } catch (const std::exception&) {  // the rows of the last flush stand; there is nobody left to tell
  }
}

// After a failed write HDF5 1.10 cannot close the file: it frees what it goes on to use. So the open file is left to
// the end of the process, as it is; what was flushed stands, as after a kill.
void RunWriter::abandon() {
  static auto& abandoned = *new std::vector<std::unique_ptr<Impl>>;  // reachable, and never destroyed
  auto next = std::make_unique<Impl>();
  next->path = impl_->path;
  next->temporary = impl_->temporary;
  abandoned.push_back(std::exchange(impl_, std::move(next)));
}

template <class Work>
void RunWriter::guarded(Work&& work) {
  if (!impl_->file.id)
    throw base::Error({impl_->path.string(), "cannot be written", "", "an earlier failure", "see the first message"});
  try {
    work();
  } catch (...) {
    abandon();
    throw;
  }
}

void RunWriter::begin(const RunHeader& header, const std::vector<InitRecord>& init) { begin(header, init, {}); }

void RunWriter::begin(const RunHeader& header, const std::vector<InitRecord>& init, const Past& past) {
  assert(!impl_->file.id);
  check_metric_names(impl_->path.string(), header.metric_names);
  std::error_code failed;
  try {
    impl_->create(header, init);
    impl_->copy(past);
    std::filesystem::rename(impl_->temporary, impl_->path, failed);
    if (failed) impl_->close();
  } catch (...) {
    std::filesystem::remove(impl_->temporary, failed);
    if (impl_->file.id) abandon();
    throw;
  }
  if (!failed) return;
  std::error_code ignored;
  std::filesystem::remove(impl_->temporary, ignored);
  throw base::Error({impl_->path.string(), "cannot be written", "", failed.message(), "choose another results folder"});
}

void RunWriter::step(const StepRecord& step) {
  impl_->check(step);
  if (impl_->pending.empty()) guarded([] {});  // there is no file: says so
  impl_->pending[impl_->pending_steps++] = step;
  if (Clock::now() - impl_->flushed >= kFlushEvery || impl_->pending_steps == impl_->pending.size())
    guarded([&] { impl_->flush(); });
}

void RunWriter::diagnose(const record::Diagnosis& diagnosis) {
  guarded([&] { impl_->append(diagnosis); });
}

void RunWriter::eval(const EvalRecord& eval) {
  if (impl_->file.id) impl_->check(eval);
  guarded([&] {
    impl_->append_eval(eval);
    impl_->flush();
  });
}

void RunWriter::flush() {
  guarded([&] { impl_->flush(); });
}

void RunWriter::finish(record::State state, const std::string& reason) {
  guarded([&] {
    impl_->flush();
    h5::write_text(impl_->reason, reason);
    h5::write_text(impl_->state, record::to_text(state));
    h5::flush(impl_->file);
    impl_->close();
  });
}

}  // namespace initlab::log
