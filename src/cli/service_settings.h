// `--set PATH=VALUE` and `--from FILE`: the keys of a service that have no option of their own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "probe/options.h"

namespace CLI {
class App;
}  // namespace CLI

namespace monitor::cli {

/// As they were typed.
struct ServiceSettings {
  std::optional<std::string> from;
  std::vector<std::string> set;  ///< PATH=VALUE, in the order typed
  bool empty() const { return !from && set.empty(); }
};

void add_service_settings(CLI::App& command, ServiceSettings& settings);

/// `otherwise`, or the service that the file describes where one was named, as it is typed there. Throws
/// common::UsageError with a line for each fault of the file.
probe::Service base_service(const ServiceSettings& settings, probe::Service otherwise);

/// Each `--set` in the order typed, so that a later one wins. Throws common::UsageError.
void assign(const ServiceSettings& settings, probe::Service& service);

/// Warns of each secret that stands in the arguments, where other users of the machine see it in the list of processes.
void warn_of_secrets(Console& console, const ServiceSettings& settings);

}  // namespace monitor::cli
