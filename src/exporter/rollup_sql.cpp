#include "exporter/rollup_sql.h"

#include <string_view>

#include <fmt/format.h>

#include "common/histogram.h"
#include "exporter/array_literal.h"

namespace monitor::exporter {
namespace {

// Everything that is counted is, on its way, a row of (definition, kind, code, word, n): kinds 0 to 6 are measures and
// their codes buckets, 7 is outcomes, and 8 is reasons of slots that did not run, as words.
constexpr std::string_view kRowColumns =
    "start, agent, definition, total_sum_us, rechecks, lateness_max_us, outcomes, outcome_counts, skipped_reasons, "
    "skipped_counts, histograms";

std::string in_slice(const Slice& slice) {
  return slice.parts == 1 ? "" : fmt::format(" AND definition % {} = {}", slice.parts, slice.part);
}

std::string results_of(const Slice& slice) {
  return fmt::format(
      "monitoring_results WHERE agent = {} AND seq BETWEEN {} AND {} AND request_timestamp >= {} "
      "AND request_timestamp < {}{}",
      slice.agent, slice.first_seq, slice.last_seq, timestamp_sql(slice.hour),
      timestamp_sql(slice.hour + std::chrono::hours{1}), in_slice(slice));
}

/// One pass over the results fills a hash table for each measure; rows multiplied by measures would cost three times as
/// much.
std::string counted_sql(const Slice& slice) {
  return fmt::format(
      R"sql(counted AS MATERIALIZED (
  SELECT definition,
    CASE grouping(b0, b1, b2, b3, b4, b5, b6, outcome)
      WHEN 127 THEN 0 WHEN 191 THEN 1 WHEN 223 THEN 2 WHEN 239 THEN 3 WHEN 247 THEN 4 WHEN 251 THEN 5 WHEN 253 THEN 6
      ELSE 7 END AS kind,
    coalesce(b0, b1, b2, b3, b4, b5, b6, outcome) AS code, ''::text AS word, count(*) AS n
  FROM (
    SELECT definition, outcome::integer AS outcome,
      width_bucket(CASE WHEN status IS NOT NULL THEN total_us END, bounds) AS b0, width_bucket(dns_us, bounds) AS b1,
      width_bucket(connect_us, bounds) AS b2, width_bucket(tls_us, bounds) AS b3,
      width_bucket(first_byte_us, bounds) AS b4, width_bucket(transfer_us, bounds) AS b5,
      width_bucket(lateness_us, bounds) AS b6
    FROM (SELECT $1::integer[] AS bounds) AS b, {results} AND attempt = 0
    OFFSET 0
  ) AS r
  GROUP BY GROUPING SETS ((definition, b0), (definition, b1), (definition, b2), (definition, b3), (definition, b4),
    (definition, b5), (definition, b6), (definition, outcome))
  HAVING coalesce(b0, b1, b2, b3, b4, b5, b6, outcome) IS NOT NULL
  UNION ALL
  SELECT definition, 8, 0, reason, sum({after} - {before})::bigint
  FROM monitoring_skipped
  WHERE agent = {agent} AND to_timestamp >= {from} AND least(from_timestamp, to_timestamp) < {to}{slice}
  GROUP BY definition, reason
  HAVING sum({after} - {before}) > 0
),
summed AS MATERIALIZED (
  SELECT definition, coalesce(sum(total_us) FILTER (WHERE attempt = 0 AND status IS NOT NULL), 0)::bigint AS total_sum_us,
    count(*) FILTER (WHERE attempt > 0) AS rechecks,
    greatest(max(lateness_us) FILTER (WHERE attempt = 0), 0) AS lateness_max_us,
    min(request_timestamp) FILTER (WHERE attempt = 0 AND outcome = ANY (ARRAY(
      SELECT code FROM monitoring_outcomes WHERE verdict <> 'unknown'))) AS first_judged
  FROM {results}
  GROUP BY definition
  UNION ALL
  SELECT definition, 0, 0, 0, NULL FROM counted WHERE kind = 8
))sql",
      fmt::arg("results", results_of(slice)), fmt::arg("agent", slice.agent),
      fmt::arg("from", timestamp_sql(slice.hour)), fmt::arg("to", timestamp_sql(slice.hour + std::chrono::hours{1})),
      fmt::arg("before", slots_before_sql(slice.hour)),
      fmt::arg("after", slots_before_sql(slice.hour + std::chrono::hours{1})), fmt::arg("slice", in_slice(slice)));
}

/// Rows of a tier, for what follows; `|| ''` unpacks a compressed value once and not for each of its bytes.
std::string stored_sql(std::string_view table, int agent, Hours start, const std::string& more) {
  return fmt::format(
      "SELECT definition, total_sum_us, rechecks, lateness_max_us, outcomes, outcome_counts, skipped_reasons, "
      "skipped_counts, histograms || ''::bytea AS histograms FROM {} WHERE start = {} AND agent = {}{}",
      table, timestamp_sql(start), agent, more);
}

std::string counts_of(std::string_view rows, std::string_view sign) {
  return fmt::format(R"sql(
  SELECT definition, get_byte(histograms, 6 * i) AS kind, get_byte(histograms, 6 * i + 1) AS code, ''::text AS word,
    {1}((get_byte(histograms, 6 * i + 2)::bigint << 24) + (get_byte(histograms, 6 * i + 3) << 16)
      + (get_byte(histograms, 6 * i + 4) << 8) + get_byte(histograms, 6 * i + 5)) AS n
  FROM {0}, generate_series(0, length(histograms) / 6 - 1) AS i
  UNION ALL SELECT definition, 7, code, '', {1}n FROM {0}, unnest(outcomes, outcome_counts) AS o(code, n)
  UNION ALL SELECT definition, 8, 0, word, {1}n FROM {0}, unnest(skipped_reasons, skipped_counts) AS s(word, n))sql",
                     rows, sign);
}

/// The columns of a tier's rows out of `counts` and `sums`; `definitions` are the ones that have a row.
std::string packed_sql(std::string_view counts, std::string_view sums) {
  return fmt::format(R"sql(
  SELECT * FROM (
    SELECT definition, sum(total_sum_us)::bigint AS total_sum_us, sum(rechecks)::bigint AS rechecks,
      max(lateness_max_us) AS lateness_max_us
    FROM ({sums}) AS s GROUP BY definition
  ) AS s LEFT JOIN (
    SELECT definition, array_agg(code::smallint ORDER BY code) FILTER (WHERE kind = 7) AS outcomes,
      array_agg(n ORDER BY code) FILTER (WHERE kind = 7) AS outcome_counts,
      array_agg(word ORDER BY word) FILTER (WHERE kind = 8) AS skipped_reasons,
      array_agg(n ORDER BY word) FILTER (WHERE kind = 8) AS skipped_counts,
      string_agg(int2send((kind * 256 + code)::smallint) || int4send(least(n, 2147483647)::integer), ''::bytea
                 ORDER BY kind, code) FILTER (WHERE kind < 7) AS histograms
    FROM (
      SELECT definition, kind, code, word, sum(n)::bigint AS n FROM ({counts}) AS c
      GROUP BY definition, kind, code, word HAVING sum(n) > 0
    ) AS c GROUP BY definition
  ) AS p USING (definition))sql",
                     fmt::arg("counts", counts), fmt::arg("sums", sums));
}

std::string sums_of(std::string_view rows, std::string_view sign = "") {
  return fmt::format(
      "SELECT definition, {1}total_sum_us AS total_sum_us, {1}rechecks AS rechecks, lateness_max_us FROM {0}", rows,
      sign);
}

/// Two parts of a WITH: `<name>_before` and `<name>`, which adds (`changes`, `change_sums`) to a tier's rows.
std::string add_to_tier_sql(std::string_view name, int agent, Hours start) {
  const auto table = fmt::format("monitoring_{}", name);
  const auto before = fmt::format("{}_before", name);
  const std::string counts = "SELECT * FROM changes UNION ALL " + counts_of(before, "");
  const std::string sums = "SELECT * FROM change_sums UNION ALL " + sums_of(before);
  return fmt::format(
      "{before} AS MATERIALIZED ({stored}),\n"
      "{name} AS (INSERT INTO {table} ({columns}) SELECT {start}, {agent}, p.* FROM ({packed}) AS p\n"
      "ON CONFLICT (start, agent, definition) DO UPDATE SET total_sum_us = excluded.total_sum_us, "
      "rechecks = excluded.rechecks, lateness_max_us = excluded.lateness_max_us, outcomes = excluded.outcomes, "
      "outcome_counts = excluded.outcome_counts, skipped_reasons = excluded.skipped_reasons, "
      "skipped_counts = excluded.skipped_counts, histograms = excluded.histograms)",
      fmt::arg("before", before), fmt::arg("name", name), fmt::arg("table", table), fmt::arg("columns", kRowColumns),
      fmt::arg("start", timestamp_sql(start)), fmt::arg("agent", agent),
      fmt::arg("stored", stored_sql(table, agent, start, " AND definition IN (SELECT definition FROM change_sums)")),
      fmt::arg("packed", packed_sql(counts, sums)));
}

Hours day_of(Hours hour) {
  return std::chrono::floor<std::chrono::days>(hour);
}

}  // namespace

std::string timestamp_sql(Hours time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  return fmt::format("timestamp '{:04}-{:02}-{:02} {:02}:00:00'", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), (time - day).count());
}

Hours month_of(Hours time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return std::chrono::sys_days(date.year() / date.month() / 1);
}

std::string bucket_bounds() {
  ArrayLiteral bounds;
  for (int bucket = 1; bucket < common::Histogram::kBuckets; ++bucket) {
    bounds.add(common::Histogram::begin_of(bucket));
  }
  return bounds.close();
}

std::string slots_before_sql(Hours time) {
  // numeric: a product of microseconds and a count does not fit into 64 bits.
  return fmt::format(
      "CASE WHEN {0} > to_timestamp THEN count WHEN {0} <= from_timestamp THEN 0 "
      "ELSE least(count, ceil(extract(epoch FROM {0} - from_timestamp) * (count - 1) "
      "/ extract(epoch FROM to_timestamp - from_timestamp))) END",
      timestamp_sql(time));
}

std::string replace_hour_sql(const Slice& slice) {
  const auto old = stored_sql("monitoring_hours", slice.agent, slice.hour, in_slice(slice));
  return fmt::format(
      R"sql(WITH {counted},
old AS MATERIALIZED ({old}),
fresh AS MATERIALIZED ({packed}),
hours AS (INSERT INTO monitoring_hours ({columns}, first_judged)
  SELECT {start}, {agent}, fresh.*, first_judged
  FROM fresh JOIN (SELECT definition, min(first_judged) AS first_judged FROM summed GROUP BY definition) AS f
    USING (definition)
  ON CONFLICT (start, agent, definition) DO UPDATE SET total_sum_us = excluded.total_sum_us,
    rechecks = excluded.rechecks, lateness_max_us = excluded.lateness_max_us, outcomes = excluded.outcomes,
    outcome_counts = excluded.outcome_counts, skipped_reasons = excluded.skipped_reasons,
    skipped_counts = excluded.skipped_counts, histograms = excluded.histograms, first_judged = excluded.first_judged),
gone AS (DELETE FROM monitoring_hours WHERE start = {start} AND agent = {agent}{slice}
  AND definition NOT IN (SELECT definition FROM fresh)),
changes AS MATERIALIZED (SELECT * FROM counted UNION ALL {old_counts}),
change_sums AS MATERIALIZED ({sums} UNION ALL {old_sums}),
{day},
{month}
SELECT count(*) FROM fresh)sql",
      fmt::arg("counted", counted_sql(slice)), fmt::arg("old", old),
      fmt::arg("packed", packed_sql("SELECT * FROM counted", sums_of("summed"))), fmt::arg("columns", kRowColumns),
      fmt::arg("start", timestamp_sql(slice.hour)), fmt::arg("agent", slice.agent), fmt::arg("slice", in_slice(slice)),
      fmt::arg("old_counts", counts_of("old", "-")), fmt::arg("sums", sums_of("summed")),
      fmt::arg("old_sums", sums_of("old", "-")),
      fmt::arg("day", add_to_tier_sql("days", slice.agent, day_of(slice.hour))),
      fmt::arg("month", add_to_tier_sql("months", slice.agent, month_of(slice.hour))));
}

std::string add_hour_sql(const Slice& slice, bool hours) {
  return fmt::format(
      "WITH {},\nchanges AS MATERIALIZED (SELECT * FROM counted),\n"
      "change_sums AS MATERIALIZED ({}),\n{}{},\n{}\nSELECT count(*) FROM change_sums",
      counted_sql(slice), sums_of("summed"), hours ? add_to_tier_sql("hours", slice.agent, slice.hour) + ",\n" : "",
      add_to_tier_sql("days", slice.agent, day_of(slice.hour)),
      add_to_tier_sql("months", slice.agent, month_of(slice.hour)));
}

std::string take_day_off_sql(int agent, Hours day) {
  return fmt::format(
      "WITH old AS MATERIALIZED ({}),\nchanges AS MATERIALIZED ({}),\n"
      "change_sums AS MATERIALIZED ({}),\n{},\n"
      "gone AS (DELETE FROM monitoring_days WHERE start = {} AND agent = {})\nSELECT count(*) FROM old",
      stored_sql("monitoring_days", agent, day, ""), counts_of("old", "-"), sums_of("old", "-"),
      add_to_tier_sql("months", agent, month_of(day)), timestamp_sql(day), agent);
}

std::string take_skipped_off_sql(const Slice& slice) {
  return fmt::format(
      "WITH changes AS MATERIALIZED (SELECT definition, 8 AS kind, 0 AS code, word, -n AS n FROM monitoring_hours, "
      "unnest(skipped_reasons, skipped_counts) AS s(word, n) WHERE start = {} AND agent = {}),\n"
      "change_sums AS MATERIALIZED (SELECT DISTINCT definition, 0 AS total_sum_us, 0 AS rechecks, 0 AS lateness_max_us "
      "FROM changes),\n{},\n{},\n{}\nSELECT count(*) FROM changes",
      timestamp_sql(slice.hour), slice.agent, add_to_tier_sql("hours", slice.agent, slice.hour),
      add_to_tier_sql("days", slice.agent, day_of(slice.hour)),
      add_to_tier_sql("months", slice.agent, month_of(slice.hour)));
}

// Islands among the checks of slots that were judged, of the services alone that were down at all.
std::string outages_sql(const Slice& slice) {
  return fmt::format(R"sql(
INSERT INTO monitoring_outages (start, from_timestamp, to_timestamp, checks, agent, definition, outcome, from_start,
  reason)
SELECT {start}, min(request_timestamp), CASE WHEN bool_and(next_at IS NOT NULL) THEN max(next_at) END, count(*), {agent},
  definition, (array_agg(outcome ORDER BY request_timestamp, seq))[1], bool_or(was_down IS NULL),
  (array_agg(reason ORDER BY request_timestamp, seq))[1]
FROM (
  SELECT *, count(*) FILTER (WHERE down AND was_down IS DISTINCT FROM true)
    OVER (PARTITION BY definition ORDER BY request_timestamp, seq) AS island
  FROM (
    SELECT r.*, lag(down) OVER w AS was_down, lead(request_timestamp) OVER w AS next_at
    FROM (
      SELECT definition, request_timestamp, seq, outcome, reason, outcome = ANY (ARRAY(
        SELECT code FROM monitoring_outcomes WHERE verdict = 'down')) AS down
      FROM {results} AND attempt = 0
        AND outcome = ANY (ARRAY(SELECT code FROM monitoring_outcomes WHERE verdict <> 'unknown'))
        AND definition IN (SELECT definition FROM {results} AND attempt = 0
          AND outcome = ANY (ARRAY(SELECT code FROM monitoring_outcomes WHERE verdict = 'down')))
    ) AS r
    WINDOW w AS (PARTITION BY definition ORDER BY request_timestamp, seq)
  ) AS r
) AS r
WHERE down
GROUP BY definition, island
ON CONFLICT DO NOTHING)sql",
                     fmt::arg("start", timestamp_sql(slice.hour)), fmt::arg("agent", slice.agent),
                     fmt::arg("results", results_of(slice)));
}

}  // namespace monitor::exporter
