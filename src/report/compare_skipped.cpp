#include "report/compare_skipped.h"

#include <algorithm>
#include <ranges>

namespace monitor::report {
namespace {

/// Ranges of one commit are not in the order of their ends.
constexpr std::chrono::hours kOutOfOrder{1};
/// So long after what was removed there, nothing else was.
constexpr std::chrono::days kSurelyKept{1};

SeqSet numbers_there(const LedgerThere& there) {
  std::vector<SeqRange> ranges;
  ranges.reserve(there.skipped.size());
  for (const auto& island : there.skipped) ranges.push_back(island.numbers);
  return SeqSet(std::move(ranges));
}

// Ranges are removed there by their ends and numbered in the order of their ends, but for a clock that was set back:
// where a range ends later than one behind it, what is missing before that may have been removed.
std::optional<std::int64_t> first_kept(const LedgerThere& there, common::WallTime purged_before) {
  std::optional<std::int64_t> first;
  auto lowest = there.exported_at.value_or(common::WallTime::min());
  for (const auto& island : std::views::reverse(there.skipped)) {
    if (island.last_end > lowest + kOutOfOrder || island.last_end < purged_before + kSurelyKept) break;
    first = island.numbers.first;
    if (island.first_end < purged_before + kSurelyKept) break;
    lowest = std::min(lowest, island.first_end);
  }
  return first;
}

/// From where on every number is expected there; nothing: that cannot be told.
std::optional<std::int64_t> expected_from(const Ledgers& ledgers) {
  const auto& there = *ledgers.there;
  if (there.purged_before) return first_kept(there, *there.purged_before);
  // A partition that somebody dropped takes ranges of its time along when more comes of the hours that it had.
  const bool whole = ledgers.from == 0 && (there.results | ledgers.here->unsent).first() == ledgers.here->numbers.first;
  return whole ? std::optional{ledgers.here->skipped_numbers.first} : std::nullopt;
}

SeqSet missing_from(std::int64_t from, const Ledgers& ledgers) {
  const auto& here = *ledgers.here;
  const auto& there = *ledgers.there;
  const auto expected = SeqSet{here.skipped_numbers} & above(from - 1);
  const auto waiting = here.skipped & above(std::min(there.head.skipped, here.exported_skipped));
  const auto sent_meanwhile = above(there.head.skipped) & up_to(std::min(here.exported_skipped, there.later_skipped));
  return expected - numbers_there(there) - waiting - sent_meanwhile - here.unsent_skipped;
}

}  // namespace

SeqSet missing_skipped(const Ledgers& ledgers) {
  if (!ledgers.here || !ledgers.there) return {};
  const auto from = expected_from(ledgers);
  return from ? missing_from(*from, ledgers) : SeqSet{};
}

SeqSet uncompared_skipped(const Ledgers& ledgers) {
  if (!ledgers.here || !ledgers.there || ledgers.from > 0 || expected_from(ledgers)) return {};
  return missing_from(ledgers.here->skipped_numbers.first, ledgers);
}

SeqSet strange_skipped(const Ledgers& ledgers) {
  if (!ledgers.here || !ledgers.there) return {};
  return numbers_there(*ledgers.there) - SeqSet{ledgers.here->skipped_numbers};
}

}  // namespace monitor::report
