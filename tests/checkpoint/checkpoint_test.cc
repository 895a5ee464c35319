// A folder with a BERT: names, ties, shapes, config.json; golden values of real files.
#include "checkpoint/checkpoint.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.hpp"
#include "base/hash.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/names.hpp"
#include "paths.hpp"

namespace initlab::checkpoint_test {
namespace {

using checkpoint::Checkpoint;

constexpr const char* kWord = "bert.embeddings.word_embeddings.weight";
constexpr const char* kDecoder = "cls.predictions.decoder.weight";

std::string sha256_of(const Checkpoint& checkpoint, const char* name, const std::vector<std::int64_t>& shape) {
  return base::sha256_hex(bytes_of(checkpoint.read(name, shape)));
}

// Names of the encoder and, where asked for, the pooler.
std::vector<std::string> encoder_names(const config::ModelConfig& model, bool pooler) {
  std::vector<std::string> names;
  for (const checkpoint::KnownTensor& known : checkpoint::known_tensors(model))
    if (known.part == checkpoint::Part::encoder || (pooler && known.part == checkpoint::Part::pooler))
      names.push_back(known.name);
  return names;
}

// The hashes below are of the values as safetensors 0.7 (Python) reads them.
TEST(Golden, TinyFileWithoutPrefixAndPooler) {
  const std::filesystem::path data =
      base::environment("INITLAB_DATA", initlab::paths::source_dir() + "/../shared/data");
  const std::filesystem::path folder = data / "checkpoints" / "safetensors_tiny";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "skipped: no data at " << folder;
  const Checkpoint checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(
      base::json_text(config::to_json(checkpoint.model())),
      R"({"layers":2,"hidden":32,"heads":4,"intermediate":64,"vocabulary":256,"max_positions":128,"type_vocabulary":2,)"
      R"("activation":"gelu","layer_norm_epsilon":1e-12,"pooling":"cls"})");
  EXPECT_EQ(checkpoint.cased(), std::optional<bool>(true));
  EXPECT_EQ(checkpoint.sha256(), "58ca597c73ba5056ef488314e097ccbf5697fa72271d3e55a503cdc348545b55");
  EXPECT_EQ(checkpoint.vocabulary_file(), folder / "vocab.txt");
  EXPECT_EQ(checkpoint.find(kWord)->key, "embeddings.word_embeddings.weight");
  EXPECT_EQ(sha256_of(checkpoint, kWord, {256, 32}),
            "6f8c23302aa9223a3490af66abdc895c85f9230375bbe646f863fe1606aa873d");
  EXPECT_EQ(sha256_of(checkpoint, "bert.encoder.layer.1.output.dense.weight", {32, 64}),
            "06096972f0fcbbda269f8387c9380085f7cfe559626c3a29b682f4423b4a0c21");
  EXPECT_EQ(sha256_of(checkpoint, "bert.embeddings.LayerNorm.bias", {32}),
            "38723a2e5e8a17aa7950dc008209944e898f69a7bd10a23c839d341e935fd5ca");
  const std::vector<std::string> names = encoder_names(checkpoint.model(), false);
  for (const std::string& name : names) EXPECT_NE(checkpoint.find(name), nullptr) << name;
  EXPECT_TRUE(checkpoint.unused(names).empty());
  EXPECT_EQ(checkpoint.find("bert.pooler.dense.weight"), nullptr);
}

TEST(Golden, MiniLm) {
  const std::filesystem::path models =
      base::environment("INITLAB_MODELS", base::environment("HOME", "") + "/.cache/initlab/models");
  const std::filesystem::path folder = models / "minilm";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "skipped: no model at " << folder << "; run scripts/get_minilm";
  const Checkpoint checkpoint = Checkpoint::open(folder);
  config::ModelConfig expected = *config::named_shape("minilm");
  expected.vocabulary = 30522;
  EXPECT_EQ(config::to_json(checkpoint.model()), config::to_json(expected));
  EXPECT_EQ(checkpoint.cased(), std::optional<bool>(false));
  EXPECT_EQ(checkpoint.sha256(), "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db");
  EXPECT_EQ(sha256_of(checkpoint, kWord, {30522, 384}),
            "352d34a4ad725bb742f36fc3f2a2dcfa7f07317926128d47c362198125003892");
  EXPECT_EQ(sha256_of(checkpoint, "bert.encoder.layer.5.attention.output.LayerNorm.weight", {384}),
            "5e7bd0a8d3396080f3360d7c4700bf094a06216431bd014c4479eef72ecf4271");
  EXPECT_EQ(sha256_of(checkpoint, "bert.pooler.dense.weight", {384, 384}),
            "eb9e55f478fe64f53f97c83c03f1823bbd0ddc932f8431ce5dce6ae8babbe873");
  const std::vector<std::string> names = encoder_names(checkpoint.model(), true);
  for (const std::string& name : names) EXPECT_NE(checkpoint.find(name), nullptr) << name;
  EXPECT_TRUE(checkpoint.unused(names).empty());  // position_ids is in the file, and is no weight
}

TEST(Names, KeysOfOldFilesGetTheirNamesOfToday) {
  using checkpoint::model_name;
  EXPECT_EQ(model_name("embeddings.LayerNorm.gamma"), "bert.embeddings.LayerNorm.weight");
  EXPECT_EQ(model_name("bert.encoder.layer.3.output.LayerNorm.beta"), "bert.encoder.layer.3.output.LayerNorm.bias");
  EXPECT_EQ(model_name("cls.predictions.transform.LayerNorm.gamma"), "cls.predictions.transform.LayerNorm.weight");
  EXPECT_EQ(model_name("pooler.dense.weight"), "bert.pooler.dense.weight");
  EXPECT_EQ(model_name("embeddings.position_ids"), "");
  EXPECT_EQ(model_name("bert.embeddings.position_ids"), "");
  for (const char* same : {"classifier.weight", "cls.predictions.bias", "bert.pooler.dense.bias", "adapter.gamma",
                           "gamma", "bert.encoder.layer.0.scale.gamma", "some.position_ids"})
    EXPECT_EQ(model_name(same), same);
}

TEST(Checkpoint, GammaBetaPositionIdsAndHalfPrecision) {
  const TemporaryFolder folder;
  write_checkpoint(
      folder.path(),
      {{"bert.embeddings.LayerNorm.gamma", "F16", "[4]", bytes_of<std::uint16_t>({0x3c00, 0xc000, 0x0001, 0x7bff})},
       {"bert.embeddings.LayerNorm.beta", "BF16", "[4]", bytes_of<std::uint16_t>({0x3f80, 0xc000, 0x0000, 0x4049})},
       {"bert.embeddings.position_ids", "I64", "[1,3]", std::string(24, '\0')},
       {"extra.weight", "F32", "[1]", f32(1)}});
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const std::vector<std::int64_t> shape = {4};
  EXPECT_EQ(checkpoint.read("bert.embeddings.LayerNorm.weight", shape), (std::vector<float>{1, -2, 0x1p-24f, 65504}));
  EXPECT_EQ(checkpoint.read("bert.embeddings.LayerNorm.bias", shape), (std::vector<float>{1, -2, 0, 3.140625}));
  EXPECT_EQ(checkpoint.find("bert.embeddings.LayerNorm.weight")->key, "bert.embeddings.LayerNorm.gamma");
  EXPECT_EQ(checkpoint.find("bert.embeddings.position_ids"), nullptr);
  const std::vector<std::string> used = {"bert.embeddings.LayerNorm.weight"};
  EXPECT_EQ(checkpoint.unused(used), (std::vector<std::string>{"bert.embeddings.LayerNorm.beta", "extra.weight"}));
}

TEST(TiedDecoder, StandsForAnAbsentWordEmbedding) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(),
                   {{kDecoder, "F32", "[6,4]", f32(24, 3)}, {"cls.predictions.decoder.bias", "F32", "[6]", f32(6, 7)}});
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const std::vector<std::int64_t> matrix = {6, 4}, vector = {6};
  EXPECT_EQ(checkpoint.read(kWord, matrix).at(0), 3);
  EXPECT_EQ(checkpoint.find(kWord), checkpoint.find(kDecoder));
  EXPECT_EQ(checkpoint.read("cls.predictions.bias", vector).at(5), 12);
  const std::vector<std::string> used = {kWord, "cls.predictions.bias"};
  EXPECT_TRUE(checkpoint.unused(used).empty());
}

TEST(TiedDecoder, IsFoundThroughTheWordEmbeddingWhereItIsAbsent) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), {{kWord, "F32", "[6,4]", f32(24)}, {"cls.predictions.bias", "F32", "[6]", f32(6)}});
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.find(kDecoder)->key, kWord);
  EXPECT_EQ(checkpoint.find("cls.predictions.decoder.bias")->key, "cls.predictions.bias");
}

TEST(TiedDecoder, EqualCopiesAreOneTensorAndDifferentOnesAreTwo) {
  const TemporaryFolder folder;
  const std::vector<std::string> used = {kWord};
  write_checkpoint(folder.path(), {{kDecoder, "F32", "[6,4]", f32(24)}, {kWord, "F32", "[6,4]", f32(24)}});
  const Checkpoint equal = Checkpoint::open(folder.path());
  EXPECT_EQ(equal.find(kWord)->key, kWord);
  EXPECT_TRUE(equal.unused(used).empty());
  write_checkpoint(folder.path(), {{kDecoder, "F32", "[6,4]", f32(24, 1)}, {kWord, "F32", "[6,4]", f32(24)}});
  const Checkpoint different = Checkpoint::open(folder.path());
  EXPECT_EQ(different.find(kDecoder)->key, kDecoder);
  EXPECT_EQ(different.unused(used), std::vector<std::string>{kDecoder});  // reported, not silently replaced
}

TEST(TiedDecoder, OfAnUntiedModelIsNoWordEmbedding) {
  const TemporaryFolder folder;
  std::string config = kConfig;
  config.insert(1, R"("tie_word_embeddings":false,)");
  write_checkpoint(folder.path(), {{kDecoder, "F32", "[6,4]", f32(24)}}, config);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.find(kWord), nullptr);
  EXPECT_EQ(checkpoint.unused({}), std::vector<std::string>{kDecoder});
}

struct Refusal {
  std::vector<Entry> entries;
  std::string error;
};

TEST(Checkpoint, WeightsThatContradictConfigAreRefused) {
  const TemporaryFolder folder;
  const std::string two_models = "\n  hint: config.json and model.safetensors are of different models";
  const std::vector<Refusal> refusals = {
      {{{"embeddings.word_embeddings.weight", "F32", "[5,4]", f32(20)}},
       "model.safetensors: tensor \"bert.embeddings.word_embeddings.weight\" (\"embeddings.word_embeddings.weight\" in "
       "the file): "
       "expected shape (6, 4), as config.json says, got (5, 4)" +
           two_models},
      {{{"bert.encoder.layer.0.output.dense.weight", "F32", "[8,4]", f32(32)}},
       "model.safetensors: tensor \"bert.encoder.layer.0.output.dense.weight\": expected shape (4, 8), as config.json "
       "says, got "
       "(8, 4)" +
           two_models},
      {{{"classifier.weight", "F32", "[3,5]", f32(15)}},
       "model.safetensors: tensor \"classifier.weight\": expected shape (n, 4), as config.json says, got (3, 5)" +
           two_models},
      {{{kDecoder, "F32", "[6,3]", f32(18)}},
       "model.safetensors: tensor \"cls.predictions.decoder.weight\": expected shape (6, 4), as config.json says, got "
       "(6, 3)" +
           two_models},
      {{{"pooler.dense.bias", "F64", "[4]", f32(8)}},
       "model.safetensors: tensor \"bert.pooler.dense.bias\" (\"pooler.dense.bias\" in the file): expected F32, F16 or "
       "BF16, got "
       "F64\n  hint: save the model in one of these types"},
      {{{"pooler.dense.bias", "F32", "[4]", f32(4)}, {"bert.pooler.dense.bias", "F32", "[4]", f32(4)}},
       "model.safetensors: tensor \"bert.pooler.dense.bias\": expected one key for it, got \"pooler.dense.bias\" and "
       "\"bert.pooler.dense.bias\"\n  hint: remove one of them"},
      {{{"embeddings.LayerNorm.weight", "F32", "[4]", f32(4)}, {"embeddings.LayerNorm.gamma", "F32", "[4]", f32(4)}},
       "model.safetensors: tensor \"bert.embeddings.LayerNorm.weight\": expected one key for it, got "
       "\"embeddings.LayerNorm.weight\" and \"embeddings.LayerNorm.gamma\"\n  hint: remove one of them"},
      {{{"transformer.h.0.attn.weight", "F32", "[4]", f32(4)}},
       "model.safetensors: expected tensors of a BERT (bert.embeddings.word_embeddings.weight, ...), got "
       "\"transformer.h.0.attn.weight\", ...\n  hint: is this the checkpoint of another model?"},
      {{},
       "model.safetensors: expected tensors of a BERT (bert.embeddings.word_embeddings.weight, ...), got none\n  hint: "
       "is this the "
       "checkpoint of another model?"},
  };
  for (const Refusal& refusal : refusals) {
    write_checkpoint(folder.path(), refusal.entries);
    EXPECT_EQ(error_of(folder.path(), [&] { Checkpoint::open(folder.path()); }), refusal.error);
  }
}

TEST(Checkpoint, ReadingSaysWhichTensorIsAbsentMisshapenOrNotFinite) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(),
                   {{"pooler.dense.bias", "F32", "[4]", bytes_of<float>({1, 2, -INFINITY, 4})},
                    {"bert.embeddings.LayerNorm.bias", "F16", "[4]", bytes_of<std::uint16_t>({0, 0x7e00, 0, 0})}});
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const auto read = [&](const char* name, const std::vector<std::int64_t>& shape) {
    return error_of(folder.path(), [&] { checkpoint.read(name, shape); });
  };
  const std::string diverged = "\n  hint: the model diverged before it was saved, or the file is damaged";
  EXPECT_EQ(read("bert.pooler.dense.bias", {4}),
            "model.safetensors: tensor \"bert.pooler.dense.bias\" (\"pooler.dense.bias\" in the file): expected finite "
            "values, got "
            "-inf at element 2" +
                diverged);
  EXPECT_EQ(
      read("bert.embeddings.LayerNorm.bias", {4}),
      "model.safetensors: tensor \"bert.embeddings.LayerNorm.bias\": expected finite values, got nan at element 1" +
          diverged);
  EXPECT_EQ(read("bert.pooler.dense.bias", {2, 2}),
            "model.safetensors: tensor \"bert.pooler.dense.bias\" (\"pooler.dense.bias\" in the file): expected shape "
            "(2, 2), got (4)");
  EXPECT_EQ(read("bert.poler.dense.bias", {4}),
            "model.safetensors: tensor \"bert.poler.dense.bias\": expected in the file, got no such tensor\n  hint: "
            "the nearest name "
            "is \"bert.pooler.dense.bias\"");
}

TEST(Checkpoint, AbsentFilesAreNamed) {
  const TemporaryFolder folder;
  const auto open = [&] { return error_of(folder.path(), [&] { Checkpoint::open(folder.path()); }); };
  EXPECT_EQ(error_of(folder.path(), [&] { Checkpoint::open(folder.path() / "none"); }),
            "none: expected a folder with config.json, vocab.txt and model.safetensors, got no such folder\n  hint: "
            "check the path; "
            "scripts/get_minilm fetches such a folder");
  EXPECT_EQ(open(),
            "model.safetensors: expected the model's weights, got no such file\n  hint: check the folder; "
            "scripts/get_minilm fetches a whole one");
  write_bytes(folder.path() / "pytorch_model.bin", "x");
  EXPECT_EQ(
      open(),
      "model.safetensors: expected the model's weights, got no such file\n  hint: there is pytorch_model.bin; save "
      "the model as one model.safetensors (transformers: save_pretrained)");
  write_bytes(folder.path() / "model.safetensors", safetensors({{kWord, "F32", "[6,4]", f32(24)}}));
  EXPECT_EQ(open(), "config.json: cannot be read: got No such file or directory");
  write_bytes(folder.path() / "config.json", kConfig);
  EXPECT_EQ(open(), "no error");
  write_bytes(folder.path() / "tokenizer_config.json", R"({"do_lower_case":"yes"})");
  EXPECT_EQ(open(), "tokenizer_config.json: do_lower_case: expected true or false, got \"\\\"yes\\\"\"");
}

// kConfig with one thing changed.
std::string changed(const std::string& from, const std::string& to) {
  std::string config = kConfig;
  const std::size_t at = config.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return config.replace(at, from.size(), to);
}

TEST(Config, WhatThisProgramDoesNotComputeIsRefused) {
  const TemporaryFolder folder;
  struct ConfigCase {
    std::string config, error;
  };
  const std::string model_type = R"("model_type":"bert")";
  const ConfigCase cases[] = {
      {changed("\"bert\"", "\"roberta\""),
       "model_type: expected \"bert\", got \"\\\"roberta\\\"\"\n  hint: initlab computes BERT only"},
      {changed(model_type, R"("position_embedding_type":"relative_key")"),
       "position_embedding_type: expected \"absolute\", got \"\\\"relative_key\\\"\"\n  hint: initlab computes BERT's "
       "absolute "
       "positions only"},
      {changed(model_type, R"("hidden_act":"relu")"),
       "hidden_act: expected one of gelu, gelu_new, got \"\\\"relu\\\"\"\n  hint: initlab computes no other"},
      {changed(model_type, R"("is_decoder":true)"),
       "is_decoder: expected false, got \"true\"\n  hint: initlab computes encoders only"},
      {changed(model_type, R"("pruned_heads":{"0":[1]})"),
       "pruned_heads: expected {}, got \"{\\\"0\\\":[1]}\"\n  hint: initlab computes whole attention layers only"},
      {changed(R"("num_attention_heads":2)", R"("num_attention_heads":3)"),
       "hidden_size: expected a multiple of num_attention_heads (3), got 4"},
      {changed("vocab_size\":6", "vocab_siz\":6"),
       "vocab_size: expected an integer from 1 to 67108864, got no such key\n  hint: is this the config.json of a "
       "BERT?"},
      {changed("vocab_size\":6", "vocab_size\":\"6\""),
       "vocab_size: expected an integer from 1 to 67108864, got \"\\\"6\\\"\""},
      {changed("vocab_size\":6", "vocab_size\":6.5"),
       "vocab_size: expected an integer from 1 to 67108864, got \"6.5\""},
      {changed("hidden_size\":4", "hidden_size\":0"), "hidden_size: expected an integer from 1 to 1048576, got \"0\""},
      {changed("hidden_size\":4", "hidden_size\":18446744073709551615"),
       "hidden_size: expected an integer from 1 to 1048576, got \"18446744073709551615\""},
      {changed(model_type, R"("layer_norm_eps":0)"), "layer_norm_eps: expected a number above 0, got \"0\""},
      {changed(model_type, R"("initlab_pooling":"max")"),
       "initlab_pooling: expected one of cls, mean, got \"\\\"max\\\"\"\n  hint: initlab computes no other"},
      {changed(model_type, R"("vocab_size":6)"), "key \"vocab_size\": expected once, got twice"},
      {"[]", "expected a JSON object, got \"[]\""},
  };
  for (const ConfigCase& c : cases) {
    write_checkpoint(folder.path(), {{kWord, "F32", "[6,4]", f32(24)}}, c.config);
    EXPECT_EQ(error_of(folder.path(), [&] { Checkpoint::open(folder.path()); }), "config.json: " + c.error);
  }
}

TEST(Config, WhatIsLeftOutHasBertsDefault) {
  const TemporaryFolder folder;
  const std::vector<Entry> weights = {{kWord, "F32", "[6,4]", f32(24)}};
  write_checkpoint(
      folder.path(), weights,
      R"({"vocab_size":6,"hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":8})");
  const config::ModelConfig model = Checkpoint::open(folder.path()).model();
  EXPECT_EQ(model.max_positions, 512);
  EXPECT_EQ(model.type_vocabulary, 2);
  EXPECT_EQ(model.activation, "gelu");
  EXPECT_EQ(model.layer_norm_epsilon, 1e-12);
  EXPECT_EQ(model.pooling, "cls");
  EXPECT_EQ(Checkpoint::open(folder.path()).cased(), std::nullopt);
  write_checkpoint(folder.path(), weights, changed(R"("model_type":"bert")", R"("hidden_act":"gelu_pytorch_tanh")"));
  EXPECT_EQ(Checkpoint::open(folder.path()).model().activation, "gelu_new");
}

}  // namespace
}  // namespace initlab::checkpoint_test
