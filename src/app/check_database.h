// Whether a local database is sound. Blocks; any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace monitor::app {

/// What is wrong with it, a sentence each, at most 100; none: it is sound. Reads all of it, on a connection that never
/// writes, beside a daemon or without one. Throws common::Error: no database, not ours, of a newer version.
std::vector<std::string> check_database(const std::filesystem::path& database);

}  // namespace monitor::app
