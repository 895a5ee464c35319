// What a verb of the program is, and the visible list of all of them. One file per verb.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace initlab::app {

namespace po = boost::program_options;

struct Context {
  std::string program;  // path of the executable, for finding plugins
};

struct Verb {
  const char* name;
  const char* synopsis;  // after "initlab NAME"
  const char* summary;   // one line
  const char* details;   // a paragraph for `initlab help NAME`
  void (*declare)(po::options_description&, po::positional_options_description&);
  int (*run)(const po::variables_map&, const Context&);  // exit code
};

extern const Verb kRun, kPlan, kSubmit, kStatus, kCompare, kReport, kVerify, kRecover, kTail, kExport, kIndex, kShow,
    kAudit, kInspect, kPlugins, kTokenize, kData, kSelftest, kBench;
const std::vector<const Verb*>& verbs();

// Exit codes: 0 done, 1 a run failed, 2 the input is wrong, 130 stopped by the user.
inline constexpr int kDone = 0, kRunFailed = 1, kWrongInput = 2, kStopped = 130;

}  // namespace initlab::app
