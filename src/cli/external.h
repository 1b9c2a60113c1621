// The URI of the external database, as a command is given it.
#pragma once

#include <optional>
#include <string>

#include "cli/console.h"

namespace monitor::cli {

/// What was typed; for `-` the first line of the input. Nothing when nothing was typed. Throws common::UsageError,
/// without the password, when it is no PostgreSQL URI.
std::optional<std::string> external_uri(Console& console, const std::optional<std::string>& typed);

}  // namespace monitor::cli
