#include "storage/rollup_table.h"

#include <algorithm>

#include "common/log.h"

namespace monitor::storage {
namespace {

constexpr std::int64_t kRowBytes = 24;  // of a row beside its body: key, header, place in its page, free room

}  // namespace

RollupTable::RollupTable(Database& database, Meta& meta)
    : meta_(meta),
      find_(database.prepare("SELECT body FROM rollups WHERE tier = ?1 AND start = ?2 AND definition = ?3")),
      insert_(database.prepare("INSERT INTO rollups (tier, start, definition, body) VALUES (?1, ?2, ?3, ?4)")),
      update_(database.prepare("UPDATE rollups SET body = ?4 WHERE tier = ?1 AND start = ?2 AND definition = ?3")),
      oldest_(database.prepare("SELECT start, definition, length(body) FROM rollups WHERE tier = ?1 AND start <= ?2 "
                               "ORDER BY start, definition LIMIT ?3")),
      remove_(database.prepare("DELETE FROM rollups WHERE tier = ?1 AND (start, definition) <= (?2, ?3)")) {
  reload();
}

void RollupTable::reload() {
  bytes_ = meta_.rollup_bytes();
}

void RollupTable::save() {
  meta_.set_rollup_bytes(bytes_);
}

void RollupTable::add(Tier tier, common::WallTime start, DefinitionId definition, const Rollup& more) {
  const auto number = static_cast<std::int64_t>(tier);
  const auto micros = common::unix_micros(start);
  const auto write = [&](Statement& statement, const Rollup& sum, std::int64_t before) {
    const auto body = pack(sum);
    statement.run(number, micros, definition, std::span<const std::uint8_t>(body));
    bytes_ += std::ssize(body) + kRowBytes - before;
  };
  Rollup sum;
  std::int64_t before = 0;
  {
    auto rows = find_.query(number, micros, definition);
    if (rows.next()) {
      const auto body = rows.blob(0);
      before = std::ssize(body) + kRowBytes;
      if (!PackedRollup{.definition = definition, .start = start, .body = body}.add_to(sum)) {
        common::log::error("The local database has a damaged roll-up of {}: what it counted before is lost",
                           common::format_time(start));
      }
    }
  }
  if (before == 0) return write(insert_, more, 0);
  sum.merge(more);
  write(update_, sum, before);
}

std::int64_t RollupTable::forget(Tier tier, common::WallTime before, std::size_t max_rows) {
  const auto number = static_cast<std::int64_t>(tier);
  std::int64_t start = 0;
  DefinitionId definition = 0;
  std::int64_t count = 0;
  std::int64_t bytes = 0;
  {
    auto rows =
        oldest_.query(number, common::unix_micros(before - width_of(tier)), static_cast<std::int64_t>(max_rows));
    for (; rows.next(); ++count) {
      start = rows.integer(0);
      definition = rows.integer(1);
      bytes += rows.integer(2) + kRowBytes;
    }
  }
  if (count == 0) return 0;
  remove_.run(number, start, definition);
  bytes_ = std::max<std::int64_t>(0, bytes_ - bytes);
  return count;
}

}  // namespace monitor::storage
