// The slots that an end without a stop (`kill -9`, a power cut) left open: their checks had begun or waited to begin,
// and there is neither a result nor a skipped range of them. Used where the connection is.
#pragma once

#include <vector>

#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// What the rows of one service say of an earlier run. Times are those when slots were due.
struct Accounted {
  std::chrono::seconds interval{};
  std::optional<common::WallTime> ran;  ///< the last slot with a result
  std::vector<Skipped> skipped;         ///< in order
  bool purged = false;                  ///< results from about the first skipped slot may have been purged
};

/// When the one slot was due that is left open, if there is one: a service never overlaps itself. `began`, `alive`:
/// that run's first and last sign of life. Pure.
std::optional<common::WallTime> left_open(const Accounted& rows, common::WallTime began, common::WallTime alive);

/// Of every service that was checked in that run; as ranges of one slot, whose reason is `stopping`.
std::vector<Skipped> slots_left_open(const Database& database, common::WallTime began, common::WallTime alive);

}  // namespace monitor::storage
