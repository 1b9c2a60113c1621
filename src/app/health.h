// What the watchdog sees of the daemon at one moment, as plain data and in words. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace monitor::app {

/// Stalled: has not moved for so long that the watchdog is not fed. Slow: an earlier stage of that, which is only said.
/// Degraded: a declared state in which the worker goes on, with what it cannot do in `problem`.
enum class Condition : std::uint8_t { kMoves, kDegraded, kSlow, kStalled };

struct WorkerHealth {
  std::string name;
  Condition condition = Condition::kMoves;
  std::chrono::seconds still{0};  ///< for so long it has not moved, though it had something to do
  std::string problem;            ///< a sentence while degraded; without secrets
  std::string place;              ///< what it is doing, `commit of 512 rows for 12s`; may be empty
};

/// Services by the verdict of their last slot.
struct ServiceCounts {
  std::size_t all = 0, up = 0, degraded = 0, down = 0, unknown = 0;
};

struct Health {
  std::vector<WorkerHealth> workers;
  std::optional<ServiceCounts> services;  ///< nothing: the agent is switched off
  std::uint64_t checks = 0, skipped = 0;  ///< since the start
  bool late = false;                      ///< many slots begin late for want of CPU
  bool exporting = false;
  std::uint64_t exported = 0;     ///< results, since the start
  std::uint64_t quarantined = 0;  ///< likewise
  std::uint64_t committed = 0;    ///< likewise
  std::int64_t backlog = 0;       ///< results that wait for PostgreSQL
  std::uint64_t dropped = 0;      ///< results that could not be stored, since the start
  std::size_t waiting = 0;        ///< results in memory, not committed yet
  std::uint64_t lines_dropped = 0;
  std::optional<std::chrono::milliseconds> last_commit;  ///< how long ago; nothing: none since the start
  std::string config_file, database, version;
  std::int64_t pid = 0;
  std::chrono::seconds uptime{0};

  /// No worker is stalled. A declared degraded state is none: a restart would not mend it.
  bool healthy() const;
};

const char* name_of(Condition condition);

/// One line, as in `systemctl status`.
std::string status_sentence(const Health& health);

/// Where each worker is: `store: commit of 512 rows for 12s; agent: 3 checks running`.
std::string places(const std::vector<WorkerHealth>& workers);

}  // namespace monitor::app
