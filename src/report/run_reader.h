// Reads what of a report is not in PostgreSQL's roll-ups, and the outages, which go from one into the other. One
// thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "report/external_sql.h"
#include "report/hours.h"
#include "report/pieces.h"
#include "report/postgres.h"
#include "report/remote_services.h"

namespace monitor::report {

class RunReader {
 public:
  RunReader(Remote& remote, RemoteServices& services, const Scope& scope, common::WallTime now)
      : remote_(remote), services_(services), scope_(scope), now_(now) {}

  /// The results and skipped slots of a run.
  void read(const Run& run);
  /// The outages that the roll-ups know of from `from` on, but for hours that are stale; when every run was read.
  void read_pieces(common::WallTime from, const std::set<AgentHour>& stale);

 private:
  using Key = std::pair<AgentId, RemoteService*>;
  /// What a run of results says of a service of an agent that was down in it.
  struct DownInRun {
    std::optional<common::WallTime> first_judged, last_down;
    std::uint64_t downs = 0;
  };
  using DownServices = std::map<Key, DownInRun>;

  void read_counts(const Run& run, DownServices& down);
  static void note_verdict(DownInRun& seen, std::uint8_t outcome, std::uint64_t count, Span times);
  void read_buckets(const Run& run);
  void read_turns(const Run& run, const DownServices& down);
  /// Results that are not rolled up may tell how it went on.
  void add_next_judged(Piece& piece, const Key& key, bool hours_gone) const;
  /// Roll-ups that lie far behind a piece, or behind a run, may too. `services`: of numbers_of().
  void read_next_judged(std::vector<std::string> services);

  Remote& remote_;
  RemoteServices& services_;
  const Scope& scope_;
  common::WallTime now_;
  std::map<Key, std::vector<common::WallTime>> first_judged_;  ///< of each run
};

}  // namespace monitor::report
