#include "storage/left_open.h"

#include <algorithm>
#include <unordered_map>

#include "storage/rollup.h"

namespace monitor::storage {
namespace {

// Read in about 0.3 s, once, after an end without a stop. Services of which nothing is among them are left out.
constexpr std::int64_t kNewestRows = 500'000;
// The second slot of a service with a longer interval than the start is spread over comes up to half an interval
// earlier or later than the interval says.
constexpr std::chrono::seconds kRegularFromTheStart{30};

bool tells_of_one_before(SkipReason reason) {
  return reason == SkipReason::kStillRunning || reason == SkipReason::kPoolExhausted;
}

}  // namespace

std::optional<common::WallTime> left_open(const Accounted& rows, common::WallTime began, common::WallTime alive) {
  const common::Micros interval = rows.interval;
  std::optional<common::WallTime> known = rows.ran;
  for (const auto& range : rows.skipped) {
    if (known && range.from - *known > interval * 3 / 2) return *known + interval;
    if (!known && !rows.purged && tells_of_one_before(range.reason) && range.from - interval >= began) {
      return range.from - interval;
    }
    known = std::max(known.value_or(range.to), range.to);
  }
  if (!known) return std::nullopt;
  const bool may_be_first = rows.interval > kRegularFromTheStart && *known - began < kRegularFromTheStart;
  const auto next = *known + interval;
  return *known + (may_be_first ? interval * 3 / 2 : interval) <= alive ? std::optional{next} : std::nullopt;
}

std::vector<Skipped> slots_left_open(const Database& database, common::WallTime began, common::WallTime alive) {
  std::unordered_map<DefinitionId, Accounted> services;
  auto results = database.prepare(
      "SELECT definition, max(requested_at - lateness_us) FROM (SELECT * FROM results ORDER BY seq DESC LIMIT ?1) "
      "WHERE attempt = 0 AND requested_at >= ?2 GROUP BY definition");
  for (auto rows = results.query(kNewestRows, common::unix_micros(began)); rows.next();) {
    services[rows.integer(0)].ran = common::from_unix_micros(rows.integer(1));
  }
  // Of a service with a long interval it may have been purged already.
  auto runs = database.prepare("SELECT definition, at FROM last_runs WHERE at >= ?1");
  for (auto rows = runs.query(common::unix_micros(began)); rows.next();) {
    auto& ran = services[rows.integer(0)].ran;
    if (!ran) ran = common::from_unix_micros(rows.integer(1));
  }
  auto ranges = database.prepare(
      "SELECT definition, from_at, to_at, count, reason FROM (SELECT * FROM skipped ORDER BY id DESC LIMIT ?1) "
      "WHERE from_at >= ?2 ORDER BY from_at");
  for (auto rows = ranges.query(kNewestRows, common::unix_micros(began)); rows.next();) {
    const DefinitionId definition = rows.integer(0);
    services[definition].skipped.push_back({.definition = definition,
                                            .from = common::from_unix_micros(rows.integer(1)),
                                            .to = common::from_unix_micros(rows.integer(2)),
                                            .count = rows.integer(3),
                                            .reason = static_cast<SkipReason>(rows.integer(4))});
  }
  auto rolled_up = database.prepare("SELECT 1 FROM rollups WHERE tier = ?1 AND start IN (?2, ?3) AND definition = ?4");
  auto interval_of = database.prepare("SELECT interval_s FROM definitions WHERE id = ?1");
  std::vector<Skipped> open;
  for (auto& [definition, rows] : services) {
    rows.interval = std::chrono::seconds{interval_of.integer(definition).value_or(0)};
    if (rows.interval.count() == 0) continue;
    if (!rows.ran && !rows.skipped.empty()) {
      // Due at the end of an hour, it may have run at the beginning of the next.
      const auto from = rows.skipped.front().from;
      rows.purged = rolled_up
                        .integer(static_cast<std::int64_t>(Tier::kHour),
                                 common::unix_micros(start_of(Tier::kHour, from - rows.interval)),
                                 common::unix_micros(start_of(Tier::kHour, from)), definition)
                        .has_value();
    }
    if (const auto due = left_open(rows, began, alive))
      open.push_back({definition, *due, *due, 1, SkipReason::kStopping});
  }
  std::ranges::sort(open, {}, &Skipped::from);
  return open;
}

}  // namespace monitor::storage
