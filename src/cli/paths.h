// Where the configuration file is, and how its path is shown.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace monitor::cli {

/// `typed` with a leading `~/` made the home folder, or the default path when nothing was typed. Throws
/// common::UsageError for an empty text or a URI.
std::filesystem::path config_file(const std::optional<std::string>& typed);

/// What `option` names, with a leading `~/` made the home folder. Throws common::UsageError for an empty text or a URI.
std::filesystem::path named_file(std::string_view option, const std::string& typed);

/// The local database's path as a command is given it: a relative one made absolute, `~` and `${NAME}` at its beginning
/// kept. Throws common::UsageError for one that no file can have.
std::string local_path(const std::string& typed);

/// `text` with a leading `~/` made the home folder.
std::filesystem::path expanded(const std::string& text);

/// `path` with the home folder as `~`.
std::string shown(const std::filesystem::path& path);

}  // namespace monitor::cli
