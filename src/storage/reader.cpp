#include "storage/reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/files.h"
#include "storage/invariants.h"
#include "storage/opening.h"
#include "storage/row_mapping.h"
#include "storage/schema.h"
#include "storage/sqlite.h"

namespace monitor::storage {
namespace {

constexpr std::chrono::seconds kLockWait{5};
// Request times follow `seq` but for slow checks, waits for the disk and clock steps: every kSampled-th row is looked
// at, and what lies between two samples is read if it may touch the range, or if the clock was set back in it.
constexpr Seq kSampled = 1024;
constexpr auto kMargin = std::chrono::minutes{10};  // the longest timeout, twice

/// What is read from here on is the database as it is now.
void begin(const Database& database) {
  database.execute("BEGIN; SELECT 1 FROM meta LIMIT 1");
}

Database open(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) {
    throw common::Error(fmt::format("there is no local database {}; `monitor start` makes it", file.string()));
  }
  try {
    Database database(file, Database::Mode::kReadOnly);
    database.wait_for_locks(kLockWait);
    database.execute("PRAGMA query_only = ON");
    require_ours(database, file);
    begin(database);
    return database;
  } catch (const SqliteError& error) {
    // In a folder that cannot be written SQLite cannot make the shared memory of a WAL. After a clean stop there is
    // nothing in the WAL, and the file alone is the database.
    if (!error.io() || size_of(beside(file, "-wal")) > 0) throw;
  }
  Database database(file, Database::Mode::kImmutable);
  require_ours(database, file);
  begin(database);
  return database;
}

}  // namespace

struct Reader::Parts {
  explicit Parts(const std::filesystem::path& file)
      : database(open(file)),
        sample(database.prepare("SELECT requested_at FROM results WHERE seq >= ?1 ORDER BY seq LIMIT 1")),
        results(database.prepare("SELECT seq, definition, requested_at, outcome, status, total_us, attempt, reason, "
                                 "dns_us, connect_us, tls_us, first_byte_us, transfer_us, lateness_us "
                                 "FROM results WHERE seq BETWEEN ?1 AND ?2 AND requested_at >= ?3 AND "
                                 "requested_at < ?4 ORDER BY seq")),
        skipped(database.prepare("SELECT id, definition, from_at, to_at, count, reason FROM skipped "
                                 "WHERE to_at >= ?1 AND from_at < ?2 ORDER BY id")),
        gaps(database.prepare("SELECT id, reason, from_at, to_at, first_seq, last_seq, count FROM gaps "
                              "WHERE to_at >= ?1 AND from_at < ?2 ORDER BY id")) {
    // A file that no newer daemon has opened yet has no roll-ups.
    if (database.integer("PRAGMA user_version") < kRollupSchema) return;
    rollups.emplace(
        database.prepare("SELECT definition, start, body FROM rollups WHERE tier = ?1 AND start >= ?2 AND start < ?3"));
    outages.emplace(
        database.prepare("SELECT definition, from_at, to_at, last_at, checks, outcome, reason FROM outages "
                         "WHERE (to_at IS NULL OR to_at >= ?1) AND from_at < ?2 ORDER BY id"));
  }
  Database database;
  Statement sample;
  Statement results;
  Statement skipped;
  Statement gaps;
  std::optional<Statement> rollups;
  std::optional<Statement> outages;
};

std::string reason_text(const ReportRow& row) {
  if (!row.reason.empty()) return std::string(row.reason);
  if (!row.status) {
    const auto* info = common::find_outcome(static_cast<std::uint8_t>(row.outcome));
    return info == nullptr ? "unknown" : std::string(info->meaning);
  }
  return fmt::format("HTTP {} in {:.1f} ms", *row.status, std::chrono::duration<double, std::milli>(row.total).count());
}

Reader::Reader(const std::filesystem::path& file) : file_(file), parts_(std::make_unique<Parts>(file)) {
  load_definitions();
}

Reader::~Reader() = default;

void Reader::load_definitions() {
  definitions_.clear();
  // A file that no newer daemon has opened yet has no `settings`.
  auto select = parts_->database.prepare(
      "SELECT id, fingerprint, key, name, url, method, check_regex, regex, interval_s, timeout_s, NULL "
      "FROM definitions");
  auto rows = select.query();
  while (rows.next()) {
    auto definition = definition_of(rows);
    const DefinitionId id = definition.id;
    definitions_.emplace(id, std::move(definition));
  }
}

std::unordered_set<DefinitionId> Reader::definitions_of(const std::string& service) const {
  std::unordered_set<DefinitionId> found;
  for (const auto& [id, definition] : definitions_) {
    const bool named = definition.name == service || definition.key == service;
    if (named || fmt::format("{} {}", definition.method, definition.url) == service) found.insert(id);
  }
  return found;
}

std::vector<Reader::Range> Reader::ranges(common::WallTime from, common::WallTime to) {
  const auto low = common::unix_micros(from - kMargin);
  const auto high = common::unix_micros(to + kMargin);
  std::vector<Range> found;
  const Seq last = parts_->database.integer("SELECT max(seq) FROM results");
  Seq at = parts_->database.integer("SELECT min(seq) FROM results");
  std::int64_t begins = time_at(at);
  while (at > 0 && at <= last) {
    const Seq next = at + kSampled;
    const std::int64_t ends = time_at(std::min(next, last));
    const bool clock_went_back = ends < begins;
    if (clock_went_back || (ends >= low && begins < high)) {
      found.push_back({.first = at, .last = next - 1});
    }
    at = next;
    begins = ends;
  }
  return found;
}

std::int64_t Reader::time_at(Seq seq) {
  return parts_->sample.integer(seq).value_or(0);
}

void Reader::for_each_result(common::WallTime from, common::WallTime to, const std::optional<std::string>& service,
                             const std::function<void(const ReportRow&)>& visit) {
  const auto wanted = service ? definitions_of(*service) : std::unordered_set<DefinitionId>{};
  for (const auto& range : ranges(from, to)) {
    auto rows = parts_->results.query(range.first, range.last, common::unix_micros(from), common::unix_micros(to));
    while (rows.next()) {
      const auto known = definitions_.find(rows.integer(1));
      if (known == definitions_.end() || (service && !wanted.contains(known->first))) continue;
      ReportRow row;
      row.seq = rows.integer(0);
      row.definition = &known->second;
      row.requested_at = common::from_unix_micros(rows.integer(2));
      row.outcome = static_cast<common::Outcome>(rows.integer(3));
      if (const auto status = rows.optional_integer(4)) row.status = static_cast<std::uint16_t>(*status);
      row.total = common::Micros{rows.integer(5)};
      row.attempt = static_cast<std::uint16_t>(rows.integer(6));
      row.reason = rows.text(7);
      row.dns = duration_of(rows, 8);
      row.connect = duration_of(rows, 9);
      row.tls = duration_of(rows, 10);
      row.first_byte = duration_of(rows, 11);
      row.transfer = duration_of(rows, 12);
      row.lateness = common::Micros{rows.integer(13)};
      visit(row);
    }
  }
}

void Reader::for_each_rollup(Tier tier, common::WallTime from, common::WallTime to,
                             const std::function<void(const PackedRollup&)>& visit) {
  if (!parts_->rollups) return;
  auto rows =
      parts_->rollups->query(static_cast<std::int64_t>(tier), common::unix_micros(from), common::unix_micros(to));
  while (rows.next()) {
    visit({.definition = rows.integer(0), .start = common::from_unix_micros(rows.integer(1)), .body = rows.blob(2)});
  }
}

std::optional<common::WallTime> Reader::oldest_rollup(Tier tier) {
  if (!parts_->rollups) return std::nullopt;
  auto oldest = parts_->database.prepare("SELECT min(start) FROM rollups WHERE tier = ?1");
  const auto start = oldest.integer(static_cast<std::int64_t>(tier));
  return start ? std::optional{common::from_unix_micros(*start)} : std::nullopt;
}

std::vector<Outage> Reader::outages(common::WallTime from, common::WallTime to) {
  std::vector<Outage> found;
  if (!parts_->outages) return found;
  auto rows = parts_->outages->query(common::unix_micros(from), common::unix_micros(to));
  while (rows.next()) found.push_back(outage_of(rows));
  return found;
}

std::optional<common::WallTime> Reader::oldest_result() {
  if (const auto micros = time_at(parts_->database.integer("SELECT min(seq) FROM results")); micros > 0) {
    return common::from_unix_micros(micros);
  }
  return std::nullopt;
}

std::optional<common::WallTime> Reader::alive_at(common::WallTime now) {
  const auto sign = parts_->database.prepare("SELECT value FROM meta WHERE key = 'alive_at'").integer();
  const auto newest = time_at(parts_->database.integer("SELECT max(seq) FROM results"));
  std::int64_t latest = 0;
  for (const auto moment : {sign.value_or(0), newest}) {
    if (moment <= common::unix_micros(now)) latest = std::max(latest, moment);
  }
  return latest > 0 ? std::optional{common::from_unix_micros(latest)} : std::nullopt;
}

std::vector<StoredSkipped> Reader::skipped(common::WallTime from, common::WallTime to) {
  std::vector<StoredSkipped> found;
  auto rows = parts_->skipped.query(common::unix_micros(from), common::unix_micros(to));
  while (rows.next()) found.push_back(skipped_of(rows));
  return found;
}

std::vector<StoredGap> Reader::gaps(common::WallTime from, common::WallTime to) {
  std::vector<StoredGap> found;
  auto rows = parts_->gaps.query(common::unix_micros(from), common::unix_micros(to));
  while (rows.next()) found.push_back(gap_of(rows));
  return found;
}

Ledger Reader::ledger() {
  return ledger_of(parts_->database);
}

Stats Reader::stats() {
  Stats stats = stats_of(parts_->database);
  stats.wal_bytes = size_of(beside(file_, "-wal"));
  return stats;
}

std::vector<std::string> Reader::agent_ids() {
  std::vector<std::string> ids;
  auto select = parts_->database.prepare("SELECT agent_id FROM epochs ORDER BY id DESC");
  for (auto rows = select.query(); rows.next();) ids.emplace_back(rows.text(0));
  return ids;
}

std::vector<RowSum> Reader::row_sums(Seq first, Seq last) {
  return storage::row_sums(parts_->database, first, last);
}

std::vector<std::pair<Seq, std::int64_t>> Reader::row_values(Seq first, Seq last) {
  return storage::row_values(parts_->database, first, last);
}

std::optional<Seq> Reader::first_since(common::WallTime time) {
  return parts_->database.prepare("SELECT seq FROM results WHERE requested_at >= ?1 ORDER BY seq LIMIT 1")
      .integer(common::unix_micros(time));
}

std::optional<common::WallTime> Reader::requested_at(Seq seq) {
  const auto micros = parts_->database.prepare("SELECT requested_at FROM results WHERE seq = ?1").integer(seq);
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

std::vector<QuarantinedRow> Reader::quarantined(Seq after, std::size_t max_rows) {
  return quarantined_rows(parts_->database, after, max_rows);
}

std::vector<std::string> Reader::check(std::size_t max_findings) {
  std::vector<std::string> found;
  try {
    auto check = parts_->database.prepare(fmt::format("PRAGMA integrity_check({})", max_findings));
    auto rows = check.query();
    while (rows.next()) found.emplace_back(rows.text(0));
    if (found == std::vector<std::string>{"ok"}) found = broken_invariants(parts_->database, max_findings);
  } catch (const SqliteError& error) {
    if (!error.corrupt()) throw;
    found.emplace_back(error.what());
  }
  return found;
}

}  // namespace monitor::storage
