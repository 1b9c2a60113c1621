#include "app/control_protocol.h"

#include <algorithm>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"

namespace monitor::app::control {

namespace json = boost::json;

namespace {

constexpr std::size_t kMaxCommandBytes = 64;
constexpr std::size_t kMaxErrorBytes = std::size_t{16} << 10;

bool is_command(std::string_view text) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= kMaxCommandBytes && std::ranges::all_of(text, allowed);
}

std::optional<json::object> parse_object(std::string_view line) {
  json::error_code error;
  auto value = json::parse(line, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

}  // namespace

std::filesystem::path socket_path(const std::filesystem::path& database) {
  std::error_code error;
  auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(database), error);
  if (error) path = std::filesystem::absolute(database).lexically_normal();
  return path.string() + ".sock";
}

Request parse_request(std::string_view line) {
  if (line.size() > kMaxRequestBytes) throw common::Error("the request is longer than 64 KiB");
  auto arguments = parse_object(line);
  if (!arguments) throw common::Error("the request is not a JSON object");
  const auto* command = arguments->if_contains("command");
  if (command == nullptr || !command->is_string() || !is_command(command->get_string())) {
    throw common::Error("the request names no command: it is like {\"command\": \"health\"}");
  }
  Request request{.command = std::string(command->get_string()), .arguments = {}};
  arguments->erase("command");
  request.arguments = std::move(*arguments);
  return request;
}

std::string answer_line(json::object answer) {
  answer["ok"] = true;
  std::string line = json::serialize(answer) + "\n";
  return line.size() <= kMaxAnswerBytes ? line : refusal_line("the answer is longer than 4 MiB; ask for less");
}

std::string refusal_line(std::string_view error) {
  return json::serialize(json::object{{"ok", false}, {"error", common::storable(error, kMaxErrorBytes)}}) + "\n";
}

json::object parse_answer(std::string_view line) {
  auto answer = parse_object(line);
  const auto* done = answer ? answer->if_contains("ok") : nullptr;
  if (done == nullptr || !done->is_bool()) throw common::Error("the daemon's answer is not one of monitor's");
  if (done->get_bool()) return std::move(*answer);
  const auto* error = answer->if_contains("error");
  throw common::Error(error != nullptr && error->is_string() ? std::string(error->get_string())
                                                             : "the daemon refused, and does not say why");
}

}  // namespace monitor::app::control
