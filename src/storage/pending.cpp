#include "storage/pending.h"

#include <algorithm>
#include <tuple>

#include "common/text.h"

namespace monitor::storage {
namespace {

constexpr std::size_t kMaxReasonBytes = 1024;
constexpr std::size_t kMaxAddressBytes = 64;

void make_storable(std::string& text, std::size_t max_bytes) {
  // Nearly every text is short and plain, and stays as it is.
  const bool plain = std::ranges::all_of(text, [](char c) { return c > 0; });
  if (text.size() > max_bytes || !plain) text = common::storable(text, max_bytes);
}

void merge(Skipped& into, const Skipped& other) {
  into.from = std::min(into.from, other.from);
  into.to = std::max(into.to, other.to);
  into.count += other.count;
}

void merge(Gap& into, const Gap& other) {
  into.from = std::min(into.from, other.from);
  into.to = std::max(into.to, other.to);
  into.count += other.count;
}

bool same_range(const Skipped& a, const Skipped& b) {
  return std::tie(a.definition, a.reason) == std::tie(b.definition, b.reason);
}

bool same_range(const Gap& a, const Gap& b) {
  return a.reason == b.reason;
}

bool before(const Skipped& a, const Skipped& b) {
  return std::tie(a.definition, a.reason, a.from) < std::tie(b.definition, b.reason, b.from);
}

bool before(const Gap& a, const Gap& b) {
  return std::tie(a.reason, a.from) < std::tie(b.reason, b.from);
}

/// One range for each service and reason (or reason): what is left is bounded by their number.
template <typename Range>
void compact(std::vector<Range>& ranges) {
  std::ranges::sort(ranges, [](const Range& a, const Range& b) { return before(a, b); });
  std::vector<Range> merged;
  for (const auto& range : ranges) {
    if (!merged.empty() && same_range(merged.back(), range)) {
      merge(merged.back(), range);
    } else {
      merged.push_back(range);
    }
  }
  ranges = std::move(merged);
}

template <typename Range>
void add_range(std::vector<Range>& ranges, std::size_t& limit, const Range& range) {
  ranges.push_back(range);
  if (ranges.size() < limit) return;
  compact(ranges);
  limit = std::max(kMaxRanges, 2 * ranges.size());
}

}  // namespace

void make_storable(Result& result) {
  make_storable(result.reason, kMaxReasonBytes);
  make_storable(result.remote_address, kMaxAddressBytes);
  make_storable(result.hops, kMaxHopsBytes);
  make_storable(result.evidence, kMaxEvidenceBytes);
}

std::vector<Gap> gaps_of(const Work& work, common::WallTime began) {
  std::vector<Gap> gaps;
  for (const auto& gap : work.gaps) {
    if (gap.reason != GapReason::kNotRunning) gaps.push_back(gap);
  }
  constexpr Gap kNone{.reason = GapReason::kUnstored, .from = common::WallTime::max(), .to = common::WallTime::min()};
  Gap results = kNone;
  for (const auto& result : work.results) {
    merge(results, {.from = result.requested_at, .to = result.requested_at, .count = 1});
  }
  Gap skipped = kNone;
  for (const auto& range : work.skipped) {
    if (range.reason == SkipReason::kStopping && range.to < began) continue;
    merge(skipped, {.from = range.from, .to = range.to, .count = range.count});
  }
  for (const auto& gap : {results, skipped}) {
    if (gap.count > 0) gaps.push_back(gap);
  }
  compact(gaps);
  return gaps;
}

void Pending::touch(common::SteadyTime now) {
  if (!since_) since_ = now;
}

void Pending::add(Result result, common::SteadyTime now) {
  waiting_bytes_ += result.hops.size() + result.evidence.size();
  waiting_.results.push_back(std::move(result));
  touch(now);
}

void Pending::add(const Skipped& skipped, common::SteadyTime now) {
  add_range(waiting_.skipped, skipped_limit_, skipped);
  touch(now);
}

void Pending::add(const Gap& gap, common::SteadyTime now) {
  add_range(waiting_.gaps, gaps_limit_, gap);
  touch(now);
}

void Pending::mark(const Cursor& exported, common::SteadyTime now) {
  waiting_.exported = exported;
  touch(now);
}

void Pending::unmark() {
  front_.exported.reset();
  waiting_.exported.reset();
}

void Pending::drop(const Result& result, common::SteadyTime now) {
  if (dropping_.count == 0) dropping_ = {.from = result.requested_at, .to = result.requested_at};
  merge(dropping_, {.from = result.requested_at, .to = result.requested_at, .count = 1});
  touch(now);
}

std::optional<common::SteadyTime> Pending::due() const {
  if (!front_is_empty() || waiting_.results.size() >= kCommitRows) return common::SteadyTime{};
  return since_ ? std::optional{*since_ + kCommitAge} : std::nullopt;
}

const Work& Pending::take() {
  if (front_is_empty()) {
    std::swap(front_, waiting_);
    std::swap(front_bytes_, waiting_bytes_);
    if (dropping_.count > 0) front_.gaps.push_back(std::exchange(dropping_, {}));
    since_.reset();
    skipped_limit_ = gaps_limit_ = kMaxRanges;
  } else if (waiting_.exported) {
    // Rows may have to wait where the cursor need not.
    front_.exported = std::exchange(waiting_.exported, std::nullopt);
  }
  return front_;
}

void Pending::committed() {
  front_bytes_ = 0;
  front_.results.clear();
  front_.skipped.clear();
  front_.gaps.clear();
  front_.exported.reset();
}

}  // namespace monitor::storage
