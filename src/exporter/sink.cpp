#include "exporter/sink.h"

#include <charconv>

#include <fmt/format.h>

#include "exporter/copy_lines.h"
#include "exporter/schema_sql.h"
#include "exporter/sqlstate.h"
#include "exporter/touched.h"

namespace monitor::exporter {
namespace {

std::int64_t number(const std::optional<std::string>& text) {
  std::int64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

std::chrono::sys_days day_of(const storage::StoredResult& row) {
  return std::chrono::floor<std::chrono::days>(row.requested_at);
}

std::vector<const storage::StoredDefinition*> pointers(
    const std::vector<std::shared_ptr<const storage::StoredDefinition>>& rows) {
  std::vector<const storage::StoredDefinition*> out;
  out.reserve(rows.size());
  for (const auto& row : rows) out.push_back(row.get());
  return out;
}

std::vector<const storage::StoredTls*> pointers(const std::vector<storage::StoredTls>& rows) {
  std::vector<const storage::StoredTls*> out;
  out.reserve(rows.size());
  for (const auto& row : rows) out.push_back(&row);
  return out;
}

template <typename Row>
std::span<const Row> of(const std::vector<Row>& rows, Range range) {
  return std::span(rows).subspan(range.begin, range.size());
}

/// What ATTACH answers where the day is covered by a partition that somebody else laid out.
constexpr std::string_view kOverlaps = "42P17";
/// A unique index has the row already.
constexpr std::string_view kDuplicate = "23505";
/// The server works on one piece while the next is made.
constexpr std::size_t kPieceBytes = std::size_t{32} << 10;

}  // namespace

Opened Sink::open(Session& session, const std::string& agent_id) {
  Opened opened;
  opened.where = session.where();
  opened.encoding = session.server_encoding();
  opened.exposure = session.exposure();
  repertoire_ = repertoire_of(opened.encoding);
  copies_ = true;
  opened.schema = ensure_schema(session);
  days_ = partitions(session);
  const auto transaction = session.begin();
  // Locked: a commit whose answer never came may still be under way in its old backend, and only when that has ended
  // does the head say whether it happened.
  auto agent = find_agent(*transaction, agent_id);
  if (!agent) agent = add_agent(*transaction, agent_id);
  transaction->commit();
  opened.head = agent->head;
  agents_[agent_id] = *agent;
  agent_id_ = agent_id;
  return opened;
}

storage::Marks Sink::marks(Session& session, const std::string& agent_id, const storage::Cursor& behind,
                           const storage::Cursor& through) {
  const auto transaction = session.begin();
  const auto read = [&](std::string_view table, std::string_view number_of, std::string_view from, std::string_view to,
                        std::int64_t storage::Cursor::* kind) {
    const auto rows = transaction->run(
        fmt::format("SELECT {1}, (extract(epoch FROM {2}) * 1000000)::bigint, "
                    "(extract(epoch FROM {3}) * 1000000)::bigint FROM {0} WHERE agent = (SELECT id FROM "
                    "monitoring_agents WHERE agent_id = $1::uuid) AND {1} > $2::bigint AND {1} <= $3::bigint "
                    "ORDER BY {1}",
                    table, number_of, from, to),
        {agent_id, std::to_string(behind.*kind), std::to_string(through.*kind)});
    std::vector<storage::Mark> marks;
    marks.reserve(rows.size());
    for (const auto& row : rows) {
      marks.push_back({number(row.at(0)), common::from_unix_micros(number(row.at(1))),
                       common::from_unix_micros(number(row.at(2)))});
    }
    return marks;
  };
  return {
      .results = read("monitoring_results", "seq", "request_timestamp", "request_timestamp", &storage::Cursor::results),
      .skipped = read("monitoring_skipped", "id", "from_timestamp", "to_timestamp", &storage::Cursor::skipped),
      .gaps = read("monitoring_gaps", "id", "from_timestamp", "to_timestamp", &storage::Cursor::gaps)};
}

std::unordered_map<std::string, storage::Cursor> Sink::heads(Session& session,
                                                             const std::vector<std::string>& agent_ids) {
  ArrayLiteral ids;
  for (const auto& id : agent_ids) ids.add_text(id);
  const auto transaction = session.begin();
  std::unordered_map<std::string, storage::Cursor> heads;
  for (const auto& row : transaction->run("SELECT agent_id::text, results_head, skipped_head, gaps_head "
                                          "FROM monitoring_agents WHERE agent_id = ANY ($1::uuid[])",
                                          {ids.close()})) {
    heads[row.at(0).value_or("")] = {number(row.at(1)), number(row.at(2)), number(row.at(3))};
  }
  return heads;
}

// A COPY costs the server half of what an INSERT … ON CONFLICT does, and it cannot store a row twice either: one that
// is there already refuses it as a whole. Whatever a COPY cannot do, for this reason or another, the INSERT is asked
// to, and what that says of a row counts.
Written Sink::write(Session& session, const storage::Batch& batch, const Part& part) {
  const bool whole = part.head.has_value() && part.results.size() > 0;
  if (!whole || !copies_) return attempt(session, batch, part, How::kInsert);
  auto copied = attempt(session, batch, part, How::kCopy);
  if (!copied.refusal) return copied;
  const auto reaction = reaction_to(copied.refusal->sqlstate);
  if (reaction == Reaction::kRetry || reaction == Reaction::kTable) return copied;
  auto inserted = attempt(session, batch, part, How::kInsert);
  if (!inserted.refusal && copied.refusal->sqlstate != kDuplicate) copies_ = false;
  return inserted;
}

Written Sink::attempt(Session& session, const storage::Batch& batch, const Part& part, How how) {
  Written written;
  try {
    write_checked(session, batch, part, how, written);
  } catch (const Refused& error) {
    written.refusal = Refusal{error.sqlstate(), error.what()};
  }
  return written;
}

void Sink::write_checked(Session& session, const storage::Batch& batch, const Part& part, How how, Written& written) {
  ensure_days(session, batch, part.results);
  const auto transaction = session.begin();
  written.server_now = server_now(*transaction);
  Agent& agent = current_agent(*transaction, batch.agent_id);
  const auto skipped = of(batch.skipped, part.skipped);
  const auto gaps = of(batch.gaps, part.gaps);
  if (part.results.size() + skipped.size() > 0)
    definitions_.find(*transaction, pointers(batch.definitions), repertoire_);
  if (part.results.size() > 0) {
    tls_.find(*transaction, pointers(batch.tls), repertoire_);
    // A batch whose commit went unanswered may be there already.
    const bool maybe_there = batch.results[part.results.begin].seq <= agent.head.results;
    if (how == How::kCopy && !maybe_there) {
      copy_results(*transaction, agent.id, batch, part.results, written.server_now);
    } else {
      insert_results(*transaction, agent.id, batch, part.results);
    }
    ensure_outcomes(*transaction);
  }
  if (!skipped.empty()) add_skipped(*transaction, agent.id, skipped);
  if (!gaps.empty()) add_gaps(*transaction, agent.id, gaps);
  mark_touched(*transaction, agent.id, of(batch.results, part.results), skipped, written.server_now);
  auto moved = agent.head;
  if (part.head) {
    moved = {std::max(agent.head.results, part.head->results), std::max(agent.head.skipped, part.head->skipped),
             std::max(agent.head.gaps, part.head->gaps)};
    // What an older version sent, without marks, is marked by the roll-up; until then these follow no head.
    transaction->run(
        fmt::format("UPDATE monitoring_agents SET results_head = {0}, skipped_head = {1}, gaps_head = {2}, "
                    "results_marked = CASE WHEN results_marked >= results_head THEN {0} ELSE results_marked END, "
                    "skipped_marked = CASE WHEN skipped_marked >= skipped_head THEN {1} ELSE skipped_marked END, "
                    "exported_at = timezone('utc', now()) WHERE id = {3}",
                    moved.results, moved.skipped, moved.gaps, agent.id));
  }
  transaction->commit();
  agent.head = moved;
}

bool Sink::takes(Session& session, const storage::Batch& batch, Kind kind) {
  constexpr std::int64_t kNobodys = -1;  // numbers count from 1
  const auto transaction = session.begin();
  const auto now = server_now(*transaction);
  const int agent = current_agent(*transaction, batch.agent_id).id;
  try {
    if (kind == Kind::kSkipped) {
      definitions_.find(*transaction, pointers(batch.definitions), repertoire_);
      storage::StoredSkipped row;
      row.id = kNobodys;
      row.definition = batch.skipped.front().definition;
      row.from = row.to = now;
      row.count = 1;
      add_skipped(*transaction, agent, {&row, 1});
    } else {
      storage::StoredGap row;
      row.id = kNobodys;
      row.reason = storage::GapReason::kRefused;
      row.from = row.to = now;
      row.count = 1;
      add_gaps(*transaction, agent, {&row, 1});
    }
  } catch (const Refused&) {
    return false;
  }
  return true;
}

void Sink::ensure_days(Session& session, const storage::Batch& batch, Range rows) {
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    const auto day = day_of(batch.results[i]);
    if (days_.contains(day)) continue;
    try {
      ensure_partition(session, day);
    } catch (const Refused& error) {
      if (error.sqlstate() != kOverlaps) throw;
    }
    days_.insert(day);
  }
}

std::optional<Sink::Agent> Sink::find_agent(Transaction& transaction, const std::string& agent_id) {
  const auto rows = transaction.run(
      "SELECT id, results_head, skipped_head, gaps_head FROM monitoring_agents WHERE agent_id = $1::uuid "
      "FOR NO KEY UPDATE",
      {agent_id});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return Agent{static_cast<int>(number(row.at(0))), {number(row.at(1)), number(row.at(2)), number(row.at(3))}};
}

// An agent that was there, and whose row somebody deleted, gets its old number back, so that its results are its own
// again; its heads are what those results show. The row lives on under a new number if that one is taken.
Sink::Agent Sink::add_agent(Transaction& transaction, const std::string& agent_id) {
  if (const auto known = agents_.find(agent_id); known != agents_.end()) {
    transaction.run(fmt::format(R"sql(
INSERT INTO monitoring_agents (id, agent_id, results_head, skipped_head, gaps_head)
SELECT {0}, '{1}', coalesce((SELECT max(seq) FROM monitoring_results WHERE agent = {0}), 0),
  coalesce((SELECT max(id) FROM monitoring_skipped WHERE agent = {0}), 0),
  coalesce((SELECT max(id) FROM monitoring_gaps WHERE agent = {0}), 0)
ON CONFLICT DO NOTHING; {2})sql",
                                known->second.id, agent_id, pass_numbers_sql("monitoring_agents")));
  }
  transaction.run(
      "INSERT INTO monitoring_agents (agent_id) SELECT $1::uuid WHERE NOT EXISTS "
      "(SELECT FROM monitoring_agents WHERE agent_id = $1::uuid) ON CONFLICT DO NOTHING",
      {agent_id});
  auto added = find_agent(transaction, agent_id);
  if (!added) throw Unavailable("monitoring_agents has no free number; the next attempt takes another");
  return *added;
}

Sink::Agent& Sink::current_agent(Transaction& transaction, const std::string& agent_id) {
  auto row = find_agent(transaction, agent_id);
  const bool current = agent_id == agent_id_;
  if (!row && current) {
    throw Unavailable("monitoring_agents has lost this agent's row; it is made again, and what has arrived compared");
  }
  if (!row) row = add_agent(transaction, agent_id);
  Agent& known = agents_[agent_id];
  if (current && row->head != known.head) {
    throw IdentityShared("another process writes under this agent's id");
  }
  known = *row;
  return known;
}

void Sink::copy_results(Transaction& transaction, int agent, const storage::Batch& batch, Range rows,
                        common::WallTime now) {
  CopyLines lines(agent, now, repertoire_);
  auto row = rows.begin;
  transaction.copy(CopyLines::kCopy, [&](std::string& piece) {
    for (; row < rows.end && piece.size() < kPieceBytes; ++row) {
      const auto& result = batch.results[row];
      lines.add(result, definitions_.number_of(result.definition), tls_.number_of(result.tls_id), piece);
    }
  });
}

void Sink::insert_results(Transaction& transaction, int agent, const storage::Batch& batch, Range rows) {
  results_.clear();
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    const auto& row = batch.results[i];
    results_.add(row, definitions_.number_of(row.definition), tls_.number_of(row.tls_id), repertoire_);
  }
  transaction.run(ResultColumns::kInsert, results_.close(agent));
}

void Sink::add_skipped(Transaction& transaction, int agent, std::span<const storage::StoredSkipped> rows) {
  SkippedColumns columns;
  for (const auto& row : rows) columns.add(row, definitions_.number_of(row.definition));
  transaction.run(SkippedColumns::kInsert, columns.close(agent));
}

void Sink::add_gaps(Transaction& transaction, int agent, std::span<const storage::StoredGap> rows) {
  GapColumns columns;
  for (const auto& row : rows) columns.add(row);
  transaction.run(GapColumns::kInsert, columns.close(agent));
}

}  // namespace monitor::exporter
