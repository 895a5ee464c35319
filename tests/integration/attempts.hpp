// attempts.jsonl of a results folder: who had which run when.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "integration/program.hpp"

namespace initlab::integration {

inline std::vector<base::Json> attempts_of(const fs::path& folder) {
  std::vector<base::Json> all;
  std::ifstream file(folder / "attempts.jsonl");
  for (std::string line; std::getline(file, line);) all.push_back(base::parse_json(line, "attempts"));
  return all;
}

// One life after another: started, then an end, then perhaps started again; never again once it has finished. A process
// may be killed when its run is done and the log does not say so yet, or when it does and the lock is still there.
inline void expect_orderly(const std::vector<base::Json>& attempts) {
  std::map<std::string, std::vector<base::Json>> by_run;
  for (const base::Json& attempt : attempts) by_run[attempt["run"]].push_back(attempt);
  for (const auto& [run, lives] : by_run) {
    std::int64_t owner = 0;
    int finished = 0;
    for (const base::Json& life : lives) {
      SCOPED_TRACE(run + " " + life.dump());
      if (life["event"] == "started") {
        EXPECT_EQ(finished, 0) << "a finished run is not run again";
        EXPECT_EQ(owner, 0) << "two owners";
        owner = life["pid"];
      } else if (owner != 0) {
        EXPECT_EQ(life["pid"], owner);
        owner = 0;
        finished += life["event"] == "finished" ? 1 : 0;
      } else {
        EXPECT_EQ(life["event"], "died") << "a lock without a start, or after the end: it died in between";
      }
    }
    const base::Json& last = lives.back()["event"];
    EXPECT_TRUE(finished == 1 || last == "died" || last == "started") << run << " ended with " << last;
  }
}

}  // namespace initlab::integration
