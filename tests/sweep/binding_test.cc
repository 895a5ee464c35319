// Cores for workers: each its own, and the process is where it was told to be.
#include "sweep/binding.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/error.hpp"

namespace initlab::sweep {
namespace {

TEST(Binding, SharesAreDistinct) {
  const std::vector<int> cores = {0, 2, 4, 6, 1, 3};
  EXPECT_EQ(share_out(cores, 3, 2), (std::vector<std::vector<int>>{{0, 2}, {4, 6}, {1, 3}}));
  EXPECT_EQ(share_out(cores, 2, 1), (std::vector<std::vector<int>>{{0}, {2}}));
  EXPECT_EQ(to_text({4, 6}), "4,6");
  EXPECT_EQ(to_text({}), "");
}

TEST(Binding, TooFewCoresAreRefused) {
  try {
    share_out({0, 1, 2}, 2, 2);
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_STREQ(error.what(),
                 "command line: --bind: expected 2 x 2 cores (jobs x threads), got 3 that this process may use\n"
                 "  hint: fewer --jobs, or no --bind");
  }
}

TEST(Binding, AvailableCoresAreThoseOfTheProcess) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const std::vector<int> cores = available_cores();
  EXPECT_EQ(cores.size(), static_cast<std::size_t>(CPU_COUNT(&set)));
  EXPECT_EQ(std::set<int>(cores.begin(), cores.end()).size(), cores.size());
  for (const int core : cores) EXPECT_TRUE(CPU_ISSET(core, &set)) << core;
}

// In a process of its own: a test must not bind the others.
TEST(Binding, BindsThisProcess) {
  const int core = available_cores().back();
  const pid_t pid = ::fork();
  if (pid == 0) {
    bind_to({core});
    ::_exit(available_cores() == std::vector<int>{core} && ::sched_getcpu() == core ? 0 : 1);
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Binding, ACoreThatIsNotThereIsRefused) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    try {
      bind_to({CPU_SETSIZE - 1});
    } catch (const base::Error& error) {
      ::_exit(std::string(error.what()).find("--bind") == std::string::npos ? 2 : 0);
    }
    ::_exit(available_cores().size() == CPU_SETSIZE ? 0 : 1);
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace initlab::sweep
