#include "cli/database_file.h"

#include "cli/paths.h"
#include "config/settings.h"

namespace monitor::cli {

std::filesystem::path database_file(const config::Document& document) {
  const auto& path = document.local_database_path;
  const bool expands = document.format == config::Format::kYaml && path.find("${") != std::string::npos;
  if (expands) return config::load(document.file).storage.path;
  return expanded(path.empty() ? config::kDefaultLocalPath : path);
}

}  // namespace monitor::cli
