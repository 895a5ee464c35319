// The one exception type: what went wrong, for the person who must fix it.
//
// Message: "place: subject: expected X, got Y" and, on a line of its own, "hint: ...". Parts that are empty are left
// out. Programmer errors are asserts, not Errors. Exit code 2 belongs to Error (the input is wrong), 1 to a run that
// failed.
#pragma once

#include <stdexcept>
#include <string>

namespace initlab::base {

struct Complaint {
  std::string place;     // file:line:column, a path, or "command line"
  std::string subject;   // what it is about: "training.batch", "tensor bert.pooler.dense.weight"
  std::string expected;  // "a number above 0"
  std::string got;       // "\"fast\"" (quoted and shortened by base::quote)
  std::string hint;      // the next step to try; may be empty
};

class Error : public std::runtime_error {
 public:
  explicit Error(Complaint complaint);
  const Complaint& complaint() const { return complaint_; }
  // The same complaint with a place put before whatever place it has.
  Error at(const std::string& place) const;

 private:
  Complaint complaint_;
};

}  // namespace initlab::base
