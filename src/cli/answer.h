// Reads the daemon's answers, which may come from another version: what is missing is shown as missing. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace monitor::cli {

/// The object `key`; an empty one where there is none.
const boost::json::object& object_at(const boost::json::object& answer, std::string_view key);
/// 0 where there is none.
std::int64_t number_at(const boost::json::object& answer, std::string_view key);
/// Empty where there is none.
std::string text_at(const boost::json::object& answer, std::string_view key);
bool flag_at(const boost::json::object& answer, std::string_view key);
/// `value` as a cell of a table: `-` for null.
std::string cell_at(const boost::json::object& answer, std::string_view key);
/// A number of bytes, `1.5 GiB`.
std::string size_at(const boost::json::object& answer, std::string_view key);

/// One line of JSON, without the protocol's own `ok`.
std::string json_line(boost::json::object answer);

}  // namespace monitor::cli
