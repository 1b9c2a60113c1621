// Marks of the hours that a batch has rows of, so that their roll-ups are made again. Runs on a link's thread.
#pragma once

#include <span>

#include "common/units.h"
#include "exporter/postgres.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// In the transaction that inserts these rows: until the roll-up has seen a mark, readers go by the rows of its hour.
/// `now`: the server's clock; what is too far from it to be stored or rolled up gets no mark.
void mark_touched(Transaction& transaction, int agent, std::span<const storage::StoredResult> results,
                  std::span<const storage::StoredSkipped> skipped, common::WallTime now);

}  // namespace monitor::exporter
