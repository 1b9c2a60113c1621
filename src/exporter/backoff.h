// How long to wait before the next attempt. Pure; its owner brings the randomness.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace monitor::exporter {

/// Capped exponential backoff with full jitter: many agents that lost one server do not come back in step.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{500};
  static constexpr std::chrono::milliseconds kCap{30'000};
  /// Full jitter may draw next to nothing several times in a row; this keeps that from being a tight loop.
  static constexpr std::chrono::milliseconds kFloor{50};

  /// `random` returns numbers in [0, 1).
  explicit Backoff(std::function<double()> random) : random_(std::move(random)) {}

  std::chrono::milliseconds next() {
    const auto ceiling = ceiling_;
    ceiling_ = std::min(kCap, ceiling_ * 2);
    const auto drawn = std::chrono::duration<double, std::milli>(ceiling) * random_();
    return std::max(kFloor, std::chrono::duration_cast<std::chrono::milliseconds>(drawn));
  }
  void reset() { ceiling_ = kFirst; }

 private:
  std::function<double()> random_;
  std::chrono::milliseconds ceiling_ = kFirst;
};

}  // namespace monitor::exporter
