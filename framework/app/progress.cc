#include "app/progress.hpp"

#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "base/text.hpp"

namespace initlab::app {
namespace {

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

ProgressDisplay::ProgressDisplay(const std::vector<std::shared_ptr<const sweep::Prepared>>& runs, int jobs)
    : runs_(runs), jobs_(jobs), terminal_(::isatty(STDERR_FILENO) == 1), last_line_(Clock::now()) {}

ProgressDisplay::~ProgressDisplay() { clear_line(); }

std::string ProgressDisplay::name(std::size_t run) const {
  const config::RunPlan& plan = runs_[run]->plan;
  std::string text = plan.arm;
  for (const auto& [path, value] : plan.settings) text += " " + path + "=" + base::json_text(value);
  return text + " r" + std::to_string(plan.replicate);
}

std::string ProgressDisplay::status() const {
  std::string text = std::to_string(ended_) + "/" + std::to_string(runs_.size()) + " runs";
  double left = 0, rate = 0;
  for (const auto& [run, progress] : working_) {
    text.append(" | ").append(name(run)).append(" step ").append(std::to_string(progress.step));
    if (progress.total > 0) text.append("/").append(std::to_string(progress.total));
    text.append(" loss ").append(base::fixed(progress.loss, 4));
    left = std::max(left, progress.seconds_left);
    rate += progress.tokens_per_second;
  }
  const std::size_t waiting = runs_.size() - ended_ - working_.size();
  if (ended_ > 0) left += static_cast<double>(waiting) * seconds_ended_ / static_cast<double>(ended_) / jobs_;
  text += " | " + base::fixed(rate, 0) + " tokens/s";
  if (ended_ > 0 || waiting == 0) text += " | ETA " + duration_text(left);
  return text;
}

void ProgressDisplay::clear_line() {
  if (!line_shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  line_shown_ = false;
}

void ProgressDisplay::show(const sweep::Event& event) {
  using Kind = sweep::Event::Kind;
  const std::string place =
      "run " + std::to_string(event.run + 1) + "/" + std::to_string(runs_.size()) + " " + name(event.run);
  if (event.kind == Kind::started) return;
  if (event.kind == Kind::progress) {
    working_[event.run] = event.progress;
    if (terminal_) {
      clear_line();
      std::fputs(status().substr(0, terminal_width() - 1).c_str(), stderr);
      std::fflush(stderr);
      line_shown_ = true;
    } else if (Clock::now() - last_line_ > std::chrono::seconds(20)) {
      last_line_ = Clock::now();
      spdlog::info("{}", status());
    }
    return;
  }
  clear_line();
  working_.erase(event.run);
  if (event.kind == Kind::elsewhere) {
    spdlog::info("{}: another process has it", place);
    return;
  }
  if (event.kind == Kind::again) {
    spdlog::warn("{}: failed: {}; once more", place, event.reason);
    return;
  }
  ++ended_;
  if (event.kind == Kind::exists) {
    spdlog::info("{}: finished by another process", place);
    return;
  }
  seconds_ended_ += event.seconds;
  if (event.kind == Kind::finished)
    spdlog::info("{}: finished in {}{}", place, duration_text(event.seconds),
                 event.reason.empty() ? "" : "; " + event.reason);
  if (event.kind == Kind::diverged) spdlog::info("{}: diverged: {}", place, event.reason);
  if (event.kind == Kind::failed) spdlog::error("{}: failed: {}", place, event.reason);
  if (event.kind == Kind::interrupted) spdlog::warn("{}: interrupted: {}", place, event.reason);
}

std::string duration_text(double seconds) {
  const auto s = static_cast<long>(std::lround(seconds));
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%ldh%02ldm", s / 3600, s / 60 % 60);
  } else if (s >= 60) {
    std::snprintf(text, sizeof text, "%ldm%02lds", s / 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%.1fs", seconds);
  }
  return text;
}

}  // namespace initlab::app
