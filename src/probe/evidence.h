// What is kept of a response so that a person can see what it was: redacted, and safe to store and to show. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "probe/expectations.h"
#include "probe/redaction.h"

namespace monitor::probe {

/// Bytes of the header that are shown at most.
inline constexpr std::size_t kMaxEvidenceHead = std::size_t{8} << 10;
/// So much more than is shown is looked at, so that a secret at the edge is not shown by half.
inline constexpr std::size_t kEvidenceMargin = std::size_t{1} << 10;
/// Bytes of the header to keep.
inline constexpr std::size_t kEvidenceHeadWindow = kMaxEvidenceHead + kEvidenceMargin;

/// Whether the values of this field are never shown; any case.
bool is_secret_field(std::string_view name);

/// Status line and header fields, an empty line, and the beginning of the body: at most evidence.bytes of it, both as
/// they came and as they are shown. Lines end with `\n`; other control characters are escaped, and what is not UTF-8 is
/// shown as `\xNN`. Values of Set-Cookie, Cookie, Authorization and Proxy-Authorization, what the service's patterns
/// match and `secrets` (may be null) are `***`.
/// `head`: as it came, from the first byte on, complete or not, kEvidenceHeadWindow of it or all; `body`: decoded,
/// Expectations::evidence_window() of it or all. Empty when both are, or when `evidence` is `none`.
std::string evidence_text(std::string_view head, std::string_view body, const Expectations& expectations,
                          const Secrets* secrets);

}  // namespace monitor::probe
