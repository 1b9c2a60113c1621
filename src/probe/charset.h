// A body's bytes as UTF-8 text, by the charset that its Content-Type names. Pure.
#pragma once

#include <string>
#include <string_view>

namespace monitor::probe {

/// The charset parameter of a Content-Type value (RFC 9110 §8.3.1), lower case; empty when there is none.
std::string charset_of(std::string_view content_type);

/// `body` as valid UTF-8. No charset, or one that is not known, is read as UTF-8; what cannot be decoded becomes
/// U+FFFD. The view is into `body` when nothing had to change, else into `storage`.
std::string_view decode(std::string_view body, std::string_view charset, std::string& storage);

}  // namespace monitor::probe
