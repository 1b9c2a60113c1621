#include "storage/gap_ledger.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <span>

namespace monitor::storage {
namespace {

constexpr std::ptrdiff_t kLeastApart = 32;

/// Half as many, at least kLeastApart, made one where the least time is between two: in one span of all that ran would
/// be taken for not running.
std::vector<Gap> nearest_joined(std::vector<Gap> gaps) {
  const auto joins = std::ssize(gaps) - std::max(kLeastApart, std::ssize(gaps) / 2);
  if (joins <= 0) return gaps;
  std::ranges::sort(gaps, {}, &Gap::from);
  std::vector<std::pair<common::Micros, std::size_t>> between;
  for (std::size_t i = 1; i < gaps.size(); ++i) between.emplace_back(gaps[i].from - gaps[i - 1].to, i);
  std::ranges::nth_element(between, between.begin() + joins);
  std::vector<bool> joined(gaps.size());
  for (const auto& [time, i] : std::span(between).first(static_cast<std::size_t>(joins))) joined[i] = true;
  std::vector<Gap> fewer;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    if (joined[i]) {
      fewer.back().to = std::max(fewer.back().to, gaps[i].to);
    } else {
      fewer.push_back(gaps[i]);
    }
  }
  return fewer;
}

}  // namespace

GapLedger::GapLedger(Database& database, Writer& writer)
    : writer_(writer),
      last_removed_(
          database.prepare("SELECT id, first_seq, last_seq FROM gaps WHERE reason = ?1 ORDER BY id DESC LIMIT 1")),
      extend_(database.prepare("UPDATE gaps SET from_at = min(from_at, ?2), to_at = max(to_at, ?3), first_seq = ?4, "
                               "last_seq = ?5, count = count + ?6 WHERE id = ?1")),
      covering_(database.prepare("SELECT first_seq, last_seq FROM gaps WHERE first_seq > 0 AND last_seq >= ?1 AND "
                                 "first_seq <= ?2 ORDER BY first_seq")),
      same_(database.prepare("SELECT 1 FROM gaps WHERE reason = ?1 AND from_at = ?2 AND to_at = ?3 AND count = ?4")) {}

bool GapLedger::has(const Gap& gap) {
  return same_
      .integer(static_cast<std::int64_t>(gap.reason), common::unix_micros(gap.from), common::unix_micros(gap.to),
               gap.count)
      .has_value();
}

bool GapLedger::removed(const Gap& gap, std::int64_t sealed) {
  std::int64_t id = 0;
  Gap grown;
  {
    auto rows = last_removed_.query(static_cast<std::int64_t>(GapReason::kSizeCap));
    if (rows.next() && rows.integer(0) > sealed) {
      grown.first_seq = rows.integer(1);
      grown.last_seq = rows.integer(2);
      const bool fits = grown.last_seq == 0 || gap.first_seq == 0 || grown.last_seq + 1 == gap.first_seq;
      if (fits) id = rows.integer(0);
    }
  }
  if (id == 0) {
    writer_.write(gap);
    return true;
  }
  if (grown.first_seq == 0) grown.first_seq = gap.first_seq;
  if (gap.last_seq != 0) grown.last_seq = gap.last_seq;
  extend_.run(id, common::unix_micros(gap.from), common::unix_micros(gap.to), grown.first_seq, grown.last_seq,
              gap.count);
  return false;
}

std::int64_t GapLedger::folded(const std::vector<Gap>& gaps) {
  std::map<GapReason, Gap> sums;
  std::vector<Gap> absences;
  for (const auto& gap : gaps) {
    if (gap.reason == GapReason::kNotRunning) {
      absences.push_back(gap);
      continue;
    }
    const auto [place, first] = sums.try_emplace(gap.reason, gap);
    if (first) continue;
    Gap& sum = place->second;
    sum.from = std::min(sum.from, gap.from);
    sum.to = std::max(sum.to, gap.to);
    sum.count += gap.count;
    // Numbers between two ranges may be in no gap: then none are claimed.
    const bool contiguous = sum.last_seq != 0 && sum.last_seq + 1 == gap.first_seq;
    if (!contiguous) sum.first_seq = 0;
    sum.last_seq = contiguous ? gap.last_seq : 0;
  }
  absences = nearest_joined(std::move(absences));
  for (const auto& gap : absences) writer_.write(gap);
  for (const auto& [reason, gap] : sums) writer_.write(gap);
  return std::ssize(absences) + std::ssize(sums);
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
