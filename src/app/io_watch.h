// A thread that watches the io thread, which cannot say itself that it hangs, and ends the process where a stop hangs.
// beat() and end_by() may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/units.h"

namespace monitor::app {

class IoWatch {
 public:
  struct Limits {
    std::chrono::milliseconds silence{10'000};  ///< without a beat for so long, the io thread hangs
    std::chrono::milliseconds look_every{500};
  };

  /// `leave` ends the process; called on the thread of its own, once. Where no thread can be had there is no watch,
  /// which is said.
  IoWatch(Limits limits, std::function<void()> leave);
  ~IoWatch();
  IoWatch(const IoWatch&) = delete;
  IoWatch& operator=(const IoWatch&) = delete;

  /// The io thread turns. `places`: where each worker is; `uncommitted`: how many results are in memory alone.
  void beat(std::string places, std::size_t uncommitted);
  /// A stop has begun, which has to be over `within`: else what may be lost is logged, and `leave` is called.
  void end_by(std::chrono::seconds within);

 private:
  void watch();
  void look(common::SteadyTime now);

  const Limits limits_;
  const std::function<void()> leave_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::optional<common::SteadyTime> beat_at_;  ///< the watch begins with the first
  common::SteadyTime looked_at_;
  std::optional<common::SteadyTime> silent_since_;  ///< as said
  std::optional<common::SteadyTime> end_at_;
  std::chrono::seconds end_within_{0};
  std::string places_;
  std::size_t uncommitted_ = 0;
  std::thread thread_;
};

}  // namespace monitor::app
