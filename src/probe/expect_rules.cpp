// What `expect` and `evidence` may say; the rest of options.h is in options.cpp, request_rules.cpp and json_rules.cpp.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "probe/options.h"
#include "probe/regex.h"

namespace monitor::probe {
namespace {

constexpr std::uint16_t kLowestStatus = 100, kHighestStatus = 999, kClass = 100;

std::optional<std::uint16_t> status_number(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() != 3) return std::nullopt;
  if (number < kLowestStatus || number > kHighestStatus) return std::nullopt;
  return number;
}

}  // namespace

std::optional<StatusRange> parse_status(std::string_view text) {
  if (text.size() == 3 && text[0] >= '1' && text[0] <= '9' && (text.ends_with("xx") || text.ends_with("XX"))) {
    const auto from = static_cast<std::uint16_t>((text[0] - '0') * kClass);
    return StatusRange{from, static_cast<std::uint16_t>(from + kClass - 1)};
  }
  const auto dash = text.find('-');
  const auto from = status_number(text.substr(0, dash));
  const auto to = dash == std::string_view::npos ? from : status_number(text.substr(dash + 1));
  if (!from || !to || *from > *to) return std::nullopt;
  return StatusRange{*from, *to};
}

std::optional<std::string> refuse_redaction(std::string_view pattern) {
  if (auto why = Regex::refuse(pattern)) return why;
  if (!Regex(pattern).found_in("")) return std::nullopt;
  return "the regular expression matches the empty text, so there would be no end of what to redact: write + for *";
}

std::optional<std::string> refuse_sha256(std::string_view digest) {
  constexpr std::size_t kDigits = 64;
  const auto is_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  if (digest.size() == kDigits && std::ranges::all_of(digest, is_digit)) return std::nullopt;
  return "a SHA-256 is written as 64 hexadecimal digits, as sha256sum(1) prints it";
}

}  // namespace monitor::probe
