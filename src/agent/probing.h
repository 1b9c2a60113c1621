// The probes under way, in the order in which they should have ended. io thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "common/units.h"

namespace monitor::agent {

/// What was asked, and has not been answered.
struct Probe {
  std::size_t service = 0;
  common::SteadyTime began;
  std::chrono::seconds timeout{};
  std::uint64_t number = 0;  ///< that of no other
};

class Probing {
  using Key = std::pair<common::SteadyTime, std::uint64_t>;  // when it should have ended; its number

 public:
  /// One of them, while it lives.
  class Turn {
   public:
    Turn(Probing& all, std::size_t service, common::SteadyTime began, std::chrono::seconds timeout);
    ~Turn() { all_.under_way_.erase(probe_); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Probing& all_;
    std::map<Key, Probe>::iterator probe_;
  };

  /// The one that should have ended first, if it should have by now.
  std::optional<Probe> overdue(common::SteadyTime now) const;

 private:
  std::map<Key, Probe> under_way_;
  std::uint64_t last_number_ = 0;
};

}  // namespace monitor::agent
