// What a configuration will do, before it does it: checks, hosts, sockets, memory, rows. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"

namespace monitor::app {

/// What a database is given, and what is there after a year of it.
struct Volume {
  std::uint64_t rows_a_day = 0, bytes_a_day = 0;  ///< rows are results; bytes are theirs and those of the roll-ups
  std::uint64_t rows_a_year = 0, bytes_a_year = 0;
  std::optional<std::chrono::seconds> kept_for;  ///< as configured; nothing: without end
  std::uint64_t rows_kept = 0, bytes_kept = 0;   ///< no more than `kept_for` and the size cap leave
};

struct HostLoad {
  std::string host;
  std::size_t services = 0;
  double checks_a_second = 0;  ///< as the intervals ask for; `limits` may let fewer run
};

struct Plan {
  std::size_t services = 0;
  double checks_a_second = 0;
  std::vector<HostLoad> hosts;       ///< the busiest first
  std::size_t at_once_typical = 0;   ///< checks that `limits` let run, when each takes kTypicalCheck
  std::size_t at_once_worst = 0;     ///< when no server answers, so that each takes its timeout
  std::size_t at_once_possible = 0;  ///< with `open_files`
  std::size_t idle_connections = 0;  ///< kept open between checks (`connection: reuse`)
  std::size_t open_files = 0;        ///< as given
  std::uint64_t memory_typical = 0;  ///< bytes, resident, without bodies that are being matched
  std::uint64_t memory_worst = 0;
  Volume local;
  std::optional<Volume> remote;       ///< where a PostgreSQL is configured
  std::vector<std::string> warnings;  ///< sentences
};

/// What a check takes that nothing is wrong with.
inline constexpr std::chrono::milliseconds kTypicalCheck{100};
/// What a host gets beyond this is warned of.
inline constexpr double kManyChecksASecond = 10;

/// `max_size`: the size cap of the local database, bytes, where none is configured.
Volume local_volume(const config::Settings& settings, std::uint64_t max_size);
Volume remote_volume(const config::Settings& settings);

/// `open_files`: the limit that will be in force. `max_size`: as above.
Plan plan_of(const config::Settings& settings, std::size_t open_files, std::uint64_t max_size);

}  // namespace monitor::app
