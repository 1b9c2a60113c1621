#include "storage/schema.h"

#include <array>

#include <fmt/format.h>

#include "common/outcome.h"

namespace monitor::storage {
namespace {

// results: a row of a passed check must stay small. 0, 1 and NULL take no byte in SQLite, so the usual case of a flag,
// an outcome, an attempt or a phase that did not take place costs only its header byte. `peer` is the number of an
// address in `peers`, or the address itself once that table is full. `stored_after_us` counts from `requested_at`.
// There is no index beside the key: request times follow `seq` closely enough to be found by it.
constexpr const char* kFirstSchema = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE epochs (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL,
  first_seq INTEGER NOT NULL, first_skipped INTEGER NOT NULL, first_gap INTEGER NOT NULL);
CREATE TABLE definitions (
  id INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL UNIQUE, key TEXT NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL,
  method TEXT NOT NULL, check_regex INTEGER NOT NULL, regex TEXT, interval_s INTEGER NOT NULL,
  timeout_s INTEGER NOT NULL);
CREATE TABLE peers (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE);
CREATE TABLE outcomes (code INTEGER PRIMARY KEY, name TEXT NOT NULL, verdict TEXT NOT NULL, meaning TEXT NOT NULL);
CREATE TABLE results (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, definition INTEGER NOT NULL, requested_at INTEGER NOT NULL,
  outcome INTEGER NOT NULL, status INTEGER, flags INTEGER NOT NULL, attempt INTEGER NOT NULL, dns_us INTEGER,
  connect_us INTEGER, tls_us INTEGER, first_byte_us INTEGER, transfer_us INTEGER, total_us INTEGER NOT NULL,
  lateness_us INTEGER NOT NULL, body_bytes INTEGER NOT NULL, stored_after_us INTEGER NOT NULL, peer, reason TEXT);
CREATE TABLE skipped (
  id INTEGER PRIMARY KEY AUTOINCREMENT, definition INTEGER NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL,
  count INTEGER NOT NULL, reason INTEGER NOT NULL);
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY AUTOINCREMENT, reason INTEGER NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE TABLE quarantine (seq INTEGER PRIMARY KEY, sqlstate TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE last_runs (definition INTEGER PRIMARY KEY, at INTEGER NOT NULL);
)sql";

// tls: a number in `tls_facts`; hops and evidence: see docs/data-model.md. The three are nearly always NULL, a byte
// each.
constexpr const char* kChecksWorthTrusting = R"sql(
CREATE TABLE tls_facts (
  id INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL UNIQUE, version TEXT, cipher TEXT, subject TEXT, issuer TEXT,
  not_before INTEGER, not_after INTEGER, sha256 BLOB);
ALTER TABLE definitions ADD COLUMN settings TEXT;
ALTER TABLE results ADD COLUMN tls INTEGER;
ALTER TABLE results ADD COLUMN hops TEXT;
ALTER TABLE results ADD COLUMN evidence TEXT;
)sql";

// rollups: `tier` is a Tier, `start` unix µs, `body` what pack() makes. outages: `to_at` is null while it lasts, and
// `definition` that of its first check.
constexpr const char* kRollups = R"sql(
CREATE TABLE rollups (
  tier INTEGER, start INTEGER, definition INTEGER, body BLOB NOT NULL,
  PRIMARY KEY (tier, start, definition)) WITHOUT ROWID;
CREATE TABLE outages (
  id INTEGER PRIMARY KEY, definition INTEGER NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER,
  last_at INTEGER NOT NULL, checks INTEGER NOT NULL, outcome INTEGER NOT NULL, reason TEXT);
CREATE INDEX outages_open ON outages (id) WHERE to_at IS NULL;
)sql";

// Made anew with every change of the tables, so that its text stands here once.
constexpr const char* kView = R"sql(
DROP VIEW IF EXISTS monitoring_view;
CREATE VIEW monitoring_view AS
WITH shown AS (
  SELECT r.*, d.key, d.name, d.settings, d.url, d.method, d.check_regex, d.regex, o.name AS outcome_name, o.verdict,
    (SELECT e.agent_id FROM epochs e WHERE e.first_seq <= r.seq ORDER BY e.id DESC LIMIT 1) AS agent_id,
    CASE WHEN typeof(r.peer) = 'integer' THEN (SELECT p.address FROM peers p WHERE p.id = r.peer)
         ELSE r.peer END AS remote_address,
    coalesce(r.reason, CASE WHEN r.status IS NULL THEN o.meaning
                            ELSE printf('HTTP %d in %.1f ms', r.status, r.total_us / 1000.0) END) AS reason_text
  FROM results r LEFT JOIN definitions d ON d.id = r.definition LEFT JOIN outcomes o ON o.code = r.outcome)
SELECT
  seq AS id,
  agent_id || ':' || seq AS local_id,
  url, method,
  strftime('%Y-%m-%d %H:%M:%S', requested_at / 1000000, 'unixepoch')
    || printf('.%06d', requested_at % 1000000) AS request_timestamp,
  check_regex AS regex_check_required,
  flags & 1 AS contains_regex,
  status IS NULL AS contains_exception,
  status AS status_code,
  CASE WHEN status IS NOT NULL THEN
    strftime('%Y-%m-%d %H:%M:%S', (requested_at + total_us) / 1000000, 'unixepoch')
      || printf('.%06d', (requested_at + total_us) % 1000000) END AS response_timestamp,
  regex,
  CASE WHEN status IS NULL THEN reason_text END AS exception,
  strftime('%Y-%m-%d %H:%M:%S', (requested_at + stored_after_us) / 1000000, 'unixepoch')
    || printf('.%06d', (requested_at + stored_after_us) % 1000000) AS local_created_at,
  strftime('%Y-%m-%d %H:%M:%S', (requested_at + stored_after_us) / 1000000, 'unixepoch')
    || printf('.%06d', (requested_at + stored_after_us) % 1000000) AS created_at,
  CASE WHEN name <> '' THEN name ELSE method || ' ' || url END AS service,
  CASE verdict WHEN 'up' THEN 1 WHEN 'degraded' THEN 1 WHEN 'down' THEN 0 END AS up,
  coalesce(verdict, 'unknown') AS verdict,
  coalesce(outcome_name, 'unknown') AS outcome,
  reason_text AS reason,
  dns_us, connect_us, tls_us, first_byte_us, transfer_us, total_us, lateness_us, body_bytes, remote_address,
  CASE WHEN flags & 8 THEN 'reused' ELSE 'fresh' END AS connection,
  attempt, agent_id, seq, settings,
  CASE WHEN instr(remote_address, ':') > 0 THEN 6 WHEN remote_address IS NOT NULL THEN 4 END AS family,
  CASE WHEN status IS NOT NULL THEN iif(flags & 32, '1.0', '1.1') END AS http_version,
  (flags & 16) / 16 AS retried, (flags & 2) / 2 AS capped, (flags & 4) / 4 AS dns_cached,
  t.version AS tls_version, t.cipher AS tls_cipher, t.subject AS certificate_subject,
  t.issuer AS certificate_issuer,
  strftime('%Y-%m-%d %H:%M:%S', t.not_after / 1000000, 'unixepoch') AS certificate_not_after,
  hops, evidence
FROM shown LEFT JOIN tls_facts t ON t.id = shown.tls;
)sql";

constexpr std::array kMigrations{kFirstSchema, kChecksWorthTrusting, kRollups};

void refresh_outcomes(Database& database) {
  auto current = database.prepare("SELECT 1 FROM outcomes WHERE code=?1 AND name=?2 AND verdict=?3 AND meaning=?4");
  auto replace = database.prepare("INSERT OR REPLACE INTO outcomes VALUES (?1, ?2, ?3, ?4)");
  for (const auto& info : common::kOutcomes) {
    const auto code = static_cast<std::int64_t>(info.outcome);
    const auto verdict = common::name_of(info.verdict);
    if (!current.integer(code, info.name, verdict, info.meaning)) {
      replace.run(code, info.name, verdict, info.meaning);
    }
  }
}

}  // namespace

std::int64_t newest_schema() {
  return static_cast<std::int64_t>(kMigrations.size());
}

void migrate(Database& database) {
  Transaction transaction(database);
  const auto version = database.integer("PRAGMA user_version");
  if (version < newest_schema()) {
    for (auto step = version; step < newest_schema(); ++step) {
      database.execute(kMigrations.at(static_cast<std::size_t>(step)));
    }
    database.execute(kView);
    database.execute(fmt::format("PRAGMA user_version = {}", newest_schema()));
  }
  refresh_outcomes(database);
  transaction.commit();
}

}  // namespace monitor::storage
