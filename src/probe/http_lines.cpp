#include "probe/http_lines.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace monitor::probe {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// RFC 9110 §5.6.2: tchar.
bool is_token_char(char c) {
  if (is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

/// The part of a list before the next comma, taken off its front.
std::string_view next_member(std::string_view& list) {
  const auto comma = list.find(',');
  const auto member = list.substr(0, comma);
  list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  return trimmed(member);
}

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return parsed.ec == std::errc{} ? number : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool same_text(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, lower, lower);
}

std::variant<StatusLine, LineFault> parse_status_line(std::string_view line) {
  constexpr std::string_view kName = "HTTP/";
  constexpr std::size_t kVersion = 8, kStatus = 9, kReason = 12;  // `HTTP/1.1 200 OK`
  if (!line.starts_with(kName)) return LineFault{"it does not begin with an HTTP/1.x status line"};
  const auto version = line.substr(kName.size(), kVersion - kName.size());
  if (version != "1.1" && version != "1.0") return LineFault{"its version is neither 1.0 nor 1.1"};
  const auto digits = line.substr(std::min(kStatus, line.size()), kReason - kStatus);
  const bool separated =
      line.size() >= kReason && line[kVersion] == ' ' && (line.size() == kReason || line[kReason] == ' ');
  if (!separated || !std::ranges::all_of(digits, is_digit) || digits.front() == '0') {
    return LineFault{"its status is not a number from 100 to 999 between single spaces"};
  }
  const auto status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  return StatusLine{static_cast<std::uint16_t>(status), version == "1.0"};
}

std::variant<FieldView, LineFault> parse_field(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return LineFault{"a header field has no colon"};
  const auto name = line.substr(0, colon);
  if (name.empty() || !std::ranges::all_of(name, is_token_char)) {
    return LineFault{"the name of a header field is empty or holds what no name may"};
  }
  return FieldView{name, trimmed(line.substr(colon + 1))};
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) {
  std::optional<std::uint64_t> agreed;
  if (value.ends_with(',')) return std::nullopt;
  do {
    const auto number = parse_number(next_member(value));
    if (!number || (agreed && *agreed != *number)) return std::nullopt;
    agreed = number;
  } while (!value.empty());
  return agreed;
}

std::optional<ChunkLine> parse_chunk_line(std::string_view line) {
  constexpr std::ptrdiff_t kMaxDigits = 16;
  ChunkLine out;
  const auto* const end = line.data() + line.size();
  const auto parsed = std::from_chars(line.data(), end, out.size, 16);
  const auto digits = parsed.ptr - line.data();
  if (parsed.ec != std::errc{} || line.front() == '-' || digits > kMaxDigits) return std::nullopt;
  out.extensions = trimmed({parsed.ptr, static_cast<std::size_t>(end - parsed.ptr)});
  if (!out.extensions.empty() && out.extensions.front() != ';') return std::nullopt;
  return out;
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    if (same_text(next_member(list), token)) return true;
  }
  return false;
}

}  // namespace monitor::probe
