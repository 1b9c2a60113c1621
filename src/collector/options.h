// What is kept locally, and for how long, as the configuration says it. Plain data.
#pragma once

#include <chrono>

namespace monitor::collector {

struct Options {
  bool enabled = true;  ///< `workers.collector`
  /// `keep_exported`: how long a result stays here after it has arrived in PostgreSQL.
  std::chrono::seconds keep_exported = std::chrono::hours{1};
  /// `local_retention`: how long a result stays here when no PostgreSQL is configured.
  std::chrono::seconds local_retention = std::chrono::days{30};
  /// `rollups`: how long the rows for an hour, and those for a day, stay; a day's at least as long as an hour's.
  std::chrono::seconds rollup_hours = std::chrono::days{90};
  std::chrono::seconds rollup_days = std::chrono::days{3650};
};

}  // namespace monitor::collector
