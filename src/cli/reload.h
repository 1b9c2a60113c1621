// Asks the monitor that runs to read its configuration again. Blocks for as long as that takes it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/console.h"
#include "config/document.h"

namespace monitor::cli {

/// Where the local database is; nothing where that cannot be told without what only the daemon knows.
std::optional<std::filesystem::path> known_database(const config::Document& document);

/// After `file` was saved: whether the monitor that runs on `database` took the change, in a sentence that says what to
/// do if it did not. Throws nothing but std::bad_alloc.
std::string ask_to_take(const std::filesystem::path& file, const std::optional<std::filesystem::path>& database);

}  // namespace monitor::cli
