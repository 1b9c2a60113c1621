// What a reload makes of the services: which stay as they are, which change, which come and which go. Pure; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "agent/options.h"
#include "agent/politeness.h"

namespace monitor::agent {

struct Change {
  static constexpr std::uint32_t kNew = std::numeric_limits<std::uint32_t>::max();

  Options options;  ///< as they are to be; a service that stays shares its Spec with what it was
  /// For each service of `options`: its position among those before, by its key; kNew: there was none.
  std::vector<std::uint32_t> was;
  std::vector<std::uint32_t> added, changed;  ///< positions among the new
  /// Likewise: they say the same, but name certificate files, which may have changed.
  std::vector<std::uint32_t> renewed;
  std::vector<std::uint32_t> removed;  ///< positions among those before
  Hosts hosts;                         ///< of the new; empty where there are no limits
};

/// Neither `before` nor `after` may hold a key twice.
Change change_of(const std::vector<probe::Service>& before, Options after);

}  // namespace monitor::agent
