// Which failures are checked again, and when. Pure: time comes in as an argument. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/outcome.h"
#include "common/units.h"
#include "probe/options.h"

namespace monitor::agent {

/// A check that confirms another, or not.
struct Recheck {
  std::size_t service = 0;
  std::uint16_t attempt = 0;  ///< 1 is the first after the slot's own check
};

/// Whether check `attempt` (0: the slot's own) with this verdict is followed by another.
bool followed(const probe::Recheck& rule, std::uint16_t attempt, common::Verdict verdict);

/// Those that are to come, at most one for each service. Slots go before them: they are only ever run where there is
/// room.
class Rechecks {
 public:
  /// Replaces what was planned for the service.
  void plan(const Recheck& recheck, common::SteadyTime due);
  /// The service's slot has come, which tells as much.
  void give_way(std::size_t service);
  void clear();

  std::optional<common::SteadyTime> next_due() const;
  /// Takes every one that is due at `now`.
  void take_due(common::SteadyTime now, std::vector<Recheck>& ready);

 private:
  struct Planned {
    std::uint16_t attempt;
    common::SteadyTime due;
  };
  std::unordered_map<std::size_t, Planned> planned_;
  std::set<std::pair<common::SteadyTime, std::size_t>> by_due_;
};

}  // namespace monitor::agent
