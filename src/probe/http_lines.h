// The lines of an HTTP/1.x response, taken apart (RFC 9112). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace monitor::probe {

/// What is wrong with a line: the end of a sentence.
struct LineFault {
  std::string_view what;
};

struct StatusLine {
  std::uint16_t status = 0;  ///< 100 to 999
  bool http_1_0 = false;     ///< otherwise 1.1
};
/// RFC 9112 §4. The space after the status may be missing, as some servers send it; the reason phrase is ignored.
std::variant<StatusLine, LineFault> parse_status_line(std::string_view line);

struct FieldView {
  std::string_view name, value;  ///< value without the blanks around it
};
/// RFC 9112 §5: nothing may stand between name and colon.
std::variant<FieldView, LineFault> parse_field(std::string_view line);

/// RFC 9110 §8.6: digits; a list counts if all its members are the same number. More than fits: the largest there is.
std::optional<std::uint64_t> parse_content_length(std::string_view value);

/// The size in a chunk's line (RFC 9112 §7.1), 16 hexadecimal digits at most; `extensions` is what follows it.
struct ChunkLine {
  std::uint64_t size = 0;
  std::string_view extensions;
};
std::optional<ChunkLine> parse_chunk_line(std::string_view line);

/// Whether `list` (RFC 9110 §5.6.1) has `token` in it, in any case.
bool has_token(std::string_view list, std::string_view token);
/// Without regard to the case of ASCII letters.
bool same_text(std::string_view one, std::string_view other);
/// `text` without spaces and tabs at either end.
std::string_view trimmed(std::string_view text);

}  // namespace monitor::probe
