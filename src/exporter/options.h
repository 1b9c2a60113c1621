// Where results are sent, as the configuration says it. Plain data.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace monitor::exporter {

struct Options {
  bool enabled = true;  ///< `workers.exporter`
  /// `external_database_uri` or the content of `external_database_uri_file`: a PostgreSQL URI (it may hold a password:
  /// never logged). Empty: nothing is exported.
  std::string uri;
  /// `remote_retention`: partitions whose whole range is older, by the server's clock, are dropped. Unset: kept
  /// forever.
  std::optional<std::chrono::seconds> remote_retention;
  /// `rollups`: how long the rows for an hour, and those for a day, stay; a day's at least as long as an hour's.
  std::chrono::seconds rollup_hours = std::chrono::days{90};
  std::chrono::seconds rollup_days = std::chrono::days{3650};
};

/// `uri` with its password, wherever it stands in it, replaced by `***`.
std::string masked_uri(const std::string& uri);
/// Why `uri` is not a PostgreSQL URI and what one looks like, or nothing when it is. Never holds the password.
std::optional<std::string> refuse_uri(const std::string& uri);

}  // namespace monitor::exporter
