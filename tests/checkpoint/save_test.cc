// What is saved is what is opened again, bit by bit; a folder is replaced whole or stays as it was.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <set>

#include "base/file.hpp"
#include "base/random.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/names.hpp"

namespace initlab::checkpoint_test {
namespace {

using checkpoint::Checkpoint;
using checkpoint::NamedTensor;
using checkpoint::Part;
using config::HeadKind;
namespace fs = std::filesystem;

const std::vector<std::string> kVocabulary = {"[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "\xc3\xa4", "##b"};

config::ModelConfig small_model() {
  config::ModelConfig model;
  model.layers = 2;
  model.hidden = 6;
  model.heads = 3;
  model.intermediate = 10;
  model.vocabulary = 9;  // two rows more than the vocabulary
  model.max_positions = 7;
  model.type_vocabulary = 3;
  return model;
}

// Random values for all tensors of a model with one head.
struct Values {
  std::vector<std::vector<float>> blocks;
  std::vector<NamedTensor> tensors;

  Values(const config::ModelConfig& model, HeadKind head, std::int64_t num_labels, std::uint64_t seed = 1) {
    for (checkpoint::KnownTensor& known : checkpoint::known_tensors(model)) {
      const bool mlm = head == HeadKind::mlm;
      const bool wanted = known.part == Part::encoder || (mlm && known.part == Part::predictions) ||
                          (!mlm && (known.part == Part::pooler || known.part == Part::classifier));
      if (!wanted) continue;
      if (known.part == Part::classifier) known.shape[0] = num_labels;
      std::size_t n = 1;
      for (const std::int64_t size : known.shape) n *= static_cast<std::size_t>(size);
      const base::Stream stream(seed, known.name);
      std::vector<float> values(n);
      for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(stream.normal(i));
      blocks.push_back(std::move(values));
      tensors.push_back(
          {known.name, known.shape, blocks.back()});  // a vector's data stays where it is when the vector moves
    }
  }
};

std::set<std::string> entries_of(const fs::path& folder) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

const std::set<std::string> kSaved = {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"};

void expect_round_trip(const config::ModelConfig& model, HeadKind head, std::int64_t num_labels, bool cased) {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "new" / "model";
  const Values values(model, head, num_labels);
  checkpoint::save(target, model, head, num_labels, cased, kVocabulary, values.tensors);
  EXPECT_EQ(entries_of(target), kSaved);
  EXPECT_EQ(entries_of(folder.path() / "new"), std::set<std::string>{"model"});
  const Checkpoint opened = Checkpoint::open(target);
  EXPECT_EQ(config::to_json(opened.model()), config::to_json(model));
  EXPECT_EQ(opened.cased(), std::optional<bool>(cased));
  EXPECT_EQ(base::read_file(opened.vocabulary_file()), "[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n\xc3\xa4\n##b\n");
  std::vector<std::string> names;
  for (const NamedTensor& tensor : values.tensors) {
    const std::vector<float> read = opened.read(tensor.name, tensor.shape);
    EXPECT_EQ(bytes_of(read), bytes_of(std::vector<float>(tensor.values.begin(), tensor.values.end()))) << tensor.name;
    names.push_back(tensor.name);
  }
  EXPECT_TRUE(opened.unused(names).empty());
}

TEST(Save, OpensAgainBitByBit) {
  config::ModelConfig model = small_model();
  expect_round_trip(model, HeadKind::classifier, 2, false);
  expect_round_trip(model, HeadKind::regressor, 1, true);
  expect_round_trip(model, HeadKind::mlm, 0, false);
  model.activation = "gelu_new";
  model.pooling = "mean";
  model.layer_norm_epsilon = 0.1 + 0.2;  // needs all 17 digits
  expect_round_trip(model, HeadKind::classifier, 5, true);
}

// transformers' BERT would compute another model of the same tensors; its Auto classes refuse a type unknown to them.
TEST(Save, OtherResidualSumsOpenAgainUnderATypeOfTheirOwn) {
  for (const char* scale : {"deepnorm", "trained", "none"}) {
    config::ModelConfig model = small_model();
    const bool none = std::string_view(scale) == "none";
    if (none) model.norm = "none";
    ASSERT_TRUE(config::set_residual_scale(model, none ? "1" : scale));
    expect_round_trip(model, HeadKind::classifier, 2, false);
    expect_round_trip(model, HeadKind::mlm, 0, false);
    const TemporaryFolder folder;
    const Values values(model, HeadKind::classifier, 2);
    checkpoint::save(folder.path() / "m", model, HeadKind::classifier, 2, false, kVocabulary, values.tensors);
    const base::Json json = base::parse_json(base::read_file(folder.path() / "m" / "config.json"), "config.json");
    EXPECT_EQ(json["model_type"], "initlab_bert") << scale;
  }
}

TEST(Save, ConfigSaysWhatTransformersNeeds) {
  const TemporaryFolder folder;
  const auto config_of = [&](HeadKind head, std::int64_t num_labels) {
    const Values values(small_model(), head, num_labels);
    checkpoint::save(folder.path() / "m", small_model(), head, num_labels, false, kVocabulary, values.tensors);
    return base::parse_json(base::read_file(folder.path() / "m" / "config.json"), "config.json");
  };
  const base::Json classifier = config_of(HeadKind::classifier, 2);
  EXPECT_EQ(classifier["architectures"], base::Json::array({"BertForSequenceClassification"}));
  EXPECT_EQ(classifier["model_type"], "bert");
  EXPECT_EQ(classifier["problem_type"], "single_label_classification");
  EXPECT_EQ(base::json_text(classifier["id2label"]), R"({"0":"LABEL_0","1":"LABEL_1"})");
  EXPECT_EQ(base::json_text(classifier["label2id"]), R"({"LABEL_0":0,"LABEL_1":1})");
  EXPECT_EQ(classifier["pad_token_id"], 1);
  for (const char* ours : {"initlab_pooling", "initlab_norm", "initlab_residual_scale"})
    EXPECT_FALSE(classifier.contains(ours)) << ours;
  const base::Json regressor = config_of(HeadKind::regressor, 1);
  EXPECT_EQ(regressor["problem_type"], "regression");
  EXPECT_EQ(base::json_text(regressor["id2label"]), R"({"0":"LABEL_0"})");
  const base::Json mlm = config_of(HeadKind::mlm, 0);
  EXPECT_EQ(mlm["architectures"], base::Json::array({"BertForMaskedLM"}));
  EXPECT_EQ(mlm["tie_word_embeddings"], true);
  EXPECT_FALSE(mlm.contains("problem_type"));
}

TEST(Save, SameValuesGiveTheSameBytesInAnyOrder) {
  const TemporaryFolder folder;
  Values values(small_model(), HeadKind::mlm, 0);
  checkpoint::save(folder.path() / "a", small_model(), HeadKind::mlm, 0, false, kVocabulary, values.tensors);
  std::reverse(values.tensors.begin(), values.tensors.end());
  checkpoint::save(folder.path() / "b", small_model(), HeadKind::mlm, 0, false, kVocabulary, values.tensors);
  const std::string bytes = base::read_file(folder.path() / "a" / "model.safetensors");
  EXPECT_EQ(bytes, base::read_file(folder.path() / "b" / "model.safetensors"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_TRUE(bytes.substr(8).starts_with(R"({"__metadata__":{"format":"pt"},)"));
}

TEST(Save, ReplacesASavedModelWhole) {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "model";
  const Values first(small_model(), HeadKind::classifier, 2, 1), second(small_model(), HeadKind::mlm, 0, 2);
  checkpoint::save(target, small_model(), HeadKind::classifier, 2, false, kVocabulary, first.tensors);
  checkpoint::save(target / "", small_model(), HeadKind::mlm, 0, false, kVocabulary, second.tensors);  // with a slash
  EXPECT_EQ(entries_of(folder.path()), std::set<std::string>{"model"});
  const Checkpoint opened = Checkpoint::open(target);
  EXPECT_EQ(opened.find("classifier.weight"), nullptr);
  EXPECT_EQ(opened.read(second.tensors[0].name, second.tensors[0].shape), second.blocks[0]);
}

TEST(Save, LeavesAFolderWithOtherFilesAlone) {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "work";
  fs::create_directory(target);
  write_bytes(target / "config.json", "{}");
  write_bytes(target / "thesis.tex", "years of work");
  const Values values(small_model(), HeadKind::mlm, 0);
  const auto save = [&](const fs::path& place) {
    return error_of(folder.path(), [&] {
      checkpoint::save(place, small_model(), HeadKind::mlm, 0, false, kVocabulary, values.tensors);
    });
  };
  EXPECT_EQ(save(target),
            "work: expected an empty folder or a saved model, which may be replaced, got other files, "
            "\"thesis.tex\"\n  hint: choose another folder");
  EXPECT_EQ(entries_of(target), (std::set<std::string>{"config.json", "thesis.tex"}));
  EXPECT_EQ(save(target / "config.json"),
            "work/config.json: expected a folder, got a file of that name\n  hint: choose another name");
  EXPECT_EQ(base::read_file(target / "config.json"), "{}");
}

TEST(Save, TensorsAndVocabularyThatAreNotTheModelsAreRefusedAndNothingIsWritten) {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "m";
  const Values whole(small_model(), HeadKind::classifier, 2);
  const auto save = [&](const std::vector<NamedTensor>& tensors, const std::vector<std::string>& vocabulary) {
    return error_of(folder.path(), [&] {
      checkpoint::save(target, small_model(), HeadKind::classifier, 2, false, vocabulary, tensors);
    });
  };
  std::vector<NamedTensor> tensors = whole.tensors;
  tensors.pop_back();
  EXPECT_EQ(save(tensors, kVocabulary), "m: tensor \"classifier.bias\": expected given, got absent");
  tensors = whole.tensors;
  tensors.push_back(tensors.back());
  EXPECT_EQ(save(tensors, kVocabulary),
            "m: tensor \"classifier.bias\": expected a tensor of this model, once, got another or a second one");
  tensors = whole.tensors;
  tensors.back().shape = {3};
  EXPECT_EQ(save(tensors, kVocabulary), "m: tensor \"classifier.bias\": expected shape (2), got (3) with 2 values");
  tensors = whole.tensors;
  tensors.back().values = tensors.back().values.first(1);
  EXPECT_EQ(save(tensors, kVocabulary), "m: tensor \"classifier.bias\": expected shape (2), got (2) with 1 values");
  EXPECT_EQ(save(whole.tensors, std::vector<std::string>(10, "a")),
            "m: vocab.txt: expected at most 9 tokens, the rows of the word embedding, got 10");
  EXPECT_EQ(save(whole.tensors, {"a\nb"}), "m: vocab.txt: expected tokens of one line each, got \"a\\x0ab\"");
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

// While it lives, no file may grow beyond `bytes`: a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_ = nullptr;
};

TEST(Save, AFullDiskLeavesTheOldModelAndNothingElse) {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "model";
  const Values first(small_model(), HeadKind::mlm, 0, 1), second(small_model(), HeadKind::mlm, 0, 2);
  checkpoint::save(target, small_model(), HeadKind::mlm, 0, false, kVocabulary, first.tensors);
  const std::string before = Checkpoint::open(target).sha256();
  std::string error;
  {
    const FileSizeLimit full(4096);  // config.json fits, the weights do not
    error = error_of(folder.path(), [&] {
      checkpoint::save(target, small_model(), HeadKind::mlm, 0, false, kVocabulary, second.tensors);
    });
  }
  EXPECT_TRUE(error.ends_with(
      "model.safetensors: cannot be written: got File too large\n  hint: check the folder's permissions and "
      "free space"))
      << error;
  EXPECT_EQ(entries_of(folder.path()), std::set<std::string>{"model"});
  EXPECT_EQ(Checkpoint::open(target).sha256(), before);
}

}  // namespace
}  // namespace initlab::checkpoint_test
