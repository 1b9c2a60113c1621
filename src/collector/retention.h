// How old a result may grow, and when its age cannot be told. Pure; one thread at a time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/units.h"

namespace monitor::collector {

/// What the clocks and the store say at one moment.
struct Moment {
  common::WallTime wall{};
  common::SteadyTime steady{};
  std::optional<common::WallTime> newest;  ///< the newest committed request time
};

/// Ages count against the newest committed result. A clock that was set would make old what is new, so when the wall
/// clock moves by more than an hour against the steady one, nothing is purged by age until the new time has stood for
/// an hour, or the old one is back. Where what is stored here is the only copy, the start is looked at too: the newest
/// result of the last run stands for the clock of then.
class Retention {
 public:
  static constexpr std::chrono::hours kStep{1};
  static constexpr std::chrono::hours kProof{1};

  Retention(std::chrono::seconds keep, bool only_copy) : keep_(keep), only_copy_(only_copy) {}

  /// Results requested before this may go; nothing: none may go by age now.
  std::optional<common::WallTime> cut_off(const Moment& moment);
  bool suspended() const { return doubted_since_.has_value(); }
  /// How far the clock is from where it was expected; of the last call.
  common::Micros step() const { return step_; }

 private:
  void watch(const Moment& moment);

  std::chrono::seconds keep_;
  bool only_copy_;
  std::optional<common::Micros> trusted_;  // wall minus steady
  common::Micros doubted_{};               // the same, where the clock stands now
  std::optional<common::SteadyTime> doubted_since_;
  common::Micros step_{};
};

}  // namespace monitor::collector
