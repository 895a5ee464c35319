// A model that initlab saves, loaded by Hugging Face transformers: no missing or unexpected key, the same logits.
// Runs scripts/check_saved_model with the Python that INITLAB_PEER_PYTHON names (default python3); skipped where it has
// no transformers.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"
#include "golden/golden_case.hpp"
#include "paths.hpp"

namespace initlab::golden {
namespace {

class SavedModel : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("initlab_saved_") + GetParam() + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

INSTANTIATE_TEST_SUITE_P(Cases, SavedModel, testing::Values("tiny_classifier", "tiny_regressor", "tiny_mlm"),
                         [](const auto& info) { return std::string(info.param); });

std::vector<std::string> made_up_vocabulary(std::int64_t size) {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  while (static_cast<std::int64_t>(tokens.size()) < size) tokens.push_back("word" + std::to_string(tokens.size()));
  return tokens;
}

void save(const Case& golden, const model::Bert& bert, const std::filesystem::path& folder) {
  std::vector<checkpoint::NamedTensor> tensors;
  for (const params::Parameter& p : bert.parameters().all())
    tensors.push_back(
        {p.name, p.shape, bert.values().subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size))});
  checkpoint::save(folder, golden.model, golden.head, golden.labels, false, made_up_vocabulary(golden.model.vocabulary),
                   tensors);
}

// What scripts/check_saved_model reads: the batch and our logits.
base::Json expectation(const Case& golden, model::Bert& bert) {
  const batch::Batch batch = golden.batch(0);
  bert.forward(batch, {});
  base::Json out = base::Json::object();
  std::vector<float> logits(bert.logits().begin(), bert.logits().end());
  std::size_t rows = static_cast<std::size_t>(batch.sequences());
  if (golden.head == config::HeadKind::mlm) {
    rows = batch.masked_rows.size();
    logits.resize(rows * static_cast<std::size_t>(golden.model.vocabulary));
    bert.copy_mlm_logits(logits);
  }
  const std::size_t width = logits.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(r * width);
    out["logits"].push_back(std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(width)));
  }
  for (std::int64_t b = 0; b < batch.sequences(); ++b) {
    const auto first = batch.offsets[static_cast<std::size_t>(b)],
               last = batch.offsets[static_cast<std::size_t>(b) + 1];
    out["token_ids"].push_back(std::vector<std::int32_t>(batch.ids.begin() + first, batch.ids.begin() + last));
    out["type_ids"].push_back(std::vector<std::int32_t>(batch.types.begin() + first, batch.types.begin() + last));
    for (const std::int32_t row : batch.masked_rows)
      if (row >= first && row < last) out["positions"].push_back({b, row - first});
  }
  return out;
}

TEST_P(SavedModel, LoadsInTransformersWithTheSameLogits) {
  const Case golden(GetParam());
  const auto bert = golden.bert();
  save(golden, *bert, folder_ / "model");
  base::write_file(folder_ / "expected.json", base::json_text(expectation(golden, *bert)));
  const char* python = std::getenv("INITLAB_PEER_PYTHON");
  const std::string command = std::string(python != nullptr ? python : "python3") + " '" +
                              initlab::paths::source_dir() + "/scripts/check_saved_model' '" +
                              (folder_ / "model").string() + "' '" + (folder_ / "expected.json").string() + "'";
  const int code = WEXITSTATUS(std::system(command.c_str()));
  if (code == 77 || code == 127)
    GTEST_SKIP() << "skipped: no transformers; set INITLAB_PEER_PYTHON to a Python that has it";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace initlab::golden
