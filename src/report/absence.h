// How many slots of each service fell into the time its agent was not running. Pure; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "common/units.h"

namespace monitor::report {

/// From `from` up to `to`.
struct Span {
  common::WallTime from{};
  common::WallTime to{};
};

/// The gaps of one agent in a window. A gap counts for a service that was active on both sides of it: a slot of it ran
/// or was skipped within kAround (or two intervals, if that is more) before the gap, and within as much after it. Its
/// slots are then the part of the gap that lies in the window, divided by the interval it had before the gap. The gap
/// that lasts until now has no other side.
class Absence {
 public:
  static constexpr std::chrono::hours kAround{1};

  /// `gaps` in any order; those that overlap are taken as one.
  Absence(std::vector<Span> gaps, Span window);

  /// What happened before the window matters too: from the first of these moments to the second, which are equal where
  /// nothing does. `longest` is the longest interval of all services.
  Span look_back(std::chrono::seconds longest) const;

  /// What is noted of one service.
  class Activity {
   public:
    /// Something was due in [first, last], a moment or as long as a roll-up is; `last` in ascending order.
    void mark(const Absence& absence, common::WallTime first, common::WallTime last, std::chrono::seconds interval);
    double slots(const Absence& absence) const;

   private:
    struct Sides {
      std::int32_t interval = 0;  ///< seconds; 0: it was not active before
      bool after = false;
    };
    std::vector<Sides> sides_;  ///< as many as there are gaps, once there was any mark near one
  };

 private:
  std::vector<Span> gaps_;  ///< ascending
  Span window_;
};

}  // namespace monitor::report
