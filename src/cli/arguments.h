// The arguments as CLI11 2.1 can take them. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace monitor::cli {

/// Every `--option` of `root` and its commands that takes a value.
std::set<std::string> value_options(const CLI::App& root);

/// `-ns` as `--notify-systemd`, since CLI11 knows no short option of two letters, and `--regex=` as `--regex` and an
/// empty text, since CLI11 would take the next argument for its value. Values, and what follows `--`, are left alone.
std::vector<std::string> prepared(const std::vector<std::string>& arguments,
                                  const std::set<std::string>& value_options);

/// `argument` as an error may quote it: what follows `=` or `://` may be a secret and is left out.
std::string quotable(const std::string& argument);

}  // namespace monitor::cli
