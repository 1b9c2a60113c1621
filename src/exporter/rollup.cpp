#include "exporter/rollup.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "exporter/remote_schema.h"

namespace monitor::exporter {
namespace {

constexpr std::int64_t kAdvisoryLock = 0x726f6c6c757073;  // "rollups"
/// What one step reads at most, to be done in seconds and in bounded memory.
constexpr std::int64_t kMarkedAtOnce = 500'000;
constexpr std::int64_t kSkippedAtOnce = 20'000;
constexpr std::int64_t kRolledAtOnce = 4'000'000;
constexpr int kListed = 500;

/// Background work: one core is enough. Of nested loops only those are left that have no other way, because the planner
/// knows nothing of how many rows these statements make on their way.
constexpr const char* kSettings =
    "SET LOCAL work_mem = '64MB'; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; "
    "SET LOCAL enable_nestloop = off";

constexpr const char* kNow = "timezone('utc', clock_timestamp())";

std::string number_sql(std::int64_t seq) {
  return seq == 0 ? "NULL" : std::to_string(seq);
}

/// Rows have come that are not rolled up yet.
struct Unfinished {};

bool holds(Transaction& transaction, const std::string& condition) {
  return transaction.run("SELECT " + condition).at(0).at(0) == "t";
}

/// What came for an hour of an agent's day that has lost its results, unless the tiers hold that hour with its results:
/// it is not rolled up on its own. Of the row `t` of monitoring_touched.
constexpr const char* kLate =
    "(EXISTS (SELECT FROM monitoring_rolled s WHERE s.sealed AND s.agent = t.agent "
    "AND s.hour >= date_trunc('day', t.hour) AND s.hour < date_trunc('day', t.hour) + interval '1 day') "
    "AND NOT EXISTS (SELECT FROM monitoring_rolled s WHERE NOT s.sealed AND s.agent = t.agent AND s.hour = t.hour))";

/// `(agent, hour in hours since 1970, …)` of each row.
Slice slice_of(const Row& row) {
  Slice slice;
  slice.agent = static_cast<int>(number_in(row.at(0)));
  slice.hour = Hours(std::chrono::hours(number_in(row.at(1))));
  return slice;
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

/// Its day cannot be begun again.
bool of_sealed_day(Transaction& transaction, const Slice& slice) {
  const Hours day = std::chrono::floor<std::chrono::days>(slice.hour);
  return holds(transaction, fmt::format("EXISTS (SELECT FROM monitoring_rolled WHERE sealed AND agent = {} "
                                        "AND hour >= {} AND hour < {})",
                                        slice.agent, timestamp_sql(day), timestamp_sql(day + std::chrono::days{1})));
}

/// Each statement sees what was committed before it, so results may be among these that came after the marks were
/// taken: they have marks of their own, and the hour is made again.
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
                           timestamp_sql(before), kLate));
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

bool take_rollup_lock(Transaction& transaction) {
  return holds(transaction, fmt::format("pg_try_advisory_xact_lock({})", kAdvisoryLock));
}

bool seal(Transaction& transaction, Hours before) {
  if (awaits_rollup(transaction, before)) return false;
  const auto late = transaction.run(
      fmt::format("SELECT t.agent, (extract(epoch FROM t.hour) / 3600)::bigint FROM monitoring_touched t "
                  "WHERE t.hour < {} GROUP BY t.agent, t.hour HAVING {}",
                  timestamp_sql(before), kLate));
  for (const auto& row : late) add_late(transaction, slice_of(row));
  const auto sealed = transaction.run(
      fmt::format("UPDATE monitoring_rolled SET sealed = true WHERE hour < {} AND NOT sealed RETURNING agent",
                  timestamp_sql(before)));
  // What has come since the last time came with one or the other.
  if (!late.empty() || !sealed.empty()) purge_skipped(transaction, before);
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

bool RollupPass::step(Session& session) {
  const auto stage = stage_;
  try {
    const auto transaction = session.begin();
    if (!take_rollup_lock(*transaction)) return false;
    transaction->run(kSettings);
    const bool more = work(*transaction);
    transaction->commit();
    return more;
  } catch (const Unfinished&) {
    return false;  // rolled back: it is done when those rows have been rolled up
  } catch (const Refused& error) {
    if (stage != Stage::kRoll) throw;
    if (!refused_) refused_ = error;
    return true;
  }
}

bool RollupPass::work(Transaction& transaction) {
  switch (stage_) {
    case Stage::kBegin:
      begin(transaction);
      stage_ = Stage::kMark;
      return true;
    case Stage::kMark:
      if (!unmarked_.empty()) {
        mark(transaction);
      } else {
        list_settled(transaction);
        stage_ = Stage::kRoll;
      }
      return true;
    case Stage::kRoll:
      if (!settled_.empty()) {
        const auto slice = settled_.front();
        settled_.pop_front();
        roll(transaction, slice);
      } else {
        stage_ = Stage::kExpire;
      }
      return true;
    case Stage::kExpire:
      if (expire(transaction)) return true;
      stage_ = Stage::kEnd;
      return false;
    case Stage::kEnd:
      break;
  }
  return false;
}

void RollupPass::begin(Transaction& transaction) {
  transaction.run(
      fmt::format("DELETE FROM monitoring_touched WHERE hour < {} - interval '{} seconds'", kNow, keep_days_.count()));
  for (const auto& row :
       transaction.run("SELECT id, results_head, skipped_head FROM monitoring_agents "
                       "WHERE results_marked < results_head OR skipped_marked < skipped_head ORDER BY id")) {
    unmarked_.push_back({static_cast<int>(number_in(row.at(0))), number_in(row.at(1)), number_in(row.at(2))});
  }
}

// The agent's row is locked last, and for a moment: its batches need it.
void RollupPass::mark(Transaction& transaction) {
  const auto [agent, results, skipped] = unmarked_.front();
  const auto rows =
      transaction.run(fmt::format("SELECT results_marked, skipped_marked FROM monitoring_agents WHERE id = {}", agent));
  if (rows.empty()) return unmarked_.pop_front();
  const auto marked = number_in(rows.at(0).at(0));
  const auto skipped_marked = number_in(rows.at(0).at(1));
  const auto next =
      transaction.run(fmt::format("SELECT seq FROM monitoring_results WHERE agent = {} AND seq > {} AND seq <= {} "
                                  "ORDER BY seq LIMIT 1",
                                  agent, marked, results));
  const auto last =
      next.empty() ? std::max(marked, results) : std::min(number_in(next.at(0).at(0)) + kMarkedAtOnce - 1, results);
  transaction.run(
      fmt::format("INSERT INTO monitoring_touched (hour, agent, first_seq, last_seq) "
                  "SELECT date_trunc('hour', request_timestamp), {0}, min(seq), max(seq) FROM monitoring_results "
                  "WHERE agent = {0} AND seq > {1} AND seq <= {2} GROUP BY 1",
                  agent, marked, last));
  const auto skipped_last = std::max(skipped_marked, std::min(skipped_marked + kSkippedAtOnce, skipped));
  transaction.run(fmt::format(
      "INSERT INTO monitoring_touched (hour, agent) SELECT DISTINCT hour, {0} FROM monitoring_skipped, "
      "generate_series(date_trunc('hour', greatest(least(from_timestamp, to_timestamp), {3} - interval '{4} days')), "
      "least(to_timestamp, {3} + interval '{5} days'), '1 hour') AS hour WHERE agent = {0} AND id > {1} AND id <= {2}",
      agent, skipped_marked, skipped_last, kNow, kDaysBack.count(), kDaysAhead.count()));
  transaction.run(
      fmt::format("UPDATE monitoring_agents SET results_marked = greatest(results_marked, {}), "
                  "skipped_marked = greatest(skipped_marked, {}) WHERE id = {}",
                  last, skipped_last, agent));
  if (last >= results && skipped_last >= skipped) unmarked_.pop_front();
}

// The oldest first: it is their results that are dropped next.
void RollupPass::list_settled(Transaction& transaction) {
  for (const auto& row : transaction.run(fmt::format(
           "SELECT t.agent, (extract(epoch FROM t.hour) / 3600)::bigint FROM monitoring_touched t "
           "WHERE t.hour <= {0} - interval '1 hour {1} minutes' GROUP BY t.agent, t.hour "
           "HAVING max(t.at) <= {0} - interval '{1} minutes' AND NOT {2} ORDER BY t.hour, t.agent LIMIT {3}",
           kNow, kSettled.count(), kLate, kListed))) {
    settled_.push_back(slice_of(row));
  }
}

// An hour, a day or a month of each tier at a time.
bool RollupPass::expire(Transaction& transaction) {
  const auto oldest = [&](const char* table, std::chrono::seconds keep, const char* width) {
    return transaction
        .run(fmt::format("SELECT min(start)::text FROM {} WHERE start <= {} - interval '{} seconds' - interval '{}'",
                         table, kNow, keep.count(), width))
        .at(0)
        .at(0);
  };
  if (const auto hour = oldest("monitoring_hours", keep_hours_, "1 hour")) {
    transaction.run(
        fmt::format("DELETE FROM monitoring_hours WHERE start = '{0}'; "
                    "UPDATE monitoring_rolled SET kept = false WHERE hour = '{0}' AND kept",
                    *hour));
    return true;
  }
  if (const auto day = oldest("monitoring_days", keep_days_, "1 day")) {
    transaction.run(
        fmt::format("DELETE FROM monitoring_days WHERE start = '{0}'; "
                    "DELETE FROM monitoring_rolled WHERE hour < timestamp '{0}' + interval '1 day'; "
                    "DELETE FROM monitoring_outages WHERE start < timestamp '{0}' + interval '1 day'",
                    *day));
    return true;
  }
  if (const auto month = oldest("monitoring_months", keep_days_, "1 month")) {
    transaction.run(fmt::format("DELETE FROM monitoring_months WHERE start = '{}'", *month));
    return true;
  }
  if (!retention_) return false;
  // Slots that did not run may be older than every partition.
  const Hours before = std::chrono::floor<std::chrono::days>(server_now(transaction) - *retention_);
  const auto days = own_partitions(transaction);
  const bool dropped = days && (days->empty() || *days->begin() >= std::chrono::floor<std::chrono::days>(before));
  if (dropped && !seal(transaction, before)) throw Unfinished();
  return false;
}

}  // namespace monitor::exporter
