#include "report/remote_rollup.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "report/external_sql.h"

namespace monitor::report {
namespace {

constexpr std::size_t kEntryBytes = 6;  // measure, bucket, and a count of four bytes

std::uint64_t non_negative(std::int64_t number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, number));
}

template <typename Counts>
void subtract_counts(Counts& sum, const Counts& part) {
  for (const auto& [code, times] : part) {
    const auto found = sum.find(code);
    if (found == sum.end()) continue;
    found->second -= std::min(found->second, times);
    if (found->second == 0) sum.erase(found);
  }
}

common::Histogram difference(const common::Histogram& sum, const common::Histogram& part) {
  common::Histogram rest;
  const auto taken = [&](int bucket) -> std::uint64_t {
    const auto at = bucket - part.first_bucket();
    return at < 0 || at >= std::ssize(part.times()) ? 0 : part.times()[static_cast<std::size_t>(at)];
  };
  int bucket = sum.first_bucket();
  for (const auto times : sum.times()) {
    rest.add_bucket(bucket, times - std::min(times, taken(bucket)));
    ++bucket;
  }
  return rest;
}

}  // namespace

void add_row(const RemoteRow& row, storage::Rollup& sum) {
  const auto outcomes = row.integers(kOutcomes);
  const auto outcome_counts = row.integers(kOutcomeCounts);
  for (std::size_t i = 0; i < std::min(outcomes.size(), outcome_counts.size()); ++i) {
    sum.outcomes[static_cast<std::uint8_t>(outcomes[i])] += non_negative(outcome_counts[i]);
  }
  const auto reasons = row.texts(kSkippedReasons);
  const auto skipped_counts = row.integers(kSkippedCounts);
  for (std::size_t i = 0; i < std::min(reasons.size(), skipped_counts.size()); ++i) {
    sum.skipped[static_cast<std::uint8_t>(skip_reason_of(reasons[i]))] += non_negative(skipped_counts[i]);
  }
  sum.rechecks += non_negative(row.integer(kRechecks));
  sum.total_sum += common::Micros{row.integer(kTotalSum)};
  sum.lateness_max = std::max(sum.lateness_max, common::Micros{row.integer(kLatenessMax)});
  add_histograms(row.bytes(kHistograms), sum);
}

bool add_histograms(std::span<const std::uint8_t> bytes, storage::Rollup& sum) {
  bool good = bytes.size() % kEntryBytes == 0;
  for (; bytes.size() >= kEntryBytes; bytes = bytes.subspan(kEntryBytes)) {
    const std::uint64_t count =
        std::uint64_t{bytes[2]} << 24 | std::uint64_t{bytes[3]} << 16 | std::uint64_t{bytes[4]} << 8 | bytes[5];
    if (bytes[0] < storage::kMeasures && bytes[1] < common::Histogram::kBuckets) {
      sum.measures[bytes[0]].add_bucket(bytes[1], count);
    } else {
      good = false;
    }
  }
  return good;
}

void subtract(storage::Rollup& sum, const storage::Rollup& part) {
  subtract_counts(sum.outcomes, part.outcomes);
  subtract_counts(sum.skipped, part.skipped);
  sum.rechecks -= std::min(sum.rechecks, part.rechecks);
  sum.total_sum -= part.total_sum;
  for (std::size_t i = 0; i < storage::kMeasures; ++i) {
    if (part.measures.at(i).count() > 0) sum.measures.at(i) = difference(sum.measures.at(i), part.measures.at(i));
  }
}

storage::SkipReason skip_reason_of(std::string_view name) {
  constexpr std::uint8_t kNone = std::numeric_limits<std::uint8_t>::max();
  for (std::uint8_t code = 1; code < kNone; ++code) {
    const auto reason = static_cast<storage::SkipReason>(code);
    if (name_of(reason) == "unknown") break;
    if (name_of(reason) == name) return reason;
  }
  return static_cast<storage::SkipReason>(kNone);
}

std::string bucket_begins() {
  std::vector<std::int64_t> begins;
  for (int bucket = 1; bucket < common::Histogram::kBuckets; ++bucket) {
    begins.push_back(common::Histogram::begin_of(bucket));
  }
  return array_of(begins);
}

}  // namespace monitor::report
