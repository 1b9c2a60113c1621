// Undoes the content coding of a body (RFC 9110 §8.4) within limits of size and ratio. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace monitor::probe {

/// Decoded bytes for each byte that came, once kFreeDecodedBytes are had: a page of text comes to 20 at most.
inline constexpr std::size_t kMaxDecodedRatio = 200;
inline constexpr std::size_t kFreeDecodedBytes = std::size_t{64} << 10;

struct Decoded {
  std::string body;
  bool capped = false;                 ///< there is more than `limit`: `body` is its beginning
  std::optional<std::string> refusal;  ///< one sentence: why it could not be decoded
};

/// `gzip` and `x-gzip` (RFC 1952; members one after the other are one body), `deflate` (RFC 1950, and bare RFC 1951 as
/// some servers send it), `identity` and empty: `encoded` as it is. One coding alone; any other is refused. What
/// follows the end of the coded data is ignored. `cut`: `encoded` is only the beginning, so that its end is no fault.
Decoded decode_content(std::string_view encoded, std::string_view content_encoding, std::size_t limit,
                       bool cut = false);

}  // namespace monitor::probe
