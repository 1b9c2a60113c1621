// Outages put together from the pieces that PostgreSQL has of them: of hours that are rolled up, and of runs of
// results. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/units.h"
#include "report/outages.h"
#include "storage/rollup.h"

namespace monitor::report {

/// A stretch of checks that were down, within [span_from, span_to).
struct Piece {
  storage::Outage outage;  ///< `to`: nothing if no check in that time was up or degraded after it
  common::WallTime span_from{};
  common::WallTime span_to{};
  bool from_start = false;  ///< its first check is the first of that time that was judged
  /// The first judged check after that time, as far as it is known; or about when the piece ended.
  std::optional<common::WallTime> next_judged;
};

/// Adds the pieces of one service of one agent to `outages`.
void add_pieces(Outages& outages, std::vector<Piece> pieces);

}  // namespace monitor::report
