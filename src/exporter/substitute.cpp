#include "exporter/substitute.h"

#include <algorithm>

#include "exporter/remote_schema.h"

namespace monitor::exporter {
namespace {

/// Of slots in a range that was refused, perhaps because the number is no number of slots.
constexpr std::int64_t kMostCounted = 1'000'000'000;

template <typename Row>
storage::Gap like(const Row& row) {
  return {.reason = storage::GapReason::kRefused, .from = row.from, .to = row.to, .count = row.count};
}

}  // namespace

std::int64_t number_of(const storage::Batch& batch, Kind kind, std::size_t index) {
  return kind == Kind::kSkipped ? batch.skipped[index].id : batch.gaps[index].id;
}

std::optional<storage::Gap> gap_in_place_of(const storage::Batch& batch, Kind kind, std::size_t index,
                                            common::WallTime now) {
  if (kind == Kind::kGaps) {
    const auto& refused = batch.gaps[index];
    if (refused.reason == storage::GapReason::kRefused && refused.first_seq == 0) return std::nullopt;
  }
  auto gap = kind == Kind::kSkipped ? like(batch.skipped[index]) : like(batch.gaps[index]);
  if (!in_window(gap.from, now) || !in_window(gap.to, now) || gap.from > gap.to) gap.from = gap.to = now;
  gap.count = std::clamp<std::int64_t>(gap.count, 1, kMostCounted);
  return gap;
}

}  // namespace monitor::exporter
