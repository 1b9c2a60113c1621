#include "config/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace monitor::config {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// YAML knows `true`, `True` and `TRUE`, but not `tRUE`.
bool is_spelled(std::string_view text, std::string_view word) {
  if (text.size() != word.size() || lowered(text) != word) return false;
  const auto is_low = [](char c) { return c >= 'a'; };
  const auto tail = text.substr(1);
  return std::all_of(tail.begin(), tail.end(), is_low) || std::none_of(text.begin(), text.end(), is_low);
}

bool is_number(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  const auto low = lowered(text);
  if (low == ".inf" || low == ".nan") return true;
  if (text.empty() || !(is_digit(text.front()) || text.front() == '.')) return false;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    const auto digits = text.substr(2);
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, text[1] == 'x' ? 16 : 8);
    return !digits.empty() && error != std::errc::invalid_argument && end == digits.data() + digits.size();
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

}  // namespace

std::optional<bool> as_boolean(std::string_view plain) {
  const auto is = [&](std::string_view word) { return is_spelled(plain, word); };
  if (is("true") || is("on") || is("yes")) return true;
  if (is("false") || is("off") || is("no")) return false;
  return std::nullopt;
}

std::optional<std::int64_t> as_integer(std::string_view plain) {
  if (plain.starts_with('+')) plain.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (plain.empty() || error != std::errc{} || end != plain.data() + plain.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> as_tenths(std::string_view plain) {
  constexpr std::size_t kMostDigits = 9;
  constexpr int kTenths = 10;
  const auto point = plain.find('.');
  const auto whole = plain.substr(0, point), tenths = point == plain.npos ? "0" : plain.substr(point + 1);
  if (whole.empty() || whole.size() > kMostDigits || tenths.size() != 1) return std::nullopt;
  if (!std::ranges::all_of(whole, is_digit) || !is_digit(tenths.front())) return std::nullopt;
  return *as_integer(whole) * kTenths + (tenths.front() - '0');
}

bool is_number_or_boolean(std::string_view plain) {
  return is_spelled(plain, "true") || is_spelled(plain, "false") || is_number(plain);
}

bool is_safe_plain(std::string_view text) {
  static constexpr std::array<std::string_view, 9> kReserved{"true", "false", "yes", "no", "on",
                                                             "off",  "null",  "y",   "n"};
  if (text.empty() || text.ends_with(':')) return false;
  if (!is_letter(text.front()) && !text.starts_with('/') && !text.starts_with("~/")) return false;
  const auto harmless = [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("_-./:~%@+=?&$").find(c) != std::string_view::npos;
  };
  if (!std::all_of(text.begin(), text.end(), harmless)) return false;
  return std::find(kReserved.begin(), kReserved.end(), lowered(text)) == kReserved.end();
}

bool is_plain_measure(std::string_view text) {
  const auto harmless = [](char c) { return is_letter(c) || is_digit(c) || c == ' '; };
  return !text.empty() && is_digit(text.front()) && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), harmless) && (is_letter(text.back()) || as_integer(text).has_value());
}

}  // namespace monitor::config
