#include "exporter/rollup_pass.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "exporter/remote_schema.h"
#include "exporter/rollup.h"

namespace monitor::exporter {
namespace {

/// What one step reads at most, to be done in seconds and in bounded memory.
constexpr std::int64_t kMarkedAtOnce = 500'000;
constexpr std::int64_t kSkippedAtOnce = 20'000;
constexpr int kListed = 500;

/// Background work: one core is enough. Of nested loops only those are left that have no other way, because the planner
/// knows nothing of how many rows these statements make on their way.
constexpr const char* kSettings =
    "SET LOCAL work_mem = '64MB'; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; "
    "SET LOCAL enable_nestloop = off";

constexpr const char* kNow = "timezone('utc', clock_timestamp())";

/// Rows have come that are not rolled up yet.
struct Unfinished {};

}  // namespace

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
           kNow, kSettled.count(), kLateSql, kListed))) {
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
