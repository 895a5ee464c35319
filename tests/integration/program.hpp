// Runs the built program as a user does and keeps what it said.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>
#include "paths.hpp"

namespace initlab::integration {

namespace fs = std::filesystem;

inline std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

struct Said {
  int code = -1;  // exit code, or minus the signal
  std::string out, err;
};

// A folder of its own for each test, removed afterwards.
class ProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / (std::string("initlab_") + info->test_suite_name() + "_" + info->name() +
                                              "_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Starts a command (searched on PATH unless it is a path); streams go to files below the test's folder, whose names
  // begin with `streams`. Commands that run at the same time need different ones.
  pid_t start(const std::vector<std::string>& command, const std::string& input = {},
              const std::string& streams = "std") const {
    write(folder_ / (streams + "in"), input);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const auto redirect = [&](const char* name, int flags, int target) {
      const int fd = ::open((folder_ / (streams + name)).c_str(), flags, 0644);
      ::dup2(fd, target);
    };
    redirect("in", O_RDONLY, 0);
    redirect("out", O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect("err", O_WRONLY | O_CREAT | O_TRUNC, 2);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  Said finish(pid_t pid) const {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), slurp(folder_ / "stdout"),
            slurp(folder_ / "stderr")};
  }

  Said command(const std::vector<std::string>& words, const std::string& input = {}) const {
    return finish(start(words, input));
  }

  Said initlab(std::vector<std::string> arguments, const std::string& input = {}) const {
    arguments.insert(arguments.begin(), program());
    return command(arguments, input);
  }

  // Code 0: two run files are equal in all but times.
  Said h5diff(const fs::path& a, const fs::path& b) const {
    return command({"h5diff", "-v1", "--exclude-path", "/train/seconds", "--exclude-path", "/eval/seconds",
                    "--exclude-path", "/provenance/started", "--exclude-path", "/provenance/resumed", a.string(),
                    b.string()});
  }

  static std::string program() { return initlab::paths::binary_dir() + "/initlab"; }
  static fs::path source() { return initlab::paths::source_dir(); }
  static fs::path data() {
    const char* set = std::getenv("INITLAB_DATA");
    return set != nullptr && *set != '\0' ? fs::path(set) : source() / "../shared/data";
  }

  static std::vector<fs::path> run_files(const fs::path& below) { return files_ending(below, ".h5"); }
  // States to go on from that are whole: what is being written has another ending.
  static std::vector<fs::path> states(const fs::path& below) {
    std::vector<fs::path> files = files_ending(below, ".safetensors");
    std::erase_if(files, [](const fs::path& file) { return file.string().find(".state-") == std::string::npos; });
    return files;
  }

  fs::path folder_;

 private:
  // Also while others write and remove there.
  static std::vector<fs::path> files_ending(const fs::path& below, const std::string& ending) {
    std::vector<fs::path> files;
    std::error_code gone;
    for (auto entry = fs::recursive_directory_iterator(below, gone); entry != fs::end(entry); entry.increment(gone))
      if (entry->path().extension() == ending) files.push_back(entry->path());
    std::sort(files.begin(), files.end());
    return files;
  }
};

}  // namespace initlab::integration
