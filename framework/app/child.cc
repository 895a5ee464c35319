#include "app/child.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/error.hpp"

namespace initlab::app {
namespace {

struct Child {
  pid_t process = -1;
  int answers = -1;  // the end of the pipe that is read
};

void send(int to, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = ::write(to, text.data() + sent, text.size() - sent);
    if (n < 0 && errno != EINTR) return;
    sent += n < 0 ? 0 : static_cast<std::size_t>(n);
  }
}

Child start(const std::function<base::Json()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw base::Error({"", "a pipe", "", std::strerror(errno), ""});
  const pid_t process = ::fork();
  if (process < 0) throw base::Error({"", "a process", "", std::strerror(errno), ""});
  if (process == 0) {
    ::close(ends[0]);
    base::Json answer;
    try {
      answer = {{"result", work()}};
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    send(ends[1], base::json_text(answer));
    ::_exit(0);
  }
  ::close(ends[1]);
  return {process, ends[0]};
}

// What it wrote before it ended; empty where it died.
std::string finish(const Child& child) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(child.answers, buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno != EINTR) break;
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(child.answers);
  int status = 0;
  while (::waitpid(child.process, &status, 0) < 0 && errno == EINTR) {
  }
  return text;
}

base::Json result_of(const std::string& text) {
  if (text.empty()) throw std::runtime_error("the process that measured ended without an answer");
  base::Json answer = base::parse_json(text, "the process that measured");
  if (answer.contains("error")) throw std::runtime_error(answer["error"].get<std::string>());
  return answer["result"];
}

}  // namespace

std::vector<base::Json> in_children(const std::vector<std::function<base::Json()>>& works) {
  std::vector<Child> children;
  for (const auto& work : works) children.push_back(start(work));
  std::vector<std::string> answers;
  for (const Child& child : children) answers.push_back(finish(child));
  std::vector<base::Json> results;
  for (const std::string& answer : answers) results.push_back(result_of(answer));
  return results;
}

base::Json in_a_child(const std::function<base::Json()>& work) { return in_children({work}).front(); }

}  // namespace initlab::app
