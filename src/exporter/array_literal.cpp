#include "exporter/array_literal.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace monitor::exporter {
namespace {

/// Of the valid UTF-8 sequence `bytes`.
std::uint32_t code_point(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes.front());
  if (bytes.size() == 1) return lead;
  std::uint32_t code = lead & (0x7FU >> bytes.size());
  for (const char c : bytes.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3FU);
  return code;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

Repertoire repertoire_of(std::string_view server_encoding) {
  if (server_encoding == "UTF8" || server_encoding == "SQL_ASCII") return Repertoire::kAll;
  return server_encoding == "LATIN1" ? Repertoire::kLatin : Repertoire::kAscii;
}

std::string encodable(std::string_view text, Repertoire repertoire) {
  if (repertoire == Repertoire::kAll || is_ascii(text)) return std::string(text);
  const std::uint32_t last = repertoire == Repertoire::kLatin ? 0xFF : 0x7F;
  std::string out;
  while (!text.empty()) {
    const auto length = std::max<std::size_t>(1, common::utf8_sequence(text));
    const auto code = code_point(text.substr(0, length));
    if (code <= last) {
      out.append(text.substr(0, length));
    } else {
      out += code <= 0xFFFF ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
    }
    text.remove_prefix(length);
  }
  return out;
}

void ArrayLiteral::add(std::int64_t number) {
  separate();
  const fmt::format_int digits(number);
  text_.append(digits.data(), digits.size());
}

void ArrayLiteral::add_text(std::string_view text) {
  separate();
  text_ += '"';
  for (auto special = text.find_first_of("\"\\"); special != std::string_view::npos;
       special = text.find_first_of("\"\\")) {
    text_.append(text.substr(0, special)) += '\\';
    text_ += text[special];
    text.remove_prefix(special + 1);
  }
  text_.append(text) += '"';
}

}  // namespace monitor::exporter
