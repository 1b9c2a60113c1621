// Which part of a window is read from the results, which from the roll-ups of hours, which from those of days. Pure.
#pragma once

#include "common/units.h"

namespace monitor::report {

/// What a database holds around the start of the window.
struct Edge {
  bool hour = false;      ///< a roll-up of the hour in which the window starts
  bool all_hours = true;  ///< the hours of that day, from the one on in which the window starts, are all still there
  bool day = false;       ///< a roll-up of the day in which the window starts
};

/// Results count from `from` on, hours from `from` up to `days_from`, days from `days_from` on. A result is either
/// there or in the roll-ups, so the three are added up.
struct Window {
  common::WallTime from{};
  common::WallTime days_from{};
};

/// A roll-up is not divided: where the one that holds the start `wanted` is there, the window starts with it.
Window window_from(common::WallTime wanted, const Edge& edge);

}  // namespace monitor::report
