#include "report/verify_remote.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/error.h"
#include "report/external_sql.h"

namespace monitor::report {
namespace {

using common::WallTime;
using storage::Seq;

constexpr std::string_view kPurpose = "verification";
/// Of one agent. Islands beyond that are not results that are missing but every other one.
constexpr std::size_t kMostRanges = 1'000'000;
constexpr std::size_t kMostListed = 1000;
/// A roll-up may be removed a while after its time.
constexpr std::chrono::days kLate{3};

// An island is a row of numbers without a hole: `seq` and its rank among all numbers then rise alike. Read from the key
// alone, in its order.
std::string islands_sql(const std::string& partition, std::int64_t agent, const std::optional<WallTime>& since) {
  const auto since_sql =
      since ? fmt::format("min(seq) FILTER (WHERE request_timestamp >= '{}')", timestamp_of(*since)) : "min(seq)";
  return fmt::format(
      "SELECT min(seq), max(seq), count(*), max(request_timestamp), {} FROM ("
      "SELECT seq, request_timestamp, seq - dense_rank() OVER (ORDER BY seq) AS island FROM {} WHERE agent = {}"
      ") AS numbered GROUP BY island",
      since_sql, partition, agent);
}

std::string values_from(std::int64_t agent) {
  return fmt::format(
      "(SELECT seq, (extract(epoch FROM request_timestamp) * 1000000)::bigint AS requested_at, outcome, status, flags, "
      "attempt, total_us, lateness_us, body_bytes, dns_us, connect_us, tls_us, first_byte_us, transfer_us "
      "FROM monitoring_results WHERE agent = {} AND seq BETWEEN $1::bigint AND $2::bigint)",
      agent);
}

std::vector<std::string> ends_of(SeqRange range) {
  return {std::to_string(range.first), std::to_string(range.last)};
}

/// Numbers that are in more than one of `ranges`.
SeqSet overlaps(std::vector<SeqRange> ranges) {
  std::ranges::sort(ranges, {}, &SeqRange::first);
  std::vector<SeqRange> found;
  Seq reached = 0;
  for (const auto& range : ranges) {
    if (range.first <= reached) found.push_back({range.first, std::min(range.last, reached)});
    reached = std::max(reached, range.last);
  }
  return SeqSet(std::move(found));
}

}  // namespace

// The lock is taken before the transaction sees anything: no partition can be dropped between what is read of it and
// what is read of its roll-ups. It stops no writer.
RemoteLedgers::RemoteLedgers(const std::string& uri, const VerifyOptions& options, std::optional<WallTime> since)
    : remote_(uri, kPurpose), options_(options), since_(since) {
  remote_.query("LOCK TABLE monitoring_results IN ACCESS SHARE MODE", {}, [](const RemoteRow&) {});
  remote_.query(kSchemaSql, {}, [this](const RemoteRow& row) { rollups_ = row.boolean(1); });
  read_agents();
  read_partitions();
}

void RemoteLedgers::read_agents() {
  remote_.query("SELECT agent_id::text, id, results_head, skipped_head, gaps_head, exported_at FROM monitoring_agents",
                {}, [this](const RemoteRow& row) {
                  auto& agent = agents_[std::string(row.text(0))];
                  agent.id = row.integer(1);
                  agent.head = {.results = row.integer(2), .skipped = row.integer(3), .gaps = row.integer(4)};
                  agent.later = agent.head.results;
                  agent.later_skipped = agent.head.skipped;
                  agent.exported_at = row.time_or_null(5);
                });
}

/// The day before is read too: a slow check of that day may have a higher number than a quick one of the next.
void RemoteLedgers::read_partitions() {
  const auto oldest = since_ ? common::format_time(*since_ - std::chrono::days{1}).substr(0, 10) : std::string();
  remote_.query(
      "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relname FROM pg_inherits i "
      "JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
      "WHERE i.inhparent = to_regclass('monitoring_results') ORDER BY c.relname",
      {}, [&](const RemoteRow& row) {
        std::string day = oldest;
        std::erase(day, '-');
        const auto name = row.text(1);
        const bool ours = name.starts_with("monitoring_results_") && name.size() == 27;
        if (ours && !day.empty() && name.substr(19) < day) return;
        partitions_.emplace_back(row.text(0));
      });
}

LedgerThere RemoteLedgers::read(const std::string& agent_id) {
  auto agent = agents_.at(agent_id);
  read_results(agent);
  read_skipped(agent);
  read_gaps(agent);
  if (rollups_) read_removed(agent);
  return agent;
}

void RemoteLedgers::read_results(LedgerThere& agent) {
  std::vector<SeqRange> ranges;
  first_since_ = 0;
  for (const auto& partition : partitions_) {
    std::int64_t excess = 0;
    std::int64_t rows = 0;
    remote_.query(islands_sql(partition, agent.id, since_), {}, [&](const RemoteRow& row) {
      const SeqRange range{row.integer(0), row.integer(1)};
      ranges.push_back(range);
      if (ranges.size() > kMostRanges) {
        throw common::Error(fmt::format("PostgreSQL's results of agent {} are in more than {} pieces; choose a --last",
                                        agent.id, kMostRanges));
      }
      rows += row.integer(2);
      excess += row.integer(2) - count_of(range);
      agent.newest = std::max(agent.newest.value_or(row.time(3)), row.time(3));
      if (!row.null(4)) first_since_ = first_since_ == 0 ? row.integer(4) : std::min(first_since_, row.integer(4));
    });
    agent.repeated_rows += excess;
    if (excess > 0) read_repeated(agent, partition);
    if (rows > 0) read_twice(agent, partition);
  }
  const auto across = overlaps(ranges);
  agent.repeated_rows += across.count();
  agent.repeated = agent.repeated | across;
  agent.results = SeqSet(std::move(ranges));
}

void RemoteLedgers::read_repeated(LedgerThere& agent, const std::string& partition) {
  std::vector<SeqRange> found;
  remote_.query(fmt::format("SELECT seq FROM {} WHERE agent = {} GROUP BY seq HAVING count(*) > 1 LIMIT {}", partition,
                            agent.id, kMostListed),
                {}, [&](const RemoteRow& row) { found.push_back({row.integer(0), row.integer(0)}); });
  agent.repeated = agent.repeated | SeqSet(std::move(found));
}

/// The candidates come from an index alone.
void RemoteLedgers::read_twice(LedgerThere& agent, const std::string& partition) {
  remote_.query(
      fmt::format("SELECT r.request_timestamp, array_agg(r.seq ORDER BY r.seq), "
                  "max(coalesce(nullif(d.name, ''), d.method || ' ' || d.url)) "
                  "FROM (SELECT definition, request_timestamp FROM {0} GROUP BY 1, 2 HAVING count(*) > 1) AS c "
                  "JOIN {0} r USING (definition, request_timestamp) "
                  "LEFT JOIN monitoring_definitions d ON d.id = r.definition WHERE r.agent = {1} "
                  "GROUP BY r.definition, r.request_timestamp HAVING count(DISTINCT r.seq) > 1 "
                  "ORDER BY 1 LIMIT {2}",
                  partition, agent.id, kMostListed),
      {}, [&](const RemoteRow& row) {
        ++agent.twice_count;
        if (agent.twice.size() >= kMostListed) return;
        agent.twice.push_back(
            {.service = std::string(row.text(2)), .requested_at = row.time(0), .seqs = row.integers(1)});
      });
}

// What was sent again has the same figures. Of two files that have run apart, two checks of one service can begin in
// the same microsecond, but not take as long in every phase.
std::pair<std::int64_t, std::vector<TwiceStored>> RemoteLedgers::copies(const std::vector<std::string>& agent_ids) {
  std::vector<std::int64_t> ids;
  for (const auto& id : agent_ids) {
    if (const auto agent = agents_.find(id); agent != agents_.end()) ids.push_back(agent->second.id);
  }
  std::pair<std::int64_t, std::vector<TwiceStored>> found;
  if (ids.size() < 2) return found;
  for (const auto& partition : partitions_) {
    std::int64_t in_partition = 0;
    remote_.query(
        fmt::format("SELECT r.request_timestamp, array_agg(r.seq ORDER BY r.agent), "
                    "max(coalesce(nullif(d.name, ''), d.method || ' ' || d.url)), count(*) OVER () "
                    "FROM (SELECT definition, request_timestamp FROM {0} GROUP BY 1, 2 HAVING count(*) > 1) AS c "
                    "JOIN {0} r USING (definition, request_timestamp) "
                    "LEFT JOIN monitoring_definitions d ON d.id = r.definition WHERE r.agent = ANY ($1::integer[]) "
                    "GROUP BY r.definition, r.request_timestamp, r.total_us, r.lateness_us, r.stored_ms, r.body_bytes, "
                    "r.dns_us, r.connect_us, r.tls_us, r.first_byte_us, r.transfer_us, r.outcome, r.status, r.flags, "
                    "r.attempt HAVING count(DISTINCT r.agent) > 1 ORDER BY 1 LIMIT {1}",
                    partition, kMostListed),
        {array_of(ids)}, [&](const RemoteRow& row) {
          in_partition = row.integer(3);
          if (found.second.size() >= kMostListed) return;
          found.second.push_back(
              {.service = std::string(row.text(2)), .requested_at = row.time(0), .seqs = row.integers(1)});
        });
    found.first += in_partition;
  }
  return found;
}

void RemoteLedgers::read_skipped(LedgerThere& agent) {
  remote_.query(fmt::format("SELECT min(id), max(id), min(to_timestamp), max(to_timestamp) FROM ("
                            "SELECT id, to_timestamp, id - row_number() OVER (ORDER BY id) AS island "
                            "FROM monitoring_skipped WHERE agent = {}) AS numbered GROUP BY island ORDER BY 1 LIMIT {}",
                            agent.id, kMostRanges),
                {}, [&](const RemoteRow& row) {
                  agent.skipped.push_back(
                      {.numbers = {row.integer(0), row.integer(1)}, .first_end = row.time(2), .last_end = row.time(3)});
                });
}

void RemoteLedgers::read_removed(LedgerThere& agent) {
  std::vector<SeqRange> removed;
  remote_.query(fmt::format("SELECT first_seq, last_seq FROM monitoring_rolled WHERE agent = {} AND sealed "
                            "AND first_seq IS NOT NULL",
                            agent.id),
                {}, [&](const RemoteRow& row) { removed.push_back({row.integer(0), row.integer(1)}); });
  agent.removed = SeqSet(std::move(removed));
  remote_.query(fmt::format("SELECT min(hour), min(first_seq) FROM monitoring_rolled WHERE agent = {}", agent.id), {},
                [&](const RemoteRow& row) {
                  const auto remembered = options_.now - options_.rollup_days + kLate;
                  if (row.null(0) || row.time(0) >= remembered) return;
                  agent.forgotten_below = row.integer(1);
                  agent.purged_before = remembered;
                });
  remote_.query("SELECT max(hour) + interval '1 hour' FROM monitoring_rolled WHERE sealed", {},
                [&](const RemoteRow& row) {
                  if (!row.null(0))
                    agent.purged_before = std::max(agent.purged_before.value_or(row.time(0)), row.time(0));
                });
}

void RemoteLedgers::read_gaps(LedgerThere& agent) {
  remote_.query(fmt::format("SELECT id, reason, from_timestamp, to_timestamp, first_seq, last_seq, count "
                            "FROM monitoring_gaps WHERE agent = {} ORDER BY id",
                            agent.id),
                {}, [&](const RemoteRow& row) {
                  agent.gaps.push_back({.id = row.integer(0),
                                        .reason = std::string(row.text(1)),
                                        .from = row.time(2),
                                        .to = row.time(3),
                                        .numbers = {row.integer(4), row.integer(5)},
                                        .count = row.integer(6)});
                });
}

std::vector<storage::RowSum> RemoteLedgers::row_sums(const LedgerThere& agent, SeqRange range) {
  std::vector<storage::RowSum> sums;
  const auto sql =
      fmt::format("SELECT a, b, c::bigint FROM ({}) AS s(a, b, c)", storage::row_sums_sql(values_from(agent.id)));
  remote_.query(sql, ends_of(range), [&](const RemoteRow& row) {
    sums.push_back({.bucket = row.integer(0), .rows = row.integer(1), .sum = row.integer(2)});
  });
  return sums;
}

std::vector<std::pair<Seq, std::int64_t>> RemoteLedgers::row_values(const LedgerThere& agent, SeqRange range) {
  std::vector<std::pair<Seq, std::int64_t>> values;
  remote_.query(fmt::format("SELECT seq, {}::bigint FROM {} AS r", storage::kRowValueSql, values_from(agent.id)),
                ends_of(range), [&](const RemoteRow& row) { values.emplace_back(row.integer(0), row.integer(1)); });
  return values;
}

storage::Cursor heads(const std::string& uri, const std::string& agent_id) {
  storage::Cursor heads;
  Remote(uri, kPurpose)
      .query("SELECT results_head, skipped_head, gaps_head FROM monitoring_agents WHERE agent_id = $1::uuid",
             {agent_id}, [&](const RemoteRow& row) {
               heads = {.results = row.integer(0), .skipped = row.integer(1), .gaps = row.integer(2)};
             });
  return heads;
}

void require_results(const std::string& uri) {
  bool results = false;
  Remote(uri, kPurpose).query(kSchemaSql, {}, [&](const RemoteRow& row) { results = row.boolean(0); });
  if (results) return;
  throw common::Error(
      "this PostgreSQL database holds no results of a monitor; `monitor start` makes the tables when it first exports "
      "there");
}

}  // namespace monitor::report
