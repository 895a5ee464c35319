// One Python process that opens run files with h5py, so that a test can ask it hundreds of times.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/json.hpp"
#include "paths.hpp"

namespace initlab::integration {

class H5py {
 public:
  H5py() {
    int to[2], from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) return;
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(to[0], 0);
      ::dup2(from[1], 1);
      const char* named = std::getenv("INITLAB_PYTHON");
      const std::string python = named != nullptr && *named != '\0' ? named : "/usr/bin/python3";
      const std::string script = paths::source_dir() + "/tests/integration/h5py_reads.py";
      ::execlp(python.c_str(), python.c_str(), "-B", script.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    questions_ = ::fdopen(to[1], "w");
    answers_ = ::fdopen(from[0], "r");
  }
  ~H5py() {
    if (questions_ != nullptr) std::fclose(questions_);
    if (answers_ != nullptr) std::fclose(answers_);
    if (process_ > 0) ::waitpid(process_, nullptr, 0);
  }
  H5py(const H5py&) = delete;
  H5py& operator=(const H5py&) = delete;

  // {"state", "rows", "steps", "evals"} as h5py_reads.py says them, or {"error"}; null where Python or h5py is absent.
  base::Json look_at(const std::string& file) {
    if (questions_ == nullptr) return nullptr;
    const auto before = std::signal(SIGPIPE, SIG_IGN);  // it may be gone
    const bool asked = std::fprintf(questions_, "%s\n", file.c_str()) > 0 && std::fflush(questions_) == 0;
    std::signal(SIGPIPE, before);
    if (!asked) return nullptr;
    std::string line;
    for (int c = std::fgetc(answers_); c != EOF && c != '\n'; c = std::fgetc(answers_)) line += static_cast<char>(c);
    return line.empty() ? base::Json(nullptr) : base::parse_json(line, "h5py");
  }

 private:
  pid_t process_ = -1;
  FILE* questions_ = nullptr;
  FILE* answers_ = nullptr;
};

}  // namespace initlab::integration
