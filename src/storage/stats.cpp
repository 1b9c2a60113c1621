#include "storage/stats.h"

#include <fmt/format.h>

#include "storage/meta.h"
#include "storage/schema.h"
#include "storage/sqlite.h"

namespace monitor::storage {
namespace {

std::optional<common::WallTime> time_at(const Database& database, std::string_view end) {
  const auto micros =
      database.prepare(fmt::format("SELECT requested_at FROM results ORDER BY seq {} LIMIT 1", end)).integer();
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

}  // namespace

Stats stats_of(Database& database) {
  Stats stats;
  const auto page = static_cast<std::uint64_t>(database.integer("PRAGMA page_size"));
  stats.file_bytes = page * static_cast<std::uint64_t>(database.integer("PRAGMA page_count"));
  stats.free_bytes = page * static_cast<std::uint64_t>(database.integer("PRAGMA freelist_count"));
  stats.schema = database.integer("PRAGMA user_version");
  stats.epochs = database.integer("SELECT count(*) FROM epochs");
  stats.definitions = database.integer("SELECT count(*) FROM definitions");
  stats.quarantined = database.integer("SELECT count(*) FROM quarantine");
  Meta meta(database);
  stats.head = head_of(database);
  stats.exported = meta.exported();
  stats.oldest = {.results = database.integer("SELECT min(seq) FROM results"),
                  .skipped = database.integer("SELECT min(id) FROM skipped"),
                  .gaps = database.integer("SELECT min(id) FROM gaps")};
  stats.oldest_result = time_at(database, "ASC");
  stats.newest_result = time_at(database, "DESC");
  if (stats.schema < kRollupSchema) return stats;
  stats.rollup_bytes = static_cast<std::uint64_t>(meta.rollup_bytes());
  stats.outages = database.integer("SELECT count(*) FROM outages");
  return stats;
}

}  // namespace monitor::storage
