#include "storage/outage_table.h"

#include <algorithm>

#include "common/text.h"

namespace monitor::storage {
namespace {

constexpr std::size_t kMaxReasonBytes = 256;  // a sentence; a result's may be longer

}  // namespace

OutageTable::OutageTable(Database& database, std::uint64_t max_rows)
    : database_(database),
      max_rows_(max_rows),
      reason_(database.prepare("SELECT reason FROM results WHERE seq = ?1")),
      insert_(database.prepare("INSERT INTO outages (definition, from_at, last_at, checks, outcome, reason) "
                               "VALUES (?1, ?2, ?2, 1, ?3, ?4)")),
      update_(database.prepare("UPDATE outages SET to_at = ?2, last_at = ?3, checks = ?4 WHERE id = ?1")),
      forget_(database.prepare("DELETE FROM outages WHERE id IN (SELECT id FROM outages WHERE "
                               "coalesce(to_at, last_at) < ?1 ORDER BY id LIMIT ?2)")),
      bound_(database.prepare("DELETE FROM outages WHERE id IN (SELECT id FROM outages WHERE to_at IS NOT NULL AND "
                              "id <= (SELECT max(id) FROM outages) - ?1 ORDER BY id LIMIT ?2)")) {
  reload();
}

void OutageTable::reload() {
  open_.clear();
  auto select =
      database_.prepare("SELECT id, definition, last_at, checks FROM outages WHERE to_at IS NULL ORDER BY id");
  auto rows = select.query();
  while (rows.next()) {
    open_.insert_or_assign(
        service_of(rows.integer(1)),
        Open{.id = rows.integer(0), .last = common::from_unix_micros(rows.integer(2)), .checks = rows.integer(3)});
  }
}

DefinitionId OutageTable::service_of(DefinitionId definition) {
  if (definition > known_) load_keys(definition);
  const auto found = earlier_.find(definition);
  return found == earlier_.end() ? definition : found->second;
}

void OutageTable::load_keys(DefinitionId definition) {
  auto select = database_.prepare(
      "SELECT id, first FROM (SELECT id, min(id) OVER (PARTITION BY key) AS first FROM definitions) WHERE id > first");
  auto rows = select.query();
  while (rows.next()) earlier_.insert_or_assign(rows.integer(0), rows.integer(1));
  known_ = std::max(definition, database_.integer("SELECT max(id) FROM definitions"));
}

void OutageTable::add(const Judged& check) {
  const auto verdict = common::verdict_of(check.outcome);
  if (verdict == common::Verdict::kUnknown) return;
  const bool down = verdict == common::Verdict::kDown;
  if (!down && open_.empty()) return;
  const DefinitionId service = service_of(check.definition);
  const auto found = open_.find(service);
  if (found == open_.end()) {
    if (down) begin(check, service);
    return;
  }
  auto& open = found->second;
  if (down) {
    open.last = std::max(open.last, check.at);
    ++open.checks;
    open.counted = true;
  } else {
    write(open, std::max(open.last, check.at));  // a clock that was set back makes no outage negative
    open_.erase(found);
  }
}

void OutageTable::begin(const Judged& check, DefinitionId service) {
  std::optional<std::string> reason;
  {
    auto rows = reason_.query(check.seq);
    if (rows.next() && !rows.is_null(0)) reason = common::storable(rows.text(0), kMaxReasonBytes);
  }
  insert_.run(check.definition, common::unix_micros(check.at), static_cast<std::int64_t>(check.outcome),
              reason ? std::optional<std::string_view>(*reason) : std::nullopt);
  open_.emplace(service, Open{.id = database_.last_id(), .last = check.at, .checks = 1});
}

void OutageTable::write(const Open& open, std::optional<common::WallTime> to) {
  update_.run(open.id, to ? std::optional(common::unix_micros(*to)) : std::nullopt, common::unix_micros(open.last),
              open.checks);
}

void OutageTable::save() {
  for (auto& [service, open] : open_) {
    if (open.counted) write(open, std::nullopt);
    open.counted = false;
  }
}

bool OutageTable::forget(common::WallTime before, std::size_t max_rows) {
  const auto most = static_cast<std::int64_t>(max_rows);
  forget_.run(common::unix_micros(before), most);
  const std::int64_t old = database_.changes();
  if (old > 0) reload();
  return keep_newest(max_rows_, max_rows) == most || old == most;
}

std::int64_t OutageTable::keep_newest(std::uint64_t keep, std::size_t max_rows) {
  bound_.run(static_cast<std::int64_t>(keep), static_cast<std::int64_t>(max_rows));
  return database_.changes();
}

}  // namespace monitor::storage
