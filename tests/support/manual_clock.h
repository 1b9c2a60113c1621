// A clock that moves only when the test says so.
#pragma once

#include "async/clock.h"

namespace monitor::test {

class ManualClock final : public async::Clock {
 public:
  common::WallTime wall() const override { return wall_; }
  common::SteadyTime steady() const override { return steady_; }
  common::SteadyTime boot() const override { return boot_; }
  /// All clocks go on, as time does.
  void advance(common::Micros by) {
    wall_ += by;
    steady_ += by;
    boot_ += by;
  }
  /// The machine sleeps: for the steady clock that is no time at all.
  void sleep(common::Micros by) {
    wall_ += by;
    boot_ += by;
  }
  /// The wall clock alone jumps, as when somebody sets it.
  void step_wall(common::Micros by) { wall_ += by; }

 private:
  common::WallTime wall_ = common::from_unix_micros(1'750'000'000'000'000);  // 2025-06-15 15:06:40 UTC
  common::SteadyTime steady_{std::chrono::hours{1000}};
  common::SteadyTime boot_{std::chrono::hours{1010}};
};

}  // namespace monitor::test
