#include "storage/gap_ledger.h"

#include <algorithm>
#include <iterator>

namespace monitor::storage {

GapLedger::GapLedger(Database& database, Writer& writer)
    : writer_(writer),
      last_removed_(database.prepare("SELECT id, last_seq FROM gaps WHERE reason = ?1 ORDER BY id DESC LIMIT 1")),
      extend_(database.prepare("UPDATE gaps SET from_at = min(from_at, ?2), to_at = max(to_at, ?3), last_seq = ?4, "
                               "count = count + ?5 WHERE id = ?1")),
      covering_(database.prepare("SELECT first_seq, last_seq FROM gaps WHERE first_seq > 0 AND last_seq >= ?1 AND "
                                 "first_seq <= ?2 ORDER BY first_seq")) {}

bool GapLedger::removed(const Gap& gap, std::int64_t sealed) {
  std::int64_t id = 0;
  {
    auto rows = last_removed_.query(static_cast<std::int64_t>(GapReason::kSizeCap));
    if (rows.next() && rows.integer(1) + 1 == gap.first_seq && rows.integer(0) > sealed) id = rows.integer(0);
  }
  if (id == 0) {
    writer_.write(gap);
    return true;
  }
  extend_.run(id, common::unix_micros(gap.from), common::unix_micros(gap.to), gap.last_seq, gap.count);
  return false;
}

std::int64_t GapLedger::lost(Seq first, Seq last, common::WallTime until, const std::set<Seq>& quarantined) {
  std::vector<std::pair<Seq, Seq>> covered;
  {
    auto rows = covering_.query(first, last);
    while (rows.next()) covered.emplace_back(rows.integer(0), rows.integer(1));
  }
  std::int64_t added = 0;
  Seq next = first;
  for (const auto& [from, to] : covered) {
    if (from > next) added += add_lost(next, from - 1, until, quarantined) ? 1 : 0;
    next = std::max(next, to + 1);
  }
  if (next <= last) added += add_lost(next, last, until, quarantined) ? 1 : 0;
  return added;
}

bool GapLedger::add_lost(Seq first, Seq last, common::WallTime until, const std::set<Seq>& quarantined) {
  const auto kept_out = std::distance(quarantined.lower_bound(first), quarantined.upper_bound(last));
  const std::int64_t count = last - first + 1 - kept_out;
  if (count == 0) return false;
  writer_.write(Gap{.reason = GapReason::kRemoteLost,
                    .from = until,
                    .to = until,
                    .first_seq = first,
                    .last_seq = last,
                    .count = count});
  return true;
}

}  // namespace monitor::storage
