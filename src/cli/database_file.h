// Where the local database of a configuration is. Reads files.
#pragma once

#include <filesystem>

#include "config/document.h"

namespace monitor::cli {

/// The local database's path. The whole configuration is expanded only where the path needs it: the variables and
/// secrets of the daemon's environment are not always those of who asks.
std::filesystem::path database_file(const config::Document& document);

}  // namespace monitor::cli
