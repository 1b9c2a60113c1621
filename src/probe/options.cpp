#include "probe/options.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "net/reference.h"
#include "net/url.h"
#include "probe/regex.h"

namespace monitor::probe {
namespace {

constexpr std::size_t kMaxNameBytes = 200;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// Characters as Unicode counts them: every byte that does not continue one.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

const std::vector<std::string>& allowed_methods() {
  static const std::vector<std::string> methods{"GET",    "HEAD",    "POST",  "PUT",   "PATCH",
                                                "DELETE", "OPTIONS", "TRACE", "OPTION"};
  return methods;
}

std::string Service::key() const {
  if (!name.empty()) return name;
  // No field but the last may hold a newline, so no two services make the same text, and no name is taken for one.
  return fmt::format("{}\n{}\n{}\n{}", method == "OPTION" ? "OPTIONS" : method, without_userinfo(url), check_regex,
                     regex.value_or(""));
}

std::string Service::label() const {
  return name.empty() ? fmt::format("{} {}", method, without_userinfo(url)) : name;
}

std::string Service::log_label() const {
  return name.empty() ? fmt::format("{} {}", method, without_query_values(without_userinfo(url)))
                      : without_userinfo(name);
}

const Spec& Service::spec() const {
  static const Spec defaults;
  return extra ? *extra : defaults;
}

std::optional<std::string> refuse_method(std::string_view method) {
  const auto& methods = allowed_methods();
  if (std::ranges::find(methods, method) != methods.end()) return std::nullopt;
  return fmt::format("the method must be one of {}, in capitals", fmt::join(methods, ", "));
}

std::optional<std::string> refuse_url(std::string_view url) {
  if (const auto length = characters(url); length > kMaxUrlCharacters) {
    return fmt::format("the URL is {} characters long; at most {} are allowed", length, kMaxUrlCharacters);
  }
  auto parsed = net::parse_url(url);
  if (auto* refusal = std::get_if<net::UrlRefusal>(&parsed)) return std::move(refusal->sentence);
  return std::nullopt;
}

std::optional<std::string> refuse_regex(std::string_view pattern) {
  return Regex::refuse(pattern);
}

std::optional<std::string> refuse_name(std::string_view name) {
  if (name.empty()) return "the name is empty: leave it out, or write one";
  if (name.size() > kMaxNameBytes) {
    return fmt::format("the name is {} bytes long; at most {} are allowed", name.size(), kMaxNameBytes);
  }
  if (std::ranges::any_of(name, is_control)) return "the name holds a control character: write it on one line";
  if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
    return "the name is all digits, and a number addresses a service by its place in the table: add a letter";
  }
  return std::nullopt;
}

std::string without_query_values(std::string_view url) {
  return net::without_query_values(url);
}

std::string without_userinfo(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const auto begin = scheme + 3;
  const auto end = std::min(url.find_first_of("/?#", begin), url.size());
  const auto at = url.substr(begin, end - begin).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return fmt::format("{}{}", url.substr(0, begin), url.substr(begin + at + 1));
}

}  // namespace monitor::probe
