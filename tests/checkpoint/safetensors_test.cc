// The container: what a valid file holds is what comes out, bit by bit, in three number formats.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/hash.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"

namespace initlab::checkpoint_test {
namespace {

using checkpoint::SafetensorsFile;
using checkpoint::TensorInfo;

SafetensorsFile file_with(const TemporaryFolder& folder, const std::vector<Entry>& entries) {
  write_bytes(folder.path() / "x.safetensors", safetensors(entries));
  return SafetensorsFile(folder.path() / "x.safetensors");
}

std::string every_16_bits() {
  std::vector<std::uint16_t> all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  return bytes_of(all);
}

// The value of a binary floating-point number by its definition (IEEE 754, 3.4), for formats that a double holds
// exactly.
double by_definition(std::uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double mantissa = static_cast<double>(bits & ((1u << mantissa_bits) - 1)) / (1 << mantissa_bits);
  const double sign = ((bits >> (exponent_bits + mantissa_bits)) & 1) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa == 0 ? sign * INFINITY : NAN;
  return exponent == 0 ? sign * std::ldexp(mantissa, 1 - bias) : sign * std::ldexp(1 + mantissa, exponent - bias);
}

void expect_every_16_bits(const char* dtype, int exponent_bits, int mantissa_bits) {
  const TemporaryFolder folder;
  const SafetensorsFile file = file_with(folder, {{"x", dtype, "[256,256]", every_16_bits()}});
  const std::vector<float> values = file.read(file.tensors()[0]);
  ASSERT_EQ(values.size(), 65536u);
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const double expected = by_definition(bits, exponent_bits, mantissa_bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(values[bits])) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(values[bits]), expected) << bits;
      ASSERT_EQ(std::signbit(values[bits]), std::signbit(expected)) << bits;
    }
  }
}

TEST(Safetensors, EveryF16IsItsValue) { expect_every_16_bits("F16", 5, 10); }
TEST(Safetensors, EveryBf16IsItsValue) { expect_every_16_bits("BF16", 8, 7); }

TEST(Safetensors, F32KeepsEveryBit) {
  const TemporaryFolder folder;
  const std::vector<std::uint32_t> bits = {0x00000001, 0x80000000, 0x3f800001, 0x7f800000, 0xff7fffff, 0x7fc00123};
  const SafetensorsFile file = file_with(folder, {{"x", "F32", "[2,3]", bytes_of(bits)}});
  const std::vector<float> values = file.read(file.tensors()[0]);
  ASSERT_EQ(values.size(), bits.size());
  for (std::size_t i = 0; i < bits.size(); ++i) EXPECT_EQ(std::bit_cast<std::uint32_t>(values[i]), bits[i]);
}

TEST(Safetensors, HeaderIsReadInTheOrderOfTheData) {
  const TemporaryFolder folder;
  const std::string header =
      R"({"b":{"shape":[3],"data_offsets":[4,16],"dtype":"F32"},"__metadata__":{"format":"pt","x":""},)"
      R"("a":{"dtype":"I32","shape":[],"data_offsets":[0,4]},"empty":{"dtype":"F64","shape":[0,1000000000000000000],"data_offsets":[4,4]}}   )";
  write_bytes(folder.path() / "x", safetensors(header, f32(1) + f32(3, 5)));
  const SafetensorsFile file(folder.path() / "x");
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensors()[0].key, "a");
  EXPECT_EQ(file.tensors()[1].key, "empty");
  EXPECT_EQ(file.tensors()[2].key, "b");
  EXPECT_TRUE(file.tensors()[0].shape.empty());
  EXPECT_EQ(checkpoint::element_count(file.tensors()[0]), 1u);
  EXPECT_EQ(checkpoint::element_count(file.tensors()[1]), 0u);
  EXPECT_EQ(file.read(*file.find("b")), (std::vector<float>{5, 6, 7}));
  EXPECT_EQ(file.find("c"), nullptr);
}

TEST(Safetensors, ReadsTheFileThatWasOpenedAlthoughItsNameNowMeansAnother) {
  const TemporaryFolder folder;
  const SafetensorsFile file = file_with(folder, {{"x", "F32", "[2]", f32(2, 1)}});
  std::filesystem::remove(file.path());
  write_bytes(file.path(), safetensors({{"x", "F32", "[2]", f32(2, 100)}}));
  EXPECT_EQ(file.read(file.tensors()[0]), (std::vector<float>{1, 2}));
}

TEST(Safetensors, FileThatShrinksAfterOpeningIsAnErrorWithTheTensor) {
  const TemporaryFolder folder;
  const SafetensorsFile file = file_with(folder, {{"x", "F32", "[200]", f32(200)}});
  std::filesystem::resize_file(file.path(), 200);
  EXPECT_EQ(error_of(folder.path(), [&] { file.read(file.tensors()[0]); }),
            "x.safetensors: tensor \"x\": expected 800 bytes of data, got less: the file changed while it was read\n"
            "  hint: the file is truncated; fetch or copy it again");
}

TEST(Safetensors, OtherTypesAreListedButNotRead) {
  const TemporaryFolder folder;
  const SafetensorsFile file = file_with(folder, {{"x", "I64", "[1]", f32(2)}});
  EXPECT_EQ(error_of(folder.path(), [&] { file.read(file.tensors()[0]); }),
            "x.safetensors: tensor \"x\": expected F32, F16 or BF16, got I64");
}

TEST(Safetensors, ShapesAsText) {
  EXPECT_EQ(checkpoint::shape_text(std::vector<std::int64_t>{}), "()");
  EXPECT_EQ(checkpoint::shape_text(std::vector<std::int64_t>{2, 128}), "(2, 128)");
  EXPECT_EQ(checkpoint::shape_text(std::vector<std::int64_t>{-1, 128}), "(n, 128)");
}

}  // namespace
}  // namespace initlab::checkpoint_test
