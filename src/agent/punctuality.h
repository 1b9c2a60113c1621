// Whether slots are taken on time: one that comes late for want of CPU says so in its row, and many of them in the log.
// Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "common/units.h"

namespace monitor::agent {

class Punctuality {
 public:
  /// A slot that is taken so long after it was due is late.
  static constexpr std::chrono::milliseconds kLate{500};
  /// Late is a period in which so many slots are, and more than one of so many.
  static constexpr std::size_t kFew = 5, kOneOf = 100;
  static constexpr std::chrono::minutes kPeriod{1};

  /// Slots of one period.
  struct Share {
    std::size_t late = 0, all = 0;
  };

  /// Of a turn at `now` in which `all` slots were taken, `late` of them late. Gives the period that has ended with it
  /// if that changed late().
  std::optional<Share> turn(common::SteadyTime now, std::size_t all, std::size_t late);
  bool late() const { return late_; }

 private:
  std::optional<common::SteadyTime> end_;  ///< of the period
  Share share_;
  bool late_ = false;
};

}  // namespace monitor::agent
