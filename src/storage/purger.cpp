#include "storage/purger.h"

#include <algorithm>
#include <limits>

#include "storage/row_mapping.h"

namespace monitor::storage {
namespace {

// What was refused is remembered beyond its row, so that it is not taken for lost; only the latest ones.
constexpr std::int64_t kMaxQuarantined = 10'000;
// Ranges and gaps that are removed may leave a gap for each reason: so many at once that fewer remain.
constexpr std::size_t kLeastRanges = 64;
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
      min_skipped_(database.prepare("SELECT min(id) FROM skipped")),
      min_gap_(database.prepare("SELECT min(id) FROM gaps")),
      first_skipped_(
          database.prepare("SELECT id, definition, from_at, to_at, count, reason FROM skipped ORDER BY id LIMIT ?1")),
      first_gaps_(database.prepare("SELECT id, reason, from_at, to_at, first_seq, last_seq, count FROM gaps "
                                   "ORDER BY id LIMIT ?1")),
      time_of_(database.prepare("SELECT requested_at FROM results WHERE seq = ?1")) {}

Seq Purger::oldest_seq() {
  return min_seq_.integer().value_or(0);
}

std::optional<common::WallTime> Purger::time_of(Seq seq) {
  const auto micros = time_of_.integer(seq);
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

/// `select` gives numbers and times. 0: none is old enough.
std::int64_t Purger::last_old(Statement& select, std::int64_t through, const PurgeRule& rule, std::size_t& read) {
  const std::int64_t before = common::unix_micros(rule.before);
  const std::int64_t plausible = common::unix_micros(rule.plausible_until);
  std::int64_t last = 0;
  auto rows = select.query(through, static_cast<std::int64_t>(rule.max_rows));
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
  const Seq through = rule.through ? rule.through->results : kAll;
  if (const Seq last = last_old(oldest_results_, through, rule, read); last > 0) {
    delete_results_.run(last);
    step.results = database_.changes();
    step.more = read == rule.max_rows;
  }
  const bool skipped = delete_old(oldest_skipped_, delete_skipped_, rule.through ? rule.through->skipped : kAll, rule);
  const bool gaps = delete_old(oldest_gaps_, delete_gaps_, rule.through ? rule.through->gaps : kAll, rule);
  step.more = step.more || skipped || gaps;
  if (step.results > 0) forget_quarantine();
  return step;
}

void Purger::forget_quarantine() {
  const Seq oldest = oldest_seq();
  delete_quarantine_.run(oldest == 0 ? kAll : oldest, kMaxQuarantined);
}

bool Purger::delete_old(Statement& select, Statement& erase, std::int64_t through, const PurgeRule& rule) {
  std::size_t read = 0;
  const std::int64_t last = last_old(select, through, rule, read);
  if (last == 0) return false;
  erase.run(last);
  return read == rule.max_rows;
}

Share Purger::held(const Cursor& head) {
  const auto count = [](Statement& oldest, std::int64_t last) {
    const auto first = oldest.integer();
    return first ? static_cast<std::size_t>(std::max<std::int64_t>(0, last - *first + 1)) : 0;
  };
  return {.results = count(min_seq_, head.results),
          .skipped = count(min_skipped_, head.skipped),
          .gaps = count(min_gap_, head.gaps)};
}

Share Purger::share_of(std::size_t rows, const Share& held) {
  const std::size_t all = held.results + held.skipped + held.gaps;
  const std::size_t largest = std::max({held.results, held.skipped, held.gaps});
  if (all == 0) return {};
  const auto part = [=](std::size_t of, std::size_t least) {
    const std::size_t share = rows * of / all;
    if (share >= least) return share;
    return of == largest ? std::min(least, of) : 0;
  };
  return {.results = part(held.results, 1),
          .skipped = part(held.skipped, kLeastRanges),
          .gaps = part(held.gaps, kLeastRanges)};
}

PurgeStep Purger::oldest(const Share& share, const Cursor& arrived, std::int64_t sealed_gaps,
                         const std::set<Seq>& quarantined) {
  Gap gap{.reason = GapReason::kSizeCap, .from = common::WallTime::max(), .to = common::WallTime::min()};
  std::int64_t removed = fold_gaps(share.gaps, arrived.gaps);
  PurgeStep step;
  step.results = remove_results(share.results, arrived.results, quarantined, gap);
  removed += step.results + remove_skipped(share.skipped, arrived.skipped, gap);
  if (gap.count > 0 && ledger_.removed(gap, sealed_gaps)) --removed;
  if (step.results > 0) forget_quarantine();
  step.more = removed > 0;
  return step;
}

std::int64_t Purger::remove_results(std::size_t count, Seq arrived, const std::set<Seq>& quarantined, Gap& gap) {
  Seq last = 0;
  {
    auto found = oldest_results_.query(kAll, static_cast<std::int64_t>(count));
    while (found.next()) {
      last = found.integer(0);
      if (last <= arrived || quarantined.contains(last)) continue;
      const auto at = common::from_unix_micros(found.integer(1));
      gap.from = std::min(gap.from, at);
      gap.to = std::max(gap.to, at);
      if (gap.count++ == 0) gap.first_seq = last;
      gap.last_seq = last;
    }
  }
  if (last == 0) return 0;
  delete_results_.run(last);
  return database_.changes();
}

std::int64_t Purger::remove_skipped(std::size_t count, std::int64_t arrived, Gap& gap) {
  std::int64_t last = 0;
  {
    auto rows = first_skipped_.query(static_cast<std::int64_t>(count));
    while (rows.next()) {
      last = rows.integer(0);
      if (last <= arrived) continue;
      const StoredSkipped skipped = skipped_of(rows);
      gap.from = std::min(gap.from, skipped.from);
      gap.to = std::max(gap.to, skipped.to);
      gap.count += skipped.count;
    }
  }
  if (last == 0) return 0;
  delete_skipped_.run(last);
  return database_.changes();
}

/// Gives how many rows fewer there are.
std::int64_t Purger::fold_gaps(std::size_t count, std::int64_t arrived) {
  std::int64_t last = 0;
  std::vector<Gap> folded;
  {
    auto rows = first_gaps_.query(static_cast<std::int64_t>(count));
    while (rows.next()) {
      last = rows.integer(0);
      if (last > arrived) folded.push_back(gap_of(rows));
    }
  }
  if (last == 0) return 0;
  delete_gaps_.run(last);
  const std::int64_t removed = database_.changes();
  return removed - ledger_.folded(folded);
}

}  // namespace monitor::storage
