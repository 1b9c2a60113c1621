#include "storage/roller.h"

#include <algorithm>
#include <array>

namespace monitor::storage {
namespace {

constexpr std::chrono::days kLongestRange{400};

// Behind the seven columns that say what the row is.
constexpr int kLatenessColumn = 7;
struct Phase {
  Measure measure;
  int column;
};
constexpr std::array kPhases{Phase{Measure::kDns, 8}, Phase{Measure::kConnect, 9}, Phase{Measure::kTls, 10},
                             Phase{Measure::kFirstByte, 11}, Phase{Measure::kTransfer, 12}};

/// As the histogram takes it, so that a sum fits to it.
common::Micros bounded(std::int64_t micros) {
  return common::Micros{std::clamp<std::int64_t>(micros, 0, common::Histogram::kLongest)};
}

void add_check(const Rows& rows, Rollup& sum) {
  ++sum.outcomes[static_cast<std::uint8_t>(rows.integer(3))];
  if (rows.integer(4) != 0) {
    const auto total = bounded(rows.integer(6));
    sum.total_sum += total;
    sum.measure(Measure::kTotal).add(total);
  }
  const auto lateness = bounded(rows.integer(kLatenessColumn));
  sum.lateness_max = std::max(sum.lateness_max, lateness);
  sum.measure(Measure::kLateness).add(lateness);
  for (const auto& phase : kPhases) {
    if (const auto micros = rows.optional_integer(phase.column)) {
      sum.measure(phase.measure).add(common::Micros{*micros});
    }
  }
}

}  // namespace

std::vector<std::pair<common::WallTime, std::uint64_t>> slots_by_hour(const Skipped& skipped) {
  using Wide = __int128;  // slots times microseconds
  const auto count = std::max<std::int64_t>(0, skipped.count);
  const auto span = std::clamp<common::Micros>(skipped.to - skipped.from, common::Micros{0}, kLongestRange);
  std::vector<std::pair<common::WallTime, std::uint64_t>> hours;
  // Slot i was due at from + i·span/(count − 1).
  for (std::int64_t slot = 0; slot < count;) {
    const auto passed = count == 1 ? 0 : static_cast<std::int64_t>(Wide{slot} * span.count() / (count - 1));
    const auto hour = start_of(Tier::kHour, skipped.from + common::Micros{passed});
    const auto left = (hour + width_of(Tier::kHour) - skipped.from).count();
    std::int64_t next = count;
    if (count > 1 && left <= span.count()) {
      next = static_cast<std::int64_t>((Wide{left} * (count - 1) + span.count() - 1) / span.count());
    }
    hours.emplace_back(hour, next - slot);
    slot = next;
  }
  return hours;
}

std::size_t Roller::Hash::operator()(const Key& key) const {
  // Hours differ in few bits, definitions are counted from 1.
  constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;
  const auto hour = static_cast<std::uint64_t>(key.hour.time_since_epoch() / std::chrono::hours{1});
  return (static_cast<std::uint64_t>(key.definition) + (hour << 32U)) * kSpread >> 16U;
}

void Roller::add(const Rows& rows) {
  const auto at = common::from_unix_micros(rows.integer(1));
  const DefinitionId definition = rows.integer(2);
  auto& sum = sums_[Key{.hour = start_of(Tier::kHour, at), .definition = definition}];
  if (rows.integer(5) != 0) {
    ++sum.rechecks;
    return;
  }
  add_check(rows, sum);
  outages_.add({.seq = rows.integer(0),
                .definition = definition,
                .at = at,
                .outcome = static_cast<common::Outcome>(rows.integer(3))});
}

void Roller::add(const Skipped& skipped) {
  for (const auto& [hour, slots] : slots_by_hour(skipped)) {
    sums_[Key{.hour = hour, .definition = skipped.definition}].skipped[static_cast<std::uint8_t>(skipped.reason)] +=
        slots;
  }
}

void Roller::save() {
  std::vector<const Sum*> sums;
  sums.reserve(sums_.size());
  for (const auto& sum : sums_) sums.push_back(&sum);
  save_hours(sums);
  save_days(sums);
  sums_.clear();
  rollups_.save();
  outages_.save();
}

/// In the order of the table, so that each of its pages is visited once.
void Roller::save_hours(std::vector<const Sum*>& sums) {
  std::ranges::sort(sums, {}, [](const Sum* sum) { return std::pair{sum->first.hour, sum->first.definition}; });
  for (const auto* sum : sums) rollups_.add(Tier::kHour, sum->first.hour, sum->first.definition, sum->second);
}

void Roller::save_days(std::vector<const Sum*>& sums) {
  const auto place = [](const Sum* sum) {
    return std::pair{start_of(Tier::kDay, sum->first.hour), sum->first.definition};
  };
  std::ranges::sort(sums, {}, place);
  for (auto at = sums.begin(); at != sums.end();) {
    const auto [day, definition] = place(*at);
    const auto next = std::find_if(at, sums.end(), [&](const Sum* sum) { return place(sum) != place(*at); });
    Rollup more;
    for (auto each = at; each != next && next - at > 1; ++each) more.merge((*each)->second);
    rollups_.add(Tier::kDay, day, definition, next - at > 1 ? more : (*at)->second);
    at = next;
  }
}

void Roller::reload() {
  sums_.clear();
  rollups_.reload();
  outages_.reload();
}

}  // namespace monitor::storage
