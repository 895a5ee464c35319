// Files that lie. Each is refused with a text that says where, what and why; no mutation of a good file crashes the
// reader.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/random.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/names.hpp"

namespace initlab::checkpoint_test {
namespace {

using checkpoint::Checkpoint;
using checkpoint::SafetensorsFile;

std::string length_only(std::uint64_t length) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes;
}

// A header with one tensor "x"; data of n bytes.
std::string one(const std::string& entry, std::size_t n = 4) {
  return safetensors("{\"x\":" + entry + "}", std::string(n, '\0'));
}

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

constexpr const char* kDamaged =
    "\n  hint: the file is damaged or was not written by a safetensors writer; fetch or save it again";
constexpr const char* kTruncated = "\n  hint: the file is truncated; fetch or copy it again";

struct Case {
  const char* what;
  std::string bytes;
  std::string error;  // after "x: "
};

std::vector<Case> cases() {
  const std::string truncated = kTruncated, damaged = kDamaged;
  const auto tensor = [&damaged](const std::string& text) { return "tensor \"x\": " + text + damaged; };
  const std::string good = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  return {
      {"empty file", "", "expected 8 bytes with the header's length, got 0 bytes" + truncated},
      {"seven bytes", "1234567", "expected 8 bytes with the header's length, got 7 bytes" + truncated},
      {"length 0", length_only(0), "header: expected JSON that begins with {, got \"\"" + damaged},
      {"length beyond the file", length_only(17) + "{}",
       "header: expected 17 bytes, as its length says, got 2 bytes" + truncated},
      {"length above the limit", length_only(100'000'001) + "{}",
       "header: expected at most 100000000 bytes, got 100000001 bytes\n  hint: this is probably no safetensors file"},
      {"length 2^64 - 1", length_only(~std::uint64_t{0}) + "{}",
       "header: expected at most 100000000 bytes, got 18446744073709551615 bytes\n  hint: this is probably no "
       "safetensors file"},
      {"length that overflows with 8", length_only(~std::uint64_t{0} - 7) + "{}",
       "header: expected at most 100000000 bytes, got 18446744073709551608 bytes\n  hint: this is probably no "
       "safetensors file"},
      {"a zip file", "PK\x03\x04" + std::string(100, '\0'),
       "header: expected 67324752 bytes, as its length says, got 96 bytes" + truncated},
      {"an array", safetensors("[1]", ""), "header: expected JSON that begins with {, got \"[1]\"" + damaged},
      {"white space first", safetensors(" {}", ""), "header: expected JSON that begins with {, got \" {}\"" + damaged},
      {"bytes that are no UTF-8", safetensors("{\"\xff\":1}", ""), "header: expected UTF-8, got other bytes" + damaged},
      {"deep JSON", safetensors("{\"x\":" + repeat("[", 100'000) + repeat("]", 100'000) + "}", ""),
       "header: expected JSON nested at most 8 deep, got deeper"},
      {"the same name twice", safetensors("{\"x\":" + good + ",\"x\":" + good + "}", f32(1)),
       "header: key \"x\": expected once, got twice"},
      {"dtype twice", one(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
       "header: key \"dtype\": expected once, got twice"},
      {"a million tensors", safetensors("{" + repeat("\"a\":{},", 1'000'000) + "\"b\":{}}", ""),
       "header: expected at most 16384 tensors, got more" + damaged},
      {"two million dimensions",
       one(R"({"dtype":"F32","shape":[)" + repeat("1,", 2'000'000) + R"(1],"data_offsets":[0,4]})"),
       "header: expected at most 1048576 values, got more" + damaged},
      {"33 dimensions", one(R"({"dtype":"F32","shape":[)" + repeat("1,", 32) + R"(1],"data_offsets":[0,4]})"),
       tensor("shape: expected a list of at most 32 integers, got \"[" + repeat("1,", 32) + "1]\"")},
      {"a tensor that is a number", one("7"),
       tensor("expected an object with dtype, shape and data_offsets, got \"7\"")},
      {"no shape", one(R"({"dtype":"F32","data_offsets":[0,4],"x":0})"),
       tensor("expected an object with dtype, shape and data_offsets, got "
              "\"{\\\"dtype\\\":\\\"F32\\\",\\\"data_offsets\\\":[0,4],\\\"x\\\":0}\"")},
      {"no data_offsets", one(R"({"dtype":"F32","shape":[1]})"),
       tensor("expected an object with dtype, shape and data_offsets, got "
              "\"{\\\"dtype\\\":\\\"F32\\\",\\\"shape\\\":[1]}\"")},
      {"unknown type", one(R"({"dtype":"F31","shape":[1],"data_offsets":[0,4]})"),
       tensor("dtype: expected F32, F16, BF16 or another type of whole bytes, got \"\\\"F31\\\"\"")},
      {"type that is a number", one(R"({"dtype":32,"shape":[1],"data_offsets":[0,4]})"),
       tensor("dtype: expected F32, F16, BF16 or another type of whole bytes, got \"32\"")},
      {"negative size", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"),
       tensor("shape: expected non-negative integers, got \"[-1]\"")},
      {"broken size", one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})"),
       tensor("shape: expected non-negative integers, got \"[1.0]\"")},
      {"size of text", one(R"({"dtype":"F32","shape":["1"],"data_offsets":[0,4]})"),
       tensor("shape: expected non-negative integers, got \"[\\\"1\\\"]\"")},
      {"size 2^63", one(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]})"),
       tensor("shape: expected non-negative integers, got \"[9223372036854775808]\"")},
      {"10^18 elements", one(R"({"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]})"),
       tensor("data_offsets: expected 4000000000000000000 bytes for F32 (1000000000, 1000000000), got 4 bytes")},
      {"product that wraps to 4 bytes", one(R"({"dtype":"F32","shape":[4611686018427387905,1],"data_offsets":[0,4]})"),
       tensor("shape: expected less than 2^64 bytes, got \"[4611686018427387905,1]\"")},
      {"offsets with one number", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})"),
       tensor("data_offsets: expected [begin, end] with 0 <= begin <= end, got \"[0]\"")},
      {"offsets in reverse", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
       tensor("data_offsets: expected [begin, end] with 0 <= begin <= end, got \"[4,0]\"")},
      {"negative offset", one(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})"),
       tensor("data_offsets: expected [begin, end] with 0 <= begin <= end, got \"[-4,0]\"")},
      {"offsets of another size", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"),
       tensor("data_offsets: expected 8 bytes for F32 (2), got 4 bytes")},
      {"data beyond the file", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
       "tensor \"x\": expected data up to byte 8, got 4 bytes of data in the file" + truncated},
      {"offsets far beyond",
       one(R"({"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]})"),
       "tensor \"x\": expected data up to byte 9223372036854775807, got 4 bytes of data in the file" + truncated},
      {"overlap",
       safetensors(
           R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"y":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
           f32(3)),
       tensor("expected data from byte 8 on, got an overlap at byte 4")},
      {"hole",
       safetensors(
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
           f32(3)),
       tensor("expected data from byte 4 on, got a hole up to byte 8")},
      {"hole at the start", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8),
       tensor("expected data from byte 0 on, got a hole up to byte 4")},
      {"trailing bytes", one(good, 5),
       "data: expected 4 bytes for all tensors, got 5 bytes (trailing bytes)" + damaged},
      {"no tensor but data", safetensors("{}", "x"),
       "data: expected 0 bytes for all tensors, got 1 byte (trailing bytes)" + damaged},
      {"metadata that is text", safetensors(R"({"__metadata__":"pt"})", ""),
       "__metadata__: expected an object, got \"\\\"pt\\\"\"" + damaged},
      {"metadata with a number", safetensors(R"({"__metadata__":{"n":1}})", ""),
       "__metadata__ \"n\": expected text, got \"1\"" + damaged},
  };
}

TEST(Hostile, EveryMalformedFileIsRefusedWithItsReason) {
  const TemporaryFolder folder;
  ASSERT_GE(cases().size(), 20u);
  for (const Case& c : cases()) {
    write_bytes(folder.path() / "x", c.bytes);
    EXPECT_EQ(error_of(folder.path(), [&] { SafetensorsFile file(folder.path() / "x"); }), "x: " + c.error) << c.what;
  }
}

TEST(Hostile, JsonErrorsAreShortHoweverLongTheText) {
  const TemporaryFolder folder;
  for (const std::string& header :
       {std::string("{"), "{\"" + std::string(1 << 20, 'a'), std::string("{\"x\":1e999}"), std::string("{} {}")}) {
    write_bytes(folder.path() / "x", safetensors(header, ""));
    const std::string text = error_of(folder.path(), [&] { SafetensorsFile file(folder.path() / "x"); });
    EXPECT_TRUE(text.starts_with("x: header: not JSON: got [json.exception.")) << text.substr(0, 100);
    EXPECT_LT(text.size(), 500u);
  }
}

TEST(Hostile, FoldersPipesAndAbsentFilesAreRefused) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "folder");
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  const auto open = [&](const char* name) {
    return error_of(folder.path(), [&] { SafetensorsFile file(folder.path() / name); });
  };
  EXPECT_EQ(open("folder"), "folder: expected a file, got something else (a folder or device)");
  EXPECT_EQ(open("pipe"), "pipe: expected a file, got something else (a folder or device)");
  EXPECT_EQ(open("none"), "none: cannot be read: got No such file or directory");
}

// Opens a checkpoint and reads all it claims to have. True where nothing was wrong.
bool opens_and_reads(const std::filesystem::path& folder) {
  try {
    const Checkpoint checkpoint = Checkpoint::open(folder);
    for (const checkpoint::KnownTensor& known : checkpoint::known_tensors(checkpoint.model()))
      if (const checkpoint::TensorInfo* tensor = checkpoint.find(known.name))
        checkpoint.read(known.name, tensor->shape);
    return true;
  } catch (const base::Error& error) {  // any other exception ends the test
    EXPECT_FALSE(error.complaint().place.empty()) << error.what();
    return false;
  }
}

TEST(Hostile, ThousandsOfMutationsOpenOrAreRefused) {
  const TemporaryFolder folder;
  const std::vector<Entry> entries = {{"embeddings.word_embeddings.weight", "F32", "[6,4]", f32(24)},
                                      {"embeddings.LayerNorm.gamma", "F16", "[4]", std::string(8, '\x3c')},
                                      {"embeddings.position_ids", "I64", "[1,3]", std::string(24, '\0')},
                                      {"cls.predictions.decoder.weight", "F32", "[6,4]", f32(24)}};
  write_checkpoint(folder.path(), entries);
  ASSERT_TRUE(opens_and_reads(folder.path()));
  const std::string weights = safetensors(entries), config = kConfig;
  const base::Stream random(2025, "checkpoint mutations");
  std::uint64_t draws = 0;
  const auto below = [&](std::uint64_t bound) { return random.below(draws++, bound); };
  int opened = 0, refused = 0;
  for (int round = 0; round < 6000; ++round) {
    const bool of_config = round % 4 == 0;
    std::string bytes = of_config ? config : weights;
    const std::uint64_t kind = below(8);
    if (kind == 0) {  // cut off
      bytes.resize(below(bytes.size()));
    } else if (kind == 1) {  // more digits somewhere
      const std::uint64_t at = below(bytes.size());
      bytes.insert(at, 1 + below(9), '9');
    } else {  // up to four other bytes, mostly in the header
      const std::uint64_t end = kind < 6 ? std::min<std::size_t>(bytes.size(), 400) : bytes.size();
      for (std::uint64_t changes = 1 + below(4); changes > 0; --changes) {
        const std::uint64_t at = below(end);
        bytes[at] = static_cast<char>(below(256));
      }
    }
    write_bytes(folder.path() / "config.json", of_config ? bytes : config);
    write_bytes(folder.path() / "model.safetensors", of_config ? weights : bytes);
    (opens_and_reads(folder.path()) ? opened : refused) += 1;
  }
  EXPECT_GT(opened, 300);  // other data, or a letter of a name
  EXPECT_GT(refused, 3000);
}

}  // namespace
}  // namespace initlab::checkpoint_test
