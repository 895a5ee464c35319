// The message of the Error that `action` throws; "no error" where it throws none.
#pragma once

#include <string>

#include "base/error.hpp"

namespace initlab {

template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace initlab
