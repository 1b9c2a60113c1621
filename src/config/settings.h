// The configuration as the application uses it: every `${NAME}` expanded, every secret read, every default filled in.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/options.h"
#include "collector/options.h"
#include "exporter/options.h"
#include "net/options.h"
#include "storage/options.h"

namespace monitor::config {

/// Where results are kept when the file does not say it.
inline constexpr const char* kDefaultLocalPath = "~/.monitoring/local-database.sqlite3";

struct Settings {
  std::filesystem::path file;  ///< where it was read from
  agent::Options agent;
  collector::Options collector;
  exporter::Options exporter;
  net::Options net;
  storage::Options storage;
  std::chrono::seconds stop_grace{5};  ///< `stop_grace`: how long running checks may take to end at a stop
  bool watch = false;                  ///< `watch_config`: reload when the file changes
  std::vector<std::string> warnings;   ///< sentences for the operator, each with file and line
};

/// Reads and validates `file`. Throws common::UsageError with one line per fault: `FILE:LINE:COLUMN: sentence`.
Settings load(const std::filesystem::path& file);

/// `~/.monitoring/monitoring-config`.
std::filesystem::path default_path();

}  // namespace monitor::config
