// Compresses as servers do, for tests.
#pragma once

#include <string>
#include <string_view>

namespace monitor::test {

enum class Format { kGzip, kZlib, kBare };  // RFC 1952, RFC 1950, RFC 1951

std::string compressed(std::string_view text, Format format);

}  // namespace monitor::test
