// Which results existed and are gone, each counted in one gap alone. Used where the connection is.
#pragma once

#include <set>
#include <vector>

#include "storage/rows.h"
#include "storage/sqlite.h"
#include "storage/writer.h"

namespace monitor::storage {

class GapLedger {
 public:
  GapLedger(Database& database, Writer& writer);

  /// Whether a gap of the same reason, times and count is there.
  bool has(const Gap& gap);

  /// Records what was removed at the size cap: the last such gap grows if it ends right before this one, or either has
  /// no numbers, and its id is above `sealed`, the last gap that was handed to the exporter. True: a row was added.
  bool removed(const Gap& gap, std::int64_t sealed);
  /// Records gaps that were removed at the size cap themselves, as one for each reason; but times when nothing ran stay
  /// apart, and only of many of them half become one with the next. Gives the rows added.
  std::int64_t folded(const std::vector<Gap>& gaps);
  /// Records [first, last], gone here and lost in PostgreSQL, less what other gaps or `quarantined` account for. The
  /// time of what is gone is not known any more: `until` is the first time after it. Gives the rows added.
  std::int64_t lost(Seq first, Seq last, common::WallTime until, const std::set<Seq>& quarantined);

 private:
  bool add_lost(Seq first, Seq last, common::WallTime until, const std::set<Seq>& quarantined);

  Writer& writer_;
  Statement last_removed_;
  Statement extend_;
  Statement covering_;
  Statement same_;
};

}  // namespace monitor::storage
