// How the open files of the process are shared out among checks, connections that wait, and races of addresses. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "probe/options.h"

namespace monitor::agent {

/// Open files that the process needs for everything else: databases, their journals, name servers, PostgreSQL, the log,
/// epoll, and room to spare.
inline constexpr std::size_t kReservedFiles = 64;
/// Sockets that races hold beside one for each check, at least.
inline constexpr std::size_t kFewestSpare = 64;

struct Files {
  std::size_t checks = 1;  ///< at once; each holds one
  std::size_t idle = 0;    ///< connections that may wait to be used again (net::Options::max_idle)
  std::size_t spare = 0;   ///< net::Options::max_spare
};

/// Connections that the services would keep between checks: those with `connection: reuse` one each, and one more for
/// each redirect that they may follow.
std::size_t connections_kept(const std::vector<probe::Service>& services);

/// Of `open_files` connections that wait get a quarter at most, and races what nothing else needs.
Files share_out(std::size_t open_files, std::size_t kept);

/// How many open files let so many checks run at once; `checks` is not above kMostChecksAtOnce.
std::size_t files_needed(std::size_t checks, std::size_t kept);

}  // namespace monitor::agent
