// What is left of a service's results, for an hour or a day, when the results themselves are gone. Plain data, and how
// it is stored. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <span>

#include "common/histogram.h"
#include "common/units.h"
#include "storage/rows.h"

namespace monitor::storage {

/// What has a histogram. The numbers are stored.
enum class Measure : std::uint8_t {
  kTotal = 0,  ///< of checks that had an HTTP response
  kDns = 1,    ///< this and the other phases: of checks in which the phase took place
  kConnect = 2,
  kTls = 3,
  kFirstByte = 4,
  kTransfer = 5,
  kLateness = 6,  ///< of every check of a slot
};
inline constexpr std::size_t kMeasures = 7;

/// Checks of slots alone (`attempt` 0) but for `rechecks`.
struct Rollup {
  std::map<std::uint8_t, std::uint64_t> outcomes;  ///< outcome code, as stored, to how many checks came out so
  std::map<std::uint8_t, std::uint64_t> skipped;   ///< SkipReason, as stored, to how many slots
  std::uint64_t rechecks = 0;
  common::Micros total_sum{};  ///< of what is in the histogram of kTotal
  common::Micros lateness_max{};
  std::array<common::Histogram, kMeasures> measures;

  common::Histogram& measure(Measure which) { return measures.at(static_cast<std::size_t>(which)); }
  const common::Histogram& measure(Measure which) const { return measures.at(static_cast<std::size_t>(which)); }
  void merge(const Rollup& other);
  bool operator==(const Rollup&) const = default;
};

/// How wide the time is that one roll-up stands for. The numbers are stored.
enum class Tier : std::uint8_t { kHour = 1, kDay = 2 };
constexpr std::chrono::hours width_of(Tier tier) {
  return tier == Tier::kHour ? std::chrono::hours{1} : std::chrono::hours{24};
}
/// The hour or day in UTC that `at` is in.
common::WallTime start_of(Tier tier, common::WallTime at);

/// `rollup` as it is stored: about 40 bytes, and for each bucket in use one, or two if one counts more than 255.
std::vector<std::uint8_t> pack(const Rollup& rollup);

/// A stored roll-up, unpacked only as it is added up.
struct PackedRollup {
  DefinitionId definition = 0;
  common::WallTime start{};            ///< a whole hour or day in UTC
  std::span<const std::uint8_t> body;  ///< of pack()
  /// False: the body is damaged, or of a newer version, and nothing was added.
  bool add_to(Rollup& sum) const;
};

/// A service was down from `from` until `to`: the first check that came out down, to the first that was up or degraded
/// after it. Unknown neither ends nor begins one.
struct Outage {
  DefinitionId definition = 0;
  common::WallTime from{};
  std::optional<common::WallTime> to;  ///< nothing: it had not ended when the last of these results was requested
  common::WallTime last{};             ///< the last check that came out down
  std::uint64_t checks = 0;            ///< that came out down
  common::Outcome outcome = common::Outcome::kStatus;  ///< of the first one
  std::string reason;                                  ///< of the first one
};

}  // namespace monitor::storage
