// What goes over the control socket: one line of JSON with a command, one line of JSON as its answer. Pure.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace monitor::app::control {

inline constexpr std::size_t kMaxRequestBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxAnswerBytes = std::size_t{4} << 20;

/// Where the daemon of `database` listens: a file beside it.
std::filesystem::path socket_path(const std::filesystem::path& database);

struct Request {
  std::string command;  ///< lower-case letters, digits and dashes; never empty
  boost::json::object arguments;
};

/// `line` without its newline. Throws common::Error with a sentence: too long, not JSON, no object, no command.
Request parse_request(std::string_view line);

/// `{"ok": true, …}` as a line with its newline. An answer that is too long becomes a refusal that says so.
std::string answer_line(boost::json::object answer);
/// `{"ok": false, "error": …}`, likewise.
std::string refusal_line(std::string_view error);

/// The daemon's answer. Throws common::Error with the daemon's sentence where it refused, or one of ours where `line`
/// is no answer.
boost::json::object parse_answer(std::string_view line);

}  // namespace monitor::app::control
