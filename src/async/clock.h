// The two clocks, as a parameter, so that a test holds both in its hand. Safe from any thread.
#pragma once

#include "common/units.h"

namespace monitor::async {

class Clock {
 public:
  virtual ~Clock() = default;
  /// UTC; may jump.
  virtual common::WallTime wall() const = 0;
  /// Never jumps; stands still while the machine sleeps (CLOCK_MONOTONIC).
  virtual common::SteadyTime steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  common::WallTime wall() const override {
    return std::chrono::time_point_cast<common::Micros>(std::chrono::system_clock::now());
  }
  common::SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace monitor::async
