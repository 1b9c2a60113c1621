// What the local database says about each service. Reads only, also while the daemon runs. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/units.h"

namespace monitor::report {

struct ServiceReport {
  std::string service;  ///< its name, or `GET https://…`
  std::int64_t checks = 0;
  std::int64_t up = 0, degraded = 0, down = 0, unknown = 0;  ///< add up to `checks`
  std::int64_t skipped = 0;                                  ///< slots that did not run
  std::int64_t rechecks = 0;             ///< checks that only confirmed another, or not; in no other figure
  std::optional<double> up_percent;      ///< up and degraded among the checks whose verdict is known
  std::optional<double> p50_ms, p95_ms;  ///< total time of the checks that had an HTTP response
  std::string last_outcome;              ///< empty: no check in the window
  std::string last_reason;
  std::optional<common::WallTime> last_at;
};

struct Options {
  std::filesystem::path database;
  std::chrono::seconds last{};
  std::optional<std::string> service;  ///< a ServiceReport::service to restrict it to
  common::WallTime now{};
};

/// Sorted by service. Throws common::Error when there is no database of ours at `options.database`.
std::vector<ServiceReport> summarize(const Options& options);

}  // namespace monitor::report
