// The local database as version 2 of its schema left it, word for word, with what version 1 had in it and two results
// of its own.
#pragma once

#include <filesystem>

#include "storage/schema_v1.h"
#include "storage/sql.h"

namespace monitor::test {

inline constexpr const char* kSchemaV2 = R"sql(
CREATE TABLE tls_facts (
  id INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL UNIQUE, version TEXT, cipher TEXT, subject TEXT, issuer TEXT,
  not_before INTEGER, not_after INTEGER, sha256 BLOB);
ALTER TABLE definitions ADD COLUMN settings TEXT;
ALTER TABLE results ADD COLUMN tls INTEGER;
ALTER TABLE results ADD COLUMN hops TEXT;
ALTER TABLE results ADD COLUMN evidence TEXT;
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

inline constexpr const char* kRowsV2 = R"sql(
INSERT INTO results VALUES
  (4, 5, 1713789345970123, 20, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, 250, 183, 0, 90000, 1, 'refused', NULL, NULL, NULL),
  (5, 5, 1713789350970123, 1, 200, 0, 1, 812, 10417, 24333, 31902, 411, 67875, 183, 12480, 90000, 1, NULL, NULL, NULL,
   'HTTP/1.1 200 OK');
INSERT INTO skipped VALUES (1, 5, 1713789355970123, 1713789365970123, 3, 1);
)sql";

inline void make_v2(const std::filesystem::path& file) {
  make_v1(file);
  Sql sql(file);
  sql(kSchemaV2);
  sql(kRowsV2);
  sql("PRAGMA user_version = 2");
}

}  // namespace monitor::test
