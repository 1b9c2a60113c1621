#include "cli/external.h"

#include "cli/prompt.h"
#include "common/error.h"
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

}  // namespace monitor::cli
