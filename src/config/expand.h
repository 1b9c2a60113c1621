// `${NAME}` in the values of the configuration, and the environment they are taken from. Pure but for the environment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace monitor::config {

/// Gives the value of a variable, or nothing if it is not set.
using Lookup = std::optional<std::string> (*)(const std::string& name);

/// The process's environment. It must not be changed by another thread meanwhile.
std::optional<std::string> environment_variable(const std::string& name);
/// `***` for every name: what a value looks like without its secrets.
std::optional<std::string> hidden_variable(const std::string& name);

struct Expansion {
  std::string text;
  std::vector<std::pair<std::string, std::string>> used;  ///< name and value of each variable
  std::string fault;                                      ///< a sentence; empty when there is none

  /// `sentence` with the name in the place of each value: an error must not tell what the environment holds.
  std::string without_values(std::string sentence) const;
};

/// `${NAME}` becomes the variable's value, `$${` becomes `${`; any other `$` stays as it is.
Expansion expand(std::string_view typed, Lookup lookup);

/// `~` and `~/…` become the home folder of the user. Nothing if that is unknown, or for `~somebody`.
std::optional<std::string> expand_home(const std::string& path);

}  // namespace monitor::config
