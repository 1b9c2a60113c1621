// The local database as version 1 of its schema left it, word for word, with one service and three results in it.
#pragma once

#include <filesystem>

#include "storage/sql.h"

namespace monitor::test {

inline constexpr const char* kSchemaV1 = R"sql(
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

CREATE VIEW monitoring_view AS
WITH shown AS (
  SELECT r.*, d.key, d.name, d.url, d.method, d.check_regex, d.regex, o.name AS outcome_name, o.verdict,
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
  attempt, agent_id, seq
FROM shown;
)sql";

/// The fingerprint is that of definition_named("shop").
inline constexpr const char* kRowsV1 = R"sql(
INSERT INTO meta VALUES ('exported_results', 1), ('commit_number', 7);
INSERT INTO epochs VALUES (1, '6f2a1c1e-0d5b-4a57-9d0f-0a4f3b6f5c11', 1, 1, 1);
INSERT INTO definitions VALUES (5, x'6230b5dc3cef7c40d08f41e66cfd20a0a0d30e69fdb06dc94159c3ab4f48b098',
  'shop', 'shop', 'https://shop.example/', 'GET', 0, NULL, 5, 15);
INSERT INTO peers VALUES (1, '192.0.2.10');
INSERT INTO outcomes VALUES (1, 'up', 'up', 'fine'), (2, 'status', 'down', 'a status outside 200-399');
INSERT INTO results VALUES
  (1, 5, 1713789330970123, 1, 200, 8, 0, 812, 10417, 24333, 31902, 411, 67875, 183, 12480, 90000, 1, NULL),
  (2, 5, 1713789335970123, 1, 200, 0, 0, 812, 10417, 24333, 31902, 411, 67875, 183, 12480, 90000, 1, NULL),
  (3, 5, 1713789340970123, 20, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, 250, 183, 0, 90000, '2001:db8::1', 'refused');
)sql";

inline void make_v1(const std::filesystem::path& file) {
  Sql sql(file);
  sql("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
  sql(kSchemaV1);
  sql(kRowsV1);
  sql("PRAGMA user_version = 1; PRAGMA application_id = 1836019305");
}

}  // namespace monitor::test
