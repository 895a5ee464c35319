// Files: bounded in, all or nothing out.
#include "base/file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/hash.hpp"

namespace initlab::base {
namespace {

class File : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("initlab_file_test_" + std::to_string(::getpid()));
};

TEST_F(File, WritesWholeAndReadsBack) {
  const std::string bytes = std::string("a\0b\n", 4) + std::string(100000, 'x');
  write_file(folder_ / "f", bytes);
  EXPECT_EQ(read_file(folder_ / "f"), bytes);
  EXPECT_EQ(sha256_hex_of_file(folder_ / "f"), sha256_hex(bytes));
  write_file(folder_ / "f", "short");
  EXPECT_EQ(read_file(folder_ / "f"), "short");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "a temporary file was left behind";
}

TEST_F(File, RefusesWithThePath) {
  EXPECT_THROW(read_file(folder_ / "none"), Error);
  EXPECT_THROW(read_file(folder_), Error);
  write_file(folder_ / "f", "12345");
  EXPECT_THROW(read_file(folder_ / "f", 4), Error);
  EXPECT_THROW(write_file(folder_ / "no" / "such" / "folder", ""), Error);
  EXPECT_THROW(make_folder(folder_ / "f"), Error);
  try {
    read_file(folder_ / "none");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "none").string()), std::string::npos);
  }
}

}  // namespace
}  // namespace initlab::base
