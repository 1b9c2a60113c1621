// What the agent polls, as the configuration says it. Plain data.
#pragma once

#include <cstddef>
#include <vector>

#include "probe/options.h"

namespace monitor::agent {

/// Beyond this a single io thread gains nothing from more checks at once.
inline constexpr std::size_t kMostChecksAtOnce = 20'000;
/// The most that `limits.per_host_rate` may say.
inline constexpr int kHighestHostRate = 10'000;

/// What one host may be asked for, over all services that go to it (`limits`).
struct Limits {
  std::size_t per_host_concurrency = 0;  ///< checks, up to kMostChecksAtOnce; 0: any number
  double per_host_rate = 0;              ///< checks a second, 0.1 to kHighestHostRate; 0: any number
  bool any() const { return per_host_concurrency > 0 || per_host_rate > 0; }
};

struct Options {
  bool enabled = true;  ///< `workers.agent`
  Limits limits;
  std::vector<probe::Service> services;
};

}  // namespace monitor::agent
