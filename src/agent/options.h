// What the agent polls, as the configuration says it. Plain data.
#pragma once

#include <cstddef>
#include <vector>

#include "probe/options.h"

namespace monitor::agent {

/// Open files that the process needs beside one for each check that runs: databases, their journals, name servers,
/// PostgreSQL, the log, epoll, and room to spare.
inline constexpr std::size_t kReservedFiles = 64;
/// Beyond this a single io thread gains nothing from more checks at once.
inline constexpr std::size_t kMostChecksAtOnce = 20'000;

/// What one host may be asked for, over all services that go to it (`limits`).
struct Limits {
  std::size_t per_host_concurrency = 0;  ///< checks at once; 0: any number
  double per_host_rate = 0;              ///< checks a second, from 0.1; 0: any number
  bool any() const { return per_host_concurrency > 0 || per_host_rate > 0; }
};

struct Options {
  bool enabled = true;  ///< `workers.agent`
  Limits limits;
  std::vector<probe::Service> services;
};

}  // namespace monitor::agent
