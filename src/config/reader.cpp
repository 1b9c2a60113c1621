#include "config/reader.h"

#include <optional>

#include <fmt/format.h>

#include "common/text.h"

namespace monitor::config {
namespace {

using std::string_view_literals::operator""sv;

bool is_text(std::string_view rest) {
  const auto byte = static_cast<unsigned char>(rest.front());
  if (byte >= 0x20) return byte < 0x80;
  // YAML readers disagree about a carriage return that stands alone.
  return byte == '\t' || byte == '\n' || rest.starts_with("\r\n");
}

std::string bad_byte(std::string_view rest) {
  const auto byte = static_cast<unsigned char>(rest.front());
  if (byte == 0) return "there is a NUL byte; the file must be plain text in UTF-8";
  if (byte == '\r') return "there is a carriage return without a line feed; end lines as Unix or Windows does";
  if (byte < 0x20)
    return fmt::format("there is a control character (\\x{:02x}); write it as an escape in double quotes", byte);
  return fmt::format("the byte \\x{:02x} is not valid UTF-8; save the file as UTF-8", byte);
}

/// The first byte that makes this no UTF-8 text, and why.
std::optional<Fault> refuse_text(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF"sv)) {
    return Fault{0, {}, "the file starts with a byte order mark; save it as UTF-8 without one"};
  }
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) {
    return Fault{0, {}, "the file is UTF-16; save it as UTF-8"};
  }
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_text(text.substr(at))) {
      ++at;
      continue;
    }
    const auto length = common::utf8_sequence(text.substr(at, 4));
    const bool control = static_cast<unsigned char>(text[at]) < 0x20;
    if (length == 0 || control) return Fault{static_cast<std::uint32_t>(at), {}, bad_byte(text.substr(at))};
    at += length;
  }
  return std::nullopt;
}

}  // namespace

Format format_of(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '{' ? Format::kJson : Format::kYaml;
}

bool read_tree(Tree& tree, Faults& faults) {
  if (auto fault = refuse_text(tree.source())) {
    faults.add(fault->position, std::move(fault->sentence));
    return false;
  }
  return format_of(tree.source()) == Format::kJson ? read_json(tree, faults) : read_yaml(tree, faults);
}

}  // namespace monitor::config
