#include "app/figure_files.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "report/gnuplot.hpp"

namespace initlab::app {
namespace fs = std::filesystem;

namespace {

// Exit code of a program that runs in a folder; what it says goes where ours does.
int run_in(const fs::path& folder, const fs::path& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw base::Error({program.string(), "a process", "", std::strerror(errno), ""});
  if (process == 0) {
    if (::chdir(folder.c_str()) == 0) ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

fs::path find_gnuplot() {
  for (const std::string_view folder : base::split(base::environment("PATH", "/usr/bin:/bin"), ':')) {
    const fs::path candidate = fs::path(folder.empty() ? "." : folder) / "gnuplot";
    if (::access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate)) return fs::absolute(candidate);
  }
  throw base::Error({"command line", "--figures", "gnuplot on PATH", "none", "Debian has it as gnuplot-nox"});
}

void write_figures(const fs::path& gnuplot, const fs::path& folder, const std::vector<const report::Figure*>& figures) {
  base::make_folder(folder);
  std::vector<std::string> scripts;
  for (const report::Figure* figure : figures) {
    scripts.push_back(report::legend_of(*figure).id + ".gp");
    base::write_file(folder / scripts.back(), report::gnuplot_script(*figure));
  }
  if (scripts.empty()) return;
  if (const int code = run_in(folder, gnuplot, scripts); code != 0)
    throw base::Error({folder.string(), "figures", "gnuplot to draw them", "its exit code " + std::to_string(code),
                       "what it said stands above; the scripts are the .gp files there"});
}

}  // namespace initlab::app
