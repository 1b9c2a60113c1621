// Hours of results in PostgreSQL, from being touched to being sealed. Each function is a part of the caller's
// transaction, which holds the lock, and runs on a link's thread.
#pragma once

#include <chrono>

#include "exporter/postgres.h"
#include "exporter/rollup_sql.h"

namespace monitor::exporter {

/// Held by whoever rolls up, until the end of the transaction. False: somebody else is at it.
bool take_rollup_lock(Transaction& transaction);

/// `(agent, hour in hours since 1970, …)`
Slice slice_of(const Row& row);
/// Whether the row `t` of monitoring_touched is of an hour that is not rolled up on its own: the agent's day has lost
/// its results, and the tiers do not hold the hour with its results.
extern const char* const kLateSql;

/// The agent and the hour of `slice`: the tiers then hold the results that are stored, and the marks are gone.
void roll(Transaction& transaction, Slice slice);
/// In the transaction that drops the results before `before`: their hours are not made from results any more. What came
/// late for hours that are so already is added to the tiers, and slots that did not run are removed. False: rows wait
/// for their roll-up, and the transaction is to be rolled back.
bool seal(Transaction& transaction, Hours before);
/// In the transaction that makes the partition of `day`: the hours that are made from results of that day have lost
/// them, for somebody dropped the last one. Waits for the lock.
void seal_lost(Transaction& transaction, std::chrono::sys_days day);
/// Whether an hour before `before` has marks.
bool is_touched(Transaction& transaction, Hours before);

}  // namespace monitor::exporter
