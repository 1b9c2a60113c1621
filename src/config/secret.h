// A secret in a file of its own: a mounted secret, or one of systemd's credentials.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace monitor::config {

struct Secret {
  std::filesystem::path file;  ///< where it was found
  std::string text;            ///< without the line break at its end; may be empty
  bool others_may_read = false;
};

/// Reads `named`: as it is if absolute (or below `~`), else beside the configuration `config_file`; a bare name comes
/// from `$CREDENTIALS_DIRECTORY` if it is there. Throws common::UsageError: none of these, or a file that is not safe
/// or larger than 64 KiB. No sentence holds what the file says.
Secret read_secret(const std::string& named, const std::filesystem::path& config_file);

}  // namespace monitor::config
