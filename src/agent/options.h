// What the agent polls, as the configuration says it. Plain data.
#pragma once

#include <vector>

#include "probe/options.h"

namespace monitor::agent {

struct Options {
  bool enabled = true;  ///< `workers.agent`
  std::vector<probe::Service> services;
};

}  // namespace monitor::agent
