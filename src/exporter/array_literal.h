// PostgreSQL's text form of an array, built by appending to one string that is used again for every batch. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monitor::exporter {

/// What the server's encoding can hold of Unicode.
enum class Repertoire {
  kAll,    ///< UTF8, and SQL_ASCII, which stores bytes as they come
  kLatin,  ///< LATIN1: up to U+00FF
  kAscii   ///< any other: what every encoding has
};
Repertoire repertoire_of(std::string_view server_encoding);

/// `text` with every character that `repertoire` lacks as `\uNNNN` or `\UNNNNNNNN`: one row's emoji must not be refused
/// (22P05) by a database that was made for a smaller world. `text` is valid UTF-8.
std::string encodable(std::string_view text, Repertoire repertoire);

/// PostgreSQL documentation, "Array Input and Output Syntax".
class ArrayLiteral {
 public:
  void clear() { text_.assign(1, '{'); }
  void add(std::int64_t number);
  void add(std::optional<std::int64_t> number) {
    if (number) {
      add(*number);
    } else {
      add_null();
    }
  }
  void add_text(std::string_view text);
  void add_null() {
    separate();
    text_ += "NULL";
  }
  /// Closes the array; valid until clear(), which begins the next.
  const std::string& close() {
    text_ += '}';
    return text_;
  }

 private:
  void separate() {
    if (text_.size() > 1) text_ += ',';
  }
  std::string text_ = "{";
};

}  // namespace monitor::exporter
