#include "cli/paths.h"

#include <string_view>

#include "common/error.h"
#include "config/settings.h"

namespace monitor::cli {
namespace {

std::filesystem::path home() {
  return config::default_path().parent_path().parent_path();
}

}  // namespace

std::filesystem::path config_file(const std::optional<std::string>& typed) {
  if (!typed) return config::default_path();
  if (typed->empty()) throw common::UsageError("--config-path is empty: leave it out, or name a file");
  return expanded(*typed);
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
