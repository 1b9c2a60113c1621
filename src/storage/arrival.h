// What of this file has arrived in PostgreSQL, looked at row by row: for the exporter, which compares. Used where the
// connection is.
#pragma once

#include <vector>

#include "common/units.h"
#include "storage/rows.h"
#include "storage/session.h"

namespace monitor::storage {

/// What is here in (`behind`, `through`] of each kind.
Marks marks_of(const Database& database, const Cursor& behind, const Cursor& through);

/// Every epoch but the current one. `marked`: the cursor, committed or not.
std::vector<EpochStand> earlier_epochs(Session& session, const Cursor& marked);

/// Records the skipped ranges in (`arrived`, `marked`] that were purged here, and which PostgreSQL has lost. How many
/// slots each had is not known any more, so the gap counts the ranges. Inside the caller's transaction. Gives the gaps
/// added.
std::int64_t record_lost_ranges(Session& session, std::int64_t arrived, std::int64_t marked, common::WallTime now);

}  // namespace monitor::storage
