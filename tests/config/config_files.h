// What the tests of the configuration share: files with a text and a mode, and variables of the environment for a
// while.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

#include "common/error.h"

namespace monitor::config::test {

/// Writes a file, 0600 unless told otherwise, and returns its path.
std::filesystem::path write_file(const std::filesystem::path& path, const std::string& text, mode_t mode = 0600);
std::string text_of(const std::filesystem::path& path);
mode_t mode_of(const std::filesystem::path& path);
/// The names of what is in a folder, sorted, with a space between them.
std::string listing(const std::filesystem::path& folder);

/// What the common::Error that `call` throws says, or "nothing was thrown".
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const common::Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// Sets a variable, or removes it, until the end of the scope.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const char* value);
  ~ScopedVariable();
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace monitor::config::test
