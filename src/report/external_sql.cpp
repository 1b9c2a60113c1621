#include "report/external_sql.h"

#include <fmt/format.h>

#include "report/postgres.h"

namespace monitor::report {
namespace {

constexpr std::string_view kTierColumns =
    "agent, definition, start, total_sum_us, rechecks, lateness_max_us, outcomes, outcome_counts, skipped_reasons, "
    "skipped_counts, histograms";

/// The results of a run. Constants and not parameters, so that the plan leaves out the other days.
std::string results_of(const Run& run, const Scope& scope) {
  std::string sql = fmt::format("monitoring_results WHERE request_timestamp >= '{}' AND request_timestamp < '{}'",
                                timestamp_of(run.from), timestamp_of(run.to));
  if (run.agent) sql += fmt::format(" AND agent = {}", *run.agent);
  if (run.seqs) sql += fmt::format(" AND seq BETWEEN {} AND {}", run.seqs->first, run.seqs->last);
  return sql + scope.definitions;
}

constexpr std::string_view kJudged =
    "outcome = ANY (ARRAY(SELECT code FROM monitoring_outcomes WHERE verdict <> 'unknown'))";
constexpr std::string_view kDown = "outcome = ANY (ARRAY(SELECT code FROM monitoring_outcomes WHERE verdict = 'down'))";

}  // namespace

const char* const kSchemaSql = R"sql(
SELECT to_regclass('monitoring_results') IS NOT NULL AND to_regclass('monitoring_definitions') IS NOT NULL
         AND to_regclass('monitoring_outcomes') IS NOT NULL,
       to_regclass('monitoring_rolled') IS NOT NULL AND to_regclass('monitoring_touched') IS NOT NULL
         AND to_regclass('monitoring_months') IS NOT NULL)sql";

const char* const kDefinitionsSql = "SELECT id, key, name, method, url, interval_s FROM monitoring_definitions";

std::string agents_sql(bool rollups) {
  return fmt::format("SELECT id, agent_id::text, exported_at, {} FROM monitoring_agents",
                     rollups ? "results_marked < results_head OR skipped_marked < skipped_head" : "true");
}

const char* const kHoursSql = R"sql(
SELECT agent, hour, t.agent IS NOT NULL, r.agent IS NOT NULL, coalesce(r.kept, false), coalesce(r.sealed, false),
       least(t.first_seq, r.first_seq), greatest(t.last_seq, r.last_seq)
FROM (
  SELECT agent, hour, min(first_seq) AS first_seq, max(last_seq) AS last_seq FROM monitoring_touched
  WHERE hour >= $1::timestamp GROUP BY agent, hour
) AS t FULL JOIN (
  SELECT agent, hour, kept, sealed, first_seq, last_seq FROM monitoring_rolled
  WHERE hour >= $1::timestamp AND (hour < $2::timestamp OR agent = ANY ($3::integer[])
    OR (agent, hour) IN (SELECT agent, hour FROM monitoring_touched))
) AS r USING (agent, hour))sql";

const char* const kGapsSql =
    "SELECT agent, reason, from_timestamp, to_timestamp, count FROM monitoring_gaps WHERE to_timestamp >= "
    "$1::timestamp";

std::string tier_sql(std::string_view table, const Scope& scope) {
  return fmt::format("SELECT {} FROM {} WHERE start >= $1::timestamp AND start < $2::timestamp{}", kTierColumns, table,
                     scope.definitions);
}

std::string stale_sql(const Scope& scope) {
  return fmt::format(
      "SELECT {} FROM unnest($1::integer[], $2::timestamp[]) AS s(agent, start) JOIN monitoring_hours "
      "USING (agent, start) WHERE true{}",
      kTierColumns, scope.definitions);
}

std::string activity_sql(const Scope& scope) {
  return fmt::format(
      "SELECT agent, definition, min(request_timestamp), max(request_timestamp) FROM monitoring_results "
      "WHERE request_timestamp >= $1::timestamp AND request_timestamp < $2::timestamp{} GROUP BY agent, definition",
      scope.definitions);
}

std::string counts_sql(const Run& run, std::string_view stretch, const Scope& scope) {
  return fmt::format(
      "SELECT agent, definition, date_trunc('{}', request_timestamp), outcome, attempt > 0, count(*), "
      "coalesce(sum(total_us) FILTER (WHERE status IS NOT NULL), 0)::bigint, max(lateness_us), "
      "min(request_timestamp), max(request_timestamp) FROM {} GROUP BY 1, 2, 3, 4, 5",
      stretch, results_of(run, scope));
}

// One pass, with a hash table for each measure.
std::string buckets_sql(const Run& run, const Scope& scope) {
  return fmt::format(R"sql(
SELECT definition,
  CASE WHEN total IS NOT NULL THEN 0 WHEN dns IS NOT NULL THEN 1 WHEN connect IS NOT NULL THEN 2
       WHEN tls IS NOT NULL THEN 3 WHEN first_byte IS NOT NULL THEN 4 WHEN transfer IS NOT NULL THEN 5 ELSE 6 END,
  coalesce(total, dns, connect, tls, first_byte, transfer, late), count(*)
FROM (
  SELECT definition, width_bucket(CASE WHEN status IS NOT NULL THEN total_us END, begins) AS total,
    width_bucket(dns_us, begins) AS dns, width_bucket(connect_us, begins) AS connect,
    width_bucket(tls_us, begins) AS tls, width_bucket(first_byte_us, begins) AS first_byte,
    width_bucket(transfer_us, begins) AS transfer, width_bucket(lateness_us, begins) AS late
  FROM (SELECT $1::integer[] AS begins) AS b, {} AND attempt = 0
  OFFSET 0
) AS r
GROUP BY GROUPING SETS ((definition, total), (definition, dns), (definition, connect), (definition, tls),
  (definition, first_byte), (definition, transfer), (definition, late))
HAVING coalesce(total, dns, connect, tls, first_byte, transfer, late) IS NOT NULL)sql",
                     results_of(run, scope));
}

std::string skipped_sql(const Run& run, const Scope& scope) {
  return fmt::format(
      "SELECT agent, definition, from_timestamp, to_timestamp, count, reason FROM monitoring_skipped "
      "WHERE to_timestamp >= '{}' AND least(from_timestamp, to_timestamp) < '{}'{}{}",
      timestamp_of(run.from), timestamp_of(run.to), run.agent ? fmt::format(" AND agent = {}", *run.agent) : "",
      scope.definitions);
}

std::string turns_sql(const Run& run) {
  return fmt::format(R"sql(
SELECT agent, service, request_timestamp, down, outcome, reason, downs_before, before
FROM (
  SELECT *, lag(down) OVER w AS was_down, lag(request_timestamp) OVER w AS before,
    (count(*) FILTER (WHERE down) OVER w) - down::integer AS downs_before
  FROM (
    SELECT agent, service, request_timestamp, seq, outcome, reason, {down} AS down
    FROM unnest($1::integer[], $2::integer[]) AS s(definition, service) JOIN (SELECT * FROM {results}) AS r
      USING (definition)
    WHERE attempt = 0 AND {judged}
  ) AS checks
  WINDOW w AS (PARTITION BY agent, service ORDER BY request_timestamp, seq)
) AS turns
WHERE down IS DISTINCT FROM was_down
ORDER BY agent, service, request_timestamp, seq)sql",
                     fmt::arg("down", kDown), fmt::arg("judged", kJudged),
                     fmt::arg("results", results_of(run, Scope{})));
}

const char* const kPiecesSql = R"sql(
WITH services AS (SELECT * FROM unnest($1::integer[], $2::integer[]) AS s(definition, service))
SELECT p.agent, p.service, p.start, p.from_timestamp, p.to_timestamp, p.checks, p.outcome, p.reason, p.from_start,
       CASE WHEN p.alone THEN (
         SELECT h.first_judged FROM monitoring_hours h JOIN services s USING (definition)
         WHERE h.agent = p.agent AND s.service = p.service AND h.start >= p.start
           AND h.start <= p.start + interval '1 day' AND h.first_judged > p.from_timestamp
         ORDER BY h.start, h.first_judged LIMIT 1
       ) END, r.kept IS NOT TRUE
FROM (
  SELECT agent, service, start, from_timestamp, to_timestamp, checks, outcome, reason, from_start,
    to_timestamp IS NULL AND NOT coalesce(lead(from_start) OVER w AND lead(start) OVER w = start + interval '1 hour',
                                          false) AS alone
  FROM monitoring_outages JOIN services USING (definition) WHERE start >= $3::timestamp
  WINDOW w AS (PARTITION BY agent, service ORDER BY from_timestamp)
) AS p
LEFT JOIN monitoring_rolled r ON r.agent = p.agent AND r.hour = p.start)sql";

const char* const kNextJudgedSql = R"sql(
SELECT p.number, min(h.first_judged)
FROM unnest($3::integer[], $4::integer[], $5::timestamp[]) WITH ORDINALITY AS p(agent, service, ended, number)
JOIN unnest($1::integer[], $2::integer[]) AS s(definition, service) USING (service)
JOIN monitoring_hours h ON h.agent = p.agent AND h.definition = s.definition AND h.start >= p.ended
WHERE h.first_judged IS NOT NULL
GROUP BY p.number)sql";

std::string last_sql(common::WallTime from, common::WallTime to) {
  return fmt::format(R"sql(
SELECT definition, request_timestamp, outcome, reason, status, total_us
FROM unnest($1::integer[], $2::timestamp[]) AS w(definition, begins)
CROSS JOIN LATERAL (
  SELECT request_timestamp, outcome, reason, status, total_us FROM monitoring_results r
  WHERE r.definition = w.definition AND request_timestamp >= w.begins AND request_timestamp >= '{}'
    AND request_timestamp < '{}' AND attempt = 0
  ORDER BY request_timestamp DESC, seq DESC LIMIT 1
) AS r)sql",
                     timestamp_of(from), timestamp_of(to));
}

}  // namespace monitor::report
