// What a local database holds and takes, for a person to read. Used where the connection is.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/rows.h"

namespace monitor::storage {

class Database;

struct Stats {
  std::uint64_t file_bytes = 0;    ///< of the database file
  std::uint64_t free_bytes = 0;    ///< of those, pages that rows to come will use, or compact() gives back
  std::uint64_t wal_bytes = 0;     ///< of the log beside it
  std::uint64_t rollup_bytes = 0;  ///< what roll-ups take of the file, about
  std::int64_t schema = 0;         ///< PRAGMA user_version
  std::int64_t epochs = 0;         ///< agent ids that this file has had
  std::int64_t definitions = 0;
  std::int64_t quarantined = 0;  ///< results that PostgreSQL refused
  std::int64_t outages = 0;
  Cursor head;      ///< the highest number of each kind ever given
  Cursor exported;  ///< as committed
  Cursor oldest;    ///< the lowest number of each kind that is still here; 0: there is none
  std::optional<common::WallTime> oldest_result;
  std::optional<common::WallTime> newest_result;

  /// How many of a kind are here, given its highest and its lowest number: rows go from the lower end alone.
  static std::int64_t held(std::int64_t head, std::int64_t oldest) { return oldest == 0 ? 0 : head - oldest + 1; }
};

/// Costs a few look-ups, however large the file is. Throws SqliteError.
Stats stats_of(Database& database);

}  // namespace monitor::storage
