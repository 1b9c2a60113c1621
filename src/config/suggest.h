// The allowed word that somebody who typed another one may have meant. Pure.
#pragma once

#include <span>
#include <string_view>

namespace monitor::config {

/// The closest of `allowed`, or an empty text where none is close.
std::string_view closest(std::string_view typed, std::span<const std::string_view> allowed);

}  // namespace monitor::config
