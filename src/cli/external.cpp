#include "cli/external.h"

#include <fmt/format.h>

#include "cli/prompt.h"
#include "common/error.h"
#include "config/settings.h"
#include "exporter/options.h"

namespace monitor::cli {

std::optional<std::string> external_uri(Console& console, const std::optional<std::string>& typed) {
  if (!typed) return std::nullopt;
  std::string uri = *typed == "-" ? read_value(console, "the external database's URI") : *typed;
  // What an environment variable will make of the text is known when the configuration is loaded.
  if (uri.find("${") != std::string::npos) return uri;
  if (const auto why = exporter::refuse_uri(uri)) throw common::UsageError(*why);
  return uri;
}

std::string external_database(const config::Document& document, std::string_view purpose) {
  auto uri = config::load(document.file).exporter.uri;
  if (uri.empty()) {
    throw common::UsageError(fmt::format("{} names no external database {}", document.file.string(), purpose));
  }
  return uri;
}

}  // namespace monitor::cli
