#include "exporter/rollup.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "exporter/remote_schema.h"

namespace monitor::exporter {
namespace {

constexpr std::int64_t kAdvisoryLock = 0x726f6c6c757073;  // "rollups"
/// What one statement reads at most, to be done in seconds and in bounded memory.
constexpr std::int64_t kRolledAtOnce = 4'000'000;

std::string number_sql(std::int64_t seq) {
  return seq == 0 ? "NULL" : std::to_string(seq);
}

bool holds(Transaction& transaction, const std::string& condition) {
  return transaction.run("SELECT " + condition).at(0).at(0) == "t";
}

std::string hour_is(const Slice& slice, std::string_view column = "hour") {
  return fmt::format("{} = {} AND agent = {}", column, timestamp_sql(slice.hour), slice.agent);
}

void widen(Slice& slice, const std::optional<std::string>& first, const std::optional<std::string>& last) {
  if (!first || !last) return;
  slice.first_seq = slice.first_seq == 0 ? number_in(first) : std::min(slice.first_seq, number_in(first));
  slice.last_seq = std::max(slice.last_seq, number_in(last));
}

/// Removes the marks that are seen; what is committed from here on keeps its own. False: there were none.
bool take_marks(Transaction& transaction, Slice& slice) {
  const auto marks =
      transaction.run("DELETE FROM monitoring_touched WHERE " + hour_is(slice) + " RETURNING first_seq, last_seq");
  for (const auto& mark : marks) widen(slice, mark.at(0), mark.at(1));
  return !marks.empty();
}

void note_rolled(Transaction& transaction, const Slice& slice, bool sealed) {
  transaction.run(fmt::format(
      "INSERT INTO monitoring_rolled (hour, first_seq, last_seq, agent, kept, sealed) VALUES ({}, {}, {}, {}, true, "
      "{}) "
      "ON CONFLICT (hour, agent) DO UPDATE SET first_seq = excluded.first_seq, last_seq = excluded.last_seq",
      timestamp_sql(slice.hour), number_sql(slice.first_seq), number_sql(slice.last_seq), slice.agent, sealed));
}

/// The hour is marked anew with every other that the agent's day was made from, and the day begun again: what this hour
/// was among it, nobody can tell any more.
void begin_day_again(Transaction& transaction, const Slice& slice) {
  const Hours day = std::chrono::floor<std::chrono::days>(slice.hour);
  const auto of_day = fmt::format("agent = {} AND {{0}} >= {} AND {{0}} < {}", slice.agent, timestamp_sql(day),
                                  timestamp_sql(day + std::chrono::days{1}));
  const auto by_hour = fmt::format(fmt::runtime(of_day), "hour");
  const auto by_start = fmt::format(fmt::runtime(of_day), "start");
  transaction.run(take_day_off_sql(slice.agent, day));
  transaction.run("DELETE FROM monitoring_hours WHERE " + by_start);
  transaction.run("DELETE FROM monitoring_outages WHERE " + by_start);
  transaction.run(
      "INSERT INTO monitoring_touched (hour, agent, first_seq, last_seq) "
      "SELECT hour, agent, first_seq, last_seq FROM monitoring_rolled WHERE " +
      by_hour);
  transaction.run("DELETE FROM monitoring_rolled WHERE " + by_hour);
}

/// Of an hour without its results: what the tiers hold of them stays. Its slots that did not run are still here,
/// perhaps more of them than the tiers hold. So that nothing is in both, they are taken off, and the hour is marked.
void seal_lost(Transaction& transaction, const Slice& slice) {
  const auto sealed = transaction.run("UPDATE monitoring_rolled SET sealed = true WHERE NOT sealed AND " +
                                      hour_is(slice) + " RETURNING hour");
  if (sealed.empty()) return;
  transaction.run(
      "INSERT INTO monitoring_touched (hour, agent) SELECT DISTINCT start, agent FROM monitoring_hours "
      "WHERE skipped_counts IS NOT NULL AND " +
      hour_is(slice, "start"));
  transaction.run(take_skipped_off_sql(slice));
}

/// Somebody dropped what the hour was made from.
bool lost_results(Transaction& transaction, const Slice& rolled) {
  return rolled.first_seq != 0 &&
         holds(transaction,
               fmt::format("NOT EXISTS (SELECT FROM monitoring_results WHERE agent = {} AND seq BETWEEN {} "
                           "AND {} AND request_timestamp >= {} AND request_timestamp < {})",
                           rolled.agent, rolled.first_seq, rolled.last_seq, timestamp_sql(rolled.hour),
                           timestamp_sql(rolled.hour + std::chrono::hours{1})));
}

/// Its day cannot be begun again: an hour of it is sealed, or has lost its results.
bool of_sealed_day(Transaction& transaction, const Slice& slice) {
  const Hours day = std::chrono::floor<std::chrono::days>(slice.hour);
  return holds(
      transaction,
      fmt::format("EXISTS (SELECT FROM monitoring_rolled s WHERE s.agent = {} AND s.hour >= {} AND s.hour < {} "
                  "AND (s.sealed OR (s.first_seq IS NOT NULL AND NOT EXISTS (SELECT FROM monitoring_results r "
                  "WHERE r.agent = s.agent AND r.seq BETWEEN s.first_seq AND s.last_seq "
                  "AND r.request_timestamp >= s.hour AND r.request_timestamp < s.hour + interval '1 hour'))))",
                  slice.agent, timestamp_sql(day), timestamp_sql(day + std::chrono::days{1})));
}

void add_late(Transaction& transaction, Slice slice) {
  const bool hours =
      !holds(transaction, "EXISTS (SELECT FROM monitoring_rolled WHERE NOT kept AND " + hour_is(slice) + ")");
  if (!take_marks(transaction, slice)) return;
  transaction.run(add_hour_sql(slice, hours), {bucket_bounds()});
  transaction.run(outages_sql(slice));
  note_rolled(transaction, slice, true);
}

/// Whether rows from before `before` have not been rolled up that can be, or are not even marked yet.
bool awaits_rollup(Transaction& transaction, Hours before) {
  return holds(transaction,
               fmt::format("EXISTS (SELECT FROM monitoring_touched t WHERE t.hour < {0} AND NOT {1}) "
                           "OR EXISTS (SELECT FROM monitoring_agents a JOIN monitoring_results r ON r.agent = a.id "
                           "AND r.seq > a.results_marked WHERE a.results_marked < a.results_head "
                           "AND r.request_timestamp < {0}) "
                           "OR EXISTS (SELECT FROM monitoring_agents a JOIN monitoring_skipped s ON s.agent = a.id "
                           "AND s.id > a.skipped_marked WHERE a.skipped_marked < a.skipped_head "
                           "AND s.from_timestamp < {0})",
                           timestamp_sql(before), kLateSql));
}

/// Ranges that go on after `before` lose their beginning.
void purge_skipped(Transaction& transaction, Hours before) {
  const auto end = timestamp_sql(before);
  transaction.run("DELETE FROM monitoring_skipped WHERE to_timestamp < " + end);
  transaction.run(fmt::format(
      "UPDATE monitoring_skipped SET count = count - ({0})::bigint, from_timestamp = greatest({1}, from_timestamp + "
      "(to_timestamp - from_timestamp) * (({0}) / (count - 1)::double precision)) "
      "WHERE from_timestamp < {1} AND to_timestamp >= {1} AND count > 1",
      slots_before_sql(before), end));
}

}  // namespace

const char* const kLateSql =
    "(EXISTS (SELECT FROM monitoring_rolled s WHERE s.sealed AND s.agent = t.agent "
    "AND s.hour >= date_trunc('day', t.hour) AND s.hour < date_trunc('day', t.hour) + interval '1 day') "
    "AND NOT EXISTS (SELECT FROM monitoring_rolled s WHERE NOT s.sealed AND s.agent = t.agent AND s.hour = t.hour))";

Slice slice_of(const Row& row) {
  Slice slice;
  slice.agent = static_cast<int>(number_in(row.at(0)));
  slice.hour = Hours(std::chrono::hours(number_in(row.at(1))));
  return slice;
}

bool take_rollup_lock(Transaction& transaction) {
  return holds(transaction, fmt::format("pg_try_advisory_xact_lock({})", kAdvisoryLock));
}

// Each statement sees what was committed before it, so results may be among these that came after the marks were
// taken: they have marks of their own, and the hour is made again.
void roll(Transaction& transaction, Slice slice) {
  const auto rows =
      transaction.run("SELECT first_seq, last_seq, kept, sealed FROM monitoring_rolled WHERE " + hour_is(slice));
  if (!rows.empty()) {
    const auto& rolled = rows.front();
    if (rolled.at(3) == "t") return;
    widen(slice, rolled.at(0), rolled.at(1));
    const bool kept = rolled.at(2) == "t";
    if (lost_results(transaction, slice) || (!kept && of_sealed_day(transaction, slice))) {
      return seal_lost(transaction, slice);
    }
    if (!kept) return begin_day_again(transaction, slice);
  }
  if (!take_marks(transaction, slice)) return;
  const std::vector<std::string> bounds{bucket_bounds()};
  slice.parts = static_cast<int>((slice.last_seq - slice.first_seq) / kRolledAtOnce) + 1;
  for (slice.part = 0; slice.part < slice.parts; ++slice.part) transaction.run(replace_hour_sql(slice), bounds);
  slice.parts = 1;
  slice.part = 0;
  transaction.run("DELETE FROM monitoring_outages WHERE " + hour_is(slice, "start"));
  transaction.run(outages_sql(slice));
  note_rolled(transaction, slice, false);
}

bool seal(Transaction& transaction, Hours before) {
  if (awaits_rollup(transaction, before)) return false;
  const auto late = transaction.run(
      fmt::format("SELECT t.agent, (extract(epoch FROM t.hour) / 3600)::bigint FROM monitoring_touched t "
                  "WHERE t.hour < {} GROUP BY t.agent, t.hour HAVING {}",
                  timestamp_sql(before), kLateSql));
  for (const auto& row : late) add_late(transaction, slice_of(row));
  const auto sealed = transaction.run(
      fmt::format("UPDATE monitoring_rolled SET sealed = true WHERE hour < {} AND NOT sealed RETURNING agent",
                  timestamp_sql(before)));
  // What has come since the last time came with one or the other.
  // Where roll-ups go before results do, nothing tells any more.
  const bool told =
      holds(transaction, "EXISTS (SELECT FROM monitoring_rolled WHERE hour < " + timestamp_sql(before) + ")");
  if (!late.empty() || !sealed.empty() || !told) purge_skipped(transaction, before);
  // What the statements above saw, and these hours' roll-ups did not, is marked.
  return !is_touched(transaction, before);
}

void seal_lost(Transaction& transaction, std::chrono::sys_days day) {
  const auto lost = transaction.run(
      fmt::format("SELECT agent, (extract(epoch FROM hour) / 3600)::bigint FROM monitoring_rolled WHERE hour >= {} "
                  "AND hour < {} AND first_seq IS NOT NULL AND NOT sealed",
                  timestamp_sql(day), timestamp_sql(day + std::chrono::days{1})));
  if (lost.empty()) return;
  transaction.run(fmt::format("SELECT pg_advisory_xact_lock({})", kAdvisoryLock));
  for (const auto& row : lost) seal_lost(transaction, slice_of(row));
}

bool is_touched(Transaction& transaction, Hours before) {
  return holds(transaction,
               fmt::format("EXISTS (SELECT FROM monitoring_touched WHERE hour < {})", timestamp_sql(before)));
}

}  // namespace monitor::exporter
