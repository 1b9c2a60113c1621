#include "report/seq_set.h"

#include <algorithm>
#include <limits>

namespace monitor::report {
namespace {

/// One below the highest, so that what comes behind a range can be said.
constexpr storage::Seq kHighest = std::numeric_limits<storage::Seq>::max() - 1;

}  // namespace

SeqSet::SeqSet(std::vector<SeqRange> ranges) {
  std::erase_if(ranges, [](const SeqRange& range) { return range.last < range.first; });
  std::ranges::sort(ranges, {}, &SeqRange::first);
  for (const auto& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

std::int64_t SeqSet::count() const {
  std::int64_t sum = 0;
  for (const auto& range : ranges_) sum += count_of(range);
  return sum;
}

bool SeqSet::contains(storage::Seq seq) const {
  const auto behind = std::ranges::upper_bound(ranges_, seq, {}, &SeqRange::first);
  return behind != ranges_.begin() && std::prev(behind)->last >= seq;
}

std::optional<storage::Seq> SeqSet::first() const {
  return empty() ? std::nullopt : std::optional{ranges_.front().first};
}

std::optional<storage::Seq> SeqSet::last() const {
  return empty() ? std::nullopt : std::optional{ranges_.back().last};
}

SeqSet SeqSet::operator&(const SeqSet& other) const {
  SeqSet both;
  auto mine = ranges_.begin();
  auto theirs = other.ranges_.begin();
  while (mine != ranges_.end() && theirs != other.ranges_.end()) {
    const SeqRange common{std::max(mine->first, theirs->first), std::min(mine->last, theirs->last)};
    if (common.first <= common.last) both.ranges_.push_back(common);
    if (mine->last < theirs->last) {
      ++mine;
    } else {
      ++theirs;
    }
  }
  return both;
}

SeqSet SeqSet::operator|(const SeqSet& other) const {
  auto all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return SeqSet(std::move(all));
}

SeqSet SeqSet::operator-(const SeqSet& other) const {
  SeqSet rest;
  auto theirs = other.ranges_.begin();
  for (const auto& range : ranges_) {
    auto next = range.first;
    while (theirs != other.ranges_.end() && theirs->last < next) ++theirs;
    for (auto at = theirs; at != other.ranges_.end() && at->first <= range.last; ++at) {
      if (at->first > next) rest.ranges_.push_back({next, at->first - 1});
      next = std::max(next, at->last + 1);
    }
    if (next <= range.last) rest.ranges_.push_back({next, range.last});
  }
  return rest;
}

SeqSet above(storage::Seq seq) {
  return SeqSet{{seq + 1, kHighest}};
}

SeqSet up_to(storage::Seq seq) {
  return SeqSet{{1, seq}};
}

}  // namespace monitor::report
