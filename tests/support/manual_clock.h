// A clock that moves only when the test says so.
#pragma once

#include "async/clock.h"

namespace monitor::test {

class ManualClock final : public async::Clock {
 public:
  common::WallTime wall() const override { return wall_; }
  common::SteadyTime steady() const override { return steady_; }
  /// Both clocks go on, as time does.
  void advance(common::Micros by) {
    wall_ += by;
    steady_ += by;
  }
  /// The wall clock alone jumps, as when somebody sets it.
  void step_wall(common::Micros by) { wall_ += by; }

 private:
  common::WallTime wall_ = common::from_unix_micros(1'750'000'000'000'000);  // 2025-06-15 15:06:40 UTC
  common::SteadyTime steady_{std::chrono::hours{1000}};
};

}  // namespace monitor::test
