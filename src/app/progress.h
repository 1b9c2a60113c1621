// Whether every worker still gets on, for the watchdog. Pure: time comes in as an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/units.h"

namespace monitor::app {

/// One look at a worker. `steps` is any number that moves while the worker lives; a worker with nothing to do, or in a
/// declared degraded state, is `excused`.
struct Pulse {
  std::string worker;
  std::uint64_t steps = 0;
  bool excused = false;
};

class Progress {
 public:
  explicit Progress(std::chrono::seconds limit) : limit_(limit) {}

  /// Time in which nobody looked, more than half the limit at once, is nobody's fault: the whole process stood still.
  void look(common::SteadyTime now, const std::vector<Pulse>& pulses);
  /// How long `worker` had not moved, unexcused, at the last look; 0 for one that was not seen.
  common::SteadyTime::duration still(const std::string& worker) const;

 private:
  struct Seen {
    std::uint64_t steps = 0;
    common::SteadyTime moved;
  };
  std::chrono::seconds limit_;
  std::map<std::string, Seen> seen_;
  common::SteadyTime looked_;
};

}  // namespace monitor::app
