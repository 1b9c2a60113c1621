// Files that the configuration names: a mounted secret, one of systemd's credentials, a certificate, a body.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace monitor::config {

struct NamedFile {
  std::filesystem::path file;  ///< where it was found
  std::string text;
  bool others_may_read = false;
};

/// Reads `named`: as it is if absolute (or below `~`), else beside the configuration `config_file`; a bare name comes
/// from `$CREDENTIALS_DIRECTORY` if it is there. `what` says what it is: "body". Throws common::UsageError: none of
/// these, or a file that is not safe or larger than `limit`. No sentence holds what the file says.
NamedFile read_named(const std::string& named, const std::filesystem::path& config_file, std::string_view what,
                     std::size_t limit);

struct Secret {
  std::filesystem::path file;  ///< where it was found
  std::string text;            ///< without the line break at its end; may be empty
  bool others_may_read = false;
};

/// The warning that a file holds a secret and may be read by everyone.
std::string world_readable(const std::filesystem::path& file, std::string_view what = "the file holds a secret");

/// read_named() of at most 64 KiB.
Secret read_secret(const std::string& named, const std::filesystem::path& config_file);

}  // namespace monitor::config
