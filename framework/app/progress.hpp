// What a long sweep shows: one line that moves on a terminal, plain lines in a log. Writes to standard error.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sweep/prepare.hpp"
#include "sweep/workers.hpp"

namespace initlab::app {

class ProgressDisplay {
 public:
  explicit ProgressDisplay(const std::vector<std::shared_ptr<const sweep::Prepared>>& runs, int jobs);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;
  void show(const sweep::Event& event);

 private:
  using Clock = std::chrono::steady_clock;
  std::string name(std::size_t run) const;
  std::string status() const;
  void clear_line();

  const std::vector<std::shared_ptr<const sweep::Prepared>>& runs_;
  int jobs_;
  bool terminal_;
  std::size_t ended_ = 0;
  double seconds_ended_ = 0;
  std::map<std::size_t, train::Progress> working_;
  Clock::time_point last_line_;
  bool line_shown_ = false;
};

// "1h02m", "3m20s", "12s".
std::string duration_text(double seconds);

}  // namespace initlab::app
