// Whether every result is where it should be: the local database compared with PostgreSQL. Reads only, also while the
// daemon runs. Any thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "report/ledgers.h"

namespace monitor::report {

/// Results that PostgreSQL lacks, for one reason.
struct Missing {
  /// `waiting`, `sent_meanwhile`, `quarantined`, `local_retention`, `remote_retention`, a gap's reason, or
  /// `unexplained`.
  std::string reason;
  bool explained = true;
  SeqSet numbers{};  ///< empty where a gap tells only how many
  std::int64_t count = 0;
};

/// What gaps tell of, for one reason.
struct Recorded {
  std::string reason;
  std::int64_t gaps = 0;
  std::int64_t count = 0;  ///< results, and slots that never ran
  common::WallTime from{};
  common::WallTime to{};
};

struct AgentVerification {
  Ledgers ledgers;
  std::int64_t in_both = 0;
  std::int64_t only_here = 0;
  std::int64_t only_there = 0;   ///< purged here after it had arrived
  std::int64_t waiting = 0;      ///< to be sent
  std::vector<Missing> missing;  ///< in the order of their reasons' weight, what is unexplained last
  std::vector<Recorded> recorded;
  std::vector<std::string> notes;     ///< sentences: what is as it should be, and yet worth knowing
  std::vector<std::string> problems;  ///< sentences: what nothing explains
};

struct Verification {
  std::vector<AgentVerification> agents;  ///< of this file, the newest first; then others
  std::size_t other_agents = 0;           ///< that PostgreSQL knows and that were not looked at
  std::optional<common::WallTime> since;
  common::WallTime at{};

  bool explained() const;
};

struct VerifyOptions {
  std::optional<std::chrono::seconds> last{};  ///< only days from so long ago on; nothing: everything
  std::optional<std::string> agent{};          ///< a UUID, of this file or another
  bool all_agents = false;                     ///< those of other files too
  std::chrono::seconds rollup_days{};          ///< how long PostgreSQL remembers what it removed
  /// Stretches in which results were found to differ; beyond, those whose sums differ are not looked at any more.
  std::size_t most_stretches = 2000;
  common::WallTime now{};
};

/// Throws common::Error, without a secret of `uri`, when one of the two cannot be read; common::UsageError when there
/// is no such agent.
Verification verify(const std::filesystem::path& database, const std::string& uri, const VerifyOptions& options);

/// Pure.
AgentVerification compare(Ledgers ledgers);

}  // namespace monitor::report
