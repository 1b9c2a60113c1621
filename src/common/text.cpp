#include "common/text.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace monitor::common {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr std::string_view kNulSymbol = "\xE2\x90\x80";  // U+2400

std::string hex(unsigned char byte) {
  return fmt::format("\\x{:02x}", byte);
}

struct Range {
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};

/// The second byte's range and the length for a lead byte, RFC 3629 §4; length 0 for a byte that leads nothing.
std::size_t lead(unsigned char byte, Range& second) {
  if (byte >= 0xC2 && byte <= 0xDF) return 2;
  if (byte >= 0xE0 && byte <= 0xEF) {
    if (byte == 0xE0) second.low = 0xA0;
    if (byte == 0xED) second.high = 0x9F;  // no surrogates
    return 3;
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    if (byte == 0xF0) second.low = 0x90;
    if (byte == 0xF4) second.high = 0x8F;
    return 4;
  }
  return 0;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  Range second;
  const std::size_t length = lead(byte(0), second);
  if (length == 0 || text.size() < length || byte(1) < second.low || byte(1) > second.high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

std::string escape_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t length = utf8_sequence(text);
    const bool c1 = length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (first == '\n') {
      out += "\\n";
    } else if (first == '\t') {
      out += "\\t";
    } else if (first == '\r') {
      out += "\\r";
    } else if (first < 0x20 || first == 0x7F || length == 0) {
      out += hex(first);
    } else if (c1) {
      out += hex(first) + hex(static_cast<unsigned char>(text[1]));
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string storable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  std::size_t fits = 0;  // how much of `out` leaves room for the ellipsis
  while (!text.empty()) {
    const std::size_t length = utf8_sequence(text);
    if (length == 0) {
      out += hex(static_cast<unsigned char>(text.front()));
    } else if (text.front() == '\0') {
      out += kNulSymbol;
    } else {
      out.append(text.substr(0, length));
    }
    if (out.size() > max_bytes) {
      out.resize(fits);
      if (max_bytes >= kEllipsis.size()) out += kEllipsis;
      return out;
    }
    if (out.size() + kEllipsis.size() <= max_bytes) fits = out.size();
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  return hash;
}

std::string one_line(std::string_view message, std::span<const std::string> secrets) {
  std::string out;
  while (!message.empty()) {
    const auto line = message.substr(0, message.find('\n'));
    if (!line.starts_with('\t')) out.append(line) += "; ";
    message.remove_prefix(std::min(message.size(), line.size() + 1));
  }
  while (out.ends_with(' ') || out.ends_with(';')) out.pop_back();
  constexpr std::string_view kMask = "***";
  for (const auto& secret : secrets) {
    for (auto at = out.find(secret); at != std::string::npos; at = out.find(secret, at + kMask.size())) {
      out.replace(at, secret.size(), kMask);
    }
  }
  return out;
}

}  // namespace monitor::common
