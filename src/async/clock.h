// The clocks, as a parameter, so that a test holds them in its hand. Safe from any thread.
#pragma once

#include <ctime>

#include "common/units.h"

namespace monitor::async {

class Clock {
 public:
  virtual ~Clock() = default;
  /// UTC; may jump.
  virtual common::WallTime wall() const = 0;
  /// Never jumps; stands still while the machine sleeps (CLOCK_MONOTONIC).
  virtual common::SteadyTime steady() const = 0;
  /// Never jumps, and goes on while the machine sleeps (CLOCK_BOOTTIME). Not comparable with steady(), and no timer
  /// runs on it.
  virtual common::SteadyTime boot() const = 0;
};

class SystemClock final : public Clock {
 public:
  common::WallTime wall() const override {
    return std::chrono::time_point_cast<common::Micros>(std::chrono::system_clock::now());
  }
  common::SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  common::SteadyTime boot() const override {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return common::SteadyTime{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
  }
};

}  // namespace monitor::async
