// A run file after SIGKILL at every moment there is. A kill leaves the writes before it, and of the one that it falls
// into the part up to the border of a page of the file: the kernel looks for signals there. So the writes of one run
// are recorded, and the file is made again from each beginning of that list.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <random>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "sample.hpp"

namespace initlab::log {
namespace {

constexpr off_t kPage = 4096;

// What reached the file by one call, and the steps that were certainly safe before it.
struct Write {
  off_t offset;
  std::string bytes;
  std::int64_t flushed;

  // Where a kill can cut it; 0: before it.
  std::vector<std::size_t> cuts() const {
    std::vector<std::size_t> cuts{0};
    for (off_t at = (offset / kPage + 1) * kPage; at < offset + std::ssize(bytes); at += kPage)
      cuts.push_back(static_cast<std::size_t>(at - offset));
    return cuts;
  }
  // HDF5's headers and indices begin with four letters; data that does so by chance is rare, and of another kind below.
  bool is_metadata() const {
    static constexpr std::array<std::string_view, 7> kSignatures{"OHDR", "OCHK", "EAHD", "EAIB",
                                                                 "EASB", "EADB", "SNOD"};
    return std::ranges::find(kSignatures, std::string_view(bytes).substr(0, 4)) != kSignatures.end();
  }
};

struct Recorder {
  bool on = false;
  std::int64_t flushed = 0;
  std::vector<Write> writes;
};
Recorder g_recorder;

}  // namespace
}  // namespace initlab::log

// HDF5 calls this one instead of the C library's.
extern "C" __attribute__((visibility("default"))) ssize_t pwrite(int file, const void* bytes, size_t n, off_t offset) {
  auto& recorder = initlab::log::g_recorder;
  if (recorder.on) recorder.writes.push_back({offset, {static_cast<const char*>(bytes), n}, recorder.flushed});
  return ::syscall(SYS_pwrite64, file, bytes, n, offset);
}

namespace initlab::log {
namespace {

constexpr std::int64_t kBatch = 32;
constexpr std::size_t kLabels = 408;  // MRPC's development split

record::RunHeader header() {
  record::RunHeader h = sample_header();
  h.run_id = base::sha256_hex(h.plan);
  h.batch = kBatch;
  h.labels.assign(kLabels, 1);
  return h;
}

record::StepRecord step_record(std::int64_t step) {
  record::StepRecord record = sample_step(step);
  std::mt19937 random(static_cast<unsigned>(step));
  record.examples.resize(kBatch);
  for (auto& row : record.examples) row = random() % 3668;
  return record;
}

record::EvalRecord eval_record(std::int64_t step) {
  record::EvalRecord record = sample_eval(step);
  std::mt19937 random(static_cast<unsigned>(step));
  record.predictions.resize(2 * kLabels);
  for (float& value : record.predictions) value = static_cast<float>(random()) * 1e-9F;
  return record;
}

// The writes of a run, from where its file has its name. An evaluation, and so a flush, after each `every` steps; the
// clean end where `finish` says so.
std::vector<Write> record_run(const std::filesystem::path& path, std::int64_t steps, std::int64_t every) {
  g_recorder = {};
  RunWriter writer(path);
  g_recorder.on = true;
  writer.begin(header(), sample_init());
  const std::size_t named = g_recorder.writes.size();
  for (std::int64_t i = 1; i <= steps; ++i) {
    writer.step(step_record(i));
    if (i % every != 0) continue;
    writer.diagnose(sample_diagnosis(i));
    writer.eval(eval_record(i));
    g_recorder.flushed = i;
  }
  writer.finish(record::State::finished, "");
  g_recorder.on = false;
  for (std::size_t i = 0; i < named; ++i) g_recorder.writes[i].flushed = -1;  // nobody can see them
  return std::move(g_recorder.writes);
}

// The rows that are there are those that were written, and those that were flushed are there.
void expect_rows(const record::Run& run, std::int64_t flushed, std::int64_t every) {
  EXPECT_GE(std::ssize(run.steps), flushed);
  EXPECT_GE(std::ssize(run.evals), flushed / every);
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const record::StepRecord expected = step_record(static_cast<std::int64_t>(i) + 1);
    ASSERT_EQ(run.steps[i].step, expected.step);
    ASSERT_EQ(run.steps[i].loss, expected.loss);
    ASSERT_EQ(run.steps[i].examples, expected.examples);
  }
  for (std::size_t i = 0; i < run.evals.size(); ++i) {
    const record::EvalRecord expected = eval_record(every * (static_cast<std::int64_t>(i) + 1));
    ASSERT_EQ(run.evals[i].step, expected.step);
    ASSERT_EQ(run.evals[i].predictions, expected.predictions);
  }
  EXPECT_GE(std::ssize(run.diagnostics.parts), 3 * (flushed / every));
}

// A copy that is mended keeps to the schema and opens plainly.
void expect_recovers(const std::filesystem::path& path, std::int64_t flushed, std::int64_t every) {
  const std::filesystem::path copy = path.string() + ".copy.h5";
  std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
  recover(copy);
  EXPECT_FALSE(read_status(copy).left_open);
  EXPECT_EQ(verify(copy), std::vector<std::string>{});
  expect_rows(read_run(copy, Detail::all), flushed, every);
}

// The file after a kill at each `stride`-th moment; it is verified and mended at each tenth of these.
void kill_at(const std::vector<Write>& writes, std::int64_t every, std::size_t stride) {
  const Folder folder;
  const std::filesystem::path path = folder / "killed.h5";
  std::fstream file(path, std::ios::binary | std::ios::out | std::ios::trunc);
  const auto put = [&file](const Write& write, std::size_t bytes) {
    file.seekp(write.offset);
    file.write(write.bytes.data(), static_cast<std::streamsize>(bytes));
    file.flush();
  };
  std::size_t moments = 0, checked = 0;
  for (const Write& write : writes) {
    for (const std::size_t cut : write.cuts()) {
      if (write.flushed < 0 || ++moments % stride != 0) continue;
      SCOPED_TRACE("write of " + std::to_string(write.bytes.size()) + " at " + std::to_string(write.offset) +
                   ", cut after " + std::to_string(cut));
      put(write, cut);
      EXPECT_NO_THROW(expect_rows(read_run(path, Detail::all), write.flushed, every));
      if (++checked % 10 == 0) {
        EXPECT_EQ(verify(path), std::vector<std::string>{});
        EXPECT_NO_THROW(expect_recovers(path, write.flushed, every));
      }
      if (testing::Test::HasFailure()) return;
    }
    put(write, write.bytes.size());
  }
  std::cout << checked << " of " << moments << " moments\n";
  EXPECT_GE(checked, 80U);
}

TEST(Kill, AtEveryMomentOfAShortRunTheFlushedRowsAreThere) {
  const Folder folder;
  kill_at(record_run(folder / "run.h5", 12, 3), 3, 1);
}

TEST(Kill, AtMomentsOfALongRunTheFlushedRowsAreThere) {
  const Folder folder;
  const std::vector<Write> writes = record_run(folder / "run.h5", 10'000, 100);
  kill_at(writes, 100, 97);
  // At the moments that were left out too: what a cut would make unreadable lies within a page.
  std::size_t metadata = 0;
  for (const Write& write : writes) {
    if (write.flushed < 0 || !write.is_metadata()) continue;
    ++metadata;
    EXPECT_EQ(write.cuts().size(), 1U) << write.bytes.substr(0, 4) << " of " << write.bytes.size() << " bytes at "
                                       << write.offset;
  }
  EXPECT_GE(metadata, 4'000U);
}

}  // namespace
}  // namespace initlab::log
