#include "probe/token.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>
#include <fmt/format.h>

#include "probe/http_lines.h"
#include "probe/request.h"

namespace monitor::probe {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kUnsaid = std::chrono::minutes{5};
constexpr std::chrono::seconds kLongest = std::chrono::hours{24};
constexpr int kOk = 200;

const json::string* text_of(const json::object& answer, std::string_view name) {
  const auto* value = answer.if_contains({name.data(), name.size()});
  return value == nullptr ? nullptr : value->if_string();
}

/// RFC 6749 §5.2: what the endpoint says is wrong, if it is one of the codes it may say.
std::string error_of(const json::object& answer) {
  constexpr std::size_t kLongestCode = 40;
  const auto* code = text_of(answer, "error");
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  if (code == nullptr || code->empty() || code->size() > kLongestCode ||
      !std::all_of(code->begin(), code->end(), plain)) {
    return {};
  }
  return fmt::format(" ({})", std::string_view(code->data(), code->size()));
}

std::optional<double> seconds_of(const json::object& answer) {
  const auto* value = answer.if_contains("expires_in");
  if (value == nullptr) return static_cast<double>(kUnsaid.count());
  if (const auto* number = value->if_double()) return *number;
  if (const auto* number = value->if_uint64()) return static_cast<double>(*number);
  if (const auto* number = value->if_int64()) return static_cast<double>(*number);
  return std::nullopt;
}

std::variant<Token, TokenRefusal> take_token(const json::object& answer) {
  const auto* text = text_of(answer, "access_token");
  if (text == nullptr) return TokenRefusal{"its answer has no access_token"};
  const std::string_view token(text->data(), text->size());
  if (refuse_token(token)) return TokenRefusal{"the access_token in its answer cannot be sent"};
  const auto* type = text_of(answer, "token_type");
  if (type != nullptr && !same_text({type->data(), type->size()}, "Bearer")) {
    return TokenRefusal{"the token it gives is not a bearer token"};
  }
  const auto lasts = seconds_of(answer);
  if (!lasts || !(*lasts >= 0)) return TokenRefusal{"the expires_in in its answer is not a number of seconds"};
  const std::chrono::seconds lifetime{
      static_cast<std::int64_t>(std::min(*lasts, static_cast<double>(kLongest.count())))};
  return Token{std::string(token), std::max(lifetime - kTokenMargin, std::chrono::seconds{0})};
}

}  // namespace

std::string token_request_body(const Auth& auth) {
  std::string body = "grant_type=client_credentials";
  if (!auth.scope.empty()) body += "&scope=" + form_encoded(auth.scope);
  return body;
}

std::variant<Token, TokenRefusal> parse_token_answer(std::uint16_t status, std::string_view body) {
  boost::system::error_code error;
  const auto parsed = json::parse({body.data(), body.size()}, error);
  const auto* answer = error ? nullptr : parsed.if_object();
  if (status != kOk) {
    return TokenRefusal{fmt::format("it answered with status {}{}", status, answer ? error_of(*answer) : "")};
  }
  if (answer == nullptr) return TokenRefusal{"its answer is not a JSON object"};
  return take_token(*answer);
}

}  // namespace monitor::probe
