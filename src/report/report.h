// What the databases say about each service, in figures. Reads only, also while the daemon runs. Any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/units.h"

namespace monitor::report {

/// Nearest-rank percentiles out of a common::Histogram: within 6.25 %.
struct Percentiles {
  std::uint64_t checks = 0;  ///< how many they are of
  std::optional<double> p50_ms, p95_ms, p99_ms;
};

inline constexpr std::array<std::string_view, 5> kPhases{"dns", "connect", "tls", "first_byte", "transfer"};

/// Within the window: one that began before counts from the window's start.
struct Outage {
  common::WallTime from{};
  std::optional<common::WallTime> to{};  ///< nothing: it had not ended at the last check
  bool watched = true;                   ///< false: nobody has looked since, so that it may have ended
  common::Micros length{};               ///< of one that has not ended: to the last check that came out down
  std::uint64_t checks = 0;              ///< that came out down
  std::string outcome{}, reason{};       ///< of the first one
};
/// So many of a service are kept, the longest ones.
inline constexpr std::size_t kLongestOutages = 3;

struct ServiceReport {
  std::string service;  ///< its name, or `GET https://…`
  std::int64_t checks = 0;
  std::int64_t up = 0, degraded = 0, down = 0, unknown = 0;             ///< add up to `checks`
  std::int64_t skipped = 0;                                             ///< slots that were due and did not run
  std::vector<std::pair<std::string, std::int64_t>> skipped_by_reason;  ///< add up to `skipped`
  std::int64_t rechecks = 0;               ///< checks that only confirmed another, or not; in no other figure
  std::int64_t not_running = 0;            ///< slots that fell into the time the agent was not running (see Absence)
  std::optional<double> up_percent;        ///< up and degraded among the checks whose verdict is known
  std::optional<double> coverage_percent;  ///< checks whose verdict is known among checks, skipped and not_running
  Percentiles total;                       ///< of the checks that had an HTTP response
  std::optional<double> mean_ms;           ///< of the same, exact
  std::array<Percentiles, kPhases.size()> phases;  ///< of the checks in which the phase took place
  Percentiles lateness;                            ///< of every check
  std::optional<double> lateness_max_ms;           ///< exact
  std::uint64_t outage_count = 0;
  common::Micros outage_length{};  ///< of all of them together
  std::vector<Outage> outages;     ///< the longest first
  std::string last_outcome;        ///< empty: the last check is not known
  std::string last_reason;
  std::optional<common::WallTime> last_at;

  /// To the unit.
  std::int64_t slots_due() const { return checks + skipped; }
};

/// Of a service of which nothing is known.
ServiceReport nothing_of(std::string service);

/// Results that are nowhere any more; whose they were is not known.
struct Loss {
  std::string reason;
  common::WallTime from{};
  common::WallTime to{};
  std::int64_t count = 0;
};

struct Report {
  common::WallTime from{};  ///< may be earlier than asked for: a roll-up is not divided
  common::WallTime to{};
  std::vector<ServiceReport> services;  ///< sorted by service
  std::vector<Loss> lost;
  std::vector<std::string> notes;  ///< sentences: what of the window could not be told
};

struct Options {
  std::chrono::seconds last{};
  std::optional<std::string> service;  ///< a ServiceReport::service to restrict it to
  common::WallTime now{};
};

/// From the local database. Throws common::Error when there is none of ours at `database`.
Report summarize(const std::filesystem::path& database, const Options& options);

/// From PostgreSQL, in one transaction that only reads. Throws common::Error, without the password of `uri`, when it
/// cannot be reached, holds no results of ours, or does not answer in time.
Report summarize_external(const std::string& uri, const Options& options);

}  // namespace monitor::report
