#include "storage/purger.h"

#include <algorithm>
#include <limits>

namespace monitor::storage {
namespace {

// What was refused is remembered beyond its row, so that it is not taken for lost; only the latest ones.
constexpr std::int64_t kMaxQuarantined = 10'000;
constexpr auto kAll = std::numeric_limits<std::int64_t>::max();

}  // namespace

Purger::Purger(Database& database, GapLedger& ledger)
    : ledger_(ledger),
      database_(database),
      oldest_results_(database.prepare("SELECT seq, requested_at FROM results WHERE seq <= ?1 ORDER BY seq LIMIT ?2")),
      delete_results_(database.prepare("DELETE FROM results WHERE seq <= ?1")),
      oldest_skipped_(database.prepare("SELECT id, to_at FROM skipped WHERE id <= ?1 ORDER BY id LIMIT ?2")),
      delete_skipped_(database.prepare("DELETE FROM skipped WHERE id <= ?1")),
      oldest_gaps_(database.prepare("SELECT id, to_at FROM gaps WHERE id <= ?1 ORDER BY id LIMIT ?2")),
      delete_gaps_(database.prepare("DELETE FROM gaps WHERE id <= ?1")),
      delete_quarantine_(
          database.prepare("DELETE FROM quarantine WHERE seq < ?1 AND seq <= (SELECT seq FROM quarantine "
                           "ORDER BY seq DESC LIMIT 1 OFFSET ?2)")),
      min_seq_(database.prepare("SELECT min(seq) FROM results")),
      time_of_(database.prepare("SELECT requested_at FROM results WHERE seq = ?1")) {}

Seq Purger::oldest_seq() {
  return min_seq_.integer().value_or(0);
}

std::optional<common::WallTime> Purger::time_of(Seq seq) {
  const auto micros = time_of_.integer(seq);
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

Seq Purger::last_old_result(const PurgeRule& rule, std::size_t& read) {
  const std::int64_t before = common::unix_micros(rule.before);
  const std::int64_t plausible = common::unix_micros(rule.plausible_until);
  Seq last = 0;
  auto rows =
      oldest_results_.query(rule.through ? rule.through->results : kAll, static_cast<std::int64_t>(rule.max_rows));
  while (rows.next()) {
    const std::int64_t at = rows.integer(1);
    if (at >= before && at <= plausible) break;
    if (at < before) last = rows.integer(0);
    ++read;
  }
  return last;
}

PurgeStep Purger::by_age(const PurgeRule& rule) {
  PurgeStep step;
  std::size_t read = 0;
  if (const Seq last = last_old_result(rule, read); last > 0) {
    delete_results_.run(last);
    step.results = database_.changes();
    step.more = read == rule.max_rows;
  }
  const bool skipped = delete_old(oldest_skipped_, delete_skipped_, rule.through ? rule.through->skipped : kAll, rule);
  const bool gaps = delete_old(oldest_gaps_, delete_gaps_, rule.through ? rule.through->gaps : kAll, rule);
  step.more = step.more || skipped || gaps;
  if (step.results > 0) {
    const Seq oldest = oldest_seq();
    delete_quarantine_.run(oldest == 0 ? kAll : oldest, kMaxQuarantined);
  }
  return step;
}

bool Purger::delete_old(Statement& select, Statement& erase, std::int64_t through, const PurgeRule& rule) {
  std::int64_t last = 0;
  std::size_t read = 0;
  {
    auto rows = select.query(through, static_cast<std::int64_t>(rule.max_rows));
    for (; rows.next() && rows.integer(1) < common::unix_micros(rule.before); ++read) last = rows.integer(0);
  }
  if (last > 0) erase.run(last);
  return read == rule.max_rows;
}

PurgeStep Purger::oldest(std::size_t rows, const Cursor& exported, std::int64_t sealed_gaps,
                         const std::set<Seq>& quarantined) {
  PurgeStep step;
  Gap gap{.reason = GapReason::kSizeCap, .from = common::WallTime::max(), .to = common::WallTime::min()};
  Seq last = 0;
  {
    auto found = oldest_results_.query(kAll, static_cast<std::int64_t>(rows));
    while (found.next()) {
      last = found.integer(0);
      if (last <= exported.results || quarantined.contains(last)) continue;
      const auto at = common::from_unix_micros(found.integer(1));
      gap.from = std::min(gap.from, at);
      gap.to = std::max(gap.to, at);
      if (gap.count++ == 0) gap.first_seq = last;
      gap.last_seq = last;
    }
  }
  if (last == 0) return step;
  delete_results_.run(last);
  step.results = database_.changes();
  if (gap.count > 0) step.gaps_added = ledger_.removed(gap, sealed_gaps) ? 1 : 0;
  step.more = true;
  return step;
}

}  // namespace monitor::storage
