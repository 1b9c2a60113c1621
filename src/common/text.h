// Text from outside made safe to show or to store. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace monitor::common {

/// C0 and C1 control characters, DEL and invalid UTF-8 become `\n`, `\t`, `\xNN`: one line, inert in a terminal.
std::string escape_controls(std::string_view text);

/// Text that SQLite and PostgreSQL both store: valid UTF-8 of at most `max_bytes`, NUL as U+2400 (␀), bad bytes as
/// `\xNN`. A cut never splits a character, and is shown by a final `…`.
std::string storable(std::string_view text, std::size_t max_bytes);

/// A message of libpq as one line: without its guesses (lines that begin with a tab), each of `secrets` as `***`.
std::string one_line(std::string_view message, std::span<const std::string> secrets);

/// The length in bytes (1–4) of the valid UTF-8 sequence at the start of `text`, or 0 (RFC 3629 §4).
std::size_t utf8_sequence(std::string_view text);

/// 64-bit FNV-1a: the same on every machine and in every version, so that a phase derived from it never moves.
std::uint64_t stable_hash(std::string_view text);

}  // namespace monitor::common
