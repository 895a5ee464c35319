#include "base/json.hpp"

#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::base {

Json parse_json(std::string_view text, const std::string& place, int most_depth) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto callback = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > most_depth)
      throw Error({place, "", "JSON nested at most " + std::to_string(most_depth) + " deep", "deeper", ""});
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw Error({place, "key " + quote(parsed.get<std::string>()), "once", "twice", ""});
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), callback);
  } catch (const Json::exception& error) {
    std::string reason = error.what();  // quotes the text it stopped at, however long that is
    if (reason.size() > 300) reason = reason.substr(0, 300) + "...";
    throw Error({place, "not JSON", "", reason, ""});
  }
}

std::string json_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string json_pretty(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace); }

}  // namespace initlab::base
