// What the server's clock says, as it has gone on since it was last heard: ours may have been set meanwhile. io thread
// only.
#pragma once

#include <chrono>

#include "async/clock.h"

namespace monitor::exporter {

class ServerClock {
 public:
  explicit ServerClock(const async::Clock& clock) : clock_(clock) {}

  void heard(common::WallTime now) {
    said_ = now;
    heard_at_ = clock_.steady();
  }
  common::WallTime now() const {
    return said_ + std::chrono::duration_cast<common::Micros>(clock_.steady() - heard_at_);
  }

 private:
  const async::Clock& clock_;
  common::WallTime said_{};
  common::SteadyTime heard_at_{};
};

}  // namespace monitor::exporter
