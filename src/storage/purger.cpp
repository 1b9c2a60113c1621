#include "storage/purger.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "storage/row_mapping.h"

namespace monitor::storage {
namespace {

// Ranges and gaps that are removed may leave a gap for each reason: so many at once that fewer remain.
constexpr std::size_t kLeastRanges = 64;
constexpr auto kAll = std::numeric_limits<std::int64_t>::max();

constexpr std::size_t kRowsWorthASum = 10;
// Reading the clock costs more than a row.
constexpr std::size_t kRowsBetweenLooks = 256;

}  // namespace

Purger::Purger(Database& database, GapLedger& ledger, Roller& roller)
    : ledger_(ledger),
      roller_(roller),
      database_(database),
      oldest_results_(database.prepare(
          fmt::format("SELECT {} FROM results WHERE seq <= ?1 ORDER BY seq LIMIT ?2", Roller::kColumns))),
      plausible_result_(database.prepare("SELECT seq, requested_at FROM results WHERE seq BETWEEN ?1 AND ?2 AND "
                                         "requested_at <= ?3 ORDER BY seq LIMIT 1")),
      delete_results_(database.prepare("DELETE FROM results WHERE seq <= ?1")),
      oldest_skipped_(database.prepare(
          "SELECT id, definition, from_at, to_at, count, reason FROM skipped WHERE id <= ?1 ORDER BY id LIMIT ?2")),
      plausible_skipped_(database.prepare("SELECT id, to_at FROM skipped WHERE id BETWEEN ?1 AND ?2 AND to_at <= ?3 "
                                          "ORDER BY id LIMIT 1")),
      delete_skipped_(database.prepare("DELETE FROM skipped WHERE id <= ?1")),
      delete_gaps_(database.prepare("DELETE FROM gaps WHERE id <= ?1")),
      delete_old_gaps_(database.prepare(
          "DELETE FROM gaps WHERE id <= ?1 AND (to_at < ?2 OR id <= (SELECT max(id) FROM gaps) - ?3)")),
      min_seq_(database.prepare("SELECT min(seq) FROM results")),
      min_skipped_(database.prepare("SELECT min(id) FROM skipped")),
      min_gap_(database.prepare("SELECT min(id) FROM gaps")),
      first_gaps_(database.prepare("SELECT id, reason, from_at, to_at, first_seq, last_seq, count FROM gaps "
                                   "ORDER BY id LIMIT ?1")),
      time_of_(database.prepare("SELECT requested_at FROM results WHERE seq = ?1")) {}

/// Whether rows, taken in their order, are old enough to go. One from a time ahead goes with an older one behind it,
/// however many others are between: a clock that was ahead for a while must not end the purge for good.
class Purger::Old {
 public:
  /// `plausible` gives number and time of the first row from ?1 up to ?2 that is not from after ?3.
  Old(Statement& plausible, std::int64_t through, const PurgeRule& rule)
      : plausible_(plausible),
        through_(through),
        before_(common::unix_micros(rule.before)),
        plausible_until_(common::unix_micros(rule.plausible_until)) {}

  bool operator()(std::int64_t number, std::int64_t at) {
    if (number <= sure_ || at < before_) return true;
    if (at <= plausible_until_) return false;
    auto rows = plausible_.query(number, through_, plausible_until_);
    if (!rows.next() || rows.integer(1) >= before_) return false;
    sure_ = rows.integer(0);
    return true;
  }

 private:
  Statement& plausible_;
  const std::int64_t through_;
  const std::int64_t before_;
  const std::int64_t plausible_until_;
  std::int64_t sure_ = 0;  // rows up to here are to go
};

Seq Purger::oldest_seq() {
  return min_seq_.integer().value_or(0);
}

std::optional<common::WallTime> Purger::time_of(Seq seq) {
  const auto micros = time_of_.integer(seq);
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

bool Purger::is_full(const Bounds& bounds, std::size_t read, const Roller& roller) {
  if (read >= bounds.rows || roller.waiting() >= bounds.sums) return true;
  if (read % kRowsBetweenLooks != 0) return false;
  return bounds.spent() >= (read >= kRowsWorthASum * roller.waiting() ? kTime : kMostTime);
}

PurgeStep Purger::by_age(const PurgeRule& rule) {
  PurgeStep step = results_by_age(rule);
  const PurgeStep skipped = skipped_by_age(rule);
  step.more = step.more || skipped.more;
  step.through.skipped = skipped.through.skipped;
  roller_.save();
  return step;
}

PurgeStep Purger::results_by_age(const PurgeRule& rule) {
  const Seq through = rule.through ? rule.through->results : kAll;
  Old old(plausible_result_, through, rule);
  PurgeStep step;
  Seq& last = step.through.results;
  {
    auto rows = oldest_results_.query(through, static_cast<std::int64_t>(rule.bounds.rows));
    for (std::size_t read = 0; !step.more && rows.next() && old(rows.integer(0), rows.integer(1));) {
      roller_.add(rows);
      last = rows.integer(0);
      step.more = is_full(rule.bounds, ++read, roller_);
    }
  }
  if (last == 0) return step;
  delete_results_.run(last);
  step.results = database_.changes();
  return step;
}

PurgeStep Purger::skipped_by_age(const PurgeRule& rule) {
  const std::int64_t through = rule.through ? rule.through->skipped : kAll;
  Old old(plausible_skipped_, through, rule);
  PurgeStep step;
  std::int64_t& last = step.through.skipped;
  {
    auto rows = oldest_skipped_.query(through, static_cast<std::int64_t>(rule.bounds.rows));
    for (std::size_t read = 0; !step.more && rows.next();) {
      const StoredSkipped skipped = skipped_of(rows);
      if (!old(skipped.id, common::unix_micros(skipped.to))) break;
      roller_.add(skipped);
      last = skipped.id;
      step.more = is_full(rule.bounds, ++read, roller_);
    }
  }
  if (last > 0) delete_skipped_.run(last);
  return step;
}

bool Purger::forget(const ForgetRule& rule) {
  auto& rollups = roller_.rollups();
  const auto all = static_cast<std::int64_t>(rule.max_rows);
  const bool hours = rollups.forget(Tier::kHour, rule.hours_before, rule.max_rows) == all;
  const bool days = rollups.forget(Tier::kDay, rule.days_before, rule.max_rows) == all;
  const bool outages = roller_.outages().forget(rule.days_before, rule.max_rows);
  delete_old_gaps_.run(rule.gaps_through, common::unix_micros(rule.days_before), kMaxGaps);
  rollups.save();
  return hours || days || outages;
}

std::int64_t Purger::oldest_rollups(std::size_t max_rows) {
  auto& rollups = roller_.rollups();
  std::int64_t removed = rollups.forget(Tier::kHour, common::WallTime::max(), max_rows);
  if (removed == 0) removed = rollups.forget(Tier::kDay, common::WallTime::max(), max_rows);
  rollups.save();
  return removed;
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

PurgeStep Purger::oldest(const Share& share, const Bounds& bounds, const Cursor& arrived, std::int64_t sealed_gaps,
                         const std::set<Seq>& quarantined) {
  Gap gap{.reason = GapReason::kSizeCap, .from = common::WallTime::max(), .to = common::WallTime::min()};
  std::int64_t removed = fold_gaps(share.gaps, arrived.gaps);
  PurgeStep step;
  step.results = remove_results(share.results, bounds, arrived.results, quarantined, gap);
  removed += step.results + remove_skipped(share.skipped, bounds, arrived.skipped, gap);
  roller_.save();
  if (gap.count > 0 && ledger_.removed(gap, sealed_gaps)) --removed;
  step.more = removed > 0;
  return step;
}

std::int64_t Purger::remove_results(std::size_t count, const Bounds& bounds, Seq arrived,
                                    const std::set<Seq>& quarantined, Gap& gap) {
  Seq last = 0;
  {
    auto rows = oldest_results_.query(kAll, static_cast<std::int64_t>(count));
    std::size_t read = 0;
    for (bool full = false; !full && rows.next(); full = is_full(bounds, ++read, roller_)) {
      roller_.add(rows);
      last = rows.integer(0);
      if (last <= arrived || quarantined.contains(last)) continue;
      const auto at = common::from_unix_micros(rows.integer(1));
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

std::int64_t Purger::remove_skipped(std::size_t count, const Bounds& bounds, std::int64_t arrived, Gap& gap) {
  std::int64_t last = 0;
  {
    auto rows = oldest_skipped_.query(kAll, static_cast<std::int64_t>(count));
    std::size_t read = 0;
    for (bool full = false; !full && rows.next(); full = is_full(bounds, ++read, roller_)) {
      const StoredSkipped skipped = skipped_of(rows);
      roller_.add(skipped);
      last = skipped.id;
      if (last <= arrived) continue;
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
