#include "cli/answer.h"

#include <algorithm>
#include <utility>

#include <boost/json/serialize.hpp>

#include "common/units.h"

namespace monitor::cli {

namespace json = boost::json;

const json::object& object_at(const json::object& answer, std::string_view key) {
  static const json::object kNone;
  const auto* value = answer.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : kNone;
}

std::int64_t number_at(const json::object& answer, std::string_view key) {
  const auto* value = answer.if_contains(key);
  json::error_code error;
  const auto number = value == nullptr ? 0 : value->to_number<std::int64_t>(error);
  return error ? 0 : number;
}

std::string text_at(const json::object& answer, std::string_view key) {
  const auto* value = answer.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool flag_at(const json::object& answer, std::string_view key) {
  const auto* value = answer.if_contains(key);
  return value != nullptr && *value == json::value(true);
}

std::string cell_at(const json::object& answer, std::string_view key) {
  const auto* value = answer.if_contains(key);
  if (value == nullptr || value->is_null()) return "-";
  return value->is_string() ? text_at(answer, key) : json::serialize(*value);
}

std::string size_at(const json::object& answer, std::string_view key) {
  return common::format_size(static_cast<std::uint64_t>(std::max<std::int64_t>(number_at(answer, key), 0)));
}

std::string json_line(json::object answer) {
  answer.erase("ok");
  return json::serialize(answer) + "\n";
}

}  // namespace monitor::cli
