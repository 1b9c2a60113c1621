// The rules for `services`: what each may say, and that no two are the same. Pure but for the environment.
#pragma once

#include <cstdint>
#include <vector>

#include "config/interpret.h"
#include "config/tree.h"
#include "probe/options.h"

namespace monitor::config {

struct ServiceList {
  std::vector<probe::Service> services;
  std::vector<std::uint32_t> positions;  ///< of each service
  bool holds_secret = false;             ///< a password stands in one of the URLs
};

ServiceList read_services(const Tree& tree, Tree::Index list, const IntervalLimits* limits, Values values,
                          Faults& faults);

}  // namespace monitor::config
