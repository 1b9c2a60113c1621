// How wide a character is in a terminal. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace monitor::cli {

/// The code point of one valid UTF-8 sequence (RFC 3629 §3); a single byte stands for itself.
char32_t decode(std::string_view sequence);

/// 0 for combining and invisible characters, 2 for what Unicode (UAX #11) calls wide or fullwidth, 1 for all others.
std::size_t columns_of(char32_t code_point);

}  // namespace monitor::cli
