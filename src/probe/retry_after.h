// How long a server asks to be left alone. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "common/units.h"

namespace monitor::probe {

/// What is longer counts as this: the longest interval there is.
inline constexpr std::chrono::seconds kMaxRetryAfter = std::chrono::days{1};

/// The value of a Retry-After field (RFC 9110 §10.2.3): whole seconds, or a date in one of the three forms of §5.6.7,
/// taken from `now` and rounded up. From 0 (a moment that has passed) to kMaxRetryAfter; nothing for any other text.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, common::WallTime now);

}  // namespace monitor::probe
