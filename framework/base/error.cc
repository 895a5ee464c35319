#include "base/error.hpp"

namespace initlab::base {
namespace {

std::string message(const Complaint& c) {
  std::string text = c.place;
  const auto add = [&text](const std::string& part, const char* separator) {
    if (part.empty()) return;
    if (!text.empty()) text += separator;
    text += part;
  };
  add(c.subject, ": ");
  if (!c.expected.empty()) add("expected " + c.expected, ": ");
  if (!c.got.empty()) add("got " + c.got, c.expected.empty() ? ": " : ", ");
  if (!c.hint.empty()) text += "\n  hint: " + c.hint;
  return text;
}

}  // namespace

Error::Error(Complaint complaint) : std::runtime_error(message(complaint)), complaint_(std::move(complaint)) {}

Error Error::at(const std::string& place) const {
  Complaint moved = complaint_;
  moved.place = moved.place.empty() ? place : place + ": " + moved.place;
  return Error(std::move(moved));
}

}  // namespace initlab::base
