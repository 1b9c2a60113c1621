#include "cli/paths.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "common/error.h"
#include "config/faults.h"
#include "config/settings.h"

namespace monitor::cli {
namespace {

std::filesystem::path home() {
  return config::default_path().parent_path().parent_path();
}

void refuse_uri(std::string_view option, const std::string& typed) {
  if (typed.find("://") == std::string::npos) return;
  throw common::UsageError(fmt::format("{} names a file, and {} is a URI", option, config::in_quotes(typed)));
}

}  // namespace

std::filesystem::path config_file(const std::optional<std::string>& typed) {
  return typed ? named_file("--config-path", *typed) : config::default_path();
}

std::filesystem::path named_file(std::string_view option, const std::string& typed) {
  if (typed.empty()) throw common::UsageError(fmt::format("{} is empty: leave it out, or name a file", option));
  refuse_uri(option, typed);
  return expanded(typed);
}

std::string local_path(const std::string& typed) {
  if (typed.empty()) throw common::UsageError("--local-path is empty: leave it out, or name a file");
  if (std::ranges::any_of(typed, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    throw common::UsageError("--local-path holds a control character: name the file without it");
  }
  refuse_uri("--local-path", typed);
  const std::filesystem::path path(typed);
  if (path.is_absolute() || typed.starts_with('~') || typed.starts_with("${")) return typed;
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::filesystem::path expanded(const std::string& text) {
  if (!text.starts_with("~/")) return text;
  return home() / text.substr(2);
}

std::string shown(const std::filesystem::path& path) {
  const std::string folder = home().string() + "/";
  std::string text = path.string();
  if (folder == "/" || !text.starts_with(folder)) return text;
  return "~/" + text.substr(folder.size());
}

}  // namespace monitor::cli
