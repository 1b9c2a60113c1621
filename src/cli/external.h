// The URI of the external database, as a command or the configuration gives it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/console.h"
#include "config/document.h"

namespace monitor::cli {

/// What was typed; for `-` the first line of the input. Nothing when nothing was typed. Throws common::UsageError,
/// without the password, when it is no PostgreSQL URI.
std::optional<std::string> external_uri(Console& console, const std::optional<std::string>& typed);

/// That of a configuration. It may come from a file or a variable, so the whole configuration is read. Throws
/// common::UsageError where there is none; `purpose`: `to report from; …`.
std::string external_database(const config::Document& document, std::string_view purpose);

}  // namespace monitor::cli
