#include "storage/arrival.h"

#include <algorithm>

namespace monitor::storage {
namespace {

std::vector<Mark> read_marks(Statement select, std::int64_t behind, std::int64_t through) {
  std::vector<Mark> marks;
  if (through <= behind) return marks;
  auto rows = select.query(behind, through);
  while (rows.next()) {
    marks.push_back(
        {rows.integer(0), common::from_unix_micros(rows.integer(1)), common::from_unix_micros(rows.integer(2))});
  }
  return marks;
}

}  // namespace

Marks marks_of(const Database& database, const Cursor& behind, const Cursor& through) {
  const auto select = [&](const char* sql) { return database.prepare(sql); };
  return {.results = read_marks(
              select("SELECT seq, requested_at, requested_at FROM results WHERE seq > ?1 AND seq <= ?2 ORDER BY seq"),
              behind.results, through.results),
          .skipped = read_marks(select("SELECT id, from_at, to_at FROM skipped WHERE id > ?1 AND id <= ?2 ORDER BY id"),
                                behind.skipped, through.skipped),
          .gaps = read_marks(select("SELECT id, from_at, to_at FROM gaps WHERE id > ?1 AND id <= ?2 ORDER BY id"),
                             behind.gaps, through.gaps)};
}

std::vector<EpochStand> earlier_epochs(Session& session, const Cursor& marked) {
  auto result = session.database.prepare(
      "SELECT seq FROM results WHERE seq BETWEEN ?1 AND ?2 AND seq NOT IN (SELECT seq FROM quarantine) "
      "ORDER BY seq DESC LIMIT 1");
  auto skipped = session.database.prepare("SELECT max(id) FROM skipped WHERE id BETWEEN ?1 AND ?2");
  auto gap = session.database.prepare("SELECT max(id) FROM gaps WHERE id BETWEEN ?1 AND ?2");
  std::vector<EpochStand> stands;
  for (const auto& epoch : session.epochs.all()) {
    if (&epoch == &session.epochs.current()) break;
    const auto sent = [&](Statement& last, std::int64_t Cursor::* kind) {
      return last.integer(epoch.first.*kind, std::min(epoch.end.*kind - 1, marked.*kind)).value_or(0);
    };
    stands.push_back({.agent_id = epoch.agent_id,
                      .first = epoch.first,
                      .sent = {.results = sent(result, &Cursor::results),
                               .skipped = sent(skipped, &Cursor::skipped),
                               .gaps = sent(gap, &Cursor::gaps)}});
  }
  return stands;
}

std::int64_t record_lost_ranges(Session& session, std::int64_t arrived, std::int64_t marked, common::WallTime now) {
  std::int64_t gone = marked;
  common::WallTime until = now;
  {
    auto oldest = session.database.prepare("SELECT id, from_at FROM skipped ORDER BY id LIMIT 1");
    auto rows = oldest.query();
    if (rows.next()) {
      gone = std::min(marked, rows.integer(0) - 1);
      until = common::from_unix_micros(rows.integer(1));
    }
  }
  if (gone <= arrived) return 0;
  const Gap gap{.reason = GapReason::kRemoteLost, .from = until, .to = until, .count = gone - arrived};
  if (session.ledger.has(gap)) return 0;
  session.writer.write(gap);
  return 1;
}

}  // namespace monitor::storage
