// Writing a model as Hugging Face writes it, so that transformers loads it without a missing or unexpected key.
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/model_config.hpp"
#include "checkpoint/names.hpp"

namespace initlab::checkpoint {
namespace {

using base::Error;
using base::Json;
namespace fs = std::filesystem;

constexpr std::string_view kFiles[] = {"config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"};

// Folder names without a trailing slash, so that a name can be put beside them.
fs::path without_slash(const fs::path& folder) {
  const fs::path normal = fs::absolute(folder).lexically_normal();
  return normal.filename().empty() ? normal.parent_path() : normal;
}

// A folder beside the target that disappears unless it takes the target's place.
class NewFolder {
 public:
  explicit NewFolder(const fs::path& target) : target_(target), path_(beside(".new-")), old_(beside(".old-")) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);  // of a killed process with our number
    base::make_folder(path_);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

  void take_place() {
    std::error_code error;
    const bool replaces = fs::exists(target_, error);
    if (replaces) fs::rename(target_, old_, error);
    if (!error) fs::rename(path_, target_, error);
    if (error) {
      std::error_code ignored;
      if (replaces && !fs::exists(target_, ignored)) fs::rename(old_, target_, ignored);
      throw Error(
          {target_.string(), "cannot be written", "", error.message(), "check the permissions of its parent folder"});
    }
    if (replaces) fs::remove_all(old_, error);  // what stays of it does no harm
  }

 private:
  fs::path beside(const char* mark) const { return target_.string() + mark + std::to_string(::getpid()); }

  fs::path target_, path_, old_;
};

// Replacing deletes: only a folder that holds what save() writes, or nothing, may go.
void check_replaceable(const fs::path& target) {
  std::error_code error;
  if (!fs::exists(target, error)) return;
  if (!fs::is_directory(target, error))
    throw Error({target.string(), "", "a folder", "a file of that name", "choose another name"});
  for (const fs::directory_entry& entry : fs::directory_iterator(target, error)) {
    const std::string name = entry.path().filename().string();
    if (std::find(std::begin(kFiles), std::end(kFiles), name) == std::end(kFiles))
      throw Error({target.string(), "", "an empty folder or a saved model, which may be replaced",
                   "other files, " + base::quote(name), "choose another folder"});
  }
  if (error) throw Error({target.string(), "cannot be read", "", error.message(), ""});
}

// The tensors that transformers' class has: encoder, and pooler and classifier or the MLM head; the decoder is tied.
std::map<std::string, std::vector<std::int64_t>> expected_tensors(const config::ModelConfig& model,
                                                                  config::HeadKind head, std::int64_t num_labels) {
  const bool mlm = head == config::HeadKind::mlm;
  std::map<std::string, std::vector<std::int64_t>> expected;
  for (KnownTensor& known : known_tensors(model)) {
    const bool classifier = known.part == Part::classifier;
    if (known.part != Part::encoder &&
        !(mlm ? known.part == Part::predictions : classifier || known.part == Part::pooler))
      continue;
    if (classifier) known.shape.front() = num_labels;
    expected.emplace(std::move(known.name), std::move(known.shape));
  }
  return expected;
}

void check_tensors(std::map<std::string, std::vector<std::int64_t>> expected, std::span<const NamedTensor> tensors,
                   const std::string& place) {
  for (const NamedTensor& tensor : tensors) {
    const auto found = expected.find(tensor.name);
    if (found == expected.end())
      throw Error(
          {place, "tensor " + base::quote(tensor.name), "a tensor of this model, once", "another or a second one", ""});
    std::uint64_t elements = 1;
    for (const std::int64_t n : found->second) elements *= static_cast<std::uint64_t>(n);
    if (found->second != tensor.shape || elements != tensor.values.size())
      throw Error({place, "tensor " + base::quote(tensor.name), "shape " + shape_text(found->second),
                   shape_text(tensor.shape) + " with " + std::to_string(tensor.values.size()) + " values", ""});
    expected.erase(found);
  }
  if (!expected.empty()) throw Error({place, "tensor " + base::quote(expected.begin()->first), "given", "absent", ""});
}

std::string config_text(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
                        std::span<const std::string> vocabulary) {
  const bool mlm = head == config::HeadKind::mlm;
  Json json = Json::object();
  json["architectures"] = Json::array({mlm ? "BertForMaskedLM" : "BertForSequenceClassification"});
  json["model_type"] = model_type(model);
  add_model(json, model);
  json["position_embedding_type"] = "absolute";
  json["hidden_dropout_prob"] = 0.1;
  json["attention_probs_dropout_prob"] = 0.1;
  json["classifier_dropout"] = nullptr;
  json["initializer_range"] = 0.02;
  const auto padding = std::find(vocabulary.begin(), vocabulary.end(), "[PAD]");
  json["pad_token_id"] = padding == vocabulary.end() ? Json(nullptr) : Json(padding - vocabulary.begin());
  json["is_decoder"] = false;
  json["tie_word_embeddings"] = true;
  json["use_cache"] = true;
  json["dtype"] = "float32";
  json["torch_dtype"] = "float32";  // the same, for transformers before 5
  if (!mlm) {
    json["problem_type"] = head == config::HeadKind::regressor ? "regression" : "single_label_classification";
    json["id2label"] = Json::object();
    json["label2id"] = Json::object();
    for (std::int64_t label = 0; label < num_labels; ++label) {
      const std::string id = std::to_string(label);
      json["id2label"][id] = "LABEL_" + id;
      json["label2id"]["LABEL_" + id] = label;
    }
  }
  return base::json_pretty(json) + "\n";
}

std::string tokenizer_text(const config::ModelConfig& model, bool cased) {
  Json json = Json::object();
  json["tokenizer_class"] = "BertTokenizer";
  json["do_lower_case"] = !cased;
  json["strip_accents"] = nullptr;  // as do_lower_case
  json["tokenize_chinese_chars"] = true;
  json["model_max_length"] = model.max_positions;
  for (const char* token : {"unk", "sep", "pad", "cls", "mask"}) {
    std::string upper(token);
    for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
    json[std::string(token) + "_token"] = "[" + upper + "]";
  }
  return base::json_pretty(json) + "\n";
}

std::string vocabulary_text(std::span<const std::string> vocabulary, const config::ModelConfig& model,
                            const std::string& place) {
  if (static_cast<std::int64_t>(vocabulary.size()) > model.vocabulary)
    throw Error({place, "vocab.txt",
                 "at most " + std::to_string(model.vocabulary) + " tokens, the rows of the word embedding",
                 std::to_string(vocabulary.size()), ""});
  std::string text;
  for (const std::string& token : vocabulary) {
    if (token.empty() || token.find_first_of("\r\n") != std::string::npos)
      throw Error({place, "vocab.txt", "tokens of one line each", base::quote(token), ""});
    text += token;
    text += '\n';
  }
  return text;
}

}  // namespace

void save(const fs::path& folder, const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
          bool cased, std::span<const std::string> vocabulary, std::span<const NamedTensor> tensors) {
  const fs::path target = without_slash(folder);
  const std::string place = folder.string();
  if (head == config::HeadKind::regressor) num_labels = 1;
  check_tensors(expected_tensors(model, head, num_labels), tensors, place);
  const std::string tokens = vocabulary_text(vocabulary, model, place);
  check_replaceable(target);
  base::make_folder(target.parent_path());

  NewFolder fresh(target);
  base::write_file(fresh.path() / "config.json", config_text(model, head, num_labels, vocabulary));
  base::write_file(fresh.path() / "tokenizer_config.json", tokenizer_text(model, cased));
  base::write_file(fresh.path() / "vocab.txt", tokens);
  write_safetensors(fresh.path() / "model.safetensors", tensors, {{"format", "pt"}});
  fresh.take_place();
}

}  // namespace initlab::checkpoint
