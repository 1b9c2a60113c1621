// Which hours of which agent a report reads from the results in PostgreSQL, and what of the roll-ups it takes off for
// that (docs/data-model.md). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/units.h"
#include "storage/rows.h"

namespace monitor::report {

using AgentId = std::int64_t;

/// Numbers of results, both among them.
struct Seqs {
  storage::Seq first = 0;
  storage::Seq last = 0;
};

/// An hour of an agent that is marked, or that the roll-ups hold, or both.
struct HourState {
  bool touched = false;
  bool rolled = false;
  bool kept = false;         ///< of one that is rolled: its rows of monitoring_hours are there
  bool sealed = false;       ///< of one that is rolled: its results were dropped
  std::optional<Seqs> seqs;  ///< of its results, as far as any are known
};
using AgentHour = std::pair<AgentId, common::WallTime>;
using HourStates = std::map<AgentHour, HourState>;

/// Results of one agent in [from, to) are read.
struct Run {
  std::optional<AgentId> agent;  ///< nothing: of all of them
  common::WallTime from{};
  common::WallTime to{};
  bool has_seqs = false;
  std::optional<Seqs> seqs;  ///< if `has_seqs`: nothing means that there are no results, but skipped slots
};

struct RawHours {
  std::vector<Run> runs;      ///< do not overlap; those of one agent in ascending order
  std::set<AgentHour> stale;  ///< results are read in place of what the roll-ups hold of these hours
};

/// In [from, to). `unmarked`: agents that have results without a mark, in hours that are not rolled.
RawHours raw_hours(const HourStates& states, const std::set<AgentId>& unmarked, common::WallTime from,
                   common::WallTime to);

}  // namespace monitor::report
