// What a service typed on the command line must keep, said in the command line's words. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "config/document.h"

namespace monitor::cli {

inline constexpr std::chrono::seconds kMinTimeout{1};
inline constexpr std::chrono::seconds kMaxTimeout{300};

/// A whole number of seconds; `option` is named in the common::UsageError thrown for any other text.
std::chrono::seconds parse_seconds(std::string_view option, const std::string& text);

/// Throws common::UsageError when `service` breaks a rule, or is in `document` already at another place than `index`
/// (its own, or services.size() for a new one).
void require_valid(const probe::Service& service, const config::Document& document, std::size_t index);

}  // namespace monitor::cli
