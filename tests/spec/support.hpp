// What the tests of spec/ share: a spec that is right, small files in a folder of their own, and the text of an error.
#pragma once

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "error_of.hpp"
#include "spec/spec.hpp"

namespace initlab::spec {

// Lines 1 to 5 of a spec that passes; tests add lines or change one.
inline const std::string kSmall =
    "experiment: small\n"
    "model: {shape: tiny, vocabulary: microworld}\n"
    "task: {name: sentiment, data: microworld}\n"
    "arms:\n"
    "  zero: [{use: zero}]\n";

inline ExperimentSpec from(const std::string& text, const std::vector<Override>& overrides = {},
                           const std::map<std::string, std::string>& defaults = {}) {
  return from_text(text, "s.yaml", overrides, defaults);
}

// A folder that is there for one test and gone after it.
class Folder {
 public:
  Folder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            ("initlab-spec-" + std::to_string(::getpid()) + "-" + test->test_suite_name() + "-" + test->name());
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace initlab::spec
