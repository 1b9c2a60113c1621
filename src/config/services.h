// The rules for `services`: what each may say, and that no two are the same. Pure but for the environment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "config/interpret.h"
#include "config/tree.h"
#include "probe/options.h"

namespace monitor::config {

struct ServiceList {
  std::vector<probe::Service> services;
  std::vector<std::uint32_t> positions;        ///< of each service
  std::vector<std::filesystem::path> exposed;  ///< files with a secret that everyone may read
  bool holds_secret = false;                   ///< a password, a token or a secret header stands in the file itself
};

/// Services that say the same beyond the predecessor's keys share one Spec. After Values::kExpanded `settings` is
/// empty, as nothing is written back, and `extra` is set.
ServiceList read_services(const Tree& tree, Tree::Index list, const IntervalLimits* limits, const Reading& reading,
                          Faults& faults);
/// The same for a file that holds one service, which is the root.
ServiceList read_one_service(const Tree& tree, const Reading& reading, Faults& faults);

}  // namespace monitor::config
