// Says that memory is short, and when it is over; has the reserve taken back. io thread only.
#pragma once

#include <functional>
#include <optional>

#include "common/units.h"

namespace monitor::app {

class MemoryWatch {
 public:
  /// For so long at least nothing is begun, and twice as long where it did not last kCalm, up to the longest.
  static constexpr std::chrono::seconds kPause{5};
  static constexpr std::chrono::seconds kLongestPause{300};
  static constexpr std::chrono::seconds kCalm{60};

  /// `is_short` and `take_back` as in common/memory.h.
  MemoryWatch(std::function<bool()> is_short, std::function<bool()> take_back);

  /// To be called about every second.
  void turn(common::SteadyTime now);

 private:
  const std::function<bool()> is_short_, take_back_;
  std::optional<common::SteadyTime> short_since_;  ///< while it is
  std::optional<common::SteadyTime> over_since_;   ///< once it was
  std::chrono::seconds pause_{kPause};
};

}  // namespace monitor::app
